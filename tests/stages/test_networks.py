"""The stages that make the three networks: a teacher from a file, and the switches that skip what nobody wants."""

from __future__ import annotations

import csv
import importlib.util
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from edgebuild.build.declaration import declarations
from edgebuild.build.stage import Stage
from edgebuild.params import read
from tests.compress.test_adopt import finder, quadrants

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

ROOT = Path(__file__).parents[2]
TEACHER, STUDENT, PRUNED = (f"models/{name}-keras-fp32.keras" for name in ("teacher", "student", "pruned"))
SHORT = {"epochs": 1, "batch_size": 40, "width": 8, "stages": 1}


class Workshop:
    """Runs stages in a folder of small splits, with the shipped params but for what a test changes."""

    def __init__(self, root):
        self.root, self.said, self.warned = root, [], []
        self.params = read(ROOT / "params.yaml")
        for name in ("teacher", "student", "distill", "prune"):
            fields = vars(getattr(self.params, name))
            self.change(name, **{key: value for key, value in SHORT.items() if key in fields})
        (root / "data").mkdir()
        for seed, name in enumerate(("train", "validation")):
            quadrants(seed=seed).write(root / f"data/{name}.npz")

    def change(self, section, **values):
        self.params = replace(self.params, **{section: replace(getattr(self.params, section), **values)})

    def run(self, name):
        specification = importlib.util.spec_from_file_location(name, ROOT / f"stages/{name}.py")
        module = importlib.util.module_from_spec(specification)
        specification.loader.exec_module(module)
        folders = (self.root, self.root, self.root / "kept")
        declaration = declarations(ROOT)[name]
        quiet = (lambda *numbers: None, lambda *progress: None)
        module.main(Stage(declaration, *folders, self.params, *quiet, self.said.append, self.warned.append))
        return self.said[-1]

    def adopt(self, backend):
        finder(backend[1]).save(self.root / "net.keras")
        self.change("teacher", file=str(self.root / "net.keras"))
        return self.run("train_teacher")

    def history(self, name):
        with (self.root / f"metrics/history/{name}.csv").open() as file:
            return list(csv.DictReader(file))

    def bytes(self, path):
        return (self.root / path).read_bytes()


@pytest.fixture
def workshop(tmp_path):
    return Workshop(tmp_path)


def test_a_teacher_from_a_file_is_judged_and_not_trained(workshop, backend):
    said = workshop.adopt(backend)
    (row,) = workshop.history("teacher")
    assert (row["epoch"], row["accuracy"], row["val_accuracy"]) == ("0", "1", "1")
    assert said.startswith("net.keras adopted (softmax taken away), ")
    assert said.endswith("validation accuracy 1.0000")
    assert workshop.warned == []


def test_the_teacher_itself_goes_on_without_distillation(workshop, backend):
    workshop.adopt(backend)
    workshop.change("student", architecture="teacher")
    assert workshop.run("distill").startswith("skipped: the teacher goes on as the student")
    assert workshop.bytes(STUDENT) == workshop.bytes(TEACHER)
    assert np.load(workshop.root / "data/teacher-logits.npy").shape == (120, 4)
    assert [row["epoch"] for row in workshop.history("student")] == ["0"]


def test_without_pruning_the_student_goes_on_as_it_is(workshop, backend):
    workshop.adopt(backend)
    workshop.change("student", architecture="teacher")
    workshop.run("distill")
    workshop.change("prune", method="none")
    assert "skipped" in workshop.run("prune")
    assert workshop.bytes(PRUNED) == workshop.bytes(STUDENT)
    assert workshop.history("pruned") == workshop.history("student")


def test_an_adopted_teacher_can_be_cut_by_channels(workshop, backend):
    workshop.adopt(backend)
    workshop.change("student", architecture="teacher")
    workshop.run("distill")
    workshop.change("prune", keep=0.5, multiple=1)
    workshop.run("prune")
    assert len(workshop.bytes(PRUNED)) < len(workshop.bytes(STUDENT))
    assert workshop.history("pruned")[-1]["val_accuracy"] == "1"


def test_with_alpha_0_nobody_asks_the_teacher_about_augmented_images(workshop, backend):
    workshop.adopt(backend)
    workshop.change("distill", alpha=0.0, shift=1)
    assert "on labels alone" in workshop.run("distill")


def test_a_student_of_the_users_own_is_trained_and_one_larger_than_its_teacher_is_told(
    workshop, backend, monkeypatch
):
    layers = backend[1].layers

    def student(shape, outputs, *, width):
        stack = [backend[1].Input(shape), layers.Flatten(), layers.Dense(width, activation="relu")]
        return backend[1].Sequential([*stack, layers.Dense(outputs)])

    module = ModuleType("own")
    module.student = student
    monkeypatch.setitem(sys.modules, "own", module)
    workshop.adopt(backend)
    workshop.change("student", architecture="own:student")
    said = workshop.run("distill")
    assert said.startswith(f"{16 * 8 + 8 + 8 * 4 + 4} parameters (without blocks, stages, stem_stride), ")
    assert workshop.warned == ["the student has 172 parameters, the teacher 40"]


def test_the_shipped_architectures_are_trained(workshop):
    assert "parameters" in workshop.run("train_teacher")
    assert "parameters" in workshop.run("distill")
    assert [row["epoch"] for row in workshop.history("teacher")] == ["1"]
