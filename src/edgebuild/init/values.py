"""params.yaml for somebody's data and network: the template's text, with other values and a section more."""

from __future__ import annotations

import io
import math
import re
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap

from edgebuild.errors import UsageError
from edgebuild.init.choice import Choice
from edgebuild.init.data import Data
from edgebuild.init.network import Network

__all__ = ["fill"]

#: Shares of the examples that go into each split, and how many at most.
SPLITS = {"test": (0.2, 2000), "validation": (0.1, 1000), "calibration": (0.1, 200)}
#: Networks by the longer side of the input, pixels at most: knobs of teacher and student.
NETWORKS: Sequence[tuple[int, Mapping[str, Any], Mapping[str, Any]]] = (
    (16, {"width": 32, "stages": 3, "stem_stride": 1}, {"width": 32, "blocks": 1, "stages": 2, "stem_stride": 1}),
    (40, {"width": 32, "stages": 3, "stem_stride": 1}, {"width": 32, "blocks": 2, "stages": 3, "stem_stride": 2}),
    (4096, {"width": 16, "stages": 4, "stem_stride": 2}, {"width": 32, "blocks": 2, "stages": 3, "stem_stride": 2}),
)  # fmt: skip
#: Of MLPerf Tiny, and half as wide: learn to give back what is normal.
AUTOENCODERS: tuple[Mapping[str, Any], Mapping[str, Any]] = (
    {"architecture": "autoencoder", "width": 128, "blocks": 4, "shift": 0},
    {"architecture": "autoencoder", "width": 64, "blocks": 4},
)
#: Share of normal examples that may be called anomalies, as MLPerf Tiny and DCASE judge.
FALSE_POSITIVES = 0.1
#: Training examples for which the template's epochs are meant. With more of them epochs shrink, by a cube root; with
#: fewer they grow, by a square root and at most so often, in smaller batches: a network needs some hundred steps.
MANY, FEW, LONGEST, SMALL_BATCH = 2000, 500, 4.0, 16
TRAININGS = ("teacher", "distill", "prune")
#: Of `edgebuild check`: what can be demanded of any build, whatever its data. Bytes, latency and accuracy cannot.
LIMITS: Mapping[str, Mapping[str, float]] = {
    "default": {"drop": 3.0},
    "pruned-*": {"parity_labels": 0.995},
    "pruned-onnx-int8": {"parity_logits": 0.99},
}
LIMITS_HELP = "add your own: accuracy, agreement, bytes, gzip_bytes, latency, memory_bytes"
HEADER = ("# src/edgebuild/params/ states", "# The package edgebuild.params states")


def fill(
    text: str,
    project: str,
    data: Data | None,
    network: Network | None,
    targets: Sequence[str],
    precisions: Sequence[str],
) -> tuple[str, tuple[Choice, ...]]:
    """The template's params.yaml ``text`` with what was found, and what there is to tell of it.

    Nothing is changed where nothing was found or asked for: an example stays what it is.
    """
    yaml = YAML()
    yaml.width, yaml.preserve_quotes = 4096, True
    params = yaml.load(text)
    choices: list[Choice] = []
    all_of_them = dict(params["variants"])
    _variants(params, targets, precisions)
    if data is not None:
        params["project"] = re.sub(r"[^\w.-]+", "-", project).strip("-") or "edgebuild"
        choices += _data(params, data)
        choices += _networks(params, data, network)
    if network is not None:
        params["teacher"] |= {"file": network.file, "input": network.input}
    if data is None and network is None and dict(params["variants"]) == all_of_them:
        return text.replace(*HEADER), ()
    _budgets(params)
    names = ", ".join(params["variants"])
    choices.append(Choice("files", f"{len(params['variants'])} variants", names))
    stream = io.StringIO()
    yaml.dump(params, stream)
    return stream.getvalue().replace(*HEADER), tuple(choices)


