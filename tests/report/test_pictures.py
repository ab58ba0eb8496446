"""Images of the data set on the page, and which of them."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from edgebuild.report.evidence import Evidence
from edgebuild.report.mistakes import mistakes
from edgebuild.report.pictures import data_uri, mean_bytes, png


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB"), (4, "RGBA")])
def test_a_picture_has_the_values_of_the_image(channels: int, mode: str) -> None:
    image = np.arange(4 * channels, dtype=np.uint8).reshape(2, 2, channels)
    shown = Image.open(io.BytesIO(png(image, 1 / 16)))
    expected = np.rint(image * (255 / 16)).astype(np.uint8)
    assert shown.mode == mode
    assert np.array_equal(np.asarray(shown), expected[..., 0] if channels == 1 else expected)


def test_channels_that_are_no_colours_are_shown_one_below_the_other() -> None:
    image = np.arange(8, dtype=np.uint8).reshape(2, 2, 2)
    shown = np.asarray(Image.open(io.BytesIO(png(image, 1 / 255))))
    assert np.array_equal(shown, [[0, 2], [4, 6], [1, 3], [5, 7]])


def test_a_window_of_a_sensor_has_a_line_per_channel_and_time_to_the_right() -> None:
    window = np.arange(15, dtype=np.uint8).reshape(5, 1, 3)
    shown = np.asarray(Image.open(io.BytesIO(png(window, 1 / 255))))
    assert np.array_equal(shown, window[:, 0].T)


def test_a_picture_is_the_same_bytes_each_time() -> None:
    image = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    assert data_uri(image, 1 / 255) == data_uri(image.copy(), 1 / 255)
    assert data_uri(image, 1 / 255).startswith("data:image/png;base64,")


def test_the_mean_is_that_of_the_pictures(evidence: Evidence) -> None:
    sizes = [len(png(image, evidence.test.scale)) for image in evidence.test.images]
    assert mean_bytes(evidence.test) == pytest.approx(sum(sizes) / len(sizes))


def test_mistakes_are_what_the_teacher_gets_right_the_surest_first(evidence: Evidence) -> None:
    teacher, integer = (evidence.logits[name] for name in ("teacher-keras-fp32", "pruned-onnx-int8"))
    found = mistakes(evidence.test, teacher, integer, shown=3)
    assert [one.index for one in found] == [59, 58, 57]  # images 0 and 1 are the teacher's own mistakes
    assert (found[0].truth, found[0].answer) == (evidence.test.classes[2], "cat")
    assert found[0].confidence == pytest.approx(found[0].teacher_confidence)
    assert found[0].confidence > 0.99


def test_a_network_without_new_mistakes_shows_none(evidence: Evidence) -> None:
    same = evidence.logits["teacher-keras-fp32"]
    assert mistakes(evidence.test, same, same) == []
