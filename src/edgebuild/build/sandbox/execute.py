"""Executing a stage in a child process inside the sandbox, and hearing from it."""

from __future__ import annotations

import atexit
import errno
import json
import os
import selectors
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from edgebuild import errors
from edgebuild.build.environment.variables import scrub
from edgebuild.build.sandbox import links, mounts
from edgebuild.build.sandbox.audit import Audit
from edgebuild.build.sandbox.view import View
from edgebuild.errors import DeclarationError, Finding, StageError, UsageError

__all__ = ["Listener", "execute"]

#: how long a stage that was asked to stop may take, seconds
GRACE_S = 5.0
#: errors of the disk and not of the stage: its traceback would explain nothing
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True)
class Listener:
    """What the supervisor does with what a stage says: ``message`` by its kind, ``output`` on descriptor 1 or 2."""

    message: Callable[[str, Any], None]
    output: Callable[[int, bytes], None]


class Voice:
    """The stage's side: one JSON line per message."""

    def __init__(self, descriptor: int) -> None:
        self._file = os.fdopen(descriptor, "wb", buffering=0)

    def say(self, kind: str, value: object) -> None:
        self._file.write(json.dumps([kind, value], default=float).encode() + b"\n")


def execute(
    view: View,
    run: Callable[[Voice, Path], None],
    listener: Listener,
    allowed: Iterable[str],
    environ: Mapping[str, str],
    tree: Path,
    *,
    namespaces: bool | None = None,
) -> None:
    """Call ``run`` in a child process that sees ``view``; it gets its voice and the folder that inputs lie under.

    ``environ`` is scrubbed, but for variables that ``allowed`` names. ``tree`` is an empty
    folder, used where the system has no namespaces. The calling process must have one thread.

    Raises:
        UsageError, Finding: what the stage raised, with its message.
        DeclarationError: the stage broke the sandbox; the message says where.
        StageError: the stage failed otherwise; its traceback has been shown.
        OSError: there was no room for what the stage wrote.
        KeyboardInterrupt: SIGINT or SIGTERM arrived.
    """
    namespaces = mounts.available() if namespaces is None else namespaces
    before = None if namespaces else links.state(view)
    temporary = view.temporaries[0] if namespaces and view.temporaries else view.temporary
    (view.temporary / "home").mkdir()
    variables = scrub(environ, temporary, allowed)
    (hear, speak), (out, out_end), (err, err_end) = os.pipe(), os.pipe(), os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    if (child := os.fork()) == 0:
        for descriptor in (hear, out, err):
            os.close(descriptor)
        os.dup2(out_end, 1)
        os.dup2(err_end, 2)
        os.close(out_end)
        os.close(err_end)
        _child(view, run, Voice(speak), variables, None if namespaces else tree)
    for descriptor in (speak, out_end, err_end):
        os.close(descriptor)
    ended = _follow(child, {hear: None, out: 1, err: 2}, listener)
    if before is not None and (broken := links.changed(view, before)):
        names = ", ".join(path.relative_to(view.root).as_posix() for path in broken)
        raise DeclarationError(
            f"stage {view.stage} changed {names}, which it may only read; `dvc checkout` restores it"
        )
    _judge(view.stage, ended)


@dataclass
class _Ended:
    """The child's last words, and its wait status."""

    error: Mapping[str, Any] | None = None
    done: bool = False
    status: int = 0


def _follow(child: int, streams: Mapping[int, int | None], listener: Listener) -> _Ended:
    """Pass on what the child says until it is gone; an interruption is passed on to it first."""
    ended, rest, reaped = _Ended(), b"", False
    files: dict[int, BinaryIO] = {number: os.fdopen(number, "rb", buffering=0) for number in streams}
    try:
        with selectors.DefaultSelector() as selector:
            for number in streams:
                selector.register(number, selectors.EVENT_READ)
            while selector.get_map():
                for key, _ in selector.select():
                    number = key.fd
                    if not (data := os.read(number, 65536)):
                        selector.unregister(number)
                        continue
                    if (stream := streams[number]) is not None:
                        listener.output(stream, data)
                        continue
                    *lines, rest = (rest + data).split(b"\n")
                    for kind, value in map(json.loads, lines):
                        if kind == "error":
                            ended.error = value
                        elif kind == "done":
                            ended.done = True
                        else:
                            listener.message(kind, value)
        ended.status, reaped = os.waitpid(child, 0)[1], True
        return ended
    finally:
        if not reaped:
            _stop(child)
        for file in files.values():
            file.close()


