"""The table of docs/tasks.md says what is really said."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from ruamel.yaml import YAML

from edgebuild.errors import EdgebuildError
from edgebuild.params.task import Task
from edgebuild.strict import build
from edgebuild.tasks.anomaly import AnomalyDetection
from edgebuild.tasks.multilabel import MultiLabel
from edgebuild.tasks.regression import Regression, Target

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/tasks.md").read_text(encoding="utf-8")
TABLE = TEXT.partition("## What is refused")[2]
ROWS = dict(re.findall(r"^\| ([^|]+) \| `(.+)` \|$", TABLE, re.MULTILINE))
REGRESSION = Regression((Target("age", 40.0, 15.0, 5.0), Target("weight", 70.0, 10.0, 4.0)))
ANOMALY = AnomalyDetection(0.1)
#: Those that tests/train/test_layers.py holds to the code.
LAYERS = ("a layer that changes the size", "a layer with weights")


def params(**section: object) -> str:
    found, problems = build(Task, section)
    return "\n".join(
        f"task.{line}".replace("task.task", "task") for line in problems or (found and found.problems()) or ()
    )


def said(refused: Callable[[], object]) -> str:
    with pytest.raises(EdgebuildError) as error:
        refused()
    return str(error.value)


def broken() -> np.ndarray:
    scores = np.zeros((10, 1), np.float32)
    scores[3] = np.nan
    return scores


CASES: dict[str, Callable[[], str]] = {
    "another kind": lambda: params(kind="regresion"),
    "a regression without targets": lambda: params(kind="regression"),
    "a key that the task does not use": lambda: params(kind="classification", false_positive_rate=0.1),
    "labels of another task": lambda: said(
        lambda: MultiLabel().check(np.zeros(5, np.int64), ("a", "b", "c"), "data/train.npz")
    ),
    "targets of other names": lambda: said(
        lambda: REGRESSION.check(np.zeros((5, 2), np.float32), ("weight", "age"), "data/train.npz")
    ),
    "constants that are far off": lambda: said(
        lambda: REGRESSION.check(np.zeros((5, 2), np.float32), ("age", "weight"), "data/train.npz")
    ),
    "anomalies in the training data": lambda: said(
        lambda: ANOMALY.check(np.repeat([0, 1], 5), ("normal", "anomaly"), "data/train.npz")
    ),
    "a test split of one kind": lambda: said(
        lambda: ANOMALY.score(np.zeros((10, 1), np.float32), np.zeros(10, np.int64))
    ),
    "outputs that are not finite": lambda: said(lambda: ANOMALY.score(broken(), np.arange(10) % 2)),
}


@pytest.mark.parametrize("what", CASES)
def test_a_message_of_the_table_is_that_of_the_code(what: str) -> None:
    assert ROWS[what] in CASES[what]()


def test_the_table_has_no_other_rows() -> None:
    assert ROWS.keys() == {*CASES, *LAYERS}


def test_the_examples_of_sections_are_accepted() -> None:
    found = [YAML(typ="safe").load(block) for block in re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)]
    sections = [block["task"] for block in found if "task" in block]
    assert [section["kind"] for section in sections] == [
        "classification",
        "multilabel",
        "regression",
        "anomaly",
    ]
    for section in sections:
        assert params(**section) == ""
