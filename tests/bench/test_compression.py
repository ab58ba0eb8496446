"""The whole comparison, with every tool, on a small network that the test trains on the embedded digits."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
from bench.compression import main
from bench.networks import cached, mobilenet_v2
from bench.peers import PEERS

from edgebuild.formats import keras as keras_format
from edgebuild.params.data import Data
from edgebuild.sources.digits import load
from edgebuild.sources.prepare import prepare
from edgebuild.zoo.ds_cnn import ds_cnn

#: Keras still gives numpy arrays in a way that numpy calls old.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

#: What Keras' ONNX export needs is among the development requirements; without it these rows say so.
NEED_TF2ONNX = {"keras-onnx", "ort-int8", "ort-uint8"}


@pytest.fixture(scope="module")
def built(backend: tuple[Any, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data and one trained network, as the build makes them."""
    _, keras = backend
    folder = tmp_path_factory.mktemp("built")
    (folder / "data").mkdir()
    params = Data(
        source="digits", folder="", download=False, validation=100, calibration=64, test=100, seed=1
    )
    drawn = prepare(load(params, "classification"), validation=100, calibration=64, test=100, seed=1)
    splits = {name: draw.load() for name, draw in drawn.items()}
    for name, split in splits.items():
        split.write(folder / "data" / f"{name}.npz")
    keras.utils.set_random_seed(1)
    model = ds_cnn(keras, (8, 8, 1), 10, width=8, blocks=1, stages=1, stem_stride=1)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=keras.optimizers.Adam(0.01), loss=loss)
    model.fit(splits["train"].real(), splits["train"].labels, epochs=8, verbose=0)
    keras_format.write(model, folder / "net.keras")
    return folder


@pytest.fixture(scope="module")
def comparison(built: Path) -> dict[str, Any]:
    """The document of one run with few images and few calls."""
    results = ["--json", str(built / "out.json"), "--markdown", str(built / "out.md")]
    few = [
        "--images",
        "60",
        "--coreml-images",
        "20",
        "--reference-images",
        "60",
        "--rounds",
        "2",
        "--runs",
        "5",
    ]
    status = main(
        [
            "--networks",
            "ds-cnn",
            "--ds-cnn",
            str(built / "net.keras"),
            "--data",
            str(built / "data"),
            *few,
            *results,
        ]
    )
    assert status in (0, 1)  # so small a network on a busy machine may miss a target
    document: dict[str, Any] = json.loads((built / "out.json").read_text())
    return document


def test_every_tool_has_a_row_and_every_number_of_it_was_measured(comparison: dict[str, Any]) -> None:
    (network,) = comparison["networks"]
    assert [row["id"] for row in network["rows"]] == [item.id for item in PEERS]
    failed = {row["id"] for row in network["rows"] if row["error"] is not None}
    assert failed == (NEED_TF2ONNX if importlib.util.find_spec("tf2onnx") is None else set())
    for row in network["rows"]:
        if row["id"] not in failed:
            assert row["size_bytes"] > row["gzip_bytes"] > 0
            assert row["convert_s"] > 0
            assert row["judgement"]["images"] == (20 if row["format"] == "coreml" else 60)
            low, high = row["judgement"]["accuracy_ci95"]
            assert low <= row["judgement"]["accuracy"] <= high
            assert row["judgement"]["agreement_with_float"] > 0.7
            assert (row["p50_us"] is None) == (row["not_timed"] is not None) == (row["format"] == "coreml")


def test_ours_is_compared_with_every_rival_that_worked(comparison: dict[str, Any]) -> None:
    (network,) = comparison["networks"]
    failed = {row["id"] for row in network["rows"] if row["error"] is not None}
    pairs = {pair["rival"]: pair for pair in network["pairs"]}
    assert set(pairs) == {item.id for item in PEERS if not item.is_ours}
    for rival in set(pairs) - failed:
        assert pairs[rival]["bytes"] > 0
        low, high = pairs[rival]["accuracy_gain_ci95"]
        assert low < high
        assert (pairs[rival]["p50"] is None) == pairs[rival]["ours"].startswith("coreml")


def test_the_three_executions_of_the_integer_grid_are_compared(comparison: dict[str, Any]) -> None:
    (network,) = comparison["networks"]
    found = {(item["one"], item["other"]): item for item in network["agreements"]}
    assert set(found) == {("litert", "onnx"), ("litert", "reference"), ("onnx", "reference")}
    assert all(item["labels"] == 1 and item["steps"] <= 1 for item in found.values())


def test_the_document_says_where_and_how_it_was_measured(comparison: dict[str, Any]) -> None:
    assert comparison["schema"] == 1
    assert comparison["host"]["packages"]["onnxruntime"]
    assert comparison["settings"]["effort"]["rounds"] == 2
    assert comparison["seconds"] > 0


def test_the_markdown_page_has_the_files_the_ratios_and_the_targets(
    comparison: dict[str, Any], built: Path
) -> None:
    page = (built / "out.md").read_text()
    assert all(f"| {item.id} " in page for item in PEERS)
    assert "litert-int8 / tflite-int8" in page
    assert "targets met" in page
    assert str(built) not in page


def test_an_unknown_network_is_a_usage_error(capsys: pytest.CaptureFixture[str], built: Path) -> None:
    assert main(["--networks", "vgg", "--data", str(built / "data")]) == 2
    assert "'vgg' is not one of resnet, ds-cnn, mobilenet-v2" in capsys.readouterr().err


def test_a_network_that_was_not_built_is_named_with_the_way_out(
    capsys: pytest.CaptureFixture[str], built: Path
) -> None:
    status = main(["--networks", "resnet", "--resnet", "nowhere.keras", "--data", str(built / "data")])
    assert status == 2
    assert "nowhere.keras does not exist; build it with edgebuild run" in capsys.readouterr().err


def test_the_cache_tells_apart_training_images_and_lengths(tmp_path: Path, built: Path) -> None:
    one, other = (cached(tmp_path, built / "data", steps) for steps in (1, 2))
    (tmp_path / "train.npz").write_bytes(b"other images")
    assert len({one, other, cached(tmp_path, tmp_path, 1)}) == 3


def test_mobilenet_v2_frames_small_images_and_takes_large_ones_as_they_are(backend: tuple[Any, Any]) -> None:
    _, keras = backend
    small, large = (mobilenet_v2(keras, (side, side, 1), 10) for side in (28, 32))
    assert small.input_shape == (None, 28, 28, 1)
    assert small.output_shape == (None, 10)
    assert small.get_layer("frame").output.shape == (None, 32, 32, 1)
    assert small.count_params() == large.count_params()
