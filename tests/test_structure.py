"""The rules of the house, read off the imports."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from edgebuild.build.closure import compare

ROOT = Path(__file__).parents[1]
LIBRARY = sorted((ROOT / "src/edgebuild").rglob("*.py"))
STAGES = sorted((ROOT / "stages").glob("*.py"))


def imported(path: Path) -> set[str]:
    """Every module that a file imports at run time, also inside functions."""
    names: set[str] = set()
    waiting: list[ast.AST] = [ast.parse(path.read_text())]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        waiting += ast.iter_child_nodes(node)
    return names


def importers(package: str) -> set[str]:
    return {
        path.relative_to(ROOT / "src/edgebuild").as_posix()
        for path in LIBRARY
        if any(name == package or name.startswith(f"{package}.") for name in imported(path))
    }


def test_the_library_never_imports_a_stage() -> None:
    assert importers("stages") == set()


def test_only_tracking_and_flavors_import_mlflow() -> None:
    assert {name.partition("/")[0] for name in importers("mlflow")} == {"track", "mlflow"}


def test_what_travels_with_a_model_needs_no_mlflow() -> None:
    assert [name for name in importers("mlflow") if name.startswith("mlflow/serving/")] == []


def test_only_one_adapter_imports_tensorflow() -> None:
    assert importers("tensorflow") == {"train/backend.py"}


@pytest.mark.parametrize("name", ["litert", "onnx", "coreml", "keras"])
def test_formats_never_import_each_other(name: str) -> None:
    others = {f"edgebuild.formats.{other}" for other in {"litert", "onnx", "coreml", "keras"} - {name}}
    assert not imported(ROOT / f"src/edgebuild/formats/{name}.py") & others


def test_what_knows_models_and_files_knows_neither_dvc_nor_tracking_nor_configuration() -> None:
    for package in ("edgebuild.build", "edgebuild.track", "edgebuild.params"):
        layers = {name.partition("/")[0] for name in importers(package)}
        assert not layers & {
            "compress",
            "graph",
            "formats",
            "mil",
            "measure",
            "train",
            "zoo",
            "data",
            "sources",
            "tasks",
            "importers",
        }


def test_gates_judge_what_they_are_given() -> None:
    for package in ("edgebuild.build", "edgebuild.track", "edgebuild.mlflow"):
        assert "gates" not in {name.partition("/")[0] for name in importers(package)}


def test_every_stage_declares_the_code_that_it_imports() -> None:
    assert compare(ROOT) == []


def test_every_file_says_what_it_is_for() -> None:
    for path in (*LIBRARY, *STAGES):
        assert ast.get_docstring(ast.parse(path.read_text())), path


def test_files_stay_short() -> None:
    assert [path.name for path in STAGES if len(path.read_text().splitlines()) > 80] == []
    assert [path.name for path in LIBRARY if len(path.read_text().splitlines()) > 280] == []


def test_a_stage_that_needs_no_vendor_imports_none() -> None:
    code = (
        "import sys, edgebuild.cli, edgebuild.build.runner, edgebuild.measure.isolated, edgebuild.formats.onnx;"
        "print([name for name in ('tensorflow', 'mlflow', 'coremltools', 'dvc', 'sklearn') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
