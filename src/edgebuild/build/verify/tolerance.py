"""How far outputs may be from the committed ones where equal bits are not promised, and why that far.

Another CPU class adds in another order. One pass through a network then differs in
the seventh digit; a training of some hundred steps turns that into another run of
itself, with other weights and nearly the same results, as another seed would. So
weights say little, what the networks compute says more, and metrics decide. The
limits stand above what was measured (docs/verify.md has the figures): the default build,
made with and without ONEDNN_MAX_CPU_ISA=AVX2 and SSE41.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from edgebuild.build.verify.locate import Difference, Distance
from edgebuild.build.verify.tables import by_text

__all__ = ["TOLERANCES", "Tolerances", "Verdict", "judge"]

MODELS = (".keras", ".safetensors", ".onnx", ".tflite", ".mlpackage")
#: fractions of images
SHARES = (
    "accuracy", "val_accuracy", "agreement_with_reference", "agreement_with_source", "oracle_labels",
    "oracle_equal", "labels", "equal", "disagreement",
    "mean_average_precision", "macro_f1", "exact_match", "partial_auc", "recall_at_rate", "r2",
)  # fmt: skip
#: positive numbers that say something by their magnitude
MAGNITUDES = ("loss", "val_loss", "max_abs_error", "divergence", "mae", "rmse", "error", "oracle_error")
#: largest distance in steps of an integer output's grid
STEPS = ("steps", "oracle_steps")
SIZES = ("size_bytes", "gzip_bytes", "nonzero_parameters")
#: computed from what is compared itself
FOLLOWING = ("accuracy_drop", "accuracy_ci95", "sha256")


@dataclass(frozen=True)
class Tolerances:
    """The limits, each with the largest distance that was measured.

    Attributes:
        sigmas: a share of n images may differ by so many standard errors of the difference of two shares,
            sqrt(2·p·(1-p)/n), at least one image. Measured: 5 of 400 images, where 8 are allowed.
        epoch: shares in tables, which do not name n: those of one epoch swing. Measured: 0.13, in the first epoch.
        magnitude: larger by smaller value of losses and maximal errors. Measured: 2.9.
        steps: of an integer file from the integer reference. The stage that measures them has limits of its own, by
            format, and fails beyond them; this is the widest of those. Measured: 1.
        rounding: magnitudes below this are float32's rounding and are not compared.
        size: relative. Measured: 0.0066.
        logits: ‖a-b‖₂/‖a‖₂ of what a network computes (.npy). Measured: 0.26.
        weights: ‖a-b‖₂/‖a‖₂ of each tensor of a model. Unrelated weights of one norm are 1.4 apart, and that is
            where a training can end. Measured: 2.6. It tells a broken model, not a slightly other one.
        code: of a tensor that was all zeros (a zero point, say) the largest value: one range of 8-bit codes.
        other: relative, of metrics of any other name.
    """

    sigmas: float = 3.0
    epoch: float = 0.25
    magnitude: float = 5.0
    steps: float = 8.0
    rounding: float = 1e-4
    size: float = 0.02
    logits: float = 0.5
    weights: float = 5.0
    code: float = 255.0
    other: float = 0.05


TOLERANCES = Tolerances()


@dataclass(frozen=True)
class Verdict:
    """Whether a difference is acceptable in tolerance mode, and in words what decided."""

    acceptable: bool
    text: str


def judge(
    path: str,
    committed: Path,
    rebuilt: Path,
    difference: Difference,
    tolerances: Tolerances = TOLERANCES,
) -> Verdict:
    """Whether the output ``path`` as ``rebuilt`` is as close to ``committed`` as another CPU class explains.

    ``difference`` is what `edgebuild.build.verify.locate.differences` says of the
    two. Of a folder that is no model every file is judged by its own ending.
    """
    beyond = list(_beyond(path, committed, rebuilt, difference, tolerances))
    if not beyond:
        return Verdict(True, _within(path, difference, tolerances))
    more = f" and {len(beyond) - 1} more" if len(beyond) > 1 else ""
    return Verdict(False, f"beyond the tolerances: {beyond[0]}{more}")


def _within(path: str, difference: Difference, tolerances: Tolerances) -> str:
    """The largest distance beside its limit, where that says something."""
    kind = PurePosixPath(path).suffix
    if difference.tensors and kind in (*MODELS, ".npy"):
        name, limit = ("logits", tolerances.logits) if kind == ".npy" else ("weights", tolerances.weights)
        far = max((one.relative for one in difference.tensors.values() if one.relative <= limit), default=0.0)
        return f"{name} at most {far:.2g} apart, {limit:g} is allowed"
    if kind == ".png":
        return "drawn from metrics, which are compared themselves"
    if count := len(difference.numbers):
        return (
            "1 number differs, within its tolerance"
            if count == 1
            else f"{count} numbers differ, each within its tolerance"
        )
    return "the same but for what follows from other files"


def _beyond(
    path: str, committed: Path, rebuilt: Path, difference: Difference, tolerances: Tolerances
) -> Iterator[str]:
    """What is not acceptable, in words."""
    kind = PurePosixPath(path).suffix
    if kind in MODELS:
        yield from _tensors(difference, tolerances.weights, tolerances.code)
        yield from (
            f"{key}: {old} → {new}"
            for key, (old, new) in difference.numbers.items()
            # of a structure only scales and zero points may differ
            if _last(key) != "grid" or not _is_near(old, new, tolerances.weights, tolerances.code)
        )
        yield from difference.others
    elif kind == ".npy":
        yield from _tensors(difference, tolerances.logits, 0.0)
        yield from difference.others
    elif kind == ".json":
        yield from _metrics(difference, _images(committed), tolerances)
    elif kind == ".csv":
        yield from _metrics(by_text(path, committed, rebuilt, difference), None, tolerances)
    elif kind == ".png":  # drawn from metrics: only the size of the picture counts
        yield from (*difference.numbers, *difference.others)
    elif committed.is_dir() and rebuilt.is_dir():
        yield from _folder(path, committed, rebuilt, tolerances)
    elif not difference.same:
        yield f"bits are required of files like {PurePosixPath(path).name} everywhere"


def _folder(path: str, committed: Path, rebuilt: Path, tolerances: Tolerances) -> Iterator[str]:
    from edgebuild.build.verify.locate import differences

    names = {
        file.relative_to(side).as_posix()
        for side in (committed, rebuilt)
        for file in side.rglob("*")
        if file.is_file()
    }
    for name in sorted(names):
        old, new = committed / name, rebuilt / name
        if not (old.is_file() and new.is_file()):
            yield f"only one version has {name}"
            continue
        found = differences(name, old, new)
        yield from (f"{name}: {text}" for text in _beyond(f"{path}/{name}", old, new, found, tolerances))


def _tensors(difference: Difference, limit: float, code: float) -> Iterator[str]:
    for key, distance in difference.tensors.items():
        if not _is_close(distance, limit, code):
            yield f"{key} is {distance.relative:.3g} away, {limit:g} is allowed"


def _is_close(distance: Distance, limit: float, code: float) -> bool:
    # A NaN or an infinity on one side makes both infinite; of zeros nothing can be relative.
    return distance.relative <= limit or (math.isinf(distance.relative) and distance.absolute <= code)


def _is_near(old: float, new: float, limit: float, code: float) -> bool:
    return abs(new - old) <= limit * abs(old) or (old == 0 and abs(new) <= code)


def _metrics(difference: Difference, images: int | None, tolerances: Tolerances) -> Iterator[str]:
    for key, (old, new) in difference.numbers.items():
        if allowed := _limit(_last(key), images, tolerances)(old, new):
            yield f"{key}: {old:g} → {new:g}, {allowed}"
    yield from (key for key in (*difference.tensors, *difference.others) if _last(key) not in FOLLOWING)


def _limit(name: str, images: int | None, tolerances: Tolerances) -> Callable[[float, float], str]:
    """The rule for a metric of this name: "" for an acceptable pair, or what is allowed."""

    def share(old: float, new: float) -> str:
        if images is None:
            return _unless(abs(new - old) <= tolerances.epoch, f"{tolerances.epoch:g} is allowed")
        mean = min(max((old + new) / 2, 0.0), 1.0)
        allowed = max(1, math.ceil(tolerances.sigmas * math.sqrt(2 * mean * (1 - mean) * images)))
        return _unless(abs(new - old) * images <= allowed + 1e-6, f"{allowed} of {images} images are allowed")

    def magnitude(old: float, new: float) -> str:
        small, large = sorted((max(old, tolerances.rounding), max(new, tolerances.rounding)))
        return _unless(
            large <= small * tolerances.magnitude, f"a factor of {tolerances.magnitude:g} is allowed"
        )

    def steps(old: float, new: float) -> str:
        return _unless(abs(new - old) <= tolerances.steps, f"{tolerances.steps:g} are allowed")

    def relative(limit: float) -> Callable[[float, float], str]:
        return lambda old, new: _unless(abs(new - old) <= limit * abs(old), f"{limit:.0%} is allowed")

    if name in FOLLOWING:
        return lambda old, new: ""
    if name in SHARES:
        return share
    if name in MAGNITUDES:
        return magnitude
    if name in STEPS:
        return steps
    return relative(tolerances.size if name in SIZES else tolerances.other)


def _unless(acceptable: bool, allowed: str) -> str:
    return "" if acceptable else allowed


def _last(key: str) -> str:
    """``accuracy`` of ``variants[0 teacher].accuracy[1]`` and ``row 3, accuracy``; ``mae`` of ``….metrics.mae.age``."""
    if figure := key.partition(".metrics.")[2]:  # of a target, whose name may be anything
        return figure.strip("'").partition(".")[0]
    return re.split(r"\.|, ", re.sub(r"(\[[^\]]*\])+$", "", key))[-1]


def _images(path: Path) -> int | None:
    """Of how many images a document's shares are, if it says so: of its own or of the test split."""
    try:
        document: Any = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return None
    for keys in (("images",), ("dataset", "splits", "test", "images")):
        found = document
        for key in keys:
            found = found.get(key) if isinstance(found, Mapping) else None
        if isinstance(found, int) and found > 0:
            return found
    return None
