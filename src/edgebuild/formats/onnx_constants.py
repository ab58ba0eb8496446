"""What an ONNX file holds besides operators: names, grids, packed integers, channels of zeros."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgebuild.graph.ir import Graph, Node

__all__ = ["TO_UINT8", "is_worth_widening", "pack", "scale_and_zero", "short", "widen"]

Array = npt.NDArray[np.generic]

#: From an int8 code or zero point to the uint8 one that stands for the same real number.
TO_UINT8 = 128

#: ONNX Runtime's fastest x86 convolutions (MLAS, ``ConvSym``) take multiples of 4 channels, and give at
#: least 16. An image of fewer channels is widened with zeros where that was seen to save more time than
#: it costs, on AVX512-VNNI: from so many products per channel.
FAST_CHANNELS, LEAST_OUTPUT, WORTH_WIDENING = 4, 16, 1024


def short(number: int) -> str:
    """A name: a, b, … z, then two letters and so on. The 5 letters of "image" come after 4 million."""
    letters = ""
    number += 1
    while number:
        number, letter = divmod(number - 1, 26)
        letters = chr(ord("a") + letter) + letters
    return letters


def pack(values: Array) -> bytes:
    """Two 4-bit integers to a byte, the first in the low half (onnx.proto, ``TensorProto.raw_data``)."""
    nibbles = values.reshape(-1).astype(np.uint8) & 0x0F
    nibbles = np.append(nibbles, np.zeros(nibbles.size % 2, np.uint8))
    packed: bytes = (nibbles[::2] | nibbles[1::2] << 4).tobytes()
    return packed


def scale_and_zero(node: Node, *, exact: bool = False) -> tuple[np.generic, np.generic]:
    """Scale and uint8 zero point of what ``node`` reads and rounds to; with ``exact``, of its tensor.

    The two differ for an average pool, which keeps the grid of its input: its
    scale does not matter, and with scale 1 float32 holds the sums of codes
    exactly. With another, rounding errors would decide the ties, which are
    frequent.
    """
    assert node.grid is not None, node.name
    scale = 1.0 if node.op == "average_pool" and not exact else node.grid.scale
    return np.float32(scale), np.uint8(node.grid.zero_point + TO_UINT8)


def widen(image: Node) -> npt.NDArray[np.int64]:
    """The ``pads`` of an ONNX Pad that gives ``image``, (n, c, h, w), the channels of fast kernels."""
    return np.array([0, 0, 0, 0, 0, FAST_CHANNELS - image.shape[2], 0, 0], np.int64)


def is_worth_widening(graph: Graph) -> bool:
    """Is an int8 graph faster if its image and the kernels that read it get channels of zeros?"""
    readers = graph.consumers(graph.input.name)
    return (
        graph.precision == "int8"
        and graph.input.shape[2] < FAST_CHANNELS
        and all(node.op == "conv2d" and node.grid is not None and _is_fast(node.shape[2]) for node in readers)
        and sum(_products(node) for node in readers) > WORTH_WIDENING
    )


def _is_fast(outputs: int) -> bool:
    return outputs >= LEAST_OUTPUT and outputs % FAST_CHANNELS == 0


def _products(node: Node) -> int:
    height, width, _, _ = node.weights["kernel"].values.shape
    return int(node.shape[0] * node.shape[1] * height * width)
