"""params.yaml: what is accepted, and that every mistake in it is refused before anything happens."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from edgebuild.build.environment.variables import PINNED
from edgebuild.cli import main
from edgebuild.errors import ParamsError
from edgebuild.params import read
from edgebuild.params.files import VariantParams

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = (ROOT / "params.yaml").read_text(encoding="utf-8")
LITERT_INT8 = "  pruned-litert-int8: {model: pruned, format: litert, precision: int8, ending: tflite}\n"


def listing(root: Path) -> dict[str, str]:
    """Everything below ``root``: the digest of a file, "" for a folder."""
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        if path.is_file()
        else ""
        for path in root.rglob("*")
    }


def copy_repository(root: Path) -> None:
    """What a stage needs of this repository, without its source code, in the folder ``root``."""
    shutil.copytree(ROOT / "stages", root / "stages", ignore=shutil.ignore_patterns("__pycache__"))
    (root / "requirements").mkdir()
    for name in ("dvc.yaml", "params.yaml", "requirements/runtime.txt"):
        shutil.copyfile(ROOT / name, root / name)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the repository as the working folder, in the environment that stages get."""
    copy_repository(tmp_path)
    monkeypatch.chdir(tmp_path)
    for name, value in PINNED.items():
        monkeypatch.setenv(name, value)
    return tmp_path


def replaced(old: str, new: str) -> str:
    assert SHIPPED.count(old) >= 1, f"{old!r} is not in params.yaml any more: change this test with it"
    return SHIPPED.replace(old, new, 1)


def section(name: str, key: str, value: str) -> Callable[[], str]:
    """The shipped file with another ``value`` (a line's rest) for ``name.key``; "" for ``name`` is the top."""

    def change() -> str:
        lines, inside = SHIPPED.splitlines(), name == ""
        for index, line in enumerate(lines):
            if line and not line.startswith((" ", "#")) and name:
                inside = line.startswith(f"{name}:")
            if inside and line.strip().startswith(f"{key}:"):
                lines[index] = line[: line.index(key)] + (f"{key}: {value}" if value else "")
                return "\n".join(lines) + "\n"
        raise AssertionError(f"{name}.{key} is not in params.yaml any more: change this test with it")

    return change


def cut(name: str) -> Callable[[], str]:
    """The shipped file without the top-level section ``name``."""

    def change() -> str:
        kept, inside = [], False
        for line in SHIPPED.splitlines():
            if line and not line.startswith((" ", "#")):
                inside = line.startswith(f"{name}:")
            if not inside:
                kept.append(line)
        return "\n".join(kept) + "\n"

    return change


