"""dvc.yaml as edgebuild reads it, and that DVC reads the same."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edgebuild.build.declaration import Declaration, declaration, declarations
from edgebuild.errors import DeclarationError, ParamsError, UsageError

ROOT = Path(__file__).resolve().parents[2]


def write(root: Path, stages: str, params: str = "{}") -> Path:
    (root / "dvc.yaml").write_text(stages)
    (root / "params.yaml").write_text(params)
    return root


def test_a_plain_stage_is_read_as_it_stands(tmp_path: Path) -> None:
    write(tmp_path, "stages: {a: {cmd: run a, deps: [x, y], params: [seed, p.q], outs: [z]}}")
    assert declarations(tmp_path) == {"a": Declaration("a", "run a", ("x", "y"), ("seed", "p.q"), ("z",))}


def test_outputs_are_outs_metrics_and_plots_with_or_without_options(tmp_path: Path) -> None:
    write(
        tmp_path,
        """\
stages:
  a:
    cmd: run a
    outs: [one, {two: {cache: false}}]
    metrics: [{three.json: {cache: false}}]
    plots: [four.png, {five.csv: {x: epoch}}]
""",
    )
    assert declaration(tmp_path, "a").outs == ("one", "two", "three.json", "four.png", "five.csv")


def test_foreach_over_a_mapping_of_params_makes_a_stage_per_key(tmp_path: Path) -> None:
    write(
        tmp_path,
        """\
stages:
  make:
    foreach: ${files}
    do: {cmd: "make ${key}", params: ["p.${item.kind}"], outs: ["${folder.name}/${key}.${ item.kind }"]}
""",
        "{files: {b: {kind: txt}, a: {kind: md}}, folder: {name: out}}",
    )
    stages = declarations(tmp_path)
    assert list(stages) == ["make@b", "make@a"]
    assert stages["make@b"] == Declaration("make@b", "make b", (), ("p.txt",), ("out/b.txt",))
    assert (stages["make@a"].base, stages["make@a"].key) == ("make", "a")


def test_foreach_over_a_list_makes_a_stage_per_item(tmp_path: Path) -> None:
    write(tmp_path, 'stages: {make: {foreach: [x, 2], do: {cmd: "make ${item}", outs: ["${item}.txt"]}}}')
    stages = declarations(tmp_path)
    assert list(stages) == ["make@x", "make@2"]
    assert stages["make@2"].outs == ("2.txt",)


def test_a_truth_value_is_written_as_dvc_writes_it(tmp_path: Path) -> None:
    write(tmp_path, 'stages: {a: {cmd: "run ${fast}"}}', "fast: true")
    assert declaration(tmp_path, "a").cmd == "run true"


@pytest.mark.parametrize(
    ("stages", "words"),
    [
        ('stages: {a: {cmd: "run ${no.such}"}}', ["stages.a", "no.such", "params.yaml"]),
        ('stages: {a: {foreach: "${none}", do: {cmd: x}}}', ["stages.a", "none"]),
        ("stages: {a: {matrix: {m: [1]}, cmd: x}}", ["stages.a", "matrix"]),
        ("stages: {a: {wdir: sub, cmd: x}}", ["stages.a", "wdir"]),
        ("stages: {a: {vars: [{m: 1}], cmd: x}}", ["stages.a", "vars"]),
        ("stages: {a: {deps: [x]}}", ["stages.a", "None"]),
        ("stages: {a: {cmd: [x, y]}}", ["stages.a", "['x', 'y']"]),
        ("stages: {a: {foreach: [x]}}", ["stages.a.do", "mapping"]),
        ("stages: {a: {foreach: [{x: 1}], do: {cmd: x}}}", ["stages.a.foreach"]),
        ("stages: {a: {foreach: 3, do: {cmd: x}}}", ["stages.a.foreach", "mapping"]),
        ("stages: {a: {cmd: x, params: [{other.yaml: [q]}]}}", ["stages.a", "other.yaml"]),
        ("stages: {a: }", ["stages.a", "mapping"]),
        ("stages: []", ["stages", "mapping"]),
        ("- a", ["dvc.yaml", "mapping"]),
        ("", ["dvc.yaml", "mapping"]),
    ],
)
def test_what_is_not_understood_is_refused_and_never_guessed(
    stages: str, words: list[str], tmp_path: Path
) -> None:
    write(tmp_path, stages)
    with pytest.raises(DeclarationError) as caught:
        declarations(tmp_path)
    for word in words:
        assert word in str(caught.value)


def test_a_missing_dvc_yaml_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("{}")
    with pytest.raises(ParamsError, match=r"dvc\.yaml does not exist"):
        declarations(tmp_path)


def test_an_unknown_stage_is_answered_with_those_there_are(tmp_path: Path) -> None:
    write(tmp_path, "stages: {a: {cmd: x}, b: {foreach: [one, two], do: {cmd: x}}}")
    with pytest.raises(UsageError, match=r"no stage 'c'.*a, b@one, b@two"):
        declaration(tmp_path, "c")


def test_a_group_is_answered_with_its_members_only(tmp_path: Path) -> None:
    write(tmp_path, "stages: {a: {cmd: x}, b: {foreach: [one, two], do: {cmd: x}}}")
    with pytest.raises(UsageError, match=r"it has b@one, b@two$"):
        declaration(tmp_path, "b")


DVC_READS = """
import json, os
from dvc.repo import Repo
from dvc.dependency.param import ParamsDependency
result = {}
for stage in Repo(".").index.stages:
    params = [dep for dep in stage.deps if isinstance(dep, ParamsDependency)]
    assert all(dep.def_path == "params.yaml" for dep in params)
    result[stage.addressing] = [
        stage.cmd,
        sorted(dep.def_path for dep in stage.deps if dep not in params),
        sorted(key for dep in params for key in dep.params),
        sorted(out.def_path for out in stage.outs),
    ]
print(json.dumps(result))
"""


def test_dvc_reads_the_repositorys_own_dvc_yaml_the_same(tmp_path: Path) -> None:
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copyfile(ROOT / name, tmp_path / name)
    subprocess.run(
        [sys.executable, "-m", "dvc", "init", "--no-scm", "--quiet"], cwd=tmp_path, check=True, timeout=60
    )
    shown = subprocess.run(
        [sys.executable, "-c", DVC_READS],
        cwd=tmp_path,
        check=True,
        timeout=60,
        capture_output=True,
        text=True,
    )
    assert json.loads(shown.stdout) == {
        name: [stage.cmd, sorted(stage.deps), sorted(stage.params), sorted(stage.outs)]
        for name, stage in declarations(tmp_path).items()
    }
