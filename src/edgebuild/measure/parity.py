"""Does a written file compute what its graph says? Judged on inputs that no data set has to supply.

The probes are random images in the range of real ones and far beyond it, so
that clipping and saturation happen. Integer files are compared in steps of
the output's grid, float files relative to the largest logit.

Rounding differs between runtimes, and a deep network can amplify it: one code
that falls to the other side early is many steps at the end, without anybody
being wrong. So the limit follows the network: it may not differ by more than
the reference itself moves when its input moves by as little as rounding.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from edgebuild.errors import ParityError
from edgebuild.graph.ir import Graph
from edgebuild.graph.run import run

__all__ = ["Parity", "compare", "nudged", "probes"]

Floats = npt.NDArray[np.float32]

_DEFECT = "this is a defect of the exporter or of the runtime's version, nothing was published"

PROBES = 64
#: Rounding that differs by one step early in an integer network can be two steps at its end.
MAX_STEPS = 2.0
#: Largest difference to the reference, relative to the largest logit, where arithmetic is float32 ...
DEFAULT_RELATIVE_ERROR = 2e-4
#: ... and where a runtime computes in float16.
RELATIVE_ERROR: Mapping[tuple[str, str], float] = {("coreml", "fp16"): 0.05}
#: How far an input is moved to see what rounding can do: relative to the largest pixel in float graphs, and
#: one code for this share of the pixels in integer graphs.
NUDGE, NUDGED = 1e-6, 0.02


class Predicts(Protocol):
    """Whatever turns images into logits: a loaded file."""

    def predict(self, images: Floats) -> Floats:
        """Logits, float32 ``(n, classes)``, for real images, float32 ``(n, h, w, c)``."""


@dataclass(frozen=True)
class Parity:
    """The largest difference to the reference; in steps of the output grid for integer files."""

    error: float
    limit: float
    unit: str

    def __str__(self) -> str:
        if self.unit == "steps":
            return f"at most {self.error:.0f} steps from the reference"
        return f"within {self.error:.1e} of the reference"


def probes(graph: Graph, seed: int = 0) -> Floats:
    """Random images, float32 ``(64, h, w, c)``: half of them within the range of stored pixels, half beyond it."""
    generator = np.random.default_rng(seed)
    largest = 255 * graph.pixel_scale
    inside = generator.random((PROBES // 2, *graph.input.shape))
    outside = generator.uniform(-4, 5, (PROBES // 2, *graph.input.shape))
    return (np.concatenate([inside, outside]) * largest).astype(np.float32)


def compare(graph: Graph, format: str, session: Predicts) -> Parity:
    """Run the probes through ``session`` and through the numpy reference.

    Raises:
        ParityError: they differ by more than rounding explains.
    """
    images = probes(graph)
    expected, found = run(graph, images), session.predict(images)
    if found.shape != expected.shape:
        raise ParityError(
            f"the {format} file gives logits of shape {found.shape}, its graph {expected.shape}; {_DEFECT}"
        )
    if strange := int(np.count_nonzero(~np.isfinite(found))):
        raise ParityError(
            f"{strange} of the {found.size} logits that the {format} file gives are not finite; {_DEFECT}"
        )
    halves = [slice(PROBES // 2), slice(PROBES // 2, PROBES)]
    return max(
        (_judge(graph, format, images[half], expected[half], found[half]) for half in halves),
        key=lambda parity: parity.error / parity.limit,
    )


def _judge(graph: Graph, format: str, images: Floats, expected: Floats, found: Floats) -> Parity:
    grid = graph.output.grid
    if grid is not None:
        unit, limit, size = "steps", MAX_STEPS, grid.scale
    else:
        unit, size = "relative", max(float(np.abs(expected).max()), 1e-6)
        limit = RELATIVE_ERROR.get((format, graph.precision), DEFAULT_RELATIVE_ERROR)
    error = float(np.abs(found - expected).max()) / size
    error = round(error, 3) if grid is not None else error  # steps are whole, but for float32's own rounding
    if error > limit:  # only then is it worth knowing what rounding can do to this network
        limit = max(limit, float(np.abs(run(graph, nudged(graph, images)) - expected).max()) / size)
    parity = Parity(error, limit, unit)
    if error > limit:
        raise ParityError(
            f"the {format} file does not compute its graph: {parity}, allowed is {limit:g}; {_DEFECT}"
        )
    return parity


def nudged(graph: Graph, images: Floats) -> Floats:
    """``images``, moved by as little as rounding moves numbers."""
    generator = np.random.default_rng(1)
    if graph.input.grid is None:
        noise = generator.uniform(-NUDGE, NUDGE, images.shape) * 255 * graph.pixel_scale
    else:
        chosen = generator.random(images.shape) < NUDGED
        noise = chosen * generator.choice([-1, 1], images.shape) * graph.input.grid.scale
    return (images + noise).astype(np.float32)
