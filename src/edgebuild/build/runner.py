"""Runs one stage: checks everything first, then executes the stage file, then moves its outputs into place.

Outputs are written to a staging folder and replace the old ones only when the
stage has succeeded and made every declared one. A stage that fails, is
interrupted or refuses its input changes nothing.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import shutil
import signal
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from edgebuild import console
from edgebuild.build import named
from edgebuild.build.declaration import Declaration, declaration
from edgebuild.build.environment import installed
from edgebuild.build.environment import record as environment
from edgebuild.build.hashes import cached_md5
from edgebuild.build.hearing import Hearing
from edgebuild.build.intact import check_deps
from edgebuild.build.outputs import publish
from edgebuild.build.sandbox.execute import Listener, Voice, execute
from edgebuild.build.sandbox.view import view
from edgebuild.build.signals import interrupting
from edgebuild.build.stage import Stage
from edgebuild.build.supervised import supervised
from edgebuild.build.writable import check_writable
from edgebuild.errors import DeclarationError, UsageError
from edgebuild.params import Params, read
from edgebuild.track.daemon import ensure_running
from edgebuild.track.outbox import Record
from edgebuild.track.process import build_process
from edgebuild.track.revision import revision
from edgebuild.track.store import tracking_uri

__all__ = ["run_stage"]


def run_stage(root: Path, name: str, environ: Mapping[str, str], *, allow_drift: bool = False) -> None:
    """Execute stage ``name`` of ``root``/dvc.yaml, when nobody else does.

    ``allow_drift`` accepts packages other than those of the lock, and records them.

    Raises:
        UsageError: params.yaml, dvc.yaml, a missing dep, other packages than locked, or what the stage itself refuses.
        Finding: the stage ran and its result is not acceptable.
        StageError: the stage ended with an exception of another kind.
        KeyboardInterrupt: SIGINT or SIGTERM arrived; nothing was changed.
    """
    params = read(root / "params.yaml")
    declared = declaration(root, name)
    plain = _plain(params)
    assert isinstance(plain, Mapping)
    values = _values(plain, declared)
    named.check([declared], plain)
    file = _stage_file(root, declared)
    _check_deps(root, declared)
    drift = installed.check(root, declared.deps, allowed=allow_drift)
    with supervised(root, name, environ):
        check_writable(root, declared)
        check_deps(root, declared)
        _execute(root, declared, params, values, file, drift, environ)


def _execute(
    root: Path,
    declared: Declaration,
    params: Params,
    values: Mapping[str, object],
    file: str,
    drift: tuple[str, ...],
    environ: Mapping[str, str],
) -> None:
    name = declared.name
    folders = _Folders.make(root, name, _kept(root, declared, values))
    where = environment.current(root, environ, drift)
    record = Record.begin(
        root, stage=name, params=values, deps=declared.deps, revision=revision(root), facts=where.facts
    )
    uri = tracking_uri(root, environ)
    if problem := ensure_running(root, build_process(), uri, params.project, environ=environ):
        console.warn(problem)
    hearing = Hearing(name, record)
    seen = view(
        root,
        declared,
        values,
        writable=(folders.out, folders.kept),
        temporary=folders.temporary,
        environ=environ,
    )

    def run(voice: Voice, at: Path) -> None:
        stage = Stage(
            declared,
            at,
            folders.out,
            folders.kept,
            params,
            on_metrics=lambda step, numbers: voice.say("metrics", [step, dict(numbers)]),
            on_progress=lambda done, total, text: voice.say("progress", [done, total, text]),
            on_say=lambda text: voice.say("say", text),
            on_warn=lambda text: voice.say("warn", text),
        )
        _load(at / file).main(stage)

    try:
        with interrupting(signal.SIGTERM):
            execute(
                seen,
                run,
                Listener(hearing.message, hearing.output),
                declared.environment,
                environ,
                folders.tree,
            )
            digests = publish(root, declared, folders.out, hearing.written)
    except BaseException as error:
        interrupted = isinstance(error, KeyboardInterrupt)
        hearing.close()
        record.end("KILLED" if interrupted else "FAILED", f"{type(error).__name__}: {error}", {})
        raise
    finally:
        hearing.close()
        shutil.rmtree(folders.staging, ignore_errors=True)
    shutil.rmtree(folders.kept.parent, ignore_errors=True)
    for problem in (environment.write(root, name, digests, where), record.end("FINISHED", None, digests)):
        if problem:
            console.warn(problem)


@dataclass(frozen=True)
class _Folders:
    """Where one execution writes, all of it in .edgebuild: what becomes outputs, temporary files, what is kept."""

    staging: Path
    out: Path
    temporary: Path
    tree: Path
    kept: Path

    @classmethod
    def make(cls, root: Path, name: str, kept: Path) -> _Folders:
        staging = root / ".edgebuild" / "staging" / name
        shutil.rmtree(staging, ignore_errors=True)
        folders = cls(staging, staging / "out", staging / "tmp", staging / "tree", kept)
        for folder in (folders.out, folders.temporary, folders.tree):
            folder.mkdir(parents=True)
        return folders


def _kept(root: Path, declared: Declaration, values: Mapping[str, object]) -> Path:
    """The folder that belongs to this stage with these inputs; what other inputs have left is removed."""
    inputs = {"params": values, "deps": {path: cached_md5(root, root / path) for path in declared.deps}}
    digest = hashlib.sha256(json.dumps(inputs, sort_keys=True, default=str).encode()).hexdigest()[:16]
    folder = root / ".edgebuild" / "kept" / declared.name / digest
    for other in folder.parent.glob("*"):
        if other != folder:
            shutil.rmtree(other)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _stage_file(root: Path, declared: Declaration) -> str:
    """The file of the stage: the one of stages/ among its deps."""
    files = [path for path in declared.deps if path.startswith("stages/") and path.endswith(".py")]
    if len(files) != 1:
        raise DeclarationError(
            f"dvc.yaml: stages.{declared.base}.deps must name exactly one file of stages/, found {files or 'none'}"
        )
    if not (root / files[0]).is_file():
        raise UsageError(f"{files[0]}, the file of stage {declared.name}, does not exist")
    return files[0]


def _load(file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"stages.{file.stem}", file)
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


def _values(plain: Mapping[str, object], declared: Declaration) -> dict[str, object]:
    """The declared params as plain values, by dotted key.

    Raises:
        DeclarationError: params.yaml has no such key.
    """
    result: dict[str, object] = {}
    for key in declared.params:
        value: object = plain
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
