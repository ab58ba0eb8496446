"""The registry: one module per format, imported when it is asked for."""

from __future__ import annotations

import subprocess
import sys

import pytest

from edgebuild.errors import UsageError
from edgebuild.formats.registry import FORMATS, open_format, open_writer


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_loads_and_says_whether_it_can_be_timed(name):
    module = open_format(name)
    assert module.__name__ == f"edgebuild.formats.{name}"
    assert callable(module.load)
    assert module.unavailable_runtime() is None or "macOS" in module.unavailable_runtime()


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "keras"])
def test_graphs_are_written_in_every_format_but_keras(name):
    assert open_writer(name) is open_format(name)
    assert callable(open_writer(name).write)


def test_graphs_are_not_written_as_keras_files():
    with pytest.raises(UsageError, match="not written as Keras files"):
        open_writer("keras")


@pytest.mark.parametrize("opener", [open_format, open_writer])
@pytest.mark.parametrize("name", ["tflite", "", "registry", "../errors"])
def test_an_unknown_format_is_refused_with_the_known_ones(opener, name):
    with pytest.raises(UsageError, match="is not one of keras, litert, onnx, coreml"):
        opener(name)


def test_opening_every_format_starts_no_runtime():
    code = (
        "import sys; from edgebuild.formats.registry import FORMATS, open_format;"
        "[open_format(name) for name in FORMATS];"
        "runtimes = {'tensorflow', 'coremltools', 'onnxruntime', 'ai_edge_litert.interpreter'};"
        "print(*sorted(runtimes & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.split() == []
