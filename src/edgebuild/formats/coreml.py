"""Core ML: write an ML Program from a graph, load it, run it.

The program is saved with an empty pass pipeline: coremltools' type inference,
validation and writer are used, and what is stored is what :mod:`edgebuild.mil.lower`
built, so the integers of the grid reach the file untouched (the default passes
move zero points and drop quantize/dequantize pairs). The writer itself makes
one change: x · sigmoid(x) becomes Core ML's silu. :mod:`edgebuild.mil.compact`
then takes out what the saved program repeats.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from edgebuild import mil
from edgebuild.errors import GraphError
from edgebuild.formats.coreml_session import (
    CHUNK,
    Comparison,
    Images,
    Session,
    compare_runtimes,
    evaluate,
    load,
    open_coremltools,
    quietly,
    unavailable_runtime,
)
from edgebuild.graph.ir import PRECISIONS, Graph
from edgebuild.graph.meaning import outputs_mean, properties
from edgebuild.mil import package, proto
from edgebuild.mil.compact import compact
from edgebuild.mil.inventory import inventory, unexercised
from edgebuild.mil.lower import INPUT, OUTPUT, lower

__all__ = [
    "CHUNK",
    "INPUT",
    "LABELS_KEY",
    "LARGEST_BATCH",
    "OUTPUT",
    "Comparison",
    "Session",
    "compare_runtimes",
    "describe",
    "evaluate",
    "in_half",
    "load",
    "unavailable_runtime",
    "write",
]

#: User-defined metadata: the class names as a JSON list, in the order of the output.
LABELS_KEY = "classes"

#: The most images at once that a file written with ``flexible`` takes: a range must end somewhere.
LARGEST_BATCH = 64

#: precision → the oldest system whose Core ML has the operations. Apple's names are those of coremltools.
TARGETS: Mapping[str, str] = {
    "fp32": "iOS16",
    "fp16": "iOS16",
    "w8": "iOS16",
    "int8": "iOS17",
    "w4": "iOS18",
}


def write(
    graph: Graph, path: Path, *, flexible: bool = False, half: bool = False, newest: bool = False
) -> None:
    """Write ``graph`` as the package ``path``, with the same bytes in every process.

    fp32, fp16 and w8 need iOS 16 or macOS 13, int8 needs iOS 17 or macOS 14,
    w4 needs iOS 18 or macOS 15. The input "image" is float32 (1, channels,
    height, width), the output "logits" float32 (1, classes), in every precision.

    Args:
        flexible: the batch may be 1 to :data:`LARGEST_BATCH` images. Apple's
            Neural Engine wants fixed shapes, so the default is batch 1.
        half: compute in float16, as the Neural Engine does: it runs nothing else. fp16 always does.
        newest: use what iOS 18 adds: sparse int8 kernels, where they are smaller.

    Raises:
        GraphError: the graph holds something that Core ML or this writer cannot represent.
    """
    if graph.precision not in PRECISIONS:
        raise GraphError(f"precision must be one of {', '.join(PRECISIONS)}, found {graph.precision!r}")
    if half and graph.precision == "fp32":
        raise GraphError("half: an fp32 graph is computed in float32; use precision fp16")
    with quietly(), tempfile.TemporaryDirectory() as folder:
        ct = open_coremltools()
        from coremltools.converters.mil import mil as toolkit

        system = "iOS18" if newest else TARGETS[graph.precision]
        target = getattr(ct.target, system)
        height, width, channels = graph.input.shape
        batch = ct.RangeDim(1, LARGEST_BATCH, default=1)
        shape = ct.TensorType(name=INPUT, shape=(batch, channels, height, width))
        saved = Path(folder) / "model.mlpackage"
        try:
            program = lower(
                graph,
                toolkit,
                target,
                half=half or graph.precision == "fp16",
                ios18=system == "iOS18",
                flexible=flexible,
            )
            ct.convert(
                program,
                source="milinternal",
                convert_to="mlprogram",
                inputs=[shape] if flexible else None,
                minimum_deployment_target=target,
                compute_precision=ct.precision.FLOAT32,  # precision is in the program; no pass may change it
                pass_pipeline=ct.PassPipeline.EMPTY,
                skip_model_load=True,
                package_dir=str(saved),
            )
        except (ValueError, TypeError, RuntimeError, AssertionError) as error:
            raise GraphError(f"{path.name}: Core ML's converter refuses the graph: {error}") from error
        specification, weights = package.read(saved)
    package.write(path, *_canonical(specification, weights, graph))


def _canonical(specification: bytes, weights: bytes, graph: Graph) -> tuple[bytes, bytes]:
    """Our metadata instead of coremltools' (which holds a date); nothing twice; map entries sorted.

    The labels are metadata, not a classifier: Core ML's ``classify`` returns a
    dictionary in place of the logits, on which files are compared. For the same
    reason Xcode's preview type is not set: its image classifier takes an Image
    and returns that dictionary.
    """
    model = proto.model_pb2().Model.FromString(specification)
    description = model.description
    classes = f"Image classifier, {len(graph.labels)} classes"
    what = classes if graph.task == "classification" else f"Network for {graph.task}"
    description.metadata.shortDescription = f"{what}, {graph.precision}, by edgebuild"
    description.metadata.userDefined.clear()
    description.metadata.userDefined[LABELS_KEY] = json.dumps(list(graph.labels), ensure_ascii=False)
    for key, value in properties(graph).items():
        description.metadata.userDefined[key] = value
    channels = graph.input.shape[2]
    order = {1: "gray", 3: "red, green, blue"}.get(channels, f"{channels} channels")
    description.input[
        0
    ].shortDescription = (
        f"Pixels times {graph.pixel_scale:.9g}, planes in the order batch, channel ({order}), row, column"
    )
    meaning = outputs_mean(graph)
    if graph.task == "classification":
        meaning = f"{meaning.capitalize()} in the order of the metadata's {LABELS_KEY!r}"
    description.output[0].shortDescription = meaning
    weights = compact(model.mlProgram, weights)
    written: bytes = model.SerializeToString(deterministic=True)
    return written, weights


def in_half(graph: Graph, images: Images) -> Images:
    """The logits of ``graph`` written with ``half``: what accelerators that compute in float16 would give.

    Images are float32 ``(n, h, w, c)``, logits float32 ``(n, classes)``.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "half.mlpackage"
        write(graph, path, half=True)
        return evaluate(path).predict(images)


def describe(path: Path, images: Images) -> str:
    """What the package holds, in words, and how many limits (of a relu6, of a grid) ``images`` did not cross.

    What nothing crosses, no comparison of answers has judged.
    """
    function = mil.read(path).main
    counted = inventory(function)
    total = sum(counted.operations.values())
    planes = np.ascontiguousarray(images.transpose(0, 3, 1, 2))
    untouched = unexercised(mil.plan(function), {INPUT: planes})
    activations = [line.rpartition(" (")[2] for line in untouched if "(quantize" not in line]
    told = f"{total} operations of {len(counted.operations)} types, "
    told += f"{counted.compressed} of {counted.weights} weights compressed, "
    told += (
        f"{len(untouched) - len(activations)} ends of grids and {len(activations)} activations not reached"
    )
    return told + (f": {'; '.join(activations)}".replace("'):", "':") if activations else "")
