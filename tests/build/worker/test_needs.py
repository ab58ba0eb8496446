"""What a stage will import, read off its code."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from edgebuild.build.worker.needs import needs

ROOT = Path(__file__).resolve().parents[3]
SOURCE = str(ROOT / "src")


@pytest.mark.parametrize(
    "stage", ["train_teacher", "distill", "prune", "freeze", "benchmark_keras@teacher-keras-fp32"]
)
def test_stages_with_a_keras_model_need_tensorflow(stage: str) -> None:
    assert "tensorflow" in needs(ROOT, [SOURCE], stage)


@pytest.mark.parametrize(
    "stage", ["prepare", "report", "export@pruned-onnx-int8", "benchmark@pruned-litert-int8"]
)
def test_others_do_not_wait_for_it(stage: str) -> None:
    assert not {"tensorflow", "mlflow", "dvc"} & needs(ROOT, [SOURCE], stage)


def test_the_key_of_a_stage_chooses_among_modules_imported_by_name() -> None:
    assert "ai_edge_litert" in needs(ROOT, [SOURCE], "benchmark@pruned-litert-int8")
    assert "ai_edge_litert" not in needs(ROOT, [SOURCE], "prepare")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, text in {
        "dvc.yaml": "stages:\n  make:\n    deps: [stages/make.py]\n  other:\n    deps: [stages/other.py]\n",
        "stages/make.py": "from edgebuild import part\n",
        "stages/other.py": "import flatbuffers\n",
        "edgebuild/__init__.py": "import onnx\n",
        "edgebuild/part.py": "def f():\n    from numpy.random import rand\n",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_functions_and_packages_count(root: Path) -> None:
    assert needs(root, [str(root)], "make") == {"ruamel", "numpy", "onnx"}
    assert needs(root, [str(root)], "other") == {"ruamel", "flatbuffers"}


def test_an_edited_file_is_read_again(root: Path) -> None:
    needs(root, [str(root)], "make")
    file = root / "edgebuild/part.py"
    file.write_text("import safetensors\n")
    os.utime(file, ns=(1, 1))
    assert needs(root, [str(root)], "make") == {"ruamel", "safetensors", "onnx"}


@pytest.mark.parametrize("text", ["", "stages: [", "stages:\n  make:\n    deps: [stages/gone.py]\n"])
def test_what_cannot_be_read_is_left_to_the_stage(root: Path, text: str) -> None:
    (root / "dvc.yaml").write_text(text)
    assert needs(root, [str(root)], "make") == {"ruamel"}
    (root / "stages/other.py").write_text("import (\n")
    assert "ruamel" in needs(root, sys.path, "other")
