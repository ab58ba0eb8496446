"""Networks that cannot be built with, each kind with its message: the table of docs/teachers.md is made of these.

``python -m tests.compress.test_refused_networks`` writes that table.
"""

from __future__ import annotations

import re
import tempfile
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from edgebuild.compress.adopt import adopt
from edgebuild.compress.pixels import INPUTS
from edgebuild.errors import UsageError
from edgebuild.formats.registry import open_writer
from edgebuild.graph.freeze import freeze
from edgebuild.params import read
from edgebuild.params.networks import problems_of_sizes
from edgebuild.tasks.classification import Classification
from edgebuild.train.backend import load
from edgebuild.zoo import names
from edgebuild.zoo.registry import build
from tests.compress.test_adopt import CLASSES, finder, quadrants
from tests.documented import BEGIN, END, row, rows_of, table, workspace, written
from tests.networks import lowered

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs/teachers.md"
NAMES, END_NAMES = "<!-- applications -->\n", "<!-- end of applications -->\n"

#: Writes a file into the current folder, given Keras; returns its name.
Make = Callable[[Any], str]


def keras_file(*stack: Callable[[Any], Any], shape: tuple[int, ...] = (4, 4, 1), outputs: int = 4) -> Make:
    def make(keras: Any) -> str:
        layers = [layer(keras.layers) for layer in stack]
        ends = [keras.layers.Flatten(), keras.layers.Dense(outputs)]
        keras.Sequential([keras.Input(shape), *layers, *ends]).save("net.keras")
        return "net.keras"

    return make


def content(name: str, data: bytes) -> Make:
    def make(keras: Any) -> str:
        Path(name).write_bytes(data)
        return name

    return make


def own_layer(keras: Any) -> str:
    class Doubling(keras.layers.Layer):
        def call(self, x: Any) -> Any:
            return 2 * x

    return keras_file(lambda layers: Doubling(name="double"))(keras)


def subclassed(keras: Any) -> str:
    class Net(keras.Model):
        def __init__(self) -> None:
            super().__init__(name="net")
            self.head = keras.layers.Dense(4)

        def call(self, x: Any) -> Any:
            return self.head(x)

    model = Net()
    model(keras.ops.zeros((1, 4, 4, 1)))
    model.save("net.keras")
    return "net.keras"


def two_inputs(keras: Any) -> str:
    ends = [keras.Input((4, 4, 1)) for _ in range(2)]
    sum_of = keras.layers.Flatten()(keras.layers.Add()(ends))
    keras.Model(ends, keras.layers.Dense(4)(sum_of), name="net").save("net.keras")
    return "net.keras"


def bytes_expected(keras: Any) -> str:
    finder(keras, threshold=128).save("net.keras")
    return "net.keras"


def integer(keras: Any) -> str:
    graph = freeze(finder(keras, ending=None), CLASSES)
    open_writer("litert").write(lowered(graph, "int8"), Path("net.tflite"))
    return "net.tflite"


def folder(keras: Any) -> str:
    Path("saved").mkdir()
    return "saved"


#: what is wrong with teacher.file → the file, and what teacher.input says
FILES: Mapping[str, tuple[Make, str]] = {
    "no such file": (lambda keras: "net.keras", "unit"),
    "no network at all": (content("net.keras", b"<html>404</html>"), "unit"),
    "a file of another kind": (content("net.bin", b""), "unit"),
    "a folder that is no SavedModel": (folder, "unit"),
    "images of another shape": (keras_file(shape=(28, 28, 3)), "unit"),
    "other classes": (keras_file(outputs=10), "unit"),
    "a layer that no runtime shares": (
        keras_file(lambda layers: layers.LayerNormalization(name="norm")),
        "unit",
    ),
    "three layers of two kinds": (
        keras_file(
            lambda layers: layers.Conv2D(4, 3, dilation_rate=2, padding="same", name="wide"),
            lambda layers: layers.LeakyReLU(name="leak"),
            lambda layers: layers.LeakyReLU(name="leak2"),
        ),
        "unit",
    ),
    "a Lambda": (keras_file(lambda layers: layers.Lambda(lambda x: x + 1, name="plus")), "unit"),
    "a layer of one's own": (own_layer, "unit"),
    "a model of one's own class": (subclassed, "unit"),
    "two inputs": (two_inputs, "unit"),
    "colours in grey images": (keras_file(), "caffe"),
    "pixels of another range": (bytes_expected, "unit"),
    "an int8 file": (integer, "unit"),
}


@dataclass(frozen=True)
class Knobs:
    architecture: str
    width: int = 8
    blocks: int = 1
    stages: int = 1
    stem_stride: int = 1


OWN = "import keras\n\n\ndef student(shape, outputs):\n    image = keras.Input(shape)\n    {}\n"

#: what is wrong with an architecture → its name, and nets.py beside dvc.yaml
ARCHITECTURES: Mapping[str, tuple[str, str]] = {
    "images too small for its network": ("keras.applications.MobileNetV2", ""),
    "no such module": ("nets:student", ""),
    "no such function": ("nets:studnet", OWN.format("return None")),
    "a function that gives no model": ("nets:student", OWN.format("return image")),
    "a network that ends otherwise": (
        "nets:student",
        OWN.format("return keras.Model(image, keras.layers.Dense(7, 'softmax', name='last')(image))"),
    ),
    "an image of its own": (
        "nets:student",
        OWN.format("return keras.Sequential([keras.Input((9, 9, 3)), keras.layers.Flatten(), keras.layers.Dense(4)])"),
    ),
}  # fmt: skip

