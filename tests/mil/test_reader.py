"""Reading specifications: what is intact is read as it is, what is not is refused with its place."""

from __future__ import annotations

import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgebuild.errors import DataError, EdgebuildError, GraphError
from edgebuild.mil import TensorType, parse, proto
from edgebuild.mil.package import read, write

VALUES = np.arange(12, dtype=np.float32).reshape(3, 4)


def weights() -> bytes:
    header = struct.pack("<II56x", 1, 2)
    metadata = struct.pack("<IIQQ40x", 0xDEADBEEF, 2, VALUES.nbytes, 128)
    return header + metadata + VALUES.tobytes()


def tensor_type(item: Any, code: str, *shape: int) -> None:
    item.tensorType.dataType = proto.mil_pb2().DataType.Value(code)
    item.tensorType.rank = len(shape)
    for size in shape:
        item.tensorType.dimensions.add().constant.size = size


def specification() -> Any:
    """image (1, 4) → linear with a (3, 4) weight from weight.bin → logits (1, 3)."""
    model = proto.model_pb2().Model(specificationVersion=7)
    model.description.input.add().name = "image"
    model.description.output.add().name = "logits"
    main = model.mlProgram.functions["main"]
    main.opset = "CoreML6"
    source = main.inputs.add()
    source.name = "image"
    tensor_type(source.type, "FLOAT32", 1, 4)
    block = main.block_specializations["CoreML6"]
    block.outputs.append("logits")
    const, linear = block.operations.add(), block.operations.add()
    const.type, linear.type = "const", "linear"
    for operation, name, shape in ((const, "weight", (3, 4)), (linear, "logits", (1, 3))):
        output = operation.outputs.add()
        output.name = name
        tensor_type(output.type, "FLOAT32", *shape)
        tensor_type(operation.attributes["name"].type, "STRING")
        operation.attributes["name"].immediateValue.tensor.strings.values.append(name)
    tensor_type(const.attributes["val"].type, "FLOAT32", 3, 4)
    const.attributes["val"].blobFileValue.fileName = "@model_path/weights/weight.bin"
    const.attributes["val"].blobFileValue.offset = 64
    linear.inputs["x"].arguments.add().name = "image"
    linear.inputs["weight"].arguments.add().name = "weight"
    return model


def operations(model: Any) -> Any:
    return model.mlProgram.functions["main"].block_specializations["CoreML6"].operations


def test_an_intact_program_is_read_as_written() -> None:
    program = parse(specification().SerializeToString(), weights(), "model.mlpackage")
    const, linear = program.main.operations
    assert np.array_equal(np.asarray(const.inputs["val"][0]), VALUES)
    assert linear.outputs == (("logits", TensorType("float32", (1, 3))),)
    assert dict(program.main.inventory()) == {"linear": 1}
    assert linear.location == "model.mlpackage, function main, operation 1 (linear 'logits')"


def saved(model: Any) -> Any:
    """The value of the const."""
    return operations(model)[0].attributes["val"]


Change = Callable[[Any], None]


def _set(path: Callable[[Any], tuple[Any, str]], value: Any) -> Change:
    return lambda model: setattr(*path(model), value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_set(lambda m: (saved(m).blobFileValue, "offset"), 65), "weight'.*metadata at byte 65"),
        (_set(lambda m: (saved(m).blobFileValue, "offset"), 1 << 20), "metadata at byte"),
        (_set(lambda m: (saved(m).blobFileValue, "fileName"), "../x"), "lies in '../x'"),
        (_set(lambda m: (saved(m).type.tensorType.dimensions[0].constant, "size"), 4), "needs 64 bytes"),
        (_set(lambda m: (saved(m).type.tensorType, "dataType"), 10), "declares float16"),
        (
            _set(lambda m: (operations(m)[1].inputs["x"].arguments[0], "name"), "nowhere"),
            "reads 'nowhere', which nothing",
        ),
        (_set(lambda m: (operations(m)[1].outputs[0], "name"), "weight"), "produces 'weight' a second time"),
        (_set(lambda m: (m.description.output[0], "name"), "other"), r"lists outputs \['other'\]"),
        (
            _set(lambda m: (m.mlProgram.functions["main"], "opset"), "CoreML9"),
            "no block for its opset 'CoreML9'",
        ),
        (
            _set(lambda m: (operations(m)[1].outputs[0].type.tensorType, "rank"), 3),
            "rank 3 with 2 dimensions",
        ),
        (lambda m: m.neuralNetwork.layers.add(), "must hold an ML Program, found neuralNetwork"),
        (lambda m: operations(m)[1].blocks.add(), r"linear 'logits'\) has nested blocks"),
        (
            _set(
                lambda m: (operations(m)[1].outputs[0].type.tensorType.dimensions[0].unknown, "variadic"),
                True,
            ),
            "an unknown number of axes",
        ),
        (
            lambda m: saved(m).type.tensorType.dimensions[0].unknown.SetInParent(),
            "a constant of unknown shape",
        ),
    ],
)
def test_what_contradicts_itself_is_refused_with_its_place(change: Change, message: str) -> None:
    model = specification()
    change(model)
    with pytest.raises((DataError, GraphError), match=message):
        parse(model.SerializeToString(), weights(), "model.mlpackage")


def test_every_truncated_weight_file_is_refused() -> None:
    whole = weights()
    for keep in range(len(whole)):
        with pytest.raises(DataError):
            parse(specification().SerializeToString(), whole[:keep], "model.mlpackage")


def test_truncated_specifications_are_never_a_traceback() -> None:
    whole = specification().SerializeToString()
    for keep in range(len(whole)):
        with pytest.raises(EdgebuildError):
            parse(whole[:keep], weights(), "model.mlpackage")


def test_a_package_is_read_back_as_written(tmp_path: Path) -> None:
    path = tmp_path / "model.mlpackage"
    for content in ((b"specification", b"weights"), (b"other", b"")):
        write(path, *content)
        assert read(path) == content
    assert not (path / "Data" / "com.apple.CoreML" / "weights").exists()


def test_reading_imports_neither_coremltools_nor_tensorflow() -> None:
    code = (
        "import sys, edgebuild.mil.proto as p; p.model_pb2(); "
        "print({'coremltools', 'tensorflow'} & set(sys.modules))"
    )
    root = Path(__file__).parents[2] / "src"
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": str(root)}, capture_output=True, text=True
    )
    assert done.stdout == "set()\n", done.stderr
