"""The pictures: axes, markup, and that they are the same bytes each time."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import pytest

from edgebuild.measure.pareto import Point, points
from edgebuild.report.calibration import calibration
from edgebuild.report.evidence import Evidence
from edgebuild.report.reliability import reliability
from edgebuild.report.svg import element, linear, logarithmic
from edgebuild.report.trade_off import trade_off


def drawn(given: list[Point]) -> str:
    return trade_off(given, cost="size, KiB", unit=lambda value: f"{value:.1f} KiB")


def test_an_element_escapes_what_it_is_given() -> None:
    made = element("text", "<b>&", class_="a", text_anchor='"', x=1.0, y=2.345)
    assert made == '<text class="a" text-anchor="&#34;" x="1" y="2.35">&lt;b&gt;&amp;</text>'


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [(0.0, 10.0, (0, 2, 4, 6, 8, 10)), (97.1, 99.9, (98, 99)), (0.0, 0.3, (0, 0.1, 0.2, 0.3))],
)
def test_ticks_are_round_numbers_within_the_axis(low: float, high: float, ticks: tuple[float, ...]) -> None:
    axis = linear(low, high, 0, 100)
    assert axis.ticks == pytest.approx(ticks)
    assert (axis.place(low), axis.place(high)) == (0, 100)


def test_a_logarithmic_axis_has_fewer_ticks_where_it_is_long() -> None:
    assert logarithmic(1, 20, 0, 100).ticks == (1, 2, 5, 10, 20)
    assert logarithmic(1, 1e5, 0, 100).ticks == (1, 10, 100, 1000, 1e4, 1e5)
    assert logarithmic(1, 100, 0, 100).place(10) == pytest.approx(50)


def test_every_variant_is_drawn_with_its_figures(evidence: Evidence) -> None:
    given = points(evidence.summary)
    root = ElementTree.fromstring(drawn(given))
    titles = [title.text or "" for title in root.iter("title")]
    assert [title.split(":")[0] for title in titles] == [point.id for point in given]
    assert titles[4] == "pruned-litert-int8: 95.00% (86.3% to 98.3%), 7.8 KiB"


def test_a_picture_says_in_words_what_it_shows(evidence: Evidence) -> None:
    root = ElementTree.fromstring(drawn(points(evidence.summary)))
    assert root.attrib["role"] == "img"
    assert root.attrib["aria-label"].startswith(
        "Accuracy against size, KiB. Nothing beats these in both: pruned-onnx-int8"
    )


def test_the_front_is_named_in_the_picture(evidence: Evidence) -> None:
    root = ElementTree.fromstring(drawn(points(evidence.summary)))
    labels = [text.text for text in root.iter("text") if text.attrib.get("class") == "label"]
    assert labels == ["pruned ONNX int8", "pruned LiteRT int8", "pruned ONNX w8"]


def test_one_variant_alone_can_be_drawn() -> None:
    ElementTree.fromstring(drawn([Point("a-onnx-fp32", "onnx", "fp32", 5.0, 1.0, 1.0, 1.0)]))


def test_a_reliability_diagram_has_a_bar_for_each_bin_with_images() -> None:
    sure = np.array([0.95, 0.95, 0.65])
    found = calibration(np.log(np.stack([sure, 1 - sure], axis=1)), np.array([0, 1, 0]))
    root = ElementTree.fromstring(reliability(found, "x & y"))
    titles = [title.text for title in root.iter("title")]
    assert titles == [
        "confidence 60% to 70%: 1 images, mean confidence 65.0%, accuracy 100.0%",
        "confidence 90% to 100%: 2 images, mean confidence 95.0%, accuracy 50.0%",
    ]
    gaps = [bar.attrib["class"] for bar in root.iter("rect") if "gap" in bar.attrib["class"]]
    assert gaps == ["gap under", "gap over"]
