"""MediaPipe Tasks' ImageClassifier loads the files: a reader of the metadata that is not ours."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgebuild.formats import litert
from edgebuild.formats.tflite import metadata
from tests.formats.tflite_reader import lowered, parse
from tests.networks import NETWORKS, images, network

PRECISIONS = ("fp32", "fp16", "w8", "w4", "int8")

#: MediaPipe imports TensorFlow where it is there, with side effects on a whole process: it gets its own.
CLASSIFY = """
import sys
sys.modules["tensorflow"] = None
import json
from pathlib import Path
import mediapipe
import numpy as np
from mediapipe.tasks.python import BaseOptions, vision

folder = Path(sys.argv[1])
pixels = np.load(folder / "pixels.npy")
answers = {}
for path in sorted(folder.glob("*.tflite")):
    options = vision.ImageClassifierOptions(base_options=BaseOptions(model_asset_path=str(path)), max_results=-1)
    with vision.ImageClassifier.create_from_options(options) as classifier:
        answers[path.stem] = [
            [
                (category.index, category.category_name, category.score)
                for category in classifier.classify(
                    mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=image)
                ).classifications[0].categories
            ]
            for image in pixels
        ]
(folder / "answers.json").write_text(json.dumps(answers))
"""


def generated_schema() -> Any:
    """MediaPipe's own reader of metadata_schema.fbs, without what importing the package brings."""
    package = importlib.util.find_spec("mediapipe")
    path = Path(package.submodule_search_locations[0]) / "tasks/metadata/metadata_schema_py_generated.py"
    spec = importlib.util.spec_from_file_location("metadata_schema", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def classified(tmp_path_factory):
    """name of a file → (its graph, its session, what MediaPipe answers for each of a few images)."""
    folder = tmp_path_factory.mktemp("mediapipe")
    pixels = np.random.default_rng(2).integers(0, 256, (5, 11, 9, 3), dtype=np.uint8)
    np.save(folder / "pixels.npy", pixels)
    graphs = {precision: lowered(NETWORKS["branches"](), precision) for precision in PRECISIONS}
    graphs |= {f"flexible-{precision}": graphs[precision] for precision in ("fp32", "int8")}
    graphs["half"] = replace(graphs["fp32"], pixel_scale=2 / 255, labels=("ein Hund", "Übermut", "猫", "b,c"))
    for name, graph in graphs.items():
        litert.write(graph, folder / f"{name}.tflite", flexible=name.startswith("flexible"))
    done = subprocess.run([sys.executable, "-c", CLASSIFY, str(folder)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    answers = json.loads((folder / "answers.json").read_text())
    sessions = {name: litert.load(folder / f"{name}.tflite", 1) for name in graphs}
    return pixels, {name: (graph, sessions[name], answers[name]) for name, graph in graphs.items()}


@pytest.mark.parametrize("name", [*PRECISIONS, "flexible-fp32", "flexible-int8", "half"])
def test_mediapipe_ranks_the_classes_as_litert_does_with_the_same_scores(classified, name):
    pixels, models = classified
    graph, session, answers = models[name]
    expected = session.predict(pixels.astype(np.float32) * np.float32(graph.pixel_scale))
    for logits, answer in zip(expected, answers, strict=True):
        scores = {index: score for index, _, score in answer}
        ours = np.array([scores[index] for index in range(len(graph.labels))], np.float32)
        # Dividing pixels by 255 and multiplying them by 1/255 differ in the last bit.
        np.testing.assert_allclose(ours, logits, rtol=1e-5, atol=1e-6)
        assert [label for _, label, _ in answer] == [
            graph.labels[index] for index in np.argsort(-ours, kind="stable")
        ]


def test_labels_are_lines_of_a_stored_file_dated_1980(tmp_path):
    litert.write(network(), tmp_path / "model")
    with zipfile.ZipFile(tmp_path / "model") as archive:
        (entry,) = archive.infolist()
        assert (entry.filename, entry.date_time[0], entry.compress_type) == (
            "labels.txt",
            1980,
            zipfile.ZIP_STORED,
        )
        assert archive.read(entry).decode() == "zero\none\ntwo\nthree"


def test_a_network_without_labels_has_no_archive(tmp_path):
    graph = replace(network(), labels=())
    session = litert.write(graph, tmp_path / "model") or litert.load(tmp_path / "model", 1)
    assert not zipfile.is_zipfile(tmp_path / "model")
    assert session.predict(images(graph, 2)).shape == (2, 4)


@pytest.mark.parametrize(
    ("channels", "space"), [(1, metadata.GRAYSCALE), (3, metadata.RGB)], ids=["grayscale", "rgb"]
)
def test_the_table_says_how_an_application_feeds_pixels_and_reads_scores(tmp_path, channels, space):
    schema = generated_schema()
    graph = replace(lowered(network(channels=channels), "int8"), pixel_scale=1 / 128)
    litert.write(graph, tmp_path / "model")
    model = parse(tmp_path / "model")
    (entry,) = model.metadata
    data = bytes(model.buffers[entry.buffer].data)
    assert entry.name == b"TFLITE_METADATA"
    assert schema.ModelMetadata.ModelMetadataBufferHasIdentifier(data, 0)
    described = schema.ModelMetadataT.InitFromObj(schema.ModelMetadata.GetRootAs(data))
    (subgraph,) = described.subgraphMetadata
    (image,), (logits,) = subgraph.inputTensorMetadata, subgraph.outputTensorMetadata
    assert described.description == b"image classifier, int8; the scores are logits"
    assert (image.name, image.content.contentProperties.colorSpace) == (b"image", space)
    (unit,) = image.processUnits
    assert (unit.options.mean.tolist(), unit.options.std.tolist()) == ([0.0], [128.0])
    (labels,) = logits.associatedFiles
    assert (logits.name, labels.name, labels.type) == (
        b"logits",
        b"labels.txt",
        schema.AssociatedFileType.TENSOR_AXIS_LABELS,
    )
