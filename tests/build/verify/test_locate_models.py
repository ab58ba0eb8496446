"""One weight, one operator, one grid that differs in a model file is named, whatever the format."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import replace

import h5py
import numpy as np
import onnx
import pytest

from edgebuild.build.verify.locate import differences
from edgebuild.formats import coreml, litert
from edgebuild.formats import onnx as onnx_format
from edgebuild.graph import file as graph_file
from edgebuild.graph.ir import PRECISIONS
from edgebuild.mil import package, proto
from tests.networks import lowered, network

WRITERS = {
    "tflite": litert.write,
    "onnx": onnx_format.write,
    "mlpackage": coreml.write,
    "safetensors": graph_file.write,
}


def two(folder, kind, committed, rebuilt):
    """Write two graphs as ``kind`` and compare the files."""
    for side, graph in (("old", committed), ("new", rebuilt)):
        WRITERS[kind](graph, folder / f"{side}.{kind}")
    return differences(f"models/a.{kind}", folder / f"old.{kind}", folder / f"new.{kind}")


def changed(graph, name, key="kernel"):
    """``graph`` with another sign of the largest weight of node ``name``."""
    weight = graph[name].weights[key]
    values = weight.values.copy()
    place = np.unravel_index(np.argmax(np.abs(values)), values.shape)
    values[place] = -values[place] if abs(int(values[place])) < 100 else 0
    node = replace(graph[name], weights={**graph[name].weights, key: replace(weight, values=values)})
    return replace(graph, nodes=tuple(node if one.name == name else one for one in graph))


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("kind", WRITERS)
def test_one_weight_is_the_one_tensor_that_differs(tmp_path, kind, precision):
    graph = lowered(network(), precision)
    found = two(tmp_path, kind, graph, changed(graph, "point"))
    assert (len(found.tensors), found.numbers, found.others) == (1, {}, ())
    assert "(1 of 36 elements; " in found.where
    assert 0 < next(iter(found.tensors.values())).relative < 2
    named = {"tflite": "CONV_2D", "onnx": "initializer[", "mlpackage": "point", "safetensors": "point/kernel"}
    assert named[kind] in found.where or (kind == "tflite" and "DEQUANTIZE" in found.where)


def test_a_constant_of_onnx_is_named_with_its_first_reader(tmp_path):
    found = two(tmp_path, "onnx", network(), changed(network(), "point"))
    assert " (input 1 of node 4 Conv)[" in found.where


@pytest.mark.parametrize("kind", WRITERS)
def test_equal_graphs_are_the_same(tmp_path, kind):
    assert two(tmp_path, kind, network(), network()).same


@pytest.mark.parametrize("kind", WRITERS)
def test_another_operator_is_the_first_place_and_has_no_distance(tmp_path, kind):
    graph = network()
    stem = replace(graph["join"], activation="relu6")
    other = replace(graph, nodes=tuple(stem if node.name == "join" else node for node in graph))
    found = two(tmp_path, kind, graph, other)
    assert found.others or found.numbers
    named = {
        "tflite": "operator 3 ADD",
        "onnx": "node[",
        "mlpackage": "operation ",
        "safetensors": "nodes[4 join]",
    }
    assert named[kind] in found.where


@pytest.mark.parametrize("kind", WRITERS)
def test_another_grid_of_an_activation_is_named(tmp_path, kind):
    graph = lowered(network(), "int8")
    node = replace(graph["join"], grid=replace(graph["join"].grid, scale=graph["join"].grid.scale * 1.5))
    found = two(
        tmp_path, kind, graph, replace(graph, nodes=tuple(node if n.name == "join" else n for n in graph))
    )
    assert found.tensors or found.numbers
    assert not found.others


def trained(path, *, bias=0.0, units=3, date=(1980, 1, 1, 0, 0, 0), order=False, name="last"):
    """A file as Keras writes it, with one dense layer."""
    weights = io.BytesIO()
    with h5py.File(weights, "w", track_order=False) as file:
        group = file.create_group("layers/dense/vars")
        group.attrs["name"] = name
        group["0"] = np.ones((2, 3), np.float32)
        group["1"] = np.full(3, bias, np.float32)
    document = {
        "class_name": "Functional",
        "config": {"layers": [{"name": "last", "config": {"units": units}}]},
    }
    with zipfile.ZipFile(path, "w") as archive:
        text = json.dumps(dict(reversed(document.items())) if order else document)
        archive.writestr(zipfile.ZipInfo("config.json", date), text)
        archive.writestr(zipfile.ZipInfo("model.weights.h5", date), weights.getvalue())


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"bias": 0.5}, "layers/dense/vars last variable 1[0]: 0.0 → 0.5 (3 of 3 elements; "),
        ({"units": 4}, "config.json.config.layers[0 last].config.units: 3 → 4"),
        ({"date": (2024, 2, 3, 4, 5, 6)}, "same content, other bytes: zip date of config.json: "),
        ({"order": True}, "same content, other bytes: the order of keys in config.json; "),
        ({"name": "first"}, "only the committed version has layers/dense/vars last"),
    ],
)
def test_a_trained_models_layer_key_or_date_is_named(tmp_path, change, where):
    trained(tmp_path / "old.keras")
    trained(tmp_path / "new.keras", **change)
    assert differences("a.keras", tmp_path / "old.keras", tmp_path / "new.keras").where.startswith(where)


def test_how_protobuf_packs_a_tensor_is_no_content(tmp_path):
    onnx_format.write(network(), tmp_path / "old.onnx")
    model = onnx.load(tmp_path / "old.onnx")
    for tensor in model.graph.initializer:
        values = onnx.numpy_helper.to_array(tensor)
        if values.dtype == np.float32:
            tensor.ClearField("raw_data")
            tensor.float_data.extend(values.reshape(-1).tolist())
    onnx.save(model, tmp_path / "new.onnx")
    found = differences("a.onnx", tmp_path / "old.onnx", tmp_path / "new.onnx")
    assert found.where.startswith("same content, other bytes: how protobuf packs the fields")


def test_any_field_of_a_protobuf_counts(tmp_path):
    onnx_format.write(network(), tmp_path / "old.onnx")
    model = onnx.load(tmp_path / "old.onnx")
    model.producer_version = "9.9"
    onnx.save(model, tmp_path / "new.onnx")
    found = differences("a.onnx", tmp_path / "old.onnx", tmp_path / "new.onnx")
    assert found.where.startswith(("producer_version: ", "only the rebuilt version has producer_version"))


def test_a_core_ml_package_that_only_lays_its_map_out_otherwise_has_the_same_content(tmp_path):
    coreml.write(network(), tmp_path / "old.mlpackage")
    specification, weights = package.read(tmp_path / "old.mlpackage")
    model = proto.model_pb2().Model.FromString(specification)
    first, second = model.SerializeToString(deterministic=True), specification
    package.write(tmp_path / "new.mlpackage", specification, weights + b"\0" * 64)
    found = differences("a.mlpackage", tmp_path / "old.mlpackage", tmp_path / "new.mlpackage")
    assert first == second
    assert found.where.startswith("same content, other bytes: where weights lie, or padding in Data/")


def test_a_damaged_core_ml_package_is_reported(tmp_path):
    for side in ("old", "new"):
        coreml.write(network(), tmp_path / f"{side}.mlpackage")
    (tmp_path / "new.mlpackage/Data/com.apple.CoreML/model.mlmodel").write_bytes(b"\xff\xff")
    found = differences("a.mlpackage", tmp_path / "old.mlpackage", tmp_path / "new.mlpackage")
    assert found.where.startswith("the rebuilt version cannot be read (DataError: ")


@pytest.mark.parametrize("kind", WRITERS)
def test_a_file_that_is_cut_off_anywhere_is_reported(tmp_path, kind):
    if kind == "mlpackage":  # a folder; its parts are in the test above
        return
    WRITERS[kind](network(), tmp_path / f"old.{kind}")
    whole = (tmp_path / f"old.{kind}").read_bytes()
    for size in range(0, len(whole), 1 + len(whole) // 25):
        (tmp_path / f"new.{kind}").write_bytes(whole[:size])
        found = differences(f"a.{kind}", tmp_path / f"old.{kind}", tmp_path / f"new.{kind}")
        assert not found.same
        assert found.where
