"""Does a written file compute what its graph says? Judged on inputs that no data set has to supply.

The probes are random images in the range of real ones and far beyond it, so
that clipping and saturation happen. Integer files are compared in steps of
the output's grid, float files relative to the largest logit.
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

__all__ = ["Parity", "compare", "probes"]

Floats = npt.NDArray[np.float32]

_DEFECT = "this is a defect of the exporter or of the runtime's version, nothing was published"

PROBES = 64
#: Rounding that differs by one step early in an integer network can be two steps at its end.
MAX_STEPS = 2
#: Largest difference to the reference, relative to the largest logit, where arithmetic is float32 ...
DEFAULT_RELATIVE_ERROR = 1e-4
#: ... and where a runtime computes in float16.
RELATIVE_ERROR: Mapping[tuple[str, str], float] = {("coreml", "fp16"): 0.05}


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


def probes(shape: tuple[int, ...], seed: int = 0) -> Floats:
    """Random images, float32 ``(64, *shape)``: half of them in [0, 1], half in [-4, 5]."""
    generator = np.random.default_rng(seed)
    inside = generator.random((PROBES // 2, *shape))
    outside = generator.uniform(-4, 5, (PROBES // 2, *shape))
    return np.concatenate([inside, outside]).astype(np.float32)


def compare(graph: Graph, format: str, session: Predicts) -> Parity:
    """Run the probes through ``session`` and through the numpy reference.

    Raises:
        ParityError: they differ by more than rounding explains.
    """
    images = probes(graph.input.shape)
    expected, found = run(graph, images), session.predict(images)
    if found.shape != expected.shape:
        raise ParityError(
            f"the {format} file gives logits of shape {found.shape}, its graph {expected.shape}; {_DEFECT}"
        )
    if strange := int(np.count_nonzero(~np.isfinite(found))):
        raise ParityError(
            f"{strange} of the {found.size} logits that the {format} file gives are not finite; {_DEFECT}"
        )
    difference = float(np.abs(found - expected).max())
    if graph.output.grid is not None:
        parity = Parity(round(difference / graph.output.grid.scale, 3), MAX_STEPS, "steps")
    else:
        limit = RELATIVE_ERROR.get((format, graph.precision), DEFAULT_RELATIVE_ERROR)
        parity = Parity(difference / max(float(np.abs(expected).max()), 1e-6), limit, "relative")
    if parity.error > parity.limit:
        raise ParityError(
            f"the {format} file does not compute its graph: {parity}, allowed is {parity.limit:g}; {_DEFECT}"
        )
    return parity
