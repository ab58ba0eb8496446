"""Section task of params.yaml: each kind has its own keys, and no others."""

from __future__ import annotations

import pytest

from edgebuild.params.task import Task
from edgebuild.strict import build
from edgebuild.tasks.anomaly import AnomalyDetection
from edgebuild.tasks.registry import open_task
from edgebuild.tasks.regression import Regression, Target

AGE = {"offset": 40.0, "scale": 15, "tolerance": 5.0}
GOOD = (
    {"kind": "classification"},
    {"kind": "multilabel"},
    {"kind": "regression", "targets": {"age": AGE}},
    {"kind": "anomaly", "false_positive_rate": 0.1},
)


def problems(given):
    section, found = build(Task, given)
    return found if section is None else section.problems()


@pytest.mark.parametrize("given", GOOD)
def test_each_kind_opens_its_task(given):
    section, found = build(Task, given)
    assert found == []
    assert section.problems() == []
    assert open_task(section).kind == given["kind"]


def test_the_constants_reach_the_task():
    assert open_task(build(Task, GOOD[2])[0]) == Regression((Target("age", 40.0, 15.0, 5.0),))
    assert open_task(build(Task, GOOD[3])[0]) == AnomalyDetection(0.1)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"kind": "regresion"}, "task.kind|kind: 'regresion' is not allowed.*did you mean regression"),
        ({"kind": "regression"}, r"task.targets: missing; regression needs it, such as `targets: \{age"),
        ({"kind": "anomaly"}, "task.false_positive_rate: missing"),
        ({"kind": "classification", "false_positive_rate": 0.1}, "classification has no use for it"),
        ({"kind": "multilabel", "targets": {"age": AGE}}, "multilabel has no use for it"),
        ({"kind": "anomaly", "false_positive_rate": 1.0}, "out of range"),
        (
            {"kind": "regression", "targets": {"age": AGE | {"scale": 0}}},
            "targets.age.scale: 0.*out of range",
        ),
        ({"kind": "regression", "targets": {"age": {"offset": 1.0}}}, "targets.age.scale: missing"),
        ({"kind": "regression", "targets": {}}, "at least one entry"),
    ],
)
def test_what_does_not_fit_the_kind_is_refused(given, message):
    import re

    assert re.search(message, "\n".join(problems(given)))
