"""The true pipeline with the true tools: DVC, TensorFlow, LiteRT, ONNX Runtime, the Core ML evaluator, MLflow."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from typing import Any

import pytest
from ruamel.yaml import YAML

from edgebuild.measure.size import file_facts
from edgebuild.variant import Variant
from tests.e2e.clone import VARIANTS, Clone, make

pytestmark = pytest.mark.slow

KERAS = {f"benchmark_keras@{model}-keras-fp32" for model in ("teacher", "student", "pruned")}
TEACHER = {"train_teacher", "benchmark_keras@teacher-keras-fp32"}
PRUNED = [name for name in VARIANTS if name.startswith("pruned")]
INT8 = [name for name in VARIANTS if name.endswith("int8")]
LITERT = [name for name in VARIANTS if "litert" in name]
#: What no machine repeats: times, and what is drawn from them.
TIMED = ("metrics/latency", "plots/accuracy-latency.png", "plots/report.html")


def both(names: list[str]) -> set[str]:
    """The export and the benchmark of each variant."""
    return {f"{stage}@{name}" for name in names for stage in ("export", "benchmark")}


def put(value: object, *keys: str) -> Callable[[dict[str, Any]], None]:
    def change(params: dict[str, Any]) -> None:
        for key in keys[:-1]:
            params = params[key]
        params[keys[-1]] = value

    return change


def test_one_command_builds_everything_and_prints_the_table(built: Clone) -> None:
    said = (built.root / "console.txt").read_text()
    for name in (*VARIANTS, "teacher-keras-fp32", "student-keras-fp32", "pruned-keras-fp32"):
        assert said.count(name) >= 2, name
    assert "not run" in said
    assert "Traceback" not in said + (built.root / "errors.txt").read_text()


def test_the_console_is_not_flooded_by_vendors(built: Clone) -> None:
    noise = (built.root / "errors.txt").read_text().lower()
    for word in ("cuda", "onednn", "absl", "deprecat", "warning", "scikit-learn version"):
        assert word not in noise, noise


def test_the_summary_keeps_the_contract_and_describes_the_files_that_lie_there(built: Clone) -> None:
    summary = json.loads((built.root / "metrics/summary.json").read_text())
    assert (summary["schema"], summary["reference"]) == (1, "teacher-keras-fp32")
    variants = {entry["id"]: entry for entry in summary["variants"]}
    assert set(variants) == {*VARIANTS, "teacher-keras-fp32", "student-keras-fp32", "pruned-keras-fp32"}
    for name, entry in variants.items():
        facts = file_facts(built.root / entry["path"])
        assert entry["path"] == Variant.parse(name).path
        assert (entry["sha256"], entry["size_bytes"]) == (facts.sha256, facts.size_bytes)
        low, high = entry["accuracy_ci95"]
        assert low <= entry["accuracy"] <= high
        assert 0 < entry["nonzero_parameters"] <= entry["parameters"]
        assert entry["macs"] > 0
    for name, entry in variants.items():
        if entry["precision"] == "int8":
            assert entry["oracle_steps"] <= 1, name
            assert entry["oracle_labels"] == 1.0, name
        elif entry["format"] != "keras":
            assert entry["oracle_labels"] >= 0.995, name
            assert entry["oracle_steps"] is None, name
    exact = variants["pruned-litert-fp32"]
    assert exact["agreement_with_source"] == 1.0
    assert exact["max_abs_error"] < 1e-4


def test_the_integer_files_of_three_runtimes_give_the_same_labels(built: Clone) -> None:
    summary = json.loads((built.root / "metrics/summary.json").read_text())
    accuracies = {entry["accuracy"] for entry in summary["variants"] if entry["precision"] == "int8"}
    assert len(accuracies) == 1


def test_a_runtime_that_is_not_here_says_so(built: Clone) -> None:
    latency = json.loads((built.root / "metrics/latency.json").read_text())
    for entry in latency["variants"]:
        timed = entry["latency_us"] is not None
        assert timed == (entry["not_run"] is None)
        assert timed == ("coreml" not in entry["id"]) or "darwin" in latency["host"]["os"].lower()
    assert latency["host"]


def test_a_second_repro_does_nothing(built: Clone) -> None:
    assert built.repro() == (set(), set())


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param(
            put(2.0, "distill", "temperature"),
            {"distill", "prune", "freeze", "quantize", "report", *both(PRUNED), *KERAS} - TEACHER,
            id="distill.temperature",
        ),
        pytest.param(
            put(8, "quantize", "samples"), {"quantize", "report", *both(INT8)}, id="quantize.samples"
        ),
        pytest.param(
            put(2, "benchmark", "litert", "threads"),
            {"report", *(f"benchmark@{name}" for name in LITERT)},
            id="benchmark.litert.threads",
        ),
        pytest.param(
            put(
                {"model": "pruned", "format": "onnx", "precision": "w8", "ending": "onnx"},
                "variants",
                "pruned-onnx-w8",
            ),
            {"report", *both(["pruned-onnx-w8"])},
            id="variants, one more",
        ),
        pytest.param(put("another", "project"), set(), id="project"),
    ],
)
def test_a_knob_reruns_exactly_what_depends_on_it_and_reverting_it_runs_nothing(
    built: Clone, change: Callable[[dict[str, Any]], None], expected: set[str]
) -> None:
    before = built.digests()
    revert = built.edit(change)
    ran, cached = built.repro()
    assert (ran, cached) == (expected, set())
    revert()
    said = built.run("edgebuild", "run").stdout
    assert "Running stage" not in said
    assert built.digests() == before


#: section of params.yaml → the stages whose own entry it changes; what follows from those, DVC decides by content
DIRECT = {
    "project": set(),
    "seed": {"train_teacher", "distill", "prune", "quantize"},
    "threads": {"train_teacher", "distill", "prune", "quantize"},
    "task": {
        *("prepare", "train_teacher", "distill", "prune", "freeze", "quantize", "report"),
        *(f"benchmark@{name}" for name in VARIANTS),
        *KERAS,
    },
    "data": {"prepare"},
    "teacher": {"train_teacher"},
    "student": {"distill"},
    "distill": {"distill"},
    "export": {f"export@{name}" for name in VARIANTS},
    "prune": {"prune"},
    "quantize": {"quantize"},
    "finetune": {"quantize"},
    "benchmark.keras": KERAS,
    "benchmark.litert": {f"benchmark@{name}" for name in LITERT},
    "benchmark.onnx": {"benchmark@pruned-onnx-int8"},
    "benchmark.coreml": {"benchmark@pruned-coreml-int8"},
    "variants": {"report"},
    "cost": {"report"},
    "budgets": set(),
}


def test_every_single_knob_touches_the_stages_of_its_section_and_no_other(built: Clone) -> None:
    """Each leaf of params.yaml is changed in turn; DVC itself says which stages then differ from dvc.lock."""
    from dvc.repo import Repo

    before = (built.root / "params.yaml").read_bytes()
    yaml = YAML(typ="safe")
    table = {}
    try:
        for path, value in _leaves(yaml.load(before)):
            if path[-1] in ("ending", "teacher"):
                continue  # names a file: DVC then sees another path, not another value
            built.edit(put(_other(value), *path))
            with Repo(str(built.root)) as repo:
                changed = repo.status()
            # DVC calls a stage <path of dvc.yaml>:<name>, where dvc.yaml is not in the current folder
            differing = {
                name.rpartition(":")[2] for name, why in changed.items() if "changed deps" in str(why)
            }
            table[".".join(path)] = differing
            (built.root / "params.yaml").write_bytes(before)
    finally:
        (built.root / "params.yaml").write_bytes(before)
    for knob, stages in table.items():
        (section,) = (name for name in DIRECT if knob == name or knob.startswith(f"{name}."))
        expected = DIRECT[section]
        if section == "variants":  # a variant's own line also decides what its stages read and write
            expected = expected | both([knob.split(".")[1]])
            assert "report" in stages, knob
            assert stages <= expected, knob
        else:
            assert stages == expected, knob
    assert len(table) > 60


def _leaves(value: Any, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], Any]]:
    if isinstance(value, dict):
        return [leaf for key, item in value.items() for leaf in _leaves(item, (*path, key))]
    return [(path, value)]


def _other(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    return value + 1 if isinstance(value, int | float) else f"{value}x"


def test_another_fresh_clone_makes_the_same_bytes(
    built: Clone, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = make(tmp_path_factory.mktemp("second") / "in a folder of another name")
    other.run("dvc", "repro", PYTHONHASHSEED="77")
    ours, theirs = built.digests(), other.digests()
    assert ours.keys() == theirs.keys()
    different = {path for path in ours if ours[path] != theirs[path]}
    assert {path for path in different if not path.startswith(TIMED)} == set()
    assert len(ours) - len(different) > 30
    other.run("edgebuild", "track")


def test_builds_stages_and_variants_are_in_mlflow_once(built: Clone) -> None:
    built.run("edgebuild", "track")
    before = _runs(built)
    assert before["edgebuild/builds", "FINISHED"] >= 1
    assert before["edgebuild/stages", "FINISHED"] >= len(built.lock())
    assert {status for _, status in before} == {"FINISHED"}
    built.run("edgebuild", "track")
    assert _runs(built) == before
    assert list((built.root / ".edgebuild/outbox").iterdir()) == []


def test_a_build_that_returns_is_found_again(built: Clone) -> None:
    before = json.loads(built.run("edgebuild", "track", "--json").stdout)["build"]
    revert = built.edit(put(30, "benchmark", "onnx", "runs"))
    built.run("dvc", "repro")
    other = json.loads(built.run("edgebuild", "track", "--json").stdout)["build"]
    revert()
    built.run("edgebuild", "run")
    again = json.loads(built.run("edgebuild", "track", "--json").stdout)["build"]
    assert other["run_id"] != before["run_id"]
    assert (again["run_id"], again["created"]) == (before["run_id"], False)


def test_a_new_store_gets_the_build_without_anything_being_run(built: Clone) -> None:
    uri = f"sqlite:///{built.root}/another.db"
    report = json.loads(built.run("edgebuild", "track", "--json", MLFLOW_TRACKING_URI=uri).stdout)
    assert report["build"]["created"]
    assert report["build"]["variants"] == len(VARIANTS) + 3
    assert report["build"]["cached"] == len(built.lock())


def _runs(clone: Clone) -> dict[tuple[str, str], int]:
    with sqlite3.connect(clone.root / "mlflow.db") as store:
        rows = store.execute(
            "SELECT experiments.name, runs.status, COUNT(*) FROM runs JOIN experiments USING (experiment_id) "
            "WHERE runs.lifecycle_stage = 'active' GROUP BY 1, 2"
        ).fetchall()
    store.close()
    return {(name, status): count for name, status, count in rows}
