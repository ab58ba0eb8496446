"""From a trained Keras model to the inference graph.

Layers are translated one by one and then simplified; those that do nothing at
inference disappear. Layers outside the supported set are refused by name, all
at once and before any work; nothing is approximated.
"""

from __future__ import annotations

from typing import Any

from edgebuild.errors import GraphError
from edgebuild.graph.calls import Call, calls
from edgebuild.graph.check import check
from edgebuild.graph.ir import Graph
from edgebuild.graph.simplify import simplify
from edgebuild.graph.supported import SUPPORTED, refusals_of
from edgebuild.graph.translate import translate

__all__ = ["freeze", "refusals"]


def freeze(
    model: Any,
    labels: tuple[str, ...],
    pixel_scale: float = 1 / 255,
    *,
    task: str = "classification",
    units: tuple[tuple[float, float], ...] = (),
) -> Graph:
    """The fp32 graph of a functional or sequential Keras model from one image to one logit per label.

    Models that it calls are taken apart. A final softmax stays part of the
    graph. ``pixel_scale``, ``task`` and ``units`` are those of
    :class:`~edgebuild.graph.ir.Graph`; the scale is 1 for a model that rescales
    pixels itself. Without ``labels`` there may be any number of outputs.

    Raises:
        GraphError: a model or layers that the graph cannot hold, named with their types and what to do.
    """
    found = calls(model)
    if reasons := _refusals(found):
        listed = reasons[0] if len(reasons) == 1 else "\n  ".join([f"{len(reasons)} problems:", *reasons])
        raise GraphError(f"model {model.name!r}: {listed}\n(supported are {SUPPORTED})")
    shape = found[-1].shape
    nodes = translate(found)
    if len(nodes) < 2 or (shape != (len(labels),) if labels else len(shape) != 1):
        raise GraphError(
            f"model {model.name!r} must give one logit for each of {len(labels)} labels, but its output "
            f"has shape {shape}; end it with Dense({len(labels)})"
        )
    graph = Graph(simplify(nodes), "fp32", labels, pixel_scale, task, units)
    check(graph, f"model {model.name!r}")
    return graph


def refusals(model: Any) -> list[str]:
    """Why ``model`` cannot be frozen, a line for each layer and reason; none if it can. Reads no weights."""
    try:
        return _refusals(calls(model))
    except GraphError as error:
        return [str(error)]


def _refusals(found: list[Call]) -> list[str]:
    return [reason for call in found for reason in refusals_of(call)]
