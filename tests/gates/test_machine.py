"""JUnit's XML within the common schema, and JSON."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from xml.etree import ElementTree

import pytest

from edgebuild.gates import machine
from edgebuild.gates.rows import Checked
from tests.gates.checks import FAILED, KEPT

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

#: The JUnit schema of Apache Ant's reports (github.com/windyroad/JUnit-Schema): element → attributes with a pattern of
#: their values, required ones marked by "!", and the children in their order.
NUMBER, SECONDS, TOKEN = r"\d+", r"\d+(\.\d+)?", r"\S(.*\S)?"
SCHEMA: dict[str, tuple[dict[str, str], str]] = {
    "testsuite": (
        {
            "name!": TOKEN, "timestamp!": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", "hostname!": TOKEN, "tests!": NUMBER,
            "failures!": NUMBER, "errors!": NUMBER, "skipped": NUMBER, "time!": SECONDS,
        },
        "properties (testcase )*system-out system-err ",
    ),
    "properties": ({}, "(property )*"),
    "testcase": ({"name!": TOKEN, "classname!": TOKEN, "time!": SECONDS}, "(skipped |error |failure )?"),
    "failure": ({"message": ".*", "type!": ".*"}, ""),
    "skipped": ({"message": ".*"}, ""),
    "system-out": ({}, ""),
    "system-err": ({}, ""),
}  # fmt: skip


def breaches(element: ElementTree.Element) -> list[str]:
    """Where ``element`` and what is in it are not what the schema says."""
    attributes, children = SCHEMA[element.tag]
    patterns = {name.rstrip("!"): pattern for name, pattern in attributes.items()}
    found = [f"{element.tag} has {name}" for name in element.attrib if name not in patterns]
    found += [
        f"{element.tag} lacks {name}"
        for name in attributes
        if name.endswith("!") and name[:-1] not in element.attrib
    ]
    found += [
        f"{element.tag}.{name} is {value!r}"
        for name, value in element.attrib.items()
        if not re.fullmatch(patterns.get(name, ".*"), value, re.DOTALL)
    ]
    inside = "".join(f"{child.tag} " for child in element)
    if not re.fullmatch(children, inside):
        found.append(f"{element.tag} holds {inside}")
    return found + [line for child in element for line in breaches(child)]


def suite(checked: Checked) -> ElementTree.Element:
    return ElementTree.fromstring(machine.junit(checked, NOW))


@pytest.mark.parametrize("checked", [FAILED, KEPT, Checked((), (), None, "accuracy")])
def test_junit_is_valid_against_the_common_schema(checked: Checked) -> None:
    assert breaches(suite(checked)) == []


def test_junits_counts_are_those_of_its_cases() -> None:
    found = suite(FAILED)
    counted = {tag: str(len(found.findall(f"testcase/{tag}"))) for tag in ("failure", "skipped")}
    assert (found.get("tests"), found.get("failures"), found.get("skipped")) == ("12", "2", "2")
    assert counted == {"failure": "2", "skipped": "2"}


def test_no_two_cases_have_one_name() -> None:
    names = [(case.get("classname"), case.get("name")) for case in suite(FAILED).findall("testcase")]
    assert len(set(names)) == len(names)


def test_a_failure_has_the_figures() -> None:
    failure = suite(FAILED).find("testcase/failure")
    assert failure is not None
    assert failure.text == failure.get("message") == FAILED.budgets[-1].sentence


def test_what_is_in_doubt_passes_and_is_named() -> None:
    told = suite(KEPT).findtext("system-out")
    assert told is not None
    assert "pruned-onnx-int8, drop against the teacher: not proven" in told
    assert "<needs> macOS & 'more'" in told


def test_characters_that_xml_cannot_hold_are_replaced() -> None:
    noted = replace(FAILED.verdicts[-1], note="a\x00b\x1b[0m")
    failure = suite(replace(FAILED, verdicts=(noted,))).find("testcase/failure")
    assert failure is not None
    assert "a\ufffdb\ufffd[0m" in str(failure.get("message"))


def test_json_has_unrounded_numbers_and_no_infinity() -> None:
    found = json.loads(machine.document(FAILED))
    assert (found["schema"], found["failed"], found["quality"], found["against"]) == (
        1,
        True,
        "accuracy",
        "main",
    )
    latency = found["budgets"][2]
    assert latency["interval"] == [0.247, None]
    assert latency["margin"] == pytest.approx(0.217)
    assert [change["fails"] for change in found["changes"]] == [False] * 5 + [True]
