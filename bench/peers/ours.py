"""edgebuild: one frozen graph, one set of numbers per precision, three writers."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from bench.peers.peer import Peer
from bench.source import Source, remove
from edgebuild.compress import quantize
from edgebuild.compress.bias import correct_bias
from edgebuild.compress.equalize import equalize
from edgebuild.compress.ranges import observe
from edgebuild.formats.registry import open_writer
from edgebuild.graph import file
from edgebuild.graph.freeze import freeze
from edgebuild.graph.ir import Graph

__all__ = ["PEERS", "PRECISIONS", "graph", "warm", "write"]

TOOL = "edgebuild"
PRECISIONS = ("fp32", "w8", "w4", "int8")
FORMATS = ("litert", "onnx", "coreml")


def write(source: Source, path: Path, format: str, precision: str) -> None:
    """Freeze, lower, write: what the stages freeze, quantize and export do."""
    open_writer(format).write(graph(source, precision), path)


def graph(source: Source, precision: str) -> Graph:
    """The network in ``precision``, kept as a file between the formats."""
    made = source.step(f"{precision}.safetensors", lambda path: file.write(_lower(source, precision), path))
    return file.read(made)


def _lower(source: Source, precision: str) -> Graph:
    if precision == "fp32":
        return freeze(source.model(), source.labels())
    float_graph = graph(source, "fp32")
    if precision != "int8":
        return getattr(quantize, f"to_{precision}")(float_graph)  # type: ignore[no-any-return]
    images, recipe = source.calibration(), source.recipe
    start = equalize(float_graph) if recipe.equalize else float_graph
    grids = observe(start, images, ranges=recipe.ranges, percentile=recipe.percentile)
    integer = quantize.to_int8(start, grids)
    return quantize.to_int8(correct_bias(start, integer, images), grids) if recipe.correct_bias else integer


def warm(source: Source, format: str) -> None:
    """Writing a file once imports all that the format needs."""
    scratch = source.work / f"warm-{format}"
    write(source, scratch, format, "fp32")
    remove(scratch)


def _peer(format: str, precision: str) -> Peer:
    converter = partial(write, format=format, precision=precision)
    return Peer(f"{format}-{precision}", TOOL, format, precision, converter, partial(warm, format=format))


PEERS = tuple(_peer(one, precision) for one in FORMATS for precision in PRECISIONS)
