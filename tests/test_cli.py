"""The command: its help, its exit statuses, and how it refuses data that cannot be used."""

from __future__ import annotations

import gzip
import json
import struct
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgebuild.build import runner
from edgebuild.cli import main
from edgebuild.data.split import Split
from edgebuild.graph import file
from tests.networks import LABELS, network
from tests.params.test_params import ROOT, copy_repository, listing

Idx = dict[str, bytes]


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The repository with its code as the working folder; nothing is delivered to MLflow, nothing executed anew."""
    copy_repository(tmp_path)
    (tmp_path / "src").symlink_to(ROOT / "src")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("edgebuild.build.environment.variables.pin", lambda arguments: None)
    monkeypatch.setattr(runner, "ensure_running", lambda *_, **__: None)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # stages/__pycache__ would be a change
    return tmp_path


def change(repository: Path, **lines: object) -> None:
    """Give keys of the data and quantize sections other values; no more samples than calibration examples."""
    lines = {"samples": lines["calibration"], **lines} if "calibration" in lines else lines
    text = (repository / "params.yaml").read_text()
    for key, value in lines.items():
        (old,) = [line for line in text.splitlines() if line.startswith(f"  {key}:")]
        text = text.replace(f"{old}\n", f"  {key}: {value}\n")
    (repository / "params.yaml").write_text(text)


def refused(repository: Path, capsys: pytest.CaptureFixture[str], stage: str) -> str:
    """Run ``stage``, which has to be refused without a change to anything but its record; returns the message."""

    def state() -> dict[str, str]:
        return {name: digest for name, digest in listing(repository).items() if ".edgebuild" not in name}

    before = state()
    assert main(["run", stage]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("edgebuild: ")
    first, *problems = shown.err.splitlines()
    assert all(line.startswith("  ") for line in problems)
    assert first.endswith(":") == bool(problems)
    assert state() == before
    return shown.err


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def good_files() -> Idx:
    """Four idx files of 60 training and 20 test images, 8×8, six and two of each class."""
    images = np.random.default_rng(1).integers(0, 256, (80, 8, 8), np.uint8)
    labels = np.arange(80, dtype=np.uint8) % 10
    parts = {"train": slice(0, 60), "t10k": slice(60, 80)}
    return {
        f"{name}-{kind}": idx(array[part])
        for name, part in parts.items()
        for kind, array in (("images-idx3-ubyte", images), ("labels-idx1-ubyte", labels))
    }


def without(name: str) -> Callable[[Idx], Idx]:
    return lambda files: {key: data for key, data in files.items() if key != name}


def with_file(name: str, alter: Callable[[bytes], bytes]) -> Callable[[Idx], Idx]:
    return lambda files: {**files, name: alter(files[name])}


TRAIN_IMAGES, TRAIN_LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"


def fashion(repository: Path, files: Idx, **data: object) -> None:
    """Make ``files`` the data source of the repository."""
    (repository / "idx").mkdir()
    for name, content in files.items():
        (repository / "idx" / name).write_bytes(content)
    text = (repository / "dvc.yaml").read_text()
    (repository / "dvc.yaml").write_text(text.replace("[stages/prepare.py,", "[idx, stages/prepare.py,"))
    sizes = {"validation": 10, "calibration": 10, "test": 0, **data}
    change(repository, source="fashion_mnist", folder="idx", **sizes)


def test_good_files_are_prepared(repository: Path) -> None:
    fashion(repository, good_files())
    assert main(["run", "prepare"]) == 0
    sizes = {
        name: len(Split.read(repository / f"data/{name}.npz")) for name in ("train", "calibration", "test")
    }
    assert sizes == {"train": 40, "calibration": 10, "test": 20}


BAD_FILES: dict[str, tuple[Callable[[Idx], Idx], tuple[str, ...]]] = {
    "missing file": (without("t10k-labels-idx1-ubyte"), ("t10k-labels-idx1-ubyte is missing", "data.folder")),
    "truncated": (with_file(TRAIN_IMAGES, lambda data: data[:-1]), (TRAIN_IMAGES, "truncated")),
    "too long": (with_file(TRAIN_IMAGES, lambda data: data + b"x"), (TRAIN_IMAGES, "too long")),
    "only part of a header": (with_file(TRAIN_IMAGES, lambda data: data[:10]), (TRAIN_IMAGES, "header")),
    "empty": (with_file(TRAIN_IMAGES, lambda data: b""), (TRAIN_IMAGES, "nothing")),
    "wrong magic": (
        with_file(TRAIN_IMAGES, lambda data: b"\x89PNG" + data[4:]),
        (TRAIN_IMAGES, "starts with"),
    ),
    "labels for images": (
        lambda files: {**files, TRAIN_IMAGES: files[TRAIN_LABELS]},
        (TRAIN_IMAGES, "3 dimension"),
    ),
    "other number of labels": (
        with_file(TRAIN_LABELS, lambda data: idx(np.arange(59, dtype=np.uint8) % 10)),
        ("60", "59"),
    ),
    "label out of range": (with_file(TRAIN_LABELS, lambda data: data[:-1] + b"\x0a"), ("10", "idx")),
    "one class only": (with_file(TRAIN_LABELS, lambda data: idx(np.zeros(60, np.uint8))), ("two classes",)),
    "other image shape in test": (
        with_file("t10k-images-idx3-ubyte", lambda data: idx(np.zeros((20, 9, 8), np.uint8))),
        ("one shape", "(8, 8, 1)", "(9, 8, 1)"),
    ),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_bad_files_are_refused_by_name(
    case: str, repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil, words = BAD_FILES[case]
    fashion(repository, spoil(good_files()))
    message = refused(repository, capsys, "prepare")
    for word in words:
        assert word in message


def test_a_damaged_gzip_is_refused(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = good_files()
    packed = gzip.compress(files.pop(TRAIN_IMAGES), mtime=0)
    fashion(repository, {**files, f"{TRAIN_IMAGES}.gz": packed[: len(packed) // 2]})
    assert f"{TRAIN_IMAGES}.gz is truncated or damaged" in refused(repository, capsys, "prepare")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"folder": "/nowhere"}, ("data.folder: /nowhere", "dataset-fashion-mnist")),
        ({"folder": "nowhere"}, ("stages.prepare reads data.folder", "nowhere", '"${data.folder}"')),
        ({"folder": "idx/" + TRAIN_LABELS}, ("data.folder", "is not a folder")),
        ({"folder": '""'}, ("data.folder is empty", "data.download")),
        ({"validation": 30, "calibration": 30}, ("data.validation + data.calibration", "60", "30 + 30")),
        ({"test": 21}, ("data.test", "20", "21")),
    ],
)
def test_data_knobs_that_the_files_cannot_serve_are_refused(
    data: dict[str, object], words: tuple[str, ...], repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fashion(repository, good_files())
    change(repository, **data)
    message = refused(repository, capsys, "prepare")
    for word in words:
        assert word in message


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"validation": 900, "calibration": 900}, ("data.validation + data.calibration", "900 + 900")),
        ({"test": 1798}, ("data.test", "1797", "1798")),
        ({"test": 0}, ("data.test", "official test")),
        ({"test": 1790, "validation": 3, "calibration": 3}, ("class", "left to train on")),
        ({"folder": "somewhere"}, ("data.folder", "embedded")),
        ({"download": "true"}, ("data.download", "digits, which fetches nothing")),
    ],
)
def test_data_knobs_that_digits_cannot_serve_are_refused(
    data: dict[str, object], words: tuple[str, ...], repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change(repository, **data)
    message = refused(repository, capsys, "prepare")
    for word in words:
        assert word in message


def prepared(repository: Path) -> None:
    """A calibration split of 12 images and a small pruned network for it, with the outputs of an earlier run."""
    graph = network()
    images = np.random.default_rng(2).integers(0, 256, (12, *graph.input.shape), np.uint8)
    (repository / "data").mkdir()
    split = Split(images, np.arange(12, dtype=np.int64) % len(LABELS), 1 / 255, LABELS)
    for name in ("calibration", "train", "validation"):
        split.write(repository / f"data/{name}.npz")
    np.save(repository / "data/teacher-logits.npy", np.zeros((12, len(LABELS)), np.float32))
    (repository / "models/graphs").mkdir(parents=True)
    file.write(graph, repository / "models/graphs/pruned-fp32.safetensors")
    (repository / "models/graphs/pruned-int8.safetensors").write_bytes(b"of an earlier run")


def test_more_calibration_samples_than_images_are_refused_and_earlier_results_stay(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prepared(repository)
    change(repository, samples=13)
    message = refused(repository, capsys, "quantize")
    for word in ("quantize.samples", "13", "12", "data.calibration"):
        assert word in message


def test_as_many_calibration_samples_as_images_are_taken(repository: Path) -> None:
    prepared(repository)
    change(repository, samples=12)
    text = (repository / "params.yaml").read_text()
    (repository / "params.yaml").write_text(text.replace("w4: {epochs: 15,", "w4: {epochs: 0,"))
    assert main(["run", "quantize"]) == 0
    assert file.read(repository / "models/graphs/pruned-int8.safetensors").precision == "int8"


@pytest.mark.parametrize("damage", [lambda data: data[:100], lambda data: b"", lambda data: b"x" + data[1:]])
def test_a_damaged_split_is_refused_by_name(
    damage: Callable[[bytes], bytes], repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prepared(repository)
    path = repository / "data/calibration.npz"
    path.write_bytes(damage(path.read_bytes()))
    assert "data/calibration.npz" in refused(repository, capsys, "quantize")


def test_a_stage_without_what_it_reads_tells_to_run_dvc_repro(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    message = refused(repository, capsys, "distill")
    for word in ("distill", "models/teacher-keras-fp32.keras", "data/train.npz", "dvc repro"):
        assert word in message


def test_an_unknown_stage_is_answered_with_those_there_are(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    message = refused(repository, capsys, "export@pruned-onnx-int3")
    for word in ("'export@pruned-onnx-int3'", "train_teacher", "export@pruned-onnx-int8"):
        assert word in message


def test_a_single_stage_is_never_pulled(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "prepare", "--pull"]) == 2
    assert "edgebuild run --pull" in capsys.readouterr().err


def test_help_tells_every_command_and_exit_status(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="^0$"):
        main(["--help"])
    text = capsys.readouterr().out
    for word in ("edgebuild run STAGE", "edgebuild report", "edgebuild track", "edgebuild deps"):
        assert word in text
    for word in ("exit status", "0 success", "1 a finding", "2 wrong usage"):
        assert word in text


@pytest.mark.parametrize("command", ["run", "report", "track", "deps"])
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="^0$"):
        main([command, "--help"])
    assert f"usage: edgebuild {command}" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [[], ["bild"], ["run", "a", "b"], ["report", "--xml"]])
def test_wrong_usage_is_exit_status_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="^2$"):
        main(arguments)
    assert "usage: edgebuild" in capsys.readouterr().err


def test_ctrl_c_is_exit_status_130_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object, **__: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("edgebuild.build.whole.build", interrupted)
    assert main(["run"]) == 130
    assert capsys.readouterr().err.startswith("edgebuild: interrupted")


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """Two variants, measured, in the working folder."""

    def variant(model: str, precision: str, accuracy: float, size: int) -> dict[str, object]:
        return {
            "id": f"{model}-onnx-{precision}", "model": model, "format": "onnx", "precision": precision,
            "size_bytes": size, "gzip_bytes": size // 2, "accuracy": accuracy,
            "accuracy_ci95": [accuracy - 0.01, accuracy + 0.01], "accuracy_drop": round(0.95 - accuracy, 6),
            "agreement_with_source": 1.0,
        }  # fmt: skip

    def time(name: str, p50: float) -> dict[str, object]:
        return {"id": name, "latency_us": {"p50": p50, "p90": p50, "p99": p50, "mean": p50}, "not_run": None}

    documents: dict[str, object] = {
        "summary": {
            "reference": "teacher-onnx-fp32",
            "variants": [variant("teacher", "fp32", 0.95, 40960), variant("pruned", "int8", 0.94, 4096)],
        },
        "latency": {"variants": [time("teacher-onnx-fp32", 100.0), time("pruned-onnx-int8", 25.0)]},
    }
    (tmp_path / "metrics").mkdir()
    for name, document in documents.items():
        (tmp_path / f"metrics/{name}.json").write_text(json.dumps(document))
    monkeypatch.chdir(tmp_path)
    return documents


def test_report_prints_the_table(results: dict[str, object], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report"]) == 0
    (row,) = [line for line in capsys.readouterr().out.splitlines() if "pruned-onnx-int8" in line]
    assert row.split()[0] == "pruned-onnx-int8"
    assert {"94.00", "1.00", "10.0", "4.00"} <= set(row.split())


def test_report_as_json_is_both_documents(
    results: dict[str, object], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == results


def test_report_as_markdown_is_a_table(
    results: dict[str, object], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", "--markdown"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("| variant")
    assert lines[1].startswith("| :--")
    assert [line.split("|")[1].strip() for line in lines[2:4]] == ["teacher-onnx-fp32", "pruned-onnx-int8"]


def test_report_without_results_tells_how_to_get_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["report"]) == 2
    message = capsys.readouterr().err
    assert message.startswith("edgebuild: metrics/summary.json does not exist")
    assert "dvc repro" in message


def test_report_on_a_damaged_document_names_it(
    results: dict[str, object], capsys: pytest.CaptureFixture[str]
) -> None:
    Path("metrics/latency.json").write_text('{"schema": 1,')
    assert main(["report"]) == 2
    assert "metrics/latency.json is not JSON" in capsys.readouterr().err


def test_deps_is_a_finding_where_a_stage_hides_an_import(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["deps"]) == 0
    assert "every stage declares" in capsys.readouterr().out
    text = (repository / "dvc.yaml").read_text()
    (repository / "dvc.yaml").write_text(text.replace(" src/edgebuild/compress/ranges.py,", "", 1))
    assert main(["deps"]) == 1
    assert "add    - src/edgebuild/compress/ranges.py" in capsys.readouterr().out
    assert main(["deps", "--json"]) == 1
    (difference,) = json.loads(capsys.readouterr().out)
    assert difference == {
        "stage": "quantize",
        "missing": ["src/edgebuild/compress/ranges.py"],
        "needless": [],
    }
