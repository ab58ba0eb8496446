"""Write one variant's file, load it back, and compare what it computes with the reference."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgebuild.formats import coreml
from edgebuild.formats.registry import open_writer
from edgebuild.graph import file
from edgebuild.measure.parity import compare, probes
from edgebuild.variant import Variant

if TYPE_CHECKING:
    from edgebuild.build.stage import Stage


def main(stage: Stage) -> None:
    """graph → models/<variant>."""
    variant = Variant.parse(stage.key)
    graph = file.read(stage.dep("models/graphs/*"))
    path = stage.out("models/*")
    writer = open_writer(variant.format)
    writer.write(graph, path, flexible=stage.params.export.batch == "flexible")
    parity = compare(graph, variant.format, writer.load(path, threads=1))
    stage.say(f"written and loaded back, {parity}")
    if variant.format == "coreml":
        stage.say(coreml.describe(path, probes(graph)))
