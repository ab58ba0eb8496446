"""Which variant is best for what."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from edgebuild.report.advice import choices, verdict
from edgebuild.report.evidence import Evidence
from edgebuild.report.paired import Paired


def picked(evidence: Evidence) -> dict[str, list[tuple[str, str]]]:
    return {choice.runtime: [(pick.id, pick.title) for pick in choice.picks] for choice in choices(evidence)}


def test_a_file_that_is_both_is_named_once(evidence: Evidence) -> None:
    assert picked(evidence)["LiteRT"] == [("pruned-litert-int8", "smallest and fastest")]


def test_a_file_that_loses_too_much_is_not_recommended(evidence: Evidence) -> None:
    assert picked(evidence)["ONNX"] == [("pruned-onnx-w8", "smallest and fastest")]


def test_what_was_not_timed_can_be_the_smallest_only(evidence: Evidence) -> None:
    assert picked(evidence)["Core ML"] == [("pruned-coreml-int8", "smallest")]


def test_the_smallest_and_the_fastest_may_differ(build: Callable[..., Evidence]) -> None:
    found = picked(build(pruned_litert_fp32=(20_000, 1.0, 2)))["LiteRT"]
    assert found == [("pruned-litert-int8", "smallest"), ("pruned-litert-fp32", "fastest")]


def test_of_times_that_are_close_the_smaller_file_wins(build: Callable[..., Evidence]) -> None:
    found = picked(build(pruned_litert_fp32=(20_000, 1.93, 2)))["LiteRT"]
    assert found == [("pruned-litert-int8", "smallest and fastest")]


def test_where_none_is_tolerated_the_most_accurate_is_named_as_such(build: Callable[..., Evidence]) -> None:
    found = picked(build(pruned_coreml_int8=(12_000, None, 30)))["Core ML"]
    assert found == [("pruned-coreml-int8", "best; none loses as little as is tolerated")]


def test_a_runtime_that_is_not_built_is_not_mentioned(build: Callable[..., Evidence]) -> None:
    assert "Core ML" not in picked(build(pruned_coreml_int8=None))


def test_figures_compare_with_the_teacher_in_the_same_format(evidence: Evidence) -> None:
    assert choices(evidence)[0].picks[0].figures == (
        "95.00% right, 1.67 points less (not proven)",
        "7.81 KiB, 100 × smaller than the teacher",
        "2 µs, 20 × faster",
    )


@pytest.mark.parametrize(
    ("paired", "words"),
    [
        (Paired(0, 0), "It is right on exactly the same of 400 test examples as t."),
        (Paired(3, 2), "is proven: of 400 test examples it loses 3 that t gets right, and gains 2"),
        (Paired(9, 0), "Accuracy is lower: of 400"),
        (Paired(0, 9), "Accuracy is higher: of 400"),
        (Paired(99, 0), "(McNemar’s test, p < 0.001)."),
    ],
)  # fmt: skip
def test_a_verdict_says_what_is_proven(paired: Paired, words: str) -> None:
    assert words in verdict("t", "accuracy", paired, 400)
