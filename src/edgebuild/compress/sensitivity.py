"""Which layers suffer from quantization, and an int8 graph that leaves those in float32."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from edgebuild.errors import Finding
from edgebuild.graph import floats
from edgebuild.graph.codes import codes, real
from edgebuild.graph.ir import Graph, Node
from edgebuild.graph.run import activations, chunks, run

if TYPE_CHECKING:
    from edgebuild.tasks.task import Task

__all__ = ["Sensitivity", "fall_back", "sensitivities"]

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Sensitivity:
    """What quantizing one layer alone does to the answers of a network.

    ``disagreement`` is the share of decisions (classes of images, say) that
    change. ``divergence`` is the task's mean over images (for classes,
    KL(softmax of float ‖ softmax of quantized)), in nats: it tells layers apart
    also where no decision changes.
    """

    node: str
    op: str
    disagreement: float
    divergence: float


def sensitivities(graph: Graph, lowered: Graph, images: Floats, task: Task) -> list[Sensitivity]:
    """The layers of ``graph``, the most sensitive first (by divergence, then by name).

    Each layer in turn takes its weights and the grid of its output from
    ``lowered``, while all others stay in float32. Float activations are
    computed once per chunk of images, and after the layer in question only
    what depends on it is computed again.

    Args:
        graph: fp32.
        lowered: the same network as int8, w8 or w4.
        images: real images, float32 ``(n, h, w, c)``.
        task: settled, says what a decision is.
    """
    layers = [node for node in graph if node.weights]
    probabilities = graph.output.activation == "softmax"
    changed = dict.fromkeys((node.name for node in layers), 0.0)
    divergence = dict.fromkeys((node.name for node in layers), 0.0)
    for chunk in chunks(graph, images):
        tensors = activations(graph, chunk)
        truth = tensors[graph.output.name]
        expected = task.answers(truth, chunk)
        for node in layers:
            found = _with_one_lowered(graph, lowered[node.name], tensors)
            alike = task.alike(task.answers(found, chunk), expected)
            changed[node.name] += float((~alike).mean()) * len(chunk)
            divergence[node.name] += float(task.divergence(truth, found, probabilities=probabilities).sum())
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
    task: Task,
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
        task: settled, says what a decision is.
        drop: what a graph loses; by default the share of decisions on ``images`` that are not those of ``graph``.

    Raises:
        Finding: the budget is exceeded even with every layer in float32.
    """
    truth = task.answers(run(graph, images), images)

    def disagreement(lowered: Graph) -> float:
        return float((~task.alike(task.answers(run(lowered, images), images), truth)).mean())

    measure = drop or disagreement
    integer = lower(())
    if measure(integer) <= budget:
        return integer, ()
    order = [row.node for row in sensitivities(graph, integer, images, task)]
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
