"""Runs one stage: checks everything first, then executes the stage file, then moves its outputs into place.

Outputs are written to a staging folder and replace the old ones only when the
stage has succeeded and made every declared one. A stage that fails, is
interrupted or refuses its input changes nothing.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

from edgebuild import console
from edgebuild.build.declaration import Declaration, declaration
from edgebuild.build.digest import md5
from edgebuild.build.stage import Stage
from edgebuild.errors import DeclarationError, UsageError
from edgebuild.params import Params, read
from edgebuild.track.daemon import ensure_running
from edgebuild.track.outbox import Record
from edgebuild.track.process import build_process
from edgebuild.track.revision import revision
from edgebuild.track.store import tracking_uri

__all__ = ["run_stage"]


def run_stage(root: Path, name: str, environ: Mapping[str, str]) -> None:
    """Execute stage ``name`` of ``root``/dvc.yaml.

    Raises:
        UsageError: params.yaml, dvc.yaml, a missing dep, or what the stage itself refuses.
        Finding: the stage ran and its result is not acceptable.
        KeyboardInterrupt: SIGINT or SIGTERM arrived; nothing was changed.
    """
    params = read(root / "params.yaml")
    declared = declaration(root, name)
    values = _values(params, declared)
    module = _load(root, declared)
    _check_deps(root, declared)
    staging = root / ".edgebuild" / "staging" / name
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    kept = _kept(root, declared, values)
    record = Record.begin(root, stage=name, params=values, deps=declared.deps, revision=revision(root))
    uri = tracking_uri(root, environ)
    if problem := ensure_running(root, build_process(), uri, params.project, environ=environ):
        console.warn(problem)
    progress = console.Progress(name)
    start = time.monotonic()

    def say(text: str) -> None:
        progress.close()
        console.say(f"{name}: {text} ({time.monotonic() - start:.1f} s)")

    stage = Stage(declared, root, staging, kept, params, record.metrics, progress.update, say, console.warn)
    try:
        with _interruptible():
            module.main(stage)
            digests = _publish(stage)
    except BaseException as error:
        interrupted = isinstance(error, KeyboardInterrupt)
        record.end("KILLED" if interrupted else "FAILED", f"{type(error).__name__}: {error}", {})
        raise
    finally:
        progress.close()
        shutil.rmtree(staging, ignore_errors=True)
    shutil.rmtree(kept.parent, ignore_errors=True)
    if problem := record.end("FINISHED", None, digests):
        console.warn(problem)


def _kept(root: Path, declared: Declaration, values: Mapping[str, object]) -> Path:
    """The folder that belongs to this stage with these inputs; what other inputs have left is removed."""
    inputs = {"params": values, "deps": {path: md5(root / path) for path in declared.deps}}
    digest = hashlib.sha256(json.dumps(inputs, sort_keys=True, default=str).encode()).hexdigest()[:16]
    folder = root / ".edgebuild" / "kept" / declared.name / digest
    for other in folder.parent.glob("*"):
        if other != folder:
            shutil.rmtree(other)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _load(root: Path, declared: Declaration) -> ModuleType:
    """The stage file: the one of stages/ among the stage's deps."""
    files = [path for path in declared.deps if path.startswith("stages/") and path.endswith(".py")]
    if len(files) != 1:
        raise DeclarationError(
            f"dvc.yaml: stages.{declared.base}.deps must name exactly one file of stages/, found {files or 'none'}"
        )
    if not (root / files[0]).is_file():
        raise UsageError(f"{files[0]}, the file of stage {declared.name}, does not exist")
    spec = importlib.util.spec_from_file_location(f"stages.{Path(files[0]).stem}", root / files[0])
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _check_deps(root: Path, declared: Declaration) -> None:
    if missing := [path for path in declared.deps if not (root / path).exists()]:
        raise UsageError(
            f"stage {declared.name} needs {', '.join(missing)}, which {'does' if len(missing) == 1 else 'do'} not "
            f"exist; run dvc repro, which makes what is missing first (or dvc pull, from a remote)"
        )


def _publish(stage: Stage) -> Mapping[str, str]:
    """Move the outputs from staging into place, all of them or none; path → digest."""
    outs = stage.declaration.outs
    if missing := [path for path in outs if not (stage.staging / path).exists()]:
        raise DeclarationError(
            f"stage {stage.declaration.name} did not write {', '.join(missing)}, which dvc.yaml declares; "
            f"write it through stage.out(...), or remove it from dvc.yaml"
        )
    digests = {path: md5(stage.staging / path) for path in outs}
    with _uninterrupted():
        for path in outs:
            _replace(stage.staging / path, stage.root / path)
    return digests


def _replace(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    # A directory cannot be replaced in one step, nor can it replace a file; the old one goes first.
    if target.is_dir() and not target.is_symlink():
        shutil.rmtree(target)
    elif source.is_dir():
        target.unlink(missing_ok=True)
    os.replace(source, target)


def _values(params: Params, declared: Declaration) -> dict[str, object]:
    """The declared params as plain values, by dotted key.

    Raises:
        DeclarationError: params.yaml has no such key.
    """
    plain = _plain(params)
    result: dict[str, object] = {}
    for key in declared.params:
        value = plain
        for part in key.split("."):
            if not isinstance(value, Mapping) or part not in value:
                raise DeclarationError(
                    f"dvc.yaml: stages.{declared.base}.params names {key}, which params.yaml does not have"
                )
            value = value[part]
        result[key] = value
    return result


def _plain(value: Any) -> object:
    if is_dataclass(value):
        return {entry.name: _plain(getattr(value, entry.name)) for entry in fields(value)}
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return value


@contextmanager
def _interruptible() -> Iterator[None]:
    """Make SIGTERM as orderly as Ctrl-C."""

    def interrupt(signum: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt(signal.Signals(signum).name)

    previous = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)
        sys.stdout.flush()


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM wait until the end of the block; they are raised there.

    By handlers and not by a signal mask: a mask is one thread's, and runtimes start threads.
    """
    waiting: list[int] = []
    previous = {
        number: signal.signal(number, lambda signum, _: waiting.append(signum))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
    if waiting:
        raise KeyboardInterrupt(signal.Signals(waiting[0]).name)
