"""What counts as labelled images."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from edgebuild.data.check import Part, check
from edgebuild.errors import DataError

CLASSES = ("cat", "dog")


def images(dtype: str = "float64") -> npt.NDArray[np.generic]:
    return np.arange(2 * 3 * 2).reshape(2, 3, 2, 1).astype(dtype)


def run(
    values: npt.NDArray[np.generic],
    labels: npt.NDArray[np.generic] | None = None,
    scale: float = 1 / 16,
    classes: tuple[str, ...] = CLASSES,
) -> Part:
    given = np.array([0, 1]) if labels is None else labels
    return check(values, given, scale=scale, classes=classes, where="here.idx")


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int64", "float32", "float64"])
def test_whole_numbers_of_any_dtype_become_uint8(dtype: str) -> None:
    part = run(images(dtype))
    assert part.images.dtype == np.uint8
    assert part.labels.dtype == np.int64
    np.testing.assert_array_equal(part.images, images("uint8"))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.nan, "image 1 holds nan (not finite)"),
        (np.inf, "image 1 holds inf (not finite)"),
        (-np.inf, "image 1 holds -inf (not finite)"),
        (-1.0, "image 1 holds -1.0 (negative)"),
        (17.0, "image 1 holds 17.0 (too large)"),
        (0.5, "image 1 holds 0.5 (not whole)"),
    ],
)
def test_a_bad_value_is_refused_with_its_image(value: float, message: str) -> None:
    bad = images()
    bad[1, 2, 0, 0] = value
    with pytest.raises(DataError) as refused:
        run(bad)
    assert message in str(refused.value)
    assert "from 0 to 16" in str(refused.value)
    assert "here.idx" in str(refused.value)


def test_codes_of_one_byte_above_the_scale_are_refused() -> None:
    bad = images("uint8")
    bad[0, 0, 0, 0] = 17
    with pytest.raises(DataError, match="image 0 holds 17"):
        run(bad)


@pytest.mark.parametrize("shape", [(2,), (2, 6), (2, 3, 2), (2, 3, 2, 65), (2, 0, 2, 1), (2, 3, 2, 1, 1)])
def test_arrays_that_are_no_images_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match=r"shape \(n, height, width, channels\)"):
        run(np.zeros(shape))


def test_no_images_are_refused() -> None:
    with pytest.raises(DataError, match="there is none"):
        run(np.zeros((0, 3, 2, 1)), np.zeros(0, int))


def test_images_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(DataError, match="their dtype is <U1"):
        run(np.full((2, 3, 2, 1), "a"))


@pytest.mark.parametrize("label", [-1, 2, 255])
def test_a_label_outside_the_classes_is_refused(label: int) -> None:
    with pytest.raises(DataError, match=f"between 0 and 1 .2 classes., but label 1 is {label}"):
        run(images(), np.array([0, label]))


def test_another_number_of_labels_is_refused() -> None:
    with pytest.raises(DataError, match="3 labels for 2 images"):
        run(images(), np.array([0, 1, 0]))


@pytest.mark.parametrize("labels", [np.array([0.0, 1.0]), np.array([["a"], ["b"]]), np.zeros((2, 2, 2))])
def test_labels_that_are_no_list_of_whole_numbers_are_refused(labels: npt.NDArray[np.generic]) -> None:
    with pytest.raises(DataError, match="whole numbers of shape"):
        run(images(), labels)


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (("cat",), "at least two classes"),
        (("cat", "cat"), "cat is there twice"),
        (("cat", " "), "must not be empty"),
    ],
)
def test_bad_class_names_are_refused(classes: tuple[str, ...], message: str) -> None:
    with pytest.raises(DataError, match=message):
        run(images(), np.array([0, 0]), classes=classes)


@pytest.mark.parametrize("scale", [0.0, -1.0, 1 / 256, 2.0, np.nan])
def test_a_scale_that_one_byte_cannot_serve_is_refused(scale: float) -> None:
    with pytest.raises(DataError, match="between 1/255 and 1"):
        run(images(), scale=scale)
