"""How much a network would miss each of its channels.

Both scores are arrays of non-negative numbers, float64 ``(group.size,)``, one
for every group; what is tied together is scored together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from edgebuild.compress.channels.layout import ChannelGroup, Layout, Part
from edgebuild.train.losses import Loss

__all__ = ["Scores", "magnitude", "taylor"]

#: Group → one number for each of its channels.
Scores = Mapping[str, npt.NDArray[np.float64]]

Floats = npt.NDArray[np.float64]


def magnitude(layout: Layout) -> Scores:
    """The mean over a channel's filters and batch-normalization factors of their relative size.

    The size of a filter is its L2 norm (Li et al. 2017, "Pruning Filters for
    Efficient ConvNets", with L2 for L1), that of a factor ``|gamma|`` (Liu et
    al. 2017, "Network Slimming"). Both are divided by their mean over the
    layer, because layers differ in scale for reasons that say nothing.
    """
    sizes = []
    for part in _made(layout, ("kernel", "gamma")):
        size = np.sqrt(_per_entry(part, np.square(np.asarray(part.weight, np.float64))))
        sizes.append((part, size / (size.mean() or 1.0)))
    return _gather(layout, sizes, mean=True)


def taylor(
    tf: Any, model: Any, layout: Layout, batches: Iterable[tuple[Any, Any, Any]], *, loss: Loss
) -> Scores:
    """The squared first-order change of the loss if a channel were zero, summed over ``batches``.

    Molchanov et al. 2019, "Importance Estimation for Neural Network Pruning",
    equation 8 with one gate per layer that makes the channel: ``(Σ g·w)²`` over
    the weights whose removal closes the gate, gradients at inference. Where a
    batch normalization is all that reads a layer, the gate is behind it, as
    they recommend (``gamma`` and ``beta``).

    Args:
        batches: real images, float32 ``(n, h, w, c)``, the task's truth and the
            teacher's outputs, or ``(n, 0)`` where the loss uses none.
    """
    parts = [
        part
        for part in _made(layout, ("kernel", "bias", "gamma", "beta"))
        if part.layer not in layout.normalized
    ]
    variables = [part.weight.value for part in parts]

    def gradients(images: Any, truth: Any, target: Any) -> Any:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(variables)
            value = loss(tf, model(images, training=False), truth, target)
        return tape.gradient(value, variables, unconnected_gradients="zero")

    traced = tf.function(gradients, reduce_retracing=True)
    values = [np.asarray(part.weight, np.float64) for part in parts]
    gates = [(part.layer, part.makes[1].tobytes()) for part in parts if part.makes is not None]
    squared = dict.fromkeys(gates, np.zeros(1))
    for batch in batches:
        change = dict.fromkeys(gates, np.zeros(1))
        for gate, part, value, gradient in zip(gates, parts, values, traced(*batch), strict=True):
            change[gate] = change[gate] + _per_entry(part, value * np.asarray(gradient, np.float64))
        squared = {gate: total + np.square(change[gate]) for gate, total in squared.items()}
    behind = dict(zip(gates, parts, strict=True))
    return _gather(layout, [(behind[gate], entries) for gate, entries in squared.items()], mean=False)


def _made(layout: Layout, roles: tuple[str, ...]) -> list[Part]:
    """The weights of these roles that make channels, each once."""
    found = {id(part.weight): part for part in layout.parts if part.role in roles and part.makes is not None}
    return list(found.values())


def _per_entry(part: Part, values: Floats) -> Floats:
    """The sum of ``values``, of the weight's shape, for each entry of the axis that makes channels."""
    assert part.makes is not None
    axis = part.makes[0]
    return np.asarray(values.sum(axis=tuple(other for other in range(values.ndim) if other != axis)))


def _gather(layout: Layout, found: list[tuple[Part, Floats]], *, mean: bool) -> Scores:
    """Scores of groups from numbers for each entry that a part makes: their sum or their mean."""
    totals, counts = np.zeros(layout.count), np.zeros(layout.count)
    for part, entries in found:
        assert part.makes is not None
        np.add.at(totals, part.makes[1], entries)
        np.add.at(counts, part.makes[1], 1)

    def score(group: ChannelGroup) -> Floats:
        sums = np.array([totals[channels].sum() for channels in group.channels])
        return sums / np.array([counts[channels].sum() for channels in group.channels]) if mean else sums

    return {group.name: score(group) for group in layout.groups}
