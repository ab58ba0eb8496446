"""Activation ranges: which real values the int8 codes of a tensor have to span."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from edgebuild.graph.ir import Graph, Grid
from edgebuild.graph.run import CHUNK, activations

__all__ = ["RANGES", "grid_of", "observe"]

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


def grid_of(low: float, high: float) -> Grid:
    """The int8 grid that spans [low, high] and represents zero exactly.

    Jacob et al. 2018, section 3: the range is widened to contain 0, and the
    zero point is the code nearest to it. A range of no width (a dead tensor)
    gets scale 1, which represents its zeros.
    """
    low, high = min(low, 0.0), max(high, 0.0)
    scale = float(np.float32((high - low) / 255))
    if scale < np.finfo(np.float32).tiny:
        return Grid(1.0, 0)
    return Grid(scale, int(np.clip(np.rint(-128 - low / scale), -128, 127)))
