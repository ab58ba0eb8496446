"""The constants of a node that is being read from a file, checked: float64, finite, as many as channels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from edgebuild.graph.ir import CHANNEL_AXIS, Weight
from edgebuild.importers.layout import Refused

__all__ = ["filled", "weights_of"]

Array = npt.NDArray[Any]


def filled(op: str, kernel: Array, bias: Array | None) -> Mapping[str, Weight]:
    """Kernel and bias, zeros where there is none, of an op of :data:`~edgebuild.graph.ir.CHANNEL_AXIS`."""
    channels = kernel.shape[CHANNEL_AXIS[op]]
    offset = np.zeros(channels) if bias is None else np.asarray(bias, np.float64).reshape(-1)
    if offset.shape != (channels,):
        raise Refused(f"its bias has {offset.size} numbers for {channels} channels")
    return weights_of({"kernel": np.asarray(kernel, np.float64), "bias": offset}, CHANNEL_AXIS[op])


def weights_of(numbers: Mapping[str, Array], axis: int = 0) -> Mapping[str, Weight]:
    """``numbers`` as constants of a node; the kernel has its channels on ``axis``."""
    for key, values in numbers.items():
        if not np.isfinite(values).all():
            raise Refused(f"its {key} has numbers that are not finite; the training diverged")
    return {key: Weight(values, axis=axis if key == "kernel" else 0) for key, values in numbers.items()}
