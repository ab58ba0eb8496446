"""Activation ranges: which real values the int8 codes of a tensor have to span."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from edgebuild.compress.grids import grid_of
from edgebuild.graph.ir import Graph, Grid
from edgebuild.graph.run import CHUNK, activations

__all__ = ["RANGES", "observe"]

Floats = npt.NDArray[np.float32]

#: name → (values of one tensor over the calibration images, percentile) → (low, high)
RANGES: Mapping[str, Callable[[Floats, float], tuple[float, float]]] = {
    "minmax": lambda values, _: (float(values.min()), float(values.max())),
    "percentile": lambda values, percentile: (
        float(np.percentile(values, 100 - percentile)),
        float(np.percentile(values, percentile)),
    ),
}


def observe(graph: Graph, images: Floats, *, ranges: str, percentile: float) -> Mapping[str, Grid]:
    """The grid of every tensor of an fp32 graph, from real calibration images ``(n, h, w, c)``.

    ``ranges`` names an entry of :data:`RANGES`.
    """
    seen: dict[str, list[Floats]] = {node.name: [] for node in graph}
    for start in range(0, len(images), CHUNK):
        for name, values in activations(graph, images[start : start + CHUNK]).items():
            seen[name].append(values.reshape(-1))
    find = RANGES[ranges]
    return {name: grid_of(*find(np.concatenate(parts), percentile)) for name, parts in seen.items()}
