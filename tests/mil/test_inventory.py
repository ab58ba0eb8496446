"""What a file holds, and what inputs do not reach in it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from edgebuild import mil
from edgebuild.formats import coreml
from edgebuild.mil.inventory import Inventory, inventory, unexercised
from tests.mil.test_evaluate import function, images, operation
from tests.networks import lowered, network

Real = npt.NDArray[np.float32]


def limited() -> mil.Plan:
    return mil.plan(
        function(
            operation("relu6", "a", (1, 2, 4, 4), x="%x"),
            operation("clip", "b", (1, 2, 4, 4), x="%a", alpha=np.float32(0.5), beta=np.float32(3)),
            operation(
                "quantize", "c", (1, 2, 4, 4), "int8", input="%b", scale=np.float32(0.01), output_dtype="int8"
            ),
            operation("dequantize", "d", (1, 2, 4, 4), input="%c", scale=np.float32(0.01)),
            operation("relu", "e", (1, 2, 4, 4), x="%d"),
        )
    )


def test_each_limit_that_no_input_crosses_is_named_with_its_place() -> None:
    assert unexercised(limited(), {"x": np.full((2, 2, 4, 4), 1, np.float32)}) == (
        "here (relu6 'a'): nothing below 0",
        "here (relu6 'a'): nothing above 6",
        "here (clip 'b'): nothing below 0.5",
        "here (clip 'b'): nothing above 3",
        "here (quantize 'c'): nothing below -1.28",
        "here (quantize 'c'): nothing above 1.27",
        "here (relu 'e'): nothing below 0",
    )


def test_wide_inputs_exercise_what_they_can_reach() -> None:
    wide = 20 * images(8)
    assert unexercised(limited(), {"x": wide}) == (
        "here (quantize 'c'): nothing below -1.28",  # the clip before it lets nothing negative through
        "here (relu 'e'): nothing below 0",
    )


def test_inputs_beyond_every_limit_leave_the_inside_unexercised() -> None:
    found = unexercised(
        mil.plan(function(operation("relu6", "a", (1, 2, 4, 4), x="%x"))), {"x": 100 * np.sign(images(2))}
    )
    assert found == ("here (relu6 'a'): nothing between 0 and 6",)


def test_images_that_cannot_share_a_run_are_judged_together() -> None:
    prepared = mil.plan(
        function(
            operation("softmax", "s", (1, 2, 4, 4), x="%x", axis=0),
            operation("relu", "y", (1, 2, 4, 4), x="%x"),
        )
    )
    assert prepared.one_by_one is not None
    x = np.concatenate([np.full((1, 2, 4, 4), sign, np.float32) for sign in (-1, 1)])
    assert unexercised(prepared, {"x": x}) == ()


@pytest.mark.parametrize(
    ("precision", "expected"),
    [
        (
            "w8",
            Inventory(
                operations={"add": 1, "conv": 3, "linear": 1, "reduce_mean": 1, "relu": 3},
                storage={"constexpr_affine_dequantize": 4},
                types={"float32": 13},
                weights=4,
                compressed=4,
                weight_elements=3 * 3 * 2 * 6 + 3 * 3 * 6 + 6 * 6 + 6 * 4,
                compressed_elements=3 * 3 * 2 * 6 + 3 * 3 * 6 + 6 * 6 + 6 * 4,
            ),
        ),
        (
            "fp16",
            Inventory(
                operations={"add": 1, "cast": 2, "conv": 3, "linear": 1, "reduce_mean": 1, "relu": 3},
                storage={},
                types={"float16": 10, "float32": 1},
                weights=4,
                compressed=0,
                weight_elements=3 * 3 * 2 * 6 + 3 * 3 * 6 + 6 * 6 + 6 * 4,
                compressed_elements=0,
            ),
        ),
    ],
)
def test_an_exported_file_is_counted(tmp_path: Path, precision: str, expected: Inventory) -> None:
    coreml.write(lowered(network(), precision), tmp_path / "model.mlpackage")
    assert inventory(mil.read(tmp_path / "model.mlpackage").main) == expected
