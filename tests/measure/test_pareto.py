"""Points of a trade-off and their front."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from edgebuild.measure.pareto import Point, front, points


def point(name: int, cost: float, accuracy: float) -> Point:
    return Point(f"model{name}-onnx-int8", "onnx", "int8", cost, accuracy, accuracy, accuracy)


pairs = st.lists(st.tuples(st.integers(1, 9), st.integers(0, 9)), min_size=1, max_size=12)


@given(pairs)
def test_nothing_beats_the_front_and_the_front_beats_the_rest(values: list[tuple[int, int]]) -> None:
    given_points = [point(name, cost, accuracy) for name, (cost, accuracy) in enumerate(values)]
    best = front(given_points)
    assert best == sorted(best, key=lambda one: (one.cost, one.accuracy))
    for one in given_points:
        beaten = any(
            other.cost <= one.cost
            and other.accuracy >= one.accuracy
            and (other.cost, other.accuracy) != (one.cost, one.accuracy)
            for other in given_points
        )
        twin = any((other.cost, other.accuracy) == (one.cost, one.accuracy) for other in best)
        assert twin is not beaten


def test_sizes_are_kib_and_times_leave_out_what_was_not_run(
    summary: dict[str, Any], latency: dict[str, Any]
) -> None:
    sizes, times = points(summary), points(summary, latency)
    assert len(sizes) == 15
    assert sizes[0].cost == 1_300_000 / 1024
    assert len(times) == 13
    assert {one.format for one in times} == {"keras", "litert", "onnx"}
    assert (times[8].id, times[8].model, times[8].cost) == ("pruned-litert-int8", "pruned", 8.4)
    assert times[8].low < times[8].accuracy < times[8].high
