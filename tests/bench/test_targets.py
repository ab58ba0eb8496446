from __future__ import annotations

from dataclasses import replace

import numpy as np
from bench.report import verdict
from bench.rows import Judgement, Pair, Row, Spread
from bench.targets import Target, agree, check

JUDGED = Judgement(1000, 0.9, (0.88, 0.92), 0.99, 0.001)
ROW = Row("resnet", "onnx-int8", "edgebuild", "onnx", "int8", True, 1.0, 1200, 900, JUDGED, None, None, None)
PAIR = Pair("resnet", "onnx-int8", "ort-int8", 0.9, 0.9, Spread(0.4, 0.3, 0.6, 5), 0.0, (-0.01, 0.01))
SPEEDUP = replace(PAIR, rival="onnx-fp32", p50=Spread(0.5, 0.45, 0.6, 5))


def found(row: Row = ROW, pair: Pair = PAIR, parameters: int = 1000) -> dict[str, Target]:
    return {item.name: item for item in check("resnet", [row], [pair], [], SPEEDUP, parameters)}


def test_an_accuracy_loss_within_the_limit_is_met_and_one_beyond_it_missed() -> None:
    assert found()["onnx-int8: accuracy lost"].met is True
    lossy = replace(ROW, judgement=replace(JUDGED, accuracy_drop=0.003))
    assert found(lossy)["onnx-int8: accuracy lost"].met is False


def test_what_was_not_measured_is_neither_met_nor_missed() -> None:
    targets = found(replace(ROW, judgement=None, size_bytes=None), replace(PAIR, p50=None, bytes=None))
    for name in (
        "onnx-int8: accuracy lost",
        "onnx-int8: p50 against ort-int8",
        "onnx-int8: bytes against ort-int8",
        "onnx-int8: bytes per parameter",
        "int8 litert and reference",
    ):
        assert (targets[name].met, targets[name].found) == (None, "not measured")


def test_below_a_vendor_is_missed_only_beyond_the_interval() -> None:
    name = "onnx-int8: accuracy against ort-int8"
    assert found(pair=replace(PAIR, accuracy_gain=-0.004))[name].met is True
    assert found(pair=replace(PAIR, accuracy_gain_ci95=(-0.02, -0.001)))[name].met is False


def test_a_latency_is_missed_when_three_quarters_of_the_rounds_are_above_the_limit() -> None:
    name = "onnx-int8: p50 against ort-int8"
    assert found()[name].met is True
    assert found(pair=replace(PAIR, p50=Spread(0.6, 0.51, 0.7, 5)))[name].met is False


def test_the_speed_of_int8_is_held_against_fp32_of_the_same_runtime() -> None:
    assert found()["onnx-int8: p50 against onnx-fp32"].met is False


def test_bytes_per_parameter_have_a_limit_for_the_large_network() -> None:
    assert found()["onnx-int8: bytes per parameter"].met is True
    assert found(parameters=900)["onnx-int8: bytes per parameter"].met is False


def test_executions_of_one_grid_are_compared_in_its_steps() -> None:
    one = np.array([[0.0, 0.5], [1.0, 0.0]], np.float32)
    other = np.array([[0.0, 0.75], [1.0, 0.0], [9.0, 9.0]], np.float32)
    result = agree("litert", "onnx", one, other, step=0.25)
    assert (result.images, result.labels, result.outputs, result.steps) == (2, 1.0, 0.75, 1)


def test_the_verdict_counts_all_three_outcomes() -> None:
    outcomes = [Target("resnet", "name", "required", "found", met) for met in (True, True, False, None)]
    assert verdict(outcomes) == "2 of 4 targets met, 1 missed, 1 not measured."
