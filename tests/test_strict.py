"""From YAML to dataclasses: conversions and messages, on small types of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebuild.errors import ParamsError
from edgebuild.strict import Range, build, read_yaml


@dataclass(frozen=True)
class Inner:
    share: Annotated[float, Range(0.0, 1.0, open_high=True)]
    mode: Literal["fast", "slow"]


@dataclass(frozen=True)
class Outer:
    count: int
    inner: Inner
    named: Mapping[str, Inner]


GOOD = {"count": 1, "inner": {"share": 0, "mode": "fast"}, "named": {"a": {"share": 0.5, "mode": "slow"}}}


def test_a_fitting_value_becomes_the_dataclass() -> None:
    built, problems = build(Outer, GOOD)
    assert problems == []
    assert built == Outer(1, Inner(0.0, "fast"), {"a": Inner(0.5, "slow")})


def test_a_problem_deep_inside_is_named_by_its_dotted_key() -> None:
    built, problems = build(Outer, {**GOOD, "named": {"a": {"share": 1.0, "mode": "slw"}}})
    assert built is None
    assert [problem.split(": ")[0] for problem in problems] == ["named.a.share", "named.a.mode"]
    assert "did you mean slow?" in problems[1]


@given(st.floats(allow_nan=False), st.booleans(), st.booleans())
def test_a_range_admits_what_lies_between_its_ends(value: float, open_low: bool, open_high: bool) -> None:
    admits = Range(-1.0, 2.0, open_low, open_high).admits(value)
    assert admits == ((-1 < value < 2) or (value == -1 and not open_low) or (value == 2 and not open_high))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(JSON)
def test_whatever_the_file_holds_it_is_built_or_refused_with_reasons(value: object) -> None:
    built, problems = build(Outer, value)
    assert (built is None) == bool(problems)


@given(JSON)
def test_whatever_stands_for_one_key_the_reason_names_that_key(value: object) -> None:
    built, problems = build(Outer, {**GOOD, "count": value})
    if type(value) is int:
        assert built is not None
        assert built.count == value
    else:
        assert len(problems) == 1
        assert problems[0].startswith("count: ")


def test_long_values_are_cut_in_messages() -> None:
    _, problems = build(Outer, {**GOOD, "count": "x" * 1000})
    assert len(problems[0]) < 120


def test_values_are_read_as_dvc_reads_them_by_yaml_1_2(tmp_path: Path) -> None:
    path = tmp_path / "values.yaml"
    path.write_text("a: no\nb: 1e-3\nc: 0o17\nd: 1:30\n")
    assert read_yaml(path) == {"a": "no", "b": 0.001, "c": 15, "d": "1:30"}


def test_a_folder_in_place_of_the_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match="cannot be read"):
        read_yaml(tmp_path)
