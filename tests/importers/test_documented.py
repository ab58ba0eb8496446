"""docs/importers.md names every operator that is read, and no other."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgebuild.importers import onnx_file, onnx_ops, onnx_windows, tflite_ops

PAGE = (Path(__file__).parents[2] / "docs/importers.md").read_text()

#: Where they are translated, and where they are computed from constants.
TRANSLATED = {
    "ONNX": onnx_ops.OPERATORS.keys() | onnx_windows.WINDOWS.keys(),
    "TFLite": tflite_ops.OPERATORS.keys(),
}
COMPUTED = {"ONNX": onnx_file.FOLDABLE | {"Constant"}, "TFLite": tflite_ops.FOLDED.keys() | {"SHAPE"}}


@pytest.mark.parametrize("kind", TRANSLATED)
def test_the_operators_of_a_format_are_those_of_the_page(kind):
    paragraph = next(part for part in PAGE.split("\n\n") if part.startswith(f"{kind}: "))
    translated, _, computed = (
        " ".join(paragraph.split()).removeprefix(f"{kind}: ").partition("; and on constants ")
    )
    assert translated.split(", ") == sorted(TRANSLATED[kind])
    assert computed.rstrip(".").split(", ") == sorted(COMPUTED[kind] - TRANSLATED[kind])
