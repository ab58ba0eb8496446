"""What applications read beside the network: how to normalize pixels, and the class names.

The table is that of TensorFlow Lite's metadata_schema.fbs, identifier "M001",
written with flatbuffers alone; the names are a text file in a zip archive at
the end of the .tflite file, where the schema's associated files lie. MediaPipe
Tasks' ImageClassifier and the TensorFlow Lite Task Library read both.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Sequence

import flatbuffers

from edgebuild.errors import GraphError
from edgebuild.graph.ir import Graph
from edgebuild.graph.meaning import outputs_mean

__all__ = ["LABELS", "NAME", "describe", "with_labels"]

#: The entry of the model's metadata under which readers look.
NAME = "TFLITE_METADATA"
#: The archive's one file: a class name per line, in the order of the output.
LABELS = "labels.txt"

#: Members of the schema's unions and enumerations.
IMAGE_PROPERTIES = 2
NORMALIZATION_OPTIONS = 1
RGB, GRAYSCALE = 1, 2
TENSOR_AXIS_LABELS = 2

#: Written into a slot of a table under construction.
Field = Callable[[int], None]


def describe(graph: Graph, source: str, target: str) -> bytes:
    """The metadata table: input ``source`` is an image, output ``target`` has one number per label.

    Readers compute ``(pixel - mean) / std`` from pixels in [0, 255]; that is
    ``pixel · pixel_scale`` with mean 0 and std ``1 / pixel_scale``.
    """
    build = _Builder()
    image = build.table(build.byte(GRAYSCALE if graph.input.shape[-1] == 1 else RGB))
    content = build.table(build.byte(IMAGE_PROPERTIES), build.offset(image))
    mean, std = build.floats([0.0]), build.floats([1 / graph.pixel_scale])
    normalization = build.table(build.offset(mean), build.offset(std))
    unit = build.table(build.byte(NORMALIZATION_OPTIONS), build.offset(normalization))
    units, name = build.offsets([unit]), build.text(source)
    entry = build.table(build.offset(name), None, None, build.offset(content), build.offset(units))
    inputs, name = build.offsets([entry]), build.text(target)
    files = None
    if graph.labels:
        file = build.table(build.offset(build.text(LABELS)), None, build.byte(TENSOR_AXIS_LABELS))
        files = build.offset(build.offsets([file]))
    entry = build.table(build.offset(name), None, None, None, None, None, files)
    outputs = build.offsets([entry])
    subgraph = build.table(None, None, build.offset(inputs), build.offset(outputs))
    subgraphs = build.offsets([subgraph])
    description = build.text(_description(graph))
    return build.finish(build.table(None, build.offset(description), None, build.offset(subgraphs)))


def with_labels(model: bytes, labels: Sequence[str]) -> bytes:
    """``model`` followed by a zip archive with the labels; stored, not compressed, as MediaPipe demands.

    Raises:
        GraphError: a label holds a line break, so that a line is no longer a label.
    """
    if not labels:
        return model
    for label in labels:
        if len(label.splitlines()) != 1:
            raise GraphError(
                f"labels: {label!r} must be one line of text; rename the class in the data's card"
            )
    stream = io.BytesIO()
    stream.write(model)
    entry = zipfile.ZipInfo(LABELS)  # dated 1980-01-01: the same bytes whenever it is written
    entry.create_system, entry.external_attr = 3, 0o644 << 16
    with zipfile.ZipFile(stream, "a") as archive:
        archive.writestr(entry, "\n".join(labels))
    return stream.getvalue()


def _description(graph: Graph) -> str:
    if graph.task == "classification":
        return f"image classifier, {graph.precision}; the scores are {outputs_mean(graph)}"
    return f"{graph.task}, {graph.precision}; the outputs are {outputs_mean(graph)}"


class _Builder:
    """Tables by the position of their fields: ``None`` leaves a field out."""

    def __init__(self) -> None:
        self._builder = flatbuffers.Builder(512)

    def table(self, *fields: Field | None) -> int:
        self._builder.StartObject(len(fields))
        for slot, write in enumerate(fields):
            if write is not None:
                write(slot)
        return int(self._builder.EndObject())

    def byte(self, value: int) -> Field:
        return lambda slot: self._builder.PrependInt8Slot(slot, value, 0)

    def offset(self, value: int) -> Field:
        return lambda slot: self._builder.PrependUOffsetTRelativeSlot(slot, value, 0)

    def text(self, value: str) -> int:
        return int(self._builder.CreateString(value))

    def floats(self, values: Sequence[float]) -> int:
        self._builder.StartVector(4, len(values), 4)
        for value in reversed(values):
            self._builder.PrependFloat32(value)
        return int(self._builder.EndVector())

    def offsets(self, values: Sequence[int]) -> int:
        self._builder.StartVector(4, len(values), 4)
        for value in reversed(values):
            self._builder.PrependUOffsetTRelative(value)
        return int(self._builder.EndVector())

    def finish(self, root: int) -> bytes:
        self._builder.Finish(root, file_identifier=b"M001")
        return bytes(self._builder.Output())
