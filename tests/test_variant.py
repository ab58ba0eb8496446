"""Names of variants."""

from __future__ import annotations

import pytest

from edgebuild.errors import UsageError
from edgebuild.variant import ENDINGS, Variant


@pytest.mark.parametrize("format", ENDINGS)
def test_a_name_is_parsed_and_given_back(format: str) -> None:
    variant = Variant.parse(f"pruned-{format}-int8")
    assert variant == Variant("pruned", format, "int8")
    assert variant.id == f"pruned-{format}-int8"


def test_a_file_is_named_by_the_variant_and_its_formats_ending() -> None:
    assert Variant("pruned", "litert", "w8").path == "models/pruned-litert-w8.tflite"
    assert Variant("teacher", "coreml", "fp32").path == "models/teacher-coreml-fp32.mlpackage"


@pytest.mark.parametrize("name", ["", "pruned", "pruned-onnx", "pruned-onnx-int8-x", "pruned-tflite-int8"])
def test_what_is_no_variant_is_refused_with_the_pattern(name: str) -> None:
    with pytest.raises(UsageError, match="<model>-<format>-<precision>"):
        Variant.parse(name)
