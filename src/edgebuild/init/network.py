"""What a trained network takes and gives, read off its file without running it or loading its framework."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgebuild.errors import UsageError
from edgebuild.init.choice import Choice

__all__ = ["Network", "look"]

ENDINGS = (".keras", ".onnx", ".tflite")
CHANNELS = (1, 3, 4)
#: Numbers within which a factor counts as 1/255.
BYTE = (1 / 256, 1 / 254)


@dataclass(frozen=True)
class Network:
    """``shape``: height, width, channels of the input, None where the file leaves them open; ``outputs``: their count.

    ``input`` is what the network expects of a pixel, as ``teacher.input`` names it.
    """

    file: str
    shape: tuple[int, int, int] | None
    outputs: int | None
    input: str = "unit"

    @property
    def choices(self) -> tuple[Choice, ...]:
        """What is told of it."""
        sides = "×".join(map(str, self.shape)) if self.shape else "sizes that its file leaves open"
        outputs = f", gives {self.outputs} values" if self.outputs else ""
        scales = (
            "it scales bytes itself" if self.input == "byte" else "pixels in [0, 1]; see teacher.input if not"
        )
        return (Choice("teacher", self.file, f"takes {sides}{outputs}; {scales}"),)


def look(path: Path, given: str) -> Network:
    """What the file ``path``, which the user calls ``given``, holds.

    Raises:
        UsageError: there is no such file, it is of no known kind, or it is damaged.
    """
    if path.is_dir():
        if (path / "saved_model.pb").is_file():
            return Network(given, None, None)
        raise UsageError(
            f"--teacher {given} is a folder without saved_model.pb, so it is no SavedModel; name the file"
        )
    if not path.is_file():
        raise UsageError(f"--teacher {given}: there is no such file")
    readers = {".keras": _keras, ".onnx": _onnx, ".tflite": _tflite}
    if (suffix := path.suffix.lower()) not in readers:
        raise UsageError(
            f"--teacher {given}: {suffix or 'no ending'} is no kind of network that is read; it has to be "
            f"{', '.join(ENDINGS)} or the folder of a SavedModel (PyTorch: torch.onnx.export; .h5: load it with Keras "
            f"and save it as .keras)"
        )
    try:
        return readers[suffix](path, given)
    except (OSError, ValueError, LookupError, RuntimeError, zipfile.BadZipFile) as error:
        raise UsageError(
            f"--teacher {given} cannot be read as {suffix}: {type(error).__name__}: {error}"
        ) from None


def _keras(path: Path, given: str) -> Network:
    """From config.json in the archive: the input layer's shape, and the units of the last layer that has any."""
    with zipfile.ZipFile(path) as archive:
        config = json.loads(archive.read("config.json"))
    layers = list(_layers(config))
    shapes = [
        shape for layer in layers if (shape := layer.get("batch_shape") or layer.get("batch_input_shape"))
    ]
    shapes += [shape] if (shape := _mapping(config).get("build_config", {}).get("input_shape")) else []
    units = [layer["units"] for layer in layers if "units" in layer]
    scales = [
        layer["scale"] for layer in layers if isinstance(layer.get("scale"), float) and "offset" in layer
    ]
    is_byte = any(BYTE[0] <= scale <= BYTE[1] for scale in scales)
    return Network(
        given,
        _shape(shapes[0] if shapes else ()),
        units[-1] if units else None,
        "byte" if is_byte else "unit",
    )


def _layers(config: object) -> Iterator[Mapping[str, Any]]:
    """The configurations of all layers, nested models included, in the order of the file."""
    if isinstance(config, Mapping):
        inner = config.get("config")
        if isinstance(inner, Mapping):
            yield inner
            for layer in inner.get("layers", ()):
                yield from _layers(layer)


def _onnx(path: Path, given: str) -> Network:
    import onnx
    from google.protobuf.message import DecodeError

    try:
        graph = onnx.load(path, load_external_data=False).graph
    except DecodeError as error:
        raise ValueError(str(error)) from None
    constants = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in constants]

    def sides(value: Any) -> list[int | None]:
        return [side.dim_value or None for side in value.type.tensor_type.shape.dim]

    found = sides(inputs[0])
    if len(found) == 4 and found[1] in CHANNELS and found[3] not in CHANNELS:  # PyTorch's order
        found = [found[0], found[2], found[3], found[1]]
    return Network(given, _shape(found), sides(graph.output[0])[-1])


def _tflite(path: Path, given: str) -> Network:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(path))
    taken, given_back = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    return Network(given, _shape([int(side) for side in taken["shape"]]), int(given_back["shape"][-1]))


def _shape(sides: Sequence[int | None]) -> tuple[int, int, int] | None:
    """Height, width, channels of ``(batch, height, width[, channels])``, where all are known."""
    rest = list(sides[1:])
    rest = [*rest, 1] if len(rest) == 2 else rest
    if len(rest) != 3 or not all(isinstance(side, int) and side > 0 for side in rest):
        return None
    height, width, channels = (int(side or 0) for side in rest)
    return height, width, channels


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
