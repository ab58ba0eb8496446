"""What a trained network takes and gives is read off its file, without its framework."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import onnx
import pytest

from edgebuild.errors import UsageError
from edgebuild.init.network import look


def keras_file(path: Path, *layers: dict[str, Any]) -> Path:
    """A .keras file of a Sequential model, without weights."""
    config = {"config": {"layers": [{"config": layer} for layer in layers]}}
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps(config))
    return path


def onnx_file(path: Path, sides: list[int | str], outputs: int) -> Path:
    kind = onnx.TensorProto.FLOAT
    taken = onnx.helper.make_tensor_value_info("x", kind, sides)
    given = onnx.helper.make_tensor_value_info("y", kind, ["n", outputs])
    graph = onnx.helper.make_graph([onnx.helper.make_node("Identity", ["x"], ["y"])], "g", [taken], [given])
    onnx.save(onnx.helper.make_model(graph), path)
    return path


def test_a_keras_file_tells_shape_classes_and_whether_it_scales_bytes(tmp_path: Path) -> None:
    taken = {"batch_shape": [None, 32, 24, 3]}
    path = keras_file(tmp_path / "a.keras", taken, {"units": 64}, {"units": 5}, {"activation": "softmax"})
    found = look(path, "a.keras")
    assert (found.shape, found.outputs, found.input) == ((32, 24, 3), 5, "unit")
    path = keras_file(tmp_path / "b.keras", taken, {"scale": 1 / 255, "offset": 0.0}, {"units": 5})
    assert look(path, "b.keras").input == "byte"


def test_a_keras_file_of_open_sizes_leaves_them_to_the_data(tmp_path: Path) -> None:
    path = keras_file(tmp_path / "a.keras", {"batch_shape": [None, None, None, 3]}, {"units": 2})
    assert look(path, "a.keras").shape is None


@pytest.mark.parametrize("sides", [[1, 3, 32, 24], ["batch", 32, 24, 3]])
def test_an_onnx_file_may_have_either_order_of_axes(tmp_path: Path, sides: list[int | str]) -> None:
    found = look(onnx_file(tmp_path / "a.onnx", sides, 7), "a.onnx")
    assert (found.shape, found.outputs) == ((32, 24, 3), 7)


def test_the_folder_of_a_savedmodel_is_known_by_its_file(tmp_path: Path) -> None:
    (tmp_path / "net").mkdir()
    with pytest.raises(UsageError, match=r"--teacher net is a folder without saved_model\.pb"):
        look(tmp_path / "net", "net")
    (tmp_path / "net/saved_model.pb").touch()
    assert look(tmp_path / "net", "net").shape is None


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("net.h5", b"x", r"--teacher net\.h5: \.h5 is no kind of network .*load it with Keras"),
        ("net.pt", b"x", r"\.pt is no kind of network .*torch\.onnx\.export"),
        ("net", b"x", r"no ending is no kind of network"),
        ("net.keras", b"x", r"net\.keras cannot be read as \.keras: BadZipFile"),
        ("net.onnx", b"x", r"net\.onnx cannot be read as \.onnx"),
        ("net.tflite", b"x", r"net\.tflite cannot be read as \.tflite: ValueError"),
    ],
)
def test_what_is_no_network_is_refused(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError, match=message):
        look(tmp_path / name, name)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--teacher net\.keras: there is no such file"):
        look(tmp_path / "net.keras", "net.keras")
