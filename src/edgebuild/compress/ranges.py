"""Activation ranges: which real values the int8 codes of a tensor have to span.

Calibration images are looked at in chunks, in one pass for the extremes and in
a second one for histograms, so memory does not grow with their number.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from edgebuild.compress.grids import grid_of
from edgebuild.errors import GraphError, UsageError
from edgebuild.graph.codes import codes, real
from edgebuild.graph.ir import Graph, Grid
from edgebuild.graph.run import activations, chunks

__all__ = ["RANGES", "Histogram", "calibration_images", "observe"]

Floats = npt.NDArray[np.float32]

#: Bins between the extremes of a tensor: 16 to a step of the widest grid.
BINS = 4096
#: Clipping points that "mse" tries on each side, evenly between zero and the extreme.
CANDIDATES = 64


class Examples(Protocol):
    """A prepared split."""

    def __len__(self) -> int: ...
    def real(self, count: int | None = None) -> Floats: ...


def calibration_images(calibration: Examples, samples: int) -> Floats:
    """The first ``samples`` images of the calibration split as networks take them, float32 ``(samples, h, w, c)``.

    Raises:
        UsageError: it has fewer.
    """
    if samples > len(calibration):
        raise UsageError(
            f"quantize.samples asks for {samples} images, but the calibration split has {len(calibration)}; "
            f"lower it, or raise data.calibration in params.yaml"
        )
    return calibration.real(samples)


@dataclass(frozen=True)
class Histogram:
    """How often a tensor had which value: ``counts``, int64 ``(BINS,)``, evenly between the extremes."""

    low: float
    high: float
    counts: npt.NDArray[np.int64]

    @property
    def edges(self) -> npt.NDArray[np.float64]:
        return np.linspace(self.low, self.high, len(self.counts) + 1)

    @property
    def centres(self) -> Floats:
        edges = self.edges
        return np.asarray((edges[:-1] + edges[1:]) / 2, np.float32)


def observe(graph: Graph, images: Floats, *, ranges: str, percentile: float) -> Mapping[str, Grid]:
    """The grid of every tensor of an fp32 graph by itself, from real calibration images ``(n, h, w, c)``.

    Which of them come to share a grid is for :mod:`edgebuild.compress.grids` to say. The input is an
    exception to ``ranges``: if the images consist of whole stored pixels, 0 to 255, each of those is a
    code, so that nothing is lost; if not, its extremes are kept.

    Args:
        ranges: an entry of :data:`RANGES`. ``minmax`` keeps the extremes; ``percentile`` leaves out
            what is beyond ``percentile`` (in percent, up to a bin's width) on either side; ``mse``
            clips where the squared error of rounding and clipping is least.

    Raises:
        GraphError: a tensor is not finite on these images, naming it.
    """
    extremes, name = _extremes(graph, images), graph.input.name
    pixels = _pixel_grid(graph, images) or grid_of(*extremes[name])
    if ranges == "minmax":
        return {**{node: grid_of(low, high) for node, (low, high) in extremes.items()}, name: pixels}
    find = RANGES[ranges]
    seen = _histograms(graph, images, extremes)
    return {**{node: grid_of(*find(histogram, percentile)) for node, histogram in seen.items()}, name: pixels}


def _pixel_grid(graph: Graph, images: Floats) -> Grid | None:
    """The grid whose codes are the stored pixels minus 128; None if the images are not made of such."""
    scale = np.float32(graph.pixel_scale)
    for chunk in chunks(graph, images):
        pixels = chunk / scale
        whole = np.abs(pixels - np.rint(pixels)).max() < 1e-3  # what float32 leaves of 255
        if not whole or pixels.min() < -0.5 or pixels.max() > 255.5:
            return None
    return Grid(float(scale), -128)


def _extremes(graph: Graph, images: Floats) -> Mapping[str, tuple[float, float]]:
    found: dict[str, tuple[float, float]] = {}
    for chunk in chunks(graph, images):
        for name, values in activations(graph, chunk).items():
            low, high = float(values.min()), float(values.max())
            if not np.isfinite([low, high]).all():
                raise GraphError(
                    f"{name} must be finite to be put on a grid, but reaches from {low} to {high} on the "
                    f"calibration images; train again with a lower learning_rate"
                )
            before = found.get(name, (low, high))
            found[name] = min(low, before[0]), max(high, before[1])
    return found


def _histograms(
    graph: Graph, images: Floats, extremes: Mapping[str, tuple[float, float]]
) -> Mapping[str, Histogram]:
    counts = {name: np.zeros(BINS, np.int64) for name in extremes}
    for chunk in chunks(graph, images):
        for name, values in activations(graph, chunk).items():
            counts[name] += np.histogram(values, BINS, extremes[name])[0]
    return {name: Histogram(*extremes[name], counts[name]) for name in extremes}


def _extreme(histogram: Histogram, percentile: float) -> tuple[float, float]:
    del percentile
    return histogram.low, histogram.high


def _percentile(histogram: Histogram, percentile: float) -> tuple[float, float]:
    cumulative = np.concatenate([[0], np.cumsum(histogram.counts)])
    shares = np.array([100 - percentile, percentile]) / 100
    low, high = np.interp(shares * cumulative[-1], cumulative, histogram.edges)
    return float(low), float(high)


def _least_squared_error(histogram: Histogram, percentile: float) -> tuple[float, float]:
    """The range whose grid has the least ``Σ counts · (value − nearest code)²``.

    The objective of Sakr et al. 2022 ("Optimal Clipping and Magnitude-aware
    Differentiation for Improved Quantization-aware Training", OCTAV), equation
    3, over a histogram and for grids that need not be symmetric. Both ends are
    searched in turn, twice, on a plain grid of candidates.
    """
    del percentile
    centres, counts = histogram.centres, histogram.counts.astype(np.float64)

    def error(low: float, high: float) -> float:
        grid = grid_of(low, high)
        return float(counts @ np.square(real(codes(centres, grid), grid) - centres))

    low, high = min(histogram.low, 0.0), max(histogram.high, 0.0)
    steps = np.arange(CANDIDATES, 0, -1) / CANDIDATES  # ties go to the widest
    lows, highs = steps * low, steps * high
    for _ in range(2):
        if high > 0:
            high = min((float(candidate) for candidate in highs), key=lambda candidate: error(low, candidate))
        if low < 0:
            low = min((float(candidate) for candidate in lows), key=lambda candidate: error(candidate, high))
    return low, high


#: name → (histogram of a tensor, percentile) → (low, high)
RANGES: Mapping[str, Callable[[Histogram, float], tuple[float, float]]] = {
    "minmax": _extreme,
    "percentile": _percentile,
    "mse": _least_squared_error,
}
