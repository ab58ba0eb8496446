"""Magnitude pruning while training, on the polynomial schedule of Zhu & Gupta.

Zhu and Gupta 2017, "To prune, or not to prune", equation 1: sparsity rises from
zero as ``s·(1 − (1 − t/n)³)``, quickly while there is much to remove and slowly
towards the end. The remaining steps train what is left.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Pruner", "polynomial_sparsity", "prunable", "smallest_mask", "sparsity"]


def polynomial_sparsity(step: int, ramp_steps: int, final: float) -> float:
    """Sparsity after ``step`` of ``ramp_steps`` optimizer steps, in [0, ``final``]."""
    progress = min(step / ramp_steps, 1.0) if ramp_steps > 0 else 1.0
    return final * (1 - (1 - progress) ** 3)


def smallest_mask(values: npt.NDArray[np.float32], sparsity: float) -> npt.NDArray[np.float32]:
    """1 where a value stays, 0 for the ``round(sparsity·size)`` of smallest magnitude.

    Ties are broken by position, so exactly that many are removed. Shape as ``values``.
    """
    remove = round(sparsity * values.size)
    order = np.argsort(np.abs(values), axis=None, kind="stable")
    mask = np.ones(values.size, np.float32)
    mask[order[:remove]] = 0
    return mask.reshape(values.shape)


def prunable(model: Any) -> list[Any]:
    """The kernels that are pruned: of convolutions and dense layers.

    Depthwise kernels stay whole: they hold few of the weights, and a channel
    that loses its only filter is lost.
    """
    return [layer.kernel for layer in model.layers if type(layer).__name__ in ("Conv2D", "Dense")]


def sparsity(kernels: list[Any]) -> float:
    """The share of zeros in all of ``kernels``."""
    zeros = sum(int(np.count_nonzero(np.asarray(kernel) == 0)) for kernel in kernels)
    return zeros / sum(np.asarray(kernel).size for kernel in kernels)


@dataclass
class Pruner:
    """Keeps the kernels of ``model`` sparse while something else trains it.

    Call the object after every optimizer step. Masks are chosen anew every
    ``frequency`` steps until ``ramp_steps``, when ``sparsity`` is reached, and
    are fixed from there on.
    """

    kernels: list[Any]
    sparsity: float
    ramp_steps: int
    frequency: int
    masks: list[npt.NDArray[np.float32]] = field(default_factory=list)

    def __call__(self, step: int) -> None:
        rising = step <= self.ramp_steps and (step % self.frequency == 0 or step == self.ramp_steps)
        if rising or not self.masks:
            target = polynomial_sparsity(step, self.ramp_steps, self.sparsity)
            self.masks = [smallest_mask(np.asarray(kernel), target) for kernel in self.kernels]
        for kernel, mask in zip(self.kernels, self.masks, strict=True):
            kernel.assign(kernel * mask)
