"""Which channels stay, so that a model costs no more than it may.

All channels stand in one order, the most dispensable first, and are taken away
from its beginning until the cost is met. The cost is any function that does
not rise when channels go: counted operations, which are the same on every
machine, or a time measured on this one, which is not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping

import numpy as np

from edgebuild.compress.channels.importance import Scores
from edgebuild.compress.channels.layout import Keep, Layout
from edgebuild.errors import UsageError

__all__ = ["SPREADS", "choose"]

SPREADS = ("uniform", "global")

#: Group → how many of its channels stay.
Counts = Mapping[str, int]


def choose(
    layout: Layout,
    scores: Scores,
    cost: Callable[[Keep], float],
    target: float,
    *,
    spread: str,
    multiple: int = 1,
    most: float = 1.0,
    prices: Mapping[str, float] | None = None,
) -> Keep:
    """The channels to keep so that ``cost(keep) <= target``; of every group, those of the highest scores.

    ``cost`` is called about ``log2(channels)`` times and once or twice for every
    group, never twice for the same widths, so it may build a candidate and time it.

    Args:
        spread: "uniform" takes the same share of every group; "global" takes the
            channels of the lowest score wherever they are.
        multiple: a group keeps a multiple of this many channels, or all: the
            kernels of most runtimes work on blocks of 4 or 8.
        most: the largest share of a group that may go, in [0, 1]; at least ``multiple`` channels stay.
        prices: group → what one of its channels costs; "global" then compares scores per price.

    Raises:
        UsageError: the target cannot be met with what every group must keep.
    """
    sizes = {group.name: group.size for group in layout.groups}
    order = _order(sizes, scores, spread, prices or dict.fromkeys(sizes, 1.0))

    known: dict[tuple[int, ...], float] = {}  # numbers of channels → what they cost

    def counts(taken: int) -> Counts:
        gone = Counter(order[:taken])
        left = {name: max(size - gone[name], size - int(most * size), 1) for name, size in sizes.items()}
        return {name: min(-(-count // multiple) * multiple, sizes[name]) for name, count in left.items()}

    def price(left: Counts) -> float:
        numbers = tuple(left.values())
        if numbers not in known:
            known[numbers] = cost(_best(scores, left))
        return known[numbers]

    def fits(left: Counts) -> bool:
        return price(left) <= target

    enough, short = len(order), -1  # taking `enough` away meets the target, `short` does not
    if not fits(counts(enough)):
        raise UsageError(
            f"the network must cost at most {target:,.6g}, but with {1 - most:.0%} of the channels of every group "
            f"(at least {multiple}) it still costs {price(counts(enough)):,.6g}; allow a higher cost, "
            f"smaller multiples, or a larger share of the channels to go"
        )
    while enough - short > 1:
        middle = (enough + short) // 2
        enough, short = (middle, short) if fits(counts(middle)) else (enough, middle)
    return _best(scores, _refill(counts(enough), sizes, reversed(order[:enough]), fits, multiple))


def _order(sizes: Counts, scores: Scores, spread: str, prices: Mapping[str, float]) -> list[str]:
    """The group of every channel, that of the most dispensable one first."""
    if spread not in SPREADS:
        raise UsageError(f"channels are spread {' or '.join(SPREADS)}, but {spread!r} was asked for")
    keys = []
    for position, (name, size) in enumerate(sizes.items()):
        uniform = (np.arange(size) + 1) / size
        values = uniform if spread == "uniform" else np.sort(scores[name]) / max(prices[name], 1e-12)
        keys += [(value, position, name) for value in values.tolist()]
    return [name for *_, name in sorted(keys)]


def _refill(
    left: Counts, sizes: Counts, order: Iterable[str], fits: Callable[[Counts], bool], multiple: int
) -> Counts:
    """Give back what the last, coarse step took away in excess: a block at a time, the most important first."""
    for name in dict.fromkeys(order):
        while left[name] < sizes[name]:
            more = {**left, name: min(left[name] + multiple, sizes[name])}
            if not fits(more):
                break
            left = more
    return left


def _best(scores: Scores, left: Counts) -> Keep:
    """The indices of the highest scores of every group, rising; of equal scores, the later ones."""
    return {
        name: np.sort(np.argsort(scores[name], kind="stable")[len(scores[name]) - count :])
        for name, count in left.items()
    }