#: what is wrong → how the file is changed, and what the message has to say
MALFORMED: dict[str, tuple[Callable[[], str | bytes], tuple[str, ...]]] = {
    "no project": (section("", "project", '""'), ("project: '' cannot name an experiment",)),
    "a number for the teacher's file": (section("distill", "teacher", "3"), ("distill.teacher: 3", "a text")),
    "unknown feature transfer": (
        section("distill", "features", "attenton"),
        ("distill.features: 'attenton'", "did you mean attention?"),
    ),
    "nothing to keep": (section("prune", "keep", "0"), ("prune.keep: 0", "above 0 and at most 1")),
    "unknown method": (section("prune", "method", "struktured"), ("prune.method", "did you mean structured?")),
    "2:4 of more than half": (
        lambda: replaced("  scheme: layer", "  scheme: two_four")
        .replace("  sparsity: 0.5", "  sparsity: 0.7")
        .replace("method: structured", "method: unstructured"),
        ("prune.sparsity: 0.7", "at most 0.5"),
    ),
    "a budget above one": (section("quantize", "budget", "1.5"), ("quantize.budget: 1.5", "at most 1")),
    "an unknown batch": (section("export", "batch", "any"), ("export.batch: 'any'", "fixed or flexible")),
    "empty file": (lambda: "", ("the file", "None", "project")),
    "comments only": (lambda: "# nothing\n", ("the file", "not a mapping")),
    "a list": (lambda: "- project\n", ("the file", "not a mapping")),
    "not YAML": (lambda: SHIPPED + "x: [1,\n", ("not valid YAML", "line")),
    "tab for indentation": (lambda: replaced("  epochs", "\tepochs"), ("not valid YAML", "line")),
    "duplicate key": (lambda: replaced("  width: 32", "  width: 32\n  width: 16"), ("duplicate key", "width")),
    "two documents": (lambda: SHIPPED + "---\nseed: 1\n", ("not valid YAML",)),
    "an object tag": (lambda: replaced("seed: 7", "seed: !!python/name:os.system"), ("not valid YAML",)),
    "not UTF-8": (lambda: SHIPPED.encode() + b"# \xff\n", ("UTF-8",)),
    "an impossible date": (section("", "seed", "2001-99-99"), ("not valid YAML", "month")),
    "misspelled key": (
        lambda: replaced("  batch_size: 32", "  batchsize: 32"),
        ("teacher.batchsize: unknown key", "did you mean batch_size?", "teacher.batch_size: missing"),
    ),
    "far-off key": (lambda: replaced("  blocks: 1", "  blocks: 1\n  zzz: 3"), ("teacher.zzz: unknown key",)),
    "unknown section": (
        lambda: SHIPPED + "prunes: {}\n",
        ("prunes: unknown key", "did you mean prune?"),
    ),
    "a number as key": (lambda: SHIPPED + "3: 4\n", ("3: unknown key",)),
    "missing key": (section("distill", "alpha", ""), ("distill.alpha: missing", "at least 0 and at most 1")),
    "missing section": (cut("quantize"), ("quantize: missing",)),
    "section without keys": (lambda: cut("quantize")() + "quantize:\n", ("quantize: None is not a mapping",)),
    "list for mapping": (lambda: cut("data")() + "data: [digits]\n", ("data: ['digits'] is not a mapping",)),
    "text for mapping": (lambda: cut("variants")() + "variants: all\n", ("variants: 'all' is not a mapping",)),
    "bool for whole number": (section("teacher", "epochs", "true"), ("teacher.epochs: True", "whole number")),
    "bool for number": (section("distill", "alpha", "true"), ("distill.alpha: True", "finite number")),
    "bool for a choice": (section("student", "stem_stride", "true"), ("student.stem_stride: True",)),
    "number for bool": (section("teacher", "flip", "1"), ("teacher.flip: 1 ", "true or false")),
    "YAML 1.1's no": (section("teacher", "flip", "no"), ("teacher.flip: 'no'", "true or false")),
    "text for number": (section("prune", "sparsity", '"0.5"'), ("prune.sparsity: '0.5'", "finite number")),
    "null for number": (section("prune", "sparsity", "null"), ("prune.sparsity: None", "finite number")),
    "number for text": (section("", "project", "3"), ("project: 3 ", "a text")),
    "float for whole number": (section("teacher", "epochs", "2.0"), ("teacher.epochs: 2.0", "whole number")),
    "float for a choice": (section("student", "stem_stride", "1.0"), ("student.stem_stride: 1.0",)),
    "list for number": (section("teacher", "width", "[32]"), ("teacher.width: [32]", "whole number")),
    "NaN": (section("distill", "temperature", ".nan"), ("distill.temperature: nan", "finite number")),
    "infinity": (section("teacher", "learning_rate", ".inf"), ("teacher.learning_rate: inf", "finite")),
    "overflow to infinity": (section("teacher", "learning_rate", "1e999"), ("teacher.learning_rate", "finite")),
    "beyond any float": (section("teacher", "learning_rate", "1" + "0" * 400), ("teacher.learning_rate",)),
    "sparsity 1.2": (section("prune", "sparsity", "1.2"), ("prune.sparsity: 1.2", "below 1")),
    "sparsity 1": (section("prune", "sparsity", "1.0"), ("prune.sparsity: 1.0", "below 1")),
    "negative sparsity": (section("prune", "sparsity", "-0.1"), ("prune.sparsity: -0.1", "at least 0")),
    "ramp above 1": (section("prune", "ramp", "1.01"), ("prune.ramp: 1.01", "at most 1")),
    "mask never updated": (section("prune", "frequency", "0"), ("prune.frequency: 0", "at least 1")),
    "temperature 0": (section("distill", "temperature", "0"), ("distill.temperature: 0", "above 0")),
    "negative learning rate": (section("prune", "learning_rate", "-1.0e-3"), ("prune.learning_rate: -0.001",)),
    "zero epochs": (section("teacher", "epochs", "0"), ("teacher.epochs: 0", "at least 1")),
    "zero batch": (section("distill", "batch_size", "0"), ("distill.batch_size: 0", "at least 1")),
    "alpha 2": (section("distill", "alpha", "2"), ("distill.alpha: 2", "at most 1")),
    "zero width": (section("student", "width", "0"), ("student.width: 0", "at least 4")),
    "stem_stride 3": (section("student", "stem_stride", "3"), ("student.stem_stride: 3", "1 or 2")),
    "unknown architecture": (section("teacher", "architecture", "vgg"), ("teacher.architecture: 'vgg'", "resnet")),
    "unknown source": (
        section("data", "source", "fashion-mnist"),
        ("data.source: 'fashion-mnist'", "digits or fashion_mnist", "did you mean fashion_mnist?"),
    ),
    "calibration 0": (section("data", "calibration", "0"), ("data.calibration: 0", "at least 1")),
    "negative test": (section("data", "test", "-1"), ("data.test: -1", "at least 0")),
    "negative seed": (section("", "seed", "-1"), ("seed: -1", "at least 0")),
    "seed beyond 31 bits": (section("", "seed", "2147483648"), ("seed: 2147483648", "at most")),
    "no threads": (section("", "threads", "0"), ("threads: 0", "at least 1")),
    "percentile 20": (section("quantize", "percentile", "20"), ("quantize.percentile: 20", "above 50")),
    "unknown ranges": (section("quantize", "ranges", "entropy"), ("quantize.ranges: 'entropy'", "minmax")),
    "more samples than are set aside": (
        section("quantize", "samples", "201"),
        ("quantize.samples: 201", "data.calibration sets 200 examples aside"),
    ),
    "no calibration images": (section("quantize", "samples", "0"), ("quantize.samples: 0", "at least 1")),
    "no timed runs": (
        section("benchmark", "onnx", "{threads: 1, warmup: 5, runs: 0}"),
        ("benchmark.onnx.runs: 0", "at least 1"),
    ),
    "runtime without warmup": (
        section("benchmark", "onnx", "{threads: 1, runs: 9}"),
        ("benchmark.onnx.warmup: missing",),
    ),
    "unknown format": (
        lambda: replaced("format: litert, precision: int8", "format: tflite, precision: int8"),
        ("variants.pruned-litert-int8.format: 'tflite'", "litert or onnx or coreml"),
    ),
    "unknown precision": (
        lambda: replaced("format: litert, precision: int8", "format: litert, precision: int4"),
        ("variants.pruned-litert-int8.precision: 'int4'", "int8"),
    ),
    "variant named wrong": (
        lambda: replaced("  pruned-litert-int8:", "  pruned-litert-int9:"),
        ("variants.pruned-litert-int9", "call it pruned-litert-int8"),
    ),
    "wrong ending": (
        lambda: replaced("precision: int8, ending: tflite", "precision: int8, ending: onnx"),
        ("variants.pruned-litert-int8.ending: 'onnx'", "write tflite"),
    ),
    "teacher in int8": (
        lambda: replaced(LITERT_INT8, LITERT_INT8.replace("pruned", "teacher")),
        ("variants.teacher-litert-int8.precision", "pruned model only"),
    ),
    "variant given twice": (lambda: replaced(LITERT_INT8, LITERT_INT8 * 2), ("duplicate key", "pruned-litert-int8")),
    "empty variants": (lambda: cut("variants")() + "variants: {}\n", ("variants: {}", "at least one entry")),
    "variants as list": (lambda: cut("variants")() + "variants: [a]\n", ("variants: ['a']", "mapping")),
    "variant without fields": (
        lambda: cut("variants")() + "variants: {pruned-onnx-int8: }\n",
        ("variants.pruned-onnx-int8: None is not a mapping", "precision"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", MALFORMED)
def test_a_malformed_file_is_refused_with_one_message_and_nothing_changes(
    case: str, repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change, words = MALFORMED[case]
    content = change()
    (repository / "params.yaml").write_bytes(content if isinstance(content, bytes) else content.encode())
    before = listing(repository)
    assert main(["run", "prepare"]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("edgebuild: ")
    assert shown.err.count("edgebuild: ") == 1
    assert "params.yaml" in shown.err
    assert "Traceback" not in shown.err
    for word in words:
        assert word in shown.err
    assert listing(repository) == before


def test_a_missing_file_is_refused_and_nothing_changes(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (repository / "params.yaml").unlink()
    before = listing(repository)
    assert main(["run", "prepare"]) == 2
    message = capsys.readouterr().err
    assert message.startswith("edgebuild: ")
    assert "params.yaml does not exist" in message
    assert listing(repository) == before


@pytest.mark.parametrize(
    "stage", ["prepare", "report", "export@pruned-onnx-int8", "benchmark_keras@teacher-keras-fp32"]
)
def test_the_whole_file_is_checked_whatever_stage_runs(
    stage: str, repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (repository / "params.yaml").write_text(section("prune", "sparsity", "7")())
    assert main(["run", stage]) == 2
    assert "prune.sparsity: 7" in capsys.readouterr().err


def test_building_everything_checks_the_file_before_dvc_starts(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (repository / "params.yaml").write_text(section("prune", "sparsity", "7")())
    before = listing(repository)
    assert main(["run"]) == 2
    assert "prune.sparsity: 7" in capsys.readouterr().err
    assert listing(repository) == before


def test_all_problems_of_a_file_are_told_at_once(tmp_path: Path) -> None:
    text = (
        replaced("  sparsity: 0.5", "  sparsity: 5")
        .replace("seed: 7", "seed: x")
        .replace("\n  alpha: 0.7", "\n  alfa: 0.7")
    )
    (tmp_path / "params.yaml").write_text(text)
    with pytest.raises(ParamsError) as caught:
        read(tmp_path / "params.yaml")
    problems = str(caught.value).splitlines()[1:]
    keys = ["seed", "distill.alfa", "distill.alpha", "prune.sparsity", "prune.alfa", "prune.alpha"]
    assert sorted(line.strip().split(": ")[0] for line in problems) == sorted(keys)


@pytest.mark.parametrize("path", ["params.yaml", "examples/fashion_mnist/params.yaml"])
def test_the_shipped_files_are_accepted(path: str) -> None:
    params = read(ROOT / path)
    assert params.variants["pruned-onnx-int8"] == VariantParams("pruned", "onnx", "int8", "onnx")
    assert params.data.source == ("fashion_mnist" if "fashion" in path else "digits")


def test_a_whole_number_is_a_fine_real_number(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text(section("distill", "temperature", "4")())
    temperature = read(tmp_path / "params.yaml").distill.temperature
    assert temperature == 4.0
    assert isinstance(temperature, float)


def test_params_cannot_be_changed_after_reading() -> None:
    params = read(ROOT / "params.yaml")
    with pytest.raises(AttributeError):
        params.seed = 8  # type: ignore[misc]
    with pytest.raises(TypeError):
        params.variants["x"] = params.variants["pruned-onnx-int8"]  # type: ignore[index]
