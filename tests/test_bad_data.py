"""Data that cannot be used: exit status 2, one message that says where and what, and nothing changed."""

from __future__ import annotations

import hashlib
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgebuild.build.environment.variables import PINNED
from edgebuild.cli import main
from edgebuild.data.split import Split
from edgebuild.graph import file
from tests.networks import network

REPOSITORY = Path(__file__).parents[1]
IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
TEST_IMAGES, TEST_LABELS = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"


def idx(values: np.ndarray) -> bytes:
    return (
        struct.pack(f">4B{values.ndim}I", 0, 0, 8, values.ndim, *values.shape)
        + values.astype(np.uint8).tobytes()
    )


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A build of 400 + 100 images in four idx files, with outputs of an earlier build in data/."""
    for name in ("dvc.yaml", "params.yaml", "stages", "requirements", "src"):
        source = REPOSITORY / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, tmp_path / name)
    generator = np.random.default_rng(0)
    (tmp_path / "raw").mkdir()
    for images, labels, count in ((IMAGES, LABELS, 400), (TEST_IMAGES, TEST_LABELS, 100)):
        (tmp_path / "raw" / images).write_bytes(idx(generator.integers(0, 256, (count, 6, 6))))
        (tmp_path / "raw" / labels).write_bytes(idx(np.arange(count) % 10))
    text = (tmp_path / "params.yaml").read_text()
    text = text.replace("source: digits", "source: fashion_mnist").replace(
        'folder: ""', f"folder: {tmp_path / 'raw'}"
    )
    text = text.replace("test: 400", "test: 0").replace("validation: 200", "validation: 100")
    text = text.replace("calibration: 200", "calibration: 100").replace("  samples: 200", "  samples: 100")
    (tmp_path / "params.yaml").write_text(text)
    (tmp_path / "data").mkdir()
    (tmp_path / "data/train.npz").write_bytes(b"the last good result")
    monkeypatch.chdir(tmp_path)
    for name, value in PINNED.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("edgebuild.build.runner.ensure_running", lambda *args, **options: None)
    return tmp_path


def listing(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and ".edgebuild" not in path.parts
    }


def param(before: str, after: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        text = (folder / "params.yaml").read_text()
        assert before in text
        (folder / "params.yaml").write_text(text.replace(before, after, 1))

    return change


def raw(name: str, change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    return lambda folder: (
        (folder / "raw" / name).write_bytes(change((folder / "raw" / name).read_bytes())) and None
    )


BAD = {
    "no folder": (lambda folder: shutil.rmtree(folder / "raw"), "raw"),
    "a file is missing": (lambda folder: (folder / "raw" / LABELS).unlink(), LABELS),
    "truncated": (raw(IMAGES, lambda content: content[:-100]), IMAGES),
    "empty": (raw(IMAGES, lambda content: b""), IMAGES),
    "another kind of file": (raw(LABELS, lambda content: b"PK\x03\x04" + content), LABELS),
    "fewer labels than images": (raw(LABELS, lambda _: idx(np.arange(399) % 10)), "399"),
    "a label beyond the classes": (raw(LABELS, lambda _: idx(np.arange(400) % 11)), "10"),
    "one class only": (raw(LABELS, lambda _: idx(np.zeros(400))), "class"),
    "a class with one image": (raw(LABELS, lambda _: idx(np.r_[np.arange(399) % 9, 9])), "at least 3"),
    "splits larger than the data": (param("validation: 100", "validation: 4000"), "4000"),
    "test part larger than there is": (param("test: 0", "test: 101"), "101"),
    "empty calibration set": (param("calibration: 100", "calibration: 0"), "data.calibration"),
}


@pytest.mark.parametrize("case", BAD)
def test_prepare_refuses_it(workspace: Path, capsys: pytest.CaptureFixture[str], case: str) -> None:
    damage, word = BAD[case]
    damage(workspace)
    before = listing(workspace)
    assert main(["run", "prepare"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("edgebuild: ")
    assert word in said
    assert "Traceback" not in said
    assert listing(workspace) == before


def test_good_data_pass_the_same_checks(workspace: Path) -> None:
    assert main(["run", "prepare"]) == 0
    assert len(Split.read(workspace / "data/train.npz")) == 200


def quantizable(workspace: Path) -> None:
    """What quantize reads beside the splits."""
    (workspace / "models/graphs").mkdir(parents=True)
    file.write(network(), workspace / "models/graphs/pruned-fp32.safetensors")
    np.save(workspace / "data/teacher-logits.npy", np.zeros((1, 4), np.float32))


def test_quantize_refuses_more_samples_than_there_are(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "prepare"]) == 0
    quantizable(workspace)
    param("  samples: 100", "  samples: 101")(workspace)
    before = listing(workspace)
    assert main(["run", "quantize"]) == 2
    assert "quantize.samples: 101 is out of range; data.calibration sets 100" in capsys.readouterr().err
    assert listing(workspace) == before


def test_a_stage_before_its_inputs_says_how_to_make_them(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "distill"]) == 2
    assert "run dvc repro" in capsys.readouterr().err


def test_a_damaged_split_is_named(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (workspace / "data/calibration.npz").write_bytes(b"nonsense")
    (workspace / "data/validation.npz").write_bytes(b"never opened")
    quantizable(workspace)
    assert main(["run", "quantize"]) == 2
    assert "calibration.npz" in capsys.readouterr().err


def test_an_undeclared_param_is_refused_with_the_line_to_add(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = workspace / "dvc.yaml"
    path.write_text(path.read_text().replace("params: [data, task.kind]", "params: [task.kind]"))
    before = listing(workspace)
    assert main(["run", "prepare"]) == 2
    assert "add `- data` to its params" in capsys.readouterr().err
    assert listing(workspace) == before
