"""Which layers suffer from quantization, and an int8 graph that leaves those in float32."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from edgebuild.errors import Finding
from edgebuild.graph import floats
from edgebuild.graph.codes import codes, real
from edgebuild.graph.ir import Graph, Node
from edgebuild.graph.run import activations, chunks, run

__all__ = ["Sensitivity", "fall_back", "sensitivities"]

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Sensitivity:
    """What quantizing one layer alone does to the answers of a network.

    ``disagreement`` is the share of images whose class changes. ``divergence``
    is the mean over images of KL(softmax of float ‖ softmax of quantized), in
    nats: it tells layers apart also where no class changes.
    """

    node: str
    op: str
    disagreement: float
    divergence: float


def sensitivities(graph: Graph, lowered: Graph, images: Floats) -> list[Sensitivity]:
    """The layers of ``graph``, the most sensitive first (by divergence, then by name).

    Each layer in turn takes its weights and the grid of its output from
    ``lowered``, while all others stay in float32. Float activations are
    computed once per chunk of images, and after the layer in question only
    what depends on it is computed again.

    Args:
        graph: fp32.
        lowered: the same network as int8, w8 or w4.
        images: real images, float32 ``(n, h, w, c)``.
    """
    layers = [node for node in graph if node.weights]
    changed = dict.fromkeys((node.name for node in layers), 0)
    divergence = dict.fromkeys((node.name for node in layers), 0.0)
    for chunk in chunks(graph, images):
        tensors = activations(graph, chunk)
        truth = tensors[graph.output.name]
        for node in layers:
            answer = _with_one_lowered(graph, lowered[node.name], tensors)
            changed[node.name] += int((answer.argmax(axis=1) != truth.argmax(axis=1)).sum())
            divergence[node.name] += float(_divergences(graph, truth, answer).sum())
    rows = [
        Sensitivity(node.name, node.op, changed[node.name] / len(images), divergence[node.name] / len(images))
        for node in layers
    ]
    return sorted(rows, key=lambda row: (-row.divergence, row.node))


def fall_back(
    graph: Graph,
    lower: Callable[[Collection[str]], Graph],
    images: Floats,
    budget: float,
    drop: Callable[[Graph], float] | None = None,
) -> tuple[Graph, tuple[str, ...]]:
    """An int8 graph within ``budget``, and the names of the layers that had to stay in float32 for it.

    Layers are added from the most sensitive on, until ``drop`` of the mixed
    graph is at most ``budget``.

    Args:
        graph: fp32.
        lower: gives the int8 graph in which the named layers stay in float32, such as
            ``lambda names: to_int8(graph, grids, names)``; with bias correction it corrects anew.
        images: real calibration images, float32 ``(n, h, w, c)``.
        budget: the largest drop allowed, in the unit of ``drop``.
        drop: what a graph loses; by default the share of ``images`` whose class is not that of ``graph``.

    Raises:
        Finding: the budget is exceeded even with every layer in float32.
    """
    truth = run(graph, images).argmax(axis=1)

    def disagreement(lowered: Graph) -> float:
        return float((run(lowered, images).argmax(axis=1) != truth).mean())

    measure = drop or disagreement
    integer = lower(())
    if measure(integer) <= budget:
        return integer, ()
    order = [row.node for row in sensitivities(graph, integer, images)]
    for count in range(1, len(order) + 1):
        mixed = lower(order[:count])
        lost = measure(mixed)
        if lost <= budget:
            return mixed, tuple(order[:count])
    raise Finding(
        f"int8 may lose at most {budget:.2%}, but loses {lost:.2%} even with all {len(order)} layers in float32: "
        f"what is left is the rounding of input and output; raise the budget, or leave int8 out"
    )


def _with_one_lowered(graph: Graph, layer: Node, tensors: Mapping[str, Floats]) -> Floats:
    """The output of ``graph`` where ``layer``, a lowered node, takes the place of the one of its name."""
    own = graph[layer.name]
    values = floats.compute(replace(own, weights=layer.weights), [tensors[name] for name in own.inputs])
    if layer.grid is not None:
        values = real(codes(values, layer.grid), layer.grid)
    anew = {layer.name: values}
    for node in _after(graph, layer.name):
        if any(name in anew for name in node.inputs):
            anew[node.name] = floats.compute(node, [anew.get(name, tensors[name]) for name in node.inputs])
    return anew.get(graph.output.name, tensors[graph.output.name])


def _after(graph: Graph, name: str) -> Sequence[Node]:
    position = next(index for index, node in enumerate(graph) if node.name == name)
    return graph.nodes[position + 1 :]


def _divergences(graph: Graph, truth: Floats, answer: Floats) -> npt.NDArray[np.float64]:
    """KL(truth ‖ answer) of each row, in nats: ``(n,)``."""
    probabilities = graph.output.activation == "softmax"
    expected, found = (_log_softmax(values, probabilities) for values in (truth, answer))
    return np.asarray((np.exp(expected) * (expected - found)).sum(axis=1))


def _log_softmax(values: Floats, probabilities: bool) -> npt.NDArray[np.float64]:
    if probabilities:  # on a grid one may be zero; half a step is the best guess that is not
        return np.log(np.maximum(values.astype(np.float64), 1 / 512))
    shifted = values.astype(np.float64) - values.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))
