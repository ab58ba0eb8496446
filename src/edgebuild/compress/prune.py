"""Unstructured pruning while training: weights become zero, the network keeps its shape.

Zhu and Gupta 2017, "To prune, or not to prune", equation 1: sparsity rises from
zero as ``s·(1 − (1 − t/n)³)``, quickly while there is much to remove and slowly
towards the end. The remaining steps train what is left. Which weights go is
up to one of three schemes:

layer     the smallest of every kernel, the same share of each
global    the smallest in one ranking over all kernels, by a score that is fair
          to layers of different scales and sizes
two_four  the two smallest of every four consecutive input channels, which is
          what sparse tensor cores execute (Mishra et al. 2021, "Accelerating
          Sparse Deep Neural Networks")

No runtime that this build writes for is faster for such zeros; files compress
better. Networks that are smaller are made by ``edgebuild.compress.channels``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = [
    "SCHEMES",
    "Masks",
    "Pruner",
    "Scheme",
    "fits_two_four",
    "global_masks",
    "lamp",
    "layer_masks",
    "polynomial_sparsity",
    "prunable",
    "smallest_mask",
    "sparsity",
    "two_four_masks",
]

Floats = npt.NDArray[np.float32]

#: One for each kernel, of its shape: 1 where a value stays, 0 where it goes.
Masks = list[Floats]

#: (kernels, share of their weights that goes) → masks
Scheme = Callable[[Sequence[Floats], float], Masks]


def polynomial_sparsity(step: int, ramp_steps: int, final: float) -> float:
    """Sparsity after ``step`` of ``ramp_steps`` optimizer steps, in [0, ``final``]."""
    progress = min(step / ramp_steps, 1.0) if ramp_steps > 0 else 1.0
    return final * (1 - (1 - progress) ** 3)


def smallest_mask(values: npt.NDArray[np.floating[Any]], sparsity: float) -> Floats:
    """1 where a value stays, 0 for the ``round(sparsity·size)`` of smallest magnitude.

    Ties are broken by position, so exactly that many are removed. Shape as ``values``.
    """
    remove = round(sparsity * values.size)
    order = np.argsort(np.abs(values), axis=None, kind="stable")
    mask = np.ones(values.size, np.float32)
    mask[order[:remove]] = 0
    return mask.reshape(values.shape)


def layer_masks(kernels: Sequence[Floats], sparsity: float) -> Masks:
    """Every kernel loses its ``round(sparsity·size)`` smallest weights."""
    return [smallest_mask(kernel, sparsity) for kernel in kernels]


def global_masks(kernels: Sequence[Floats], sparsity: float) -> Masks:
    """All kernels together lose the ``round(sparsity·size)`` weights of smallest :func:`lamp` score.

    Plain magnitudes would not be comparable: batch normalization lets a layer
    have any scale, and one ranking would empty the layers of small ones.
    """
    mask = smallest_mask(np.concatenate([lamp(kernel).ravel() for kernel in kernels]), sparsity)
    ends = np.cumsum([kernel.size for kernel in kernels])[:-1]
    return [part.reshape(kernel.shape) for part, kernel in zip(np.split(mask, ends), kernels, strict=True)]


def lamp(kernel: Floats) -> npt.NDArray[np.float64]:
    """A weight's square over the sum of squares of all weights of the kernel that are no smaller.

    Lee et al. 2021, "Layer-adaptive Sparsity for the Magnitude-based Pruning",
    equation 5. In [0, 1], shape as ``kernel``; the largest weight has 1, so no
    kernel ever loses all.
    """
    order = np.argsort(np.abs(kernel), axis=None, kind="stable")
    squares = np.square(kernel.ravel()[order], dtype=np.float64)
    remaining = np.cumsum(squares[::-1])[::-1]
    scores = np.empty(kernel.size)
    scores[order] = np.divide(squares, remaining, out=np.zeros(kernel.size), where=remaining > 0)
    return scores.reshape(kernel.shape)


def two_four_masks(kernels: Sequence[Floats], sparsity: float) -> Masks:
    """Weights that are among the two smallest of a group of four, the smallest of them first.

    A group is four consecutive input channels of one filter and position. At
    ``sparsity`` 0.5 exactly two of every group are gone; below, the share
    ``2·sparsity`` of those, chosen by magnitude in each kernel. A kernel whose
    input channels are no multiple of four stays whole.
    """
    return [
        _two_four_mask(kernel, sparsity) if fits_two_four(kernel) else np.ones(kernel.shape, np.float32)
        for kernel in kernels
    ]


def fits_two_four(kernel: Any) -> bool:
    """Whether the input channels of a kernel ``(…, in, out)`` are a multiple of four."""
    return int(kernel.shape[-2]) % 4 == 0


def _two_four_mask(kernel: Floats, sparsity: float) -> Floats:
    magnitude = np.abs(np.moveaxis(kernel, -2, -1))  # (…, out, in)
    groups = magnitude.reshape(-1, 4)
    smaller = np.argsort(groups, axis=1, kind="stable")[:, :2]
    rows = np.arange(len(groups))[:, None]
    chosen = groups[rows, smaller]
    mask = np.ones_like(groups, np.float32)
    mask[rows, smaller] = smallest_mask(chosen, min(2 * sparsity, 1.0))
    return np.ascontiguousarray(np.moveaxis(mask.reshape(magnitude.shape), -1, -2))


SCHEMES: Mapping[str, Scheme] = {"layer": layer_masks, "global": global_masks, "two_four": two_four_masks}


def prunable(model: Any) -> list[Any]:
    """The kernels that are pruned: of convolutions and dense layers.

    Depthwise kernels stay whole: they hold few of the weights, and a channel
    that loses its only filter is lost.
    """
    attributes = {"Conv2D": "kernel", "Dense": "kernel", "SeparableConv2D": "pointwise_kernel"}
    kinds = [(layer, type(layer).__name__) for layer in model.layers]
    return [getattr(layer, attributes[kind]) for layer, kind in kinds if kind in attributes]


def sparsity(kernels: Sequence[Any]) -> float:
    """The share of zeros in all of ``kernels``."""
    zeros = sum(int(np.count_nonzero(np.asarray(kernel) == 0)) for kernel in kernels)
    return zeros / sum(np.asarray(kernel).size for kernel in kernels)


@dataclass
class Pruner:
    """Keeps ``kernels`` sparse while something else trains them.

    Call the object after every optimizer step. Masks are chosen anew every
    ``frequency`` steps until ``ramp_steps``, when ``sparsity`` is reached, and
    are fixed from there on. ``masks`` are changed in place: they are part of
    what a checkpoint of the training has to hold.
    """

    kernels: list[Any]
    sparsity: float
    ramp_steps: int
    frequency: int
    scheme: Scheme = layer_masks
    masks: Masks = field(init=False)

    def __post_init__(self) -> None:
        self.masks = [np.ones(np.shape(kernel), np.float32) for kernel in self.kernels]

    def __call__(self, step: int) -> None:
        rising = step <= self.ramp_steps and (step % self.frequency == 0 or step == self.ramp_steps)
        if rising or step == 1:
            target = polynomial_sparsity(step, self.ramp_steps, self.sparsity)
            chosen = self.scheme([np.asarray(kernel) for kernel in self.kernels], target)
            for mask, values in zip(self.masks, chosen, strict=True):
                mask[...] = values
        for kernel, mask in zip(self.kernels, self.masks, strict=True):
            kernel.assign(kernel * mask)
