"""`edgebuild init` from its arguments to a plan: what was said, what is found, and what follows from it."""

from __future__ import annotations

import difflib
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from edgebuild.errors import UsageError
from edgebuild.init import data as data_of
from edgebuild.init import network as network_of
from edgebuild.init import template, values
from edgebuild.init.choice import Choice
from edgebuild.init.plan import Plan, plan
from edgebuild.init.write import git_top
from edgebuild.params.kinds import Precision
from edgebuild.variant import ENDINGS

__all__ = ["PRECISIONS", "TARGETS", "Wishes", "prepare"]

TARGETS = tuple(name for name in ENDINGS if name != "keras")
PRECISIONS: tuple[str, ...] = get_args(Precision)
#: Other words for a target.
MEANT = {
    "tflite": "litert",
    "tensorflow-lite": "litert",
    "onnxruntime": "onnx",
    "mlpackage": "coreml",
    "mlmodel": "coreml",
}
#: Folders that the build writes to: nothing of the user's may be read from there.
TAKEN = ("data", "models", "metrics", "plots", "stages", "requirements")


@dataclass(frozen=True)
class Wishes:
    """What the command line says; "" and None where it says nothing."""

    data: str = ""
    teacher: str = ""
    targets: str = ",".join(TARGETS)
    precisions: str = ",".join(PRECISIONS)
    task: str | None = None
    example: str = ""
    ci: str | None = None


def prepare(root: Path, wishes: Wishes) -> Plan:
    """Everything that will be written into ``root``; nothing is written here.

    Raises:
        UsageError: something that was named is not there, not known or does not fit.
    """
    if wishes.example and (wishes.data or wishes.teacher or wishes.task):
        raise UsageError(
            "--example brings its own data, teacher and task; leave --data, --teacher and --task out"
        )
    targets = _listed("--targets", wishes.targets, TARGETS)
    precisions = _listed("--precisions", wishes.precisions, PRECISIONS)
    top = git_top(root)
    ci, told = _ci(root, top, wishes.ci)
    inputs: dict[str, list[str]] = {"prepare": [], "train_teacher": []}
    choices: list[Choice] = []
    network = found = None
    if wishes.teacher:
        given, note = _placed(root, top, wishes.teacher, "--teacher")
        network = network_of.look(root / given, given)
        choices += [*network.choices, *note]
        inputs["train_teacher"] += [] if Path(given).is_absolute() else ["${teacher.file}"]
    if wishes.data:
        given, note = _placed(root, top, wishes.data, "--data")
        found = data_of.look(root, given, wishes.task, network.shape if network else None)
        choices += [*found.choices, *note, Choice("task", found.task, "as you say" if wishes.task else "")]
        inputs["prepare"] += ["${data.folder}"] if found.folder and not Path(given).is_absolute() else []
        inputs["prepare"] += found.inputs
    if network and found:
        _match(network, found)
    if not wishes.data:
        name = wishes.example or "digits"
        choices.append(Choice("data", f"the example {name}", "" if wishes.example else "no --data was named"))
    text = template.read(template.EXAMPLES[wishes.example or "digits"])
    text, more = values.fill(text, root.resolve().name, found, network, targets, precisions)
    stages = {stage: tuple(paths) for stage, paths in inputs.items()}
    return plan(text, stages, (*choices, *more, told), ci)


def _listed(option: str, given: str, known: Sequence[str]) -> tuple[str, ...]:
    """The names of a list with commas, in the order of ``known``."""
    names = [name.strip() for name in given.split(",") if name.strip()]
    for name in names:
        if name not in known:
            near = [MEANT[name]] if name in MEANT else difflib.get_close_matches(name, known, n=1, cutoff=0.5)
            hint = f" (did you mean {near[0]}?)" if near else ""
            raise UsageError(f"{option}: {name!r} is not known; choose from {','.join(known)}{hint}")
    if not names:
        raise UsageError(f"{option}: nothing is named; choose from {','.join(known)}")
    return tuple(name for name in known if name in names)


def _placed(root: Path, top: Path | None, given: str, option: str) -> tuple[str, list[Choice]]:
    """How params.yaml names a path: relative to ``root`` within the repository, absolute outside.

    Raises:
        UsageError: the build itself writes there.
    """
    path = (root / Path(given).expanduser()).resolve()
    if not path.exists():
        return given, []
    home, around = root.resolve(), (top or root).resolve()
    if not path.is_relative_to(around):
        where = "outside of this repository: DVC does not see it change, and no clone has it; copy it here for that"
        return str(path), [Choice("", str(path), where)]
    if not path.is_relative_to(home):
        ups = next(index for index, parent in enumerate(home.parents) if path.is_relative_to(parent))
        return "../" * (ups + 1) + path.relative_to(home.parents[ups]).as_posix(), []
    name = path.relative_to(home).as_posix()
    if name == "." or name in TAKEN or (option == "--teacher" and name.split("/")[0] in TAKEN):
        what = "this folder" if name == "." else name
        raise UsageError(
            f"{option} {given}: the build writes to {', '.join(f'{folder}/' for folder in TAKEN)} here, so {what} "
            f"cannot be what it reads; move it to a folder of another name (mv {given} my-{path.name}), or begin in a "
            f"folder below: mkdir edge && cd edge && edgebuild init {option} ../{given}"
        )
    return name, _kept(root, name)


def _kept(root: Path, name: str) -> list[Choice]:
    """Does git or DVC keep it? Whoever clones the repository needs it to build."""
    if any((root / f"{path.as_posix()}.dvc").exists() for path in (Path(name), *Path(name).parents)):
        return []
    command = ["git", "-C", str(root), "ls-files", "--", name]
    if subprocess.run(command, capture_output=True, text=True, check=False).stdout:
        return []
    return [
        Choice("", f"{name} is kept neither by DVC nor by git", f"`dvc add {name}` before CI has to build it")
    ]


def _match(network: network_of.Network, data: data_of.Data) -> None:
    """Does the teacher answer what the data ask?"""
    count = len(data.classes)
    if data.task == "classification" and network.outputs and count and network.outputs != count:
        raise UsageError(
            f"--teacher {network.file} gives {network.outputs} values, but --data {data.folder} has {count} classes "
            f"({', '.join(data.classes[:6])}{', ...' if count > 6 else ''}); name the data that it was trained on"
        )
    if network.shape and data.source == "npz" and data.shape and network.shape != data.shape:
        sides = ["×".join(map(str, shape)) for shape in (network.shape, data.shape)]
        raise UsageError(
            f"--teacher {network.file} takes {sides[0]}, but the examples of {data.folder} are {sides[1]}"
        )


def _ci(root: Path, top: Path | None, wanted: str | None) -> tuple[str, Choice]:
    """Which workflow file is written: the one that is asked for, or that of the place that the repository came from."""
    if wanted is not None:
        return wanted, Choice("CI", wanted, "as you say")
    if top is None:
        return "none", Choice(
            "CI", "none", "this is no git repository; `edgebuild init --ci github` adds it later"
        )
    if not top.samefile(root):
        return "none", Choice("CI", "none", "a workflow belongs to the top of the repository; see docs/ci.md")
    remote = subprocess.run(
        ["git", "-C", str(root), "remote", "get-url", "origin"], capture_output=True, text=True, check=False
    ).stdout
    kind = "gitlab" if "gitlab" in remote else "github"
    target = template.CI[kind][1]
    if (root / target).exists():
        return "none", Choice("CI", "none", f"{target} is there; --ci {kind} shows what differs")
    return kind, Choice(
        "CI", kind, f"by the remote, {remote.strip()}" if remote else "no remote says otherwise"
    )