#: what is wrong with params.yaml → section, and its knobs
PARAMS: Mapping[str, tuple[str, dict[str, Any]]] = {
    "a PyTorch checkpoint": ("teacher", {"file": "net.pt"}),
    "Keras' old format": ("teacher", {"file": "net.h5"}),
    "a part of a SavedModel": ("teacher", {"file": "saved/saved_model.pb"}),
    "a range of pixels without a file": ("teacher", {"input": "byte"}),
    "an unknown architecture": ("teacher", {"architecture": "resnett"}),
    "an unknown application": ("student", {"architecture": "keras.applications.MobilNetV2"}),
    "an application that cannot be exported": (
        "student",
        {"architecture": "keras.applications.ConvNeXtTiny"},
    ),
    "images too small for an application": ("teacher", {"architecture": "keras.applications.Xception"}),
    "the teacher itself, and another that teaches": ("student", {"architecture": "teacher"}),
}


def of_file(backend: tuple[Any, Any], case: str, root: Path) -> str:
    make, takes = FILES[case]
    with workspace(root, "nets"):
        path = Path(make(backend[1]))
        with pytest.raises(UsageError) as caught:
            adopt(
                *backend, path, task=Classification(), takes=takes,
                validation=quadrants(), classes=CLASSES, threads=1,
            )  # fmt: skip
    return str(caught.value)


def of_architecture(backend: tuple[Any, Any], case: str, root: Path) -> str:
    name, source = ARCHITECTURES[case]
    with workspace(root, "nets"):
        if source:
            Path("nets.py").write_text(source)
        with pytest.raises(UsageError) as caught:
            build(backend[1], Knobs(name), shape=(8, 8, 1), outputs=4, where="student.architecture")
    return str(caught.value)


def of_params(case: str) -> str:
    section, knobs = PARAMS[case]
    params = read(ROOT / "params.yaml")
    params = replace(params, **{section: replace(getattr(params, section), **knobs)})
    problems = params.teacher.problems() + params.student.problems("net.onnx")
    (problem,) = problems + problems_of_sizes(params.teacher, params.student, params.data)
    return problem


def shown(case: str, message: str) -> str:
    """The row, without the list of what is supported."""
    return row(case, re.sub(r"\(supported are .*?\)", "(supported are …)", message))


@pytest.fixture(scope="module")
def documented() -> str:
    return rows_of(DOCUMENT.read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", FILES)
def test_a_teacher_that_cannot_be_adopted_is_refused_as_documented(
    backend: tuple[Any, Any], tmp_path: Path, case: str, documented: str
) -> None:
    assert shown(case, of_file(backend, case, tmp_path)) in documented


@pytest.mark.parametrize("case", ARCHITECTURES)
def test_an_architecture_that_cannot_be_built_is_refused_as_documented(
    backend: tuple[Any, Any], tmp_path: Path, case: str, documented: str
) -> None:
    assert shown(case, of_architecture(backend, case, tmp_path)) in documented


@pytest.mark.parametrize("case", PARAMS)
def test_what_params_cannot_mean_is_refused_as_documented(case: str, documented: str) -> None:
    assert shown(case, of_params(case)) in documented


def test_the_documented_networks_of_keras_are_those_that_can_be_named() -> None:
    listed = DOCUMENT.read_text(encoding="utf-8").partition(NAMES)[2].partition(END_NAMES)[0]
    assert listed == applications()


def test_the_documented_function_can_be_built(backend: tuple[Any, Any], tmp_path: Path) -> None:
    with workspace(tmp_path, "nets"):
        text = DOCUMENT.read_text(encoding="utf-8").split("```python\n")[1].partition("```")[0]
        Path("nets.py").write_text(text)
        model = build(
            backend[1], Knobs("nets:student"), shape=(8, 8, 1), outputs=4, where="student.architecture"
        )
    assert model.output_shape == (None, 4)


def test_every_documented_choice_is_one_and_no_other_is() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    inputs = text.partition("### What pixels it expects")[2].partition("###")[0]
    assert tuple(re.findall(r"^\| `(\w+)`", inputs, re.MULTILINE)[1:]) == tuple(INPUTS)
    named = text.partition("## Architectures by name")[2].partition("###")[0]
    assert tuple(re.findall(r"^\| `(\w+)`", named, re.MULTILINE)[1:-1]) == names.ARCHITECTURES


def test_nothing_else_is_documented(documented: str) -> None:
    assert documented.count("\n") == len(FILES) + len(ARCHITECTURES) + len(PARAMS) + 2


def made() -> str:
    """The table of docs/teachers.md."""
    backend, rows = load(seed=1), []
    for cases, message in ((FILES, of_file), (ARCHITECTURES, of_architecture)):
        for case in cases:
            with tempfile.TemporaryDirectory() as root:
                rows.append(shown(case, message(backend, case, Path(root))))
    rows += [shown(case, of_params(case)) for case in PARAMS]
    return table(rows)


def applications() -> str:
    """The list of docs/teachers.md."""
    return textwrap.fill(", ".join(names.APPLICATIONS), 110) + "\n"


if __name__ == "__main__":
    text = DOCUMENT.read_text(encoding="utf-8")
    for begin, part, end in ((BEGIN, made(), END), (NAMES, applications(), END_NAMES)):
        text = written(text, part, begin, end)
    DOCUMENT.write_text(text, encoding="utf-8")
