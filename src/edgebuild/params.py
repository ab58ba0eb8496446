"""Every knob of params.yaml: its type, unit, allowed values and meaning, in one place.

No knob has a default here: params.yaml states them all, so the file is the
whole configuration and DVC sees every value. :func:`read` refuses a file with
an unknown key, a wrong type or an impossible value before any work starts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from edgebuild.assumptions import Cost
from edgebuild.errors import ParamsError
from edgebuild.strict import Range, build, read_yaml
from edgebuild.variant import ENDINGS, Variant

__all__ = ["Cost", "Params", "VariantParams", "read"]

Fraction = Annotated[float, Range(0.0, 1.0)]
Count = Annotated[int, Range(1, 1_000_000_000)]
Size = Annotated[int, Range(0, 1_000_000_000)]
Seed = Annotated[int, Range(0, 2**31 - 1)]
Rate = Annotated[float, Range(0.0, 10.0, open_low=True)]
Temperature = Annotated[float, Range(0.0, 1000.0, open_low=True)]
Precision = Literal["fp32", "fp16", "w8", "w4", "int8"]

#: Variants that need no line in ``variants``: what the trainings write.
TRAINED = tuple(f"{model}-keras-fp32" for model in ("teacher", "student", "pruned"))


@dataclass(frozen=True)
class Data:
    """Which data, and how it is split; every split is stratified by class."""

    source: Literal["digits", "fashion_mnist"]
    folder: str  #: where the source's files lie; "" lets the source decide
    download: bool  #: may the source fetch its files?
    validation: Count  #: images taken from the training part to watch trainings
    calibration: Count  #: images taken from the training part to find activation ranges
    test: Size  #: images to judge on; 0 takes the source's whole official test part
    seed: Seed


@dataclass(frozen=True)
class Teacher:
    """The large network that the student learns from."""

    architecture: Literal["resnet"]
    width: Annotated[int, Range(4, 512)]  #: channels of the first stage; doubles with each stage
    blocks: Annotated[int, Range(1, 16)]  #: residual blocks per stage
    stages: Annotated[int, Range(1, 5)]  #: stages; each after the first halves the image
    epochs: Count
    batch_size: Count
    learning_rate: Rate  #: peak of a cosine schedule
    weight_decay: Fraction  #: decoupled (AdamW)
    shift: Size  #: augmentation: largest random shift, in pixels; 0 is off
    flip: bool  #: augmentation: random horizontal flips


@dataclass(frozen=True)
class Student:
    """The small network that goes onto the device."""

    architecture: Literal["ds_cnn"]
    width: Annotated[int, Range(4, 512)]  #: channels after the stem; doubles when the image is halved
    blocks: Annotated[int, Range(1, 16)]  #: depthwise-separable blocks per stage
    stages: Annotated[int, Range(1, 5)]  #: stages; each after the first halves the image
    stem_stride: Literal[1, 2]  #: 2 halves the image at once


@dataclass(frozen=True)
class Distill:
    """Training of the student on labels and on what the teacher says and sees."""

    teacher: str  #: the file that teaches: .keras, .onnx or .tflite; the trained teacher, or any other
    features: Literal["none", "attention", "hint"]  #: compare feature maps, too; needs a .keras teacher
    beta: Annotated[float, Range(0.0, 1e6)]  #: weight of that comparison in the loss
    temperature: Temperature
    alpha: Fraction  #: share of the teacher's part in the loss; 0 trains on labels alone
    epochs: Count
    batch_size: Count
    learning_rate: Rate
    weight_decay: Fraction
    shift: Size
    flip: bool


@dataclass(frozen=True)
class Prune:
    """Removing channels or weights from the student, with further training."""

    method: Literal["structured", "unstructured"]
    keep: Annotated[float, Range(0.0, 1.0, open_low=True)]  #: structured: share of the cost that stays
    cost: Literal[
        "macs", "latency"
    ]  #: structured: counted, or LiteRT's time on this machine (not repeatable)
    importance: Literal["taylor", "magnitude"]  #: structured: what a channel is judged by
    spread: Literal["uniform", "global"]  #: structured: the same share of every layer, or one ranking
    multiple: Annotated[int, Range(1, 64)]  #: structured: channel counts that kernels like
    rounds: Annotated[int, Range(1, 20)]  #: structured: cuts, with ``epochs`` of training after each
    scheme: Literal["layer", "global", "two_four"]  #: unstructured: where the zeros are
    sparsity: Annotated[float, Range(0.0, 1.0, open_high=True)]  #: unstructured: share of zeros at the end
    ramp: Fraction  #: unstructured: share of the steps over which sparsity rises; the rest recovers
    frequency: Count  #: unstructured: optimizer steps between two mask updates
    temperature: Temperature
    alpha: Fraction
    epochs: Count
    batch_size: Count
    learning_rate: Rate
    weight_decay: Fraction
    shift: Size
    flip: bool


@dataclass(frozen=True)
class Quantize:
    """How the integer grid is found."""

    samples: Count  #: calibration images used, the first ones of the split
    ranges: Literal["minmax", "percentile", "mse"]
    percentile: Annotated[float, Range(50.0, 100.0, open_low=True)]  #: used where ranges is "percentile"
    equalize: bool  #: move weight ranges between layers until they are alike (int8)
    correct_bias: bool  #: put the mean error of each channel into its bias
    budget: Fraction  #: share of calibration labels that int8 may change; beyond it layers stay in float32


@dataclass(frozen=True)
class Tuning:
    """Further training as the quantized network, on labels and the teacher's kept logits."""

    epochs: Size  #: 0 leaves the weights as they are
    temperature: Temperature
    alpha: Fraction
    batch_size: Count
    learning_rate: Rate
    weight_decay: Fraction

    @property
    def shift(self) -> int:
        """Nothing is augmented: the logits that were kept are those of the images as they are."""
        return 0

    @property
    def flip(self) -> bool:
        """As ``shift``."""
        return False


@dataclass(frozen=True)
class Finetune:
    """Quantization-aware fine-tuning, per precision."""

    int8: Tuning
    w4: Tuning


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


@dataclass(frozen=True)
class Params:
    """params.yaml, whole."""

    project: str  #: names the MLflow experiments
    seed: Seed  #: initial weights, order of batches and augmentation of every training
    threads: Annotated[int, Range(1, 256)]  #: per operation while training; another count gives other bits
    data: Data
    teacher: Teacher
    student: Student
    distill: Distill
    prune: Prune
    quantize: Quantize
    finetune: Finetune
    export: Export
    variants: Mapping[str, VariantParams]
    benchmark: Benchmark
    cost: Cost


def read(path: Path) -> Params:
    """Read and check ``path``.

    Raises:
        ParamsError: with every problem of the file at once, a line each.
    """
    params, problems = build(Params, read_yaml(path))
    if params is not None:
        problems += _check_variants(params.variants)
        problems += _check_prune(params.prune)
        problems += params.cost.problems([*params.variants, *TRAINED])
        if not params.project.strip():
            problems.append("project: '' cannot name an experiment; write a name")
    if params is None or problems:
        lines = "\n".join(f"  {problem}" for problem in problems)
        raise ParamsError(f"{path.name} is refused; nothing was run or changed:\n{lines}")
    return params


def _check_variants(variants: Mapping[str, VariantParams]) -> list[str]:
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


def _check_prune(prune: Prune) -> list[str]:
    if prune.method == "unstructured" and prune.scheme == "two_four" and prune.sparsity > 0.5:
        return [
            f"prune.sparsity: {prune.sparsity} is out of range; two_four leaves at least two of four weights, "
            f"so at most 0.5 can go"
        ]
    return []
