"""The whole page: what is on it, and what must never be."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from edgebuild.report.evidence import Evidence
from edgebuild.report.page import page

VOID = {"meta", "img", "br", "input", "hr"}


class Document(HTMLParser):
    """Elements with their attributes, and text; a tag that does not fit its opening fails the test."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.words: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] not in ("script", "style"):
            self.words.append(data)

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def written(evidence: Evidence) -> str:
    return page(evidence)


@pytest.fixture(scope="module")
def document(written: str) -> Document:
    return Document(written)


def test_the_same_build_gives_the_same_bytes(evidence: Evidence, written: str) -> None:
    assert page(evidence) == written


def test_nothing_is_loaded_from_anywhere(written: str, document: Document) -> None:
    assert "http://" not in written
    assert "https://" not in written
    assert "@import" not in written
    assert "url(" not in written
    for _, attributes in document.elements:
        for name in ("src", "href", "srcset", "action", "data"):
            assert attributes.get(name, "#").startswith(("#", "data:image/png;base64,")), attributes
    assert not {tag for tag, _ in document.elements} & {"link", "iframe", "object", "form", "base"}


def test_the_browser_is_told_to_load_nothing_and_to_run_this_script_only(
    written: str, document: Document
) -> None:
    policy = next(meta["content"] for meta in document.all("meta") if "http-equiv" in meta)
    (script,) = re.findall(r"<script>(.*?)</script>", written, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert policy == (
        f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'sha256-{digest}'"
    )


def test_names_from_files_are_text_and_never_markup(written: str, document: Document) -> None:
    assert "<script>alert" not in written
    assert "<b>co</b>" not in written
    assert "<script>alert(1)</script>" in document.text
    assert "pets & <b>co</b>: models for devices" in document.text
    assert len(document.all("script")) == 1


@pytest.mark.parametrize(
    "words",
    [
        "From the teacher, teacher-litert-fp32 , to the device’s file, pruned-litert-int8 :",
        "100 × smaller",
        "20 × faster",
        "pruned-litert-int8 loses 1 of 60 test examples that teacher-keras-fp32 gets right, and gains 0",
        "Guo et al., On Calibration of Modern Neural Networks, ICML 2017",
        "100,000 users × 50 requests per user and day × 30 days 150,000,000",
        "CPU <1>, 2 cores, Linux, Python 3.11, numpy 2.",
        "[1] not run: only on another system",
        "(stays float32)",
    ],
)
def test_it_says_what_was_found(words: str, document: Document) -> None:
    assert words in document.text


def test_every_link_leads_somewhere(document: Document) -> None:
    ids = [attributes["id"] for _, attributes in document.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {link["href"] for link in document.all("a")} == {f"#{name}" for name in ids}


def test_every_picture_is_told_in_words(document: Document) -> None:
    assert all(image["alt"] for image in document.all("img"))
    assert all("aria-hidden" in svg or svg["aria-label"] for svg in document.all("svg"))


def test_every_table_has_headers_and_their_direction(document: Document) -> None:
    assert all(head.get("scope") in ("row", "col") for head in document.all("th"))
    assert all(cell["aria-label"] for _, cell in document.elements if cell.get("role") == "region")


def test_assumptions_are_listed_with_their_values(on: Callable[..., Evidence]) -> None:
    text = Document(page(on(round_trip_ms=123.25))).text
    assert "round_trip_ms 123.25" in text
    assert "123.2 ms round trip" in text


def test_many_classes_are_told_as_pairs(evidence: Evidence) -> None:
    names = tuple(f"class {at}" for at in range(30))
    test = replace(evidence.test, classes=names)
    logits = {name: np.pad(values, ((0, 0), (0, 27))) for name, values in evidence.logits.items()}
    document = Document(page(replace(evidence, test=test, logits=logits)))
    assert "With 30 classes a matrix is not readable" in document.text
    assert not any("confusion" in table.get("class", "") for table in document.all("table"))


def test_a_build_without_int8_says_so(build: Callable[..., Evidence], on: Callable[..., Evidence]) -> None:
    none = dict.fromkeys(("pruned_litert_int8", "pruned_onnx_int8", "pruned_coreml_int8"))
    edge = on(edge="pruned-onnx-w8").cost
    text = Document(page(replace(build(**none), cost=edge))).text
    assert "This build has no int8 variant." in text
    assert "Confusion of pruned-litert-int8" not in text


def test_a_device_file_that_was_not_run_has_no_time(on: Callable[..., Evidence]) -> None:
    text = Document(page(on(edge="pruned-coreml-int8"))).text
    assert "pruned-coreml-int8 was not run on this machine" in text
    assert "µs → " not in text.split("What to take")[0]


def test_a_build_that_was_run_nowhere_has_no_picture_of_times(build: Callable[..., Evidence]) -> None:
    everything = build()
    slow = {name.replace("-", "_"): (1000, None, 2) for name in everything.variants}
    assert "No variant was run on this machine" in Document(page(build(**slow))).text