def _stop(child: int) -> None:
    """End the child: politely, then not."""
    os.kill(child, signal.SIGTERM)
    deadline = time.monotonic() + GRACE_S
    while os.waitpid(child, os.WNOHANG) == (0, 0):
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return
        time.sleep(0.01)


def _judge(stage: str, ended: _Ended) -> None:
    if ended.error is not None:
        if broken := ended.error["broken"]:
            raise DeclarationError("\n".join(broken))
        if ended.error["interrupted"]:
            raise KeyboardInterrupt(ended.error["message"])
        if ended.error["exit_status"] is not None:  # one of ours, or a subclass made by the stage
            known = getattr(
                errors, ended.error["type"], Finding if ended.error["exit_status"] == 1 else UsageError
            )
            raise known(ended.error["message"])
        if (number := ended.error["errno"]) is not None:
            raise OSError(number, os.strerror(number))
        raise StageError(f"stage {stage} failed: {ended.error['type']}: {ended.error['message']}")
    code = os.waitstatus_to_exitcode(ended.status)
    if code < 0:
        raise StageError(f"stage {stage} was ended by {signal.Signals(-code).name}")
    if not ended.done:
        raise StageError(f"stage {stage} left with exit status {code} before it was done")


def _child(
    view: View,
    run: Callable[[Voice, Path], None],
    voice: Voice,
    environ: Mapping[str, str],
    tree: Path | None,
) -> NoReturn:
    """Enter the sandbox, run, tell how it ended, and leave without the supervisor's own clean-up."""
    status = 1
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, _interrupted)
        _die_with_parent()
        atexit._clear()  # what the supervisor has to do at its end is not the stage's to do
        audit = _enter(view, environ, tree)
        try:
            run(voice, view.root if tree is None else tree)
            if audit.found:  # and swallowed by the stage
                raise DeclarationError(audit.found[0])
            voice.say("written", {str(path): place for path, place in audit.written.items()})
            voice.say("done", None)
            status = 0
        except BaseException as error:
            audit.explain(error)
            _tell(voice, error, audit.found)
    except BaseException:
        traceback.print_exc()
    finally:
        _leave(status)
    raise AssertionError


def _enter(view: View, environ: Mapping[str, str], tree: Path | None) -> Audit:
    outside = os.open(view.root, os.O_PATH | os.O_CLOEXEC)

    def exists(path: Path) -> bool:
        try:
            os.stat(path.relative_to(view.root), dir_fd=outside)
        except OSError:
            return False
        return True

    if tree is None:
        mounts.enter(view)
    else:
        links.enter(view, tree)
    os.environ.clear()
    os.environ.update(environ)
    tempfile.tempdir = None  # it is chosen anew
    # The supervisor's own modules are not the stage's: it imports what it declares, from what it sees.
    for name in [name for name in sys.modules if name.partition(".")[0] == "edgebuild"]:
        del sys.modules[name]
    sys.path_importer_cache.clear()
    sys.dont_write_bytecode = True
    audit = Audit(view, exists, tree)
    audit.install()
    return audit


def _tell(voice: Voice, error: BaseException, broken: list[str]) -> None:
    interrupted = isinstance(error, KeyboardInterrupt)
    # The stage's classes of errors are not the supervisor's: they were imported apart.
    exit_status = getattr(error, "exit_status", None)
    no_room = error.errno if isinstance(error, OSError) and error.errno in NO_ROOM else None
    if exit_status is None and no_room is None and not interrupted:
        traceback.print_exc()
    voice.say(
        "error",
        {
            "type": type(error).__name__,
            "message": str(error),
            "exit_status": exit_status,
            "errno": no_room,
            "interrupted": interrupted,
            "broken": broken,
        },
    )


def _leave(status: int) -> NoReturn:
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(status)


def _interrupted(number: int, frame: object) -> None:
    raise KeyboardInterrupt(signal.Signals(number).name)


def _die_with_parent() -> None:
    """When the supervisor is killed, its stage must not go on (Linux: prctl(2), PR_SET_PDEATHSIG)."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)
