"""What a runtime is given and gives back."""

from __future__ import annotations

import numpy as np
import pytest

from edgebuild.errors import UsageError
from edgebuild.mlflow.serving.tensors import OPEN, Tensor, feeds, opened, runs, together

IMAGE = Tensor("image", "float32", (OPEN, 2, 2, 1))
CODES = Tensor("codes", "int8", (OPEN, 3), (0.5, -1))
GAIN = Tensor("gain", "float32", ())


def test_one_sample_becomes_any_number_of_samples_where_every_tensor_has_the_axis() -> None:
    single = Tensor("image", "float32", (1, 2, 2, 1))
    assert opened([single, IMAGE]) == (IMAGE, IMAGE)
    assert opened([single, Tensor("state", "float32", (4, 2))]) is None
    assert opened([single, GAIN]) is None


def test_an_array_is_taken_for_the_only_input_and_cast_to_its_floating_point_type() -> None:
    found = feeds(np.arange(8, dtype=np.int64).reshape(2, 2, 2, 1), [IMAGE])
    assert found["image"].dtype == np.float32
    assert found["image"].flags["C_CONTIGUOUS"]


def test_arrays_are_taken_by_name() -> None:
    found = feeds({"codes": np.full((2, 3), -128), "image": np.zeros((2, 2, 2, 1))}, [IMAGE, CODES])
    assert (found["codes"].dtype, found["image"].dtype) == (np.int8, np.float32)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (np.zeros((2, 2, 2, 1)), "arrays by name are required .image float32 .n, 2, 2, 1.; codes int8"),
        ({"image": np.zeros((2, 2, 2, 1))}, "exactly these inputs are required: .*found image"),
        ({"image": np.zeros((2, 2, 2, 1)), "code": 0}, "found image, code"),
        (
            {"image": np.zeros((2, 4, 1)), "codes": np.zeros((2, 3), int)},
            r"image .*found float64 \(2, 4, 1\)",
        ),
        ({"image": np.zeros((0, 2, 2, 1)), "codes": np.zeros((2, 3), int)}, r"found float64 \(0, 2, 2, 1\)"),
        ({"image": np.zeros((1, 2, 2, 1)), "codes": np.zeros((2, 3), int)}, "equally many samples"),
        (
            {"image": np.zeros((1, 2, 2, 1)), "codes": np.full((1, 3), 128)},
            "codes of scale 0.5 and zero point -1, found numbers from 128 to 128",
        ),
        ({"image": np.zeros((1, 2, 2, 1)), "codes": np.zeros((1, 3))}, "found float64 numbers"),
        ({"image": np.full((1, 2, 2, 1), "0"), "codes": np.zeros((1, 3), int)}, "found <U1 numbers"),
    ],
)
def test_what_does_not_fit_is_refused_with_what_would(given: object, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        feeds(given, [IMAGE, CODES])  # type: ignore[arg-type]


def test_samples_are_run_in_pieces_and_put_together() -> None:
    given = {"image": np.arange(20, dtype=np.float32).reshape(5, 2, 2, 1)}
    parts = [{"sum": part["image"].sum((1, 2, 3))} for part in runs(given, [IMAGE], 2)]
    assert [len(part["sum"]) for part in parts] == [2, 2, 1]
    assert np.array_equal(together(parts), given["image"].sum((1, 2, 3)))


def test_inputs_that_are_no_samples_are_run_whole() -> None:
    given = {"image": np.zeros((5, 2, 2, 1), np.float32), "gain": np.float32(2)}
    assert len(list(runs(given, [IMAGE, GAIN], 2))) == 1


def test_several_outputs_stay_apart() -> None:
    result = together([{"a": np.zeros(2), "b": np.ones(2)}, {"a": np.zeros(1), "b": np.ones(1)}])
    assert isinstance(result, dict)
    assert {name: array.shape for name, array in result.items()} == {"a": (3,), "b": (3,)}
