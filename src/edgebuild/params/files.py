"""Sections ``export``, ``variants`` and ``benchmark`` of params.yaml: the files, and how they are timed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from edgebuild.params.kinds import Count, Precision, Size
from edgebuild.strict import Range
from edgebuild.variant import ENDINGS, Variant

__all__ = ["TRAINED", "Benchmark", "Export", "Runtime", "VariantParams", "problems_of_variants"]


#: Variants that need no line in ``variants``: what the trainings write.
TRAINED = tuple(f"{model}-keras-fp32" for model in ("teacher", "student", "pruned"))


@dataclass(frozen=True)
class Export:
    """How files are written."""

    batch: Literal["fixed", "flexible"]  #: fixed takes one image; flexible any number, where a format can


@dataclass(frozen=True)
class VariantParams:
    """One file to build. Its name is ``<model>-<format>-<precision>``."""

    model: Literal["teacher", "student", "pruned"]
    format: Literal["litert", "onnx", "coreml"]
    precision: Precision
    ending: Literal["tflite", "onnx", "mlpackage"]


@dataclass(frozen=True)
class Runtime:
    """How one runtime is timed."""

    threads: Annotated[int, Range(1, 1024)]
    warmup: Size  #: inferences before timing starts
    runs: Count  #: timed inferences


@dataclass(frozen=True)
class Benchmark:
    """Timing, per runtime, each in a process of its own."""

    keras: Runtime
    litert: Runtime
    onnx: Runtime
    coreml: Runtime


def problems_of_variants(variants: Mapping[str, VariantParams]) -> list[str]:
    """What is wrong with the section, a line each."""
    problems = []
    for name, variant in variants.items():
        expected = Variant(variant.model, variant.format, variant.precision).id
        if name != expected:
            problems.append(f"variants.{name}: a variant is named by what it is; call it {expected}")
        if variant.ending != ENDINGS[variant.format]:
            problems.append(
                f"variants.{name}.ending: {variant.ending!r} is not how {variant.format} files end; "
                f"write {ENDINGS[variant.format]}"
            )
        if variant.model != "pruned" and variant.precision != "fp32":
            problems.append(
                f"variants.{name}.precision: {variant.precision} exists for the pruned model only, because "
                f"the quantize stage works on that one; write fp32, or model: pruned"
            )
    return problems
