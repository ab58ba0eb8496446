"""Code that is copied into a model: whole, under a name of its own, the same every time."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from edgebuild.mlflow import portable
from edgebuild.mlflow.portable import carry

LITERT, COREML = "edgebuild.mlflow.serving.litert", "edgebuild.mlflow.serving.coreml"


def texts(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*.py"))}


@pytest.mark.parametrize("module", [LITERT, COREML])
def test_no_copied_file_imports_edgebuild_or_mlflow(module: str, tmp_path: Path) -> None:
    name = carry(module, tmp_path).partition(".")[0]
    for path, text in texts(tmp_path).items():
        for node in ast.walk(ast.parse(text)):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [str(node.module)] if isinstance(node, ast.ImportFrom) else []
            assert not {item.partition(".")[0] for item in names} & {"edgebuild", "mlflow"}, path
            for item in names:
                if item.startswith(name):  # and what it imports was copied too
                    target = item.replace(".", "/")
                    assert {f"{target}.py", f"{target}/__init__.py"} & set(texts(tmp_path)), (path, item)


def test_only_what_a_file_needs_is_copied(tmp_path: Path) -> None:
    name = carry(LITERT, tmp_path).partition(".")[0]
    inits = {f"{name}/{folder}__init__.py" for folder in ("", "mlflow/", "mlflow/serving/")}
    files = {f"{name}/{path}.py" for path in ("errors", "mlflow/serving/litert", "mlflow/serving/tensors")}
    assert set(texts(tmp_path)) == inits | files


@pytest.mark.parametrize("module", [LITERT, COREML])
def test_all_of_it_is_loaded_at_once(module: str, tmp_path: Path) -> None:
    """MLflow deletes the folder that a downloaded model was loaded from; nothing may be imported later."""
    carry(module, tmp_path)
    for path, text in texts(tmp_path).items():
        late = [line for line in text.decode().splitlines() if line.startswith((" ", "\t"))]
        assert not [
            line for line in late if line.split()[:1] in (["from"], ["import"]) and "edgebuild_" in line
        ], path


def test_equal_code_has_equal_names_and_bytes(tmp_path: Path) -> None:
    assert carry(LITERT, tmp_path / "a") == carry(LITERT, tmp_path / "b")
    assert texts(tmp_path / "a") == texts(tmp_path / "b")


def test_other_code_has_another_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = carry(LITERT, tmp_path / "a")
    source = tmp_path / "source"
    for path in ("errors", "mlflow/serving/litert", "mlflow/serving/tensors"):
        target = source / f"edgebuild/{path}.py"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((portable._SOURCE / f"edgebuild/{path}.py").read_bytes() + b"\n")
    monkeypatch.setattr(portable, "_SOURCE", source)
    assert carry(LITERT, tmp_path / "b") != before


def test_names_of_modules_in_strings_are_renamed_and_words_are_not() -> None:
    content = (
        b'from edgebuild import mil\n    import edgebuild.errors\nNAME = "edgebuild.mil"\nWHO = "edgebuild"\n'
    )
    assert portable._renamed(content, "x") == (
        b'from x import mil\n    import x.errors\nNAME = "x.mil"\nWHO = "edgebuild"\n'
    )


def test_beside_other_installed_packages_only_edgebuilds_own_code_is_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packages = tmp_path / "site-packages"
    packages.mkdir()
    (packages / "edgebuild").symlink_to(portable._SOURCE / "edgebuild")
    (packages / "numpy").mkdir()
    (packages / "numpy/__init__.py").write_text("import sys\n")
    monkeypatch.setattr(portable, "_SOURCE", packages)
    there, here = tmp_path / "there", tmp_path / "here"
    name = carry(LITERT, there)
    monkeypatch.undo()
    assert carry(LITERT, here) == name
    assert texts(there) == texts(here)