def _data(params: Any, data: Data) -> list[Choice]:
    section = params["data"]
    section["source"], section["folder"] = data.source, data.folder
    params["task"] |= _task(data)
    for name, value in data.sections.items():
        section.insert(list(section).index("folder") + 1, name, _flow(value))
    if not data.count:
        told = ", ".join(f"{section[name]} {name}" for name in SPLITS)
        return [
            Choice("splits", told, "the number of examples is not known: set data.* in params.yaml to yours")
        ]
    counts = {}
    for name, (share, most) in SPLITS.items():
        least = max(len(data.classes), 1) if data.task == "classification" else 1
        counts[name] = 0 if name in data.placed else min(max(round(share * data.count), least), most)
    section |= counts
    rest = data.count - sum(counts.values())
    if rest < max(len(data.classes), 1):
        raise UsageError(
            f"--data: {data.count} examples of {len(data.classes)} classes are too few: with {counts['test']} to test, "
            f"{counts['validation']} to validate and {counts['calibration']} to calibrate none of a class may be left "
            f"to train"
        )
    available = counts["calibration"] or data.count
    if _grouped(data):
        available = max(available // 2, 1)  # whole groups are drawn: the split may have that few
    params["quantize"]["samples"] = min(params["quantize"]["samples"], available)
    shown = ", ".join(f"{count or 'your own'} {name}" for name, count in counts.items())
    return [Choice("splits", shown, f"of {data.count:,}; the rest, {rest:,}, trains")]


def _task(data: Data) -> dict[str, Any]:
    """Section ``task``, with the knobs that its kind has."""
    if data.task == "anomaly":
        return {"kind": data.task, "false_positive_rate": FALSE_POSITIVES}
    if data.task != "regression":
        return {"kind": data.task}
    targets = CommentedMap()
    for name, values in data.targets.items():
        scale = _short(statistics.pstdev(values)) or 1.0
        knobs = {"offset": _short(statistics.mean(values)), "scale": scale, "tolerance": _short(scale / 2)}
        targets[name] = _flow(knobs)
    if not targets:
        raise UsageError(
            f"--data {data.folder or data.source}: how the targets of a regression are called, and how large they "
            f"are, cannot be read off it; fill in task.targets by hand (docs/tasks.md), from --task classification"
        )
    return {"kind": data.task, "targets": targets}


def _short(number: float) -> float:
    """Three digits."""
    return float(f"{number:.3g}")


def _grouped(data: Data) -> bool:
    """Whether examples come in groups that stay together: of a speaker, of a recording."""
    audio = data.sections.get("audio", {})
    return "sensors" in data.sections or bool(audio.get("group") or audio.get("step_seconds"))


def _networks(params: Any, data: Data, network: Network | None) -> list[Choice]:
    side = max(data.shape[:2]) if data.shape else NETWORKS[0][0]
    teacher, student = next((teacher, student) for most, teacher, student in NETWORKS if side <= most)
    if data.task == "anomaly":
        teacher, student = AUTOENCODERS
    params["teacher"] |= teacher
    params["student"] |= student
    for name in TRAININGS:
        params[name]["epochs"] = max(round(params[name]["epochs"] * _factor(data.count)), 3)
        if 0 < data.count < FEW:
            params[name]["batch_size"] = SMALL_BATCH
    large, small = (
        f"{params[name]['architecture']} of width {params[name]['width']}" for name in ("teacher", "student")
    )
    told = f"{network.file if network else large} → {small}"
    epochs = ", ".join(str(params[name]["epochs"]) for name in TRAININGS)
    why = "by the input's size" if data.shape else "the input's size is not known: these are for small images"
    return [Choice("networks", told, f"{why}; epochs {epochs} (teacher, student, pruned)")]


def _factor(count: int) -> float:
    if count == 0:
        return 1.0
    return min(math.sqrt(FEW / count), LONGEST) if count < FEW else min(math.cbrt(MANY / count), 1.0)


def _variants(params: Any, targets: Sequence[str], precisions: Sequence[str]) -> None:
    """Keep the variants that are asked for; a target's fp32 teacher stays, which others are compared with."""
    for name, variant in list(params["variants"].items()):
        wanted = variant["precision"] in precisions or variant["model"] == "teacher"
        if variant["format"] not in targets or not wanted:
            del params["variants"][name]
    edges = [name for name, variant in params["variants"].items() if variant["model"] == "pruned"]
    if params["cost"]["edge"] not in edges:
        params["cost"]["edge"] = edges[-1]


def _budgets(params: Any) -> None:
    limits = CommentedMap()
    for name, wanted in LIMITS.items():
        if not name.endswith("int8") or name in params["variants"]:
            limits[name] = _flow(wanted)
    params["budgets"]["limits"] = limits
    limits.yaml_add_eol_comment(LIMITS_HELP, "default", column=0)


def _flow(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    section = CommentedMap(value)
    section.fa.set_flow_style()
    return section
