"""The forked process becomes what the client is, then runs edgebuild as ``python -m edgebuild`` does.

What it does not share with a plain process: its parent, its session, and the
libraries that are loaded. A fresh interpreter's clean state is restored where
the server's life has changed it.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import importlib
import io
import os
import random
import runpy
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from typing import Literal, NoReturn

from edgebuild.build.environment.variables import DROPPED, PINNED
from edgebuild.build.worker.codes import Codes
from edgebuild.build.worker.protocol import STREAMS, Request
from edgebuild.track.process import BUILD_PROCESS

__all__ = ["become"]

PACKAGE = "edgebuild"

PR_SET_PDEATHSIG = 1
#: the interpreter's own exit status when what was printed could not be written
UNWRITTEN = 120


def become(request: Request, streams: Sequence[int], parent: int, codes: Codes) -> NoReturn:
    """Take the client's place and run its command; never returns.

    ``streams`` are the descriptors that the client sent, ``parent`` is the pid of the monitor.
    """
    status = 1
    try:
        os.setsid()
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)  # it was killed before that
        _take_over(request, streams)
        codes.use()
        status = _run(request)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    _leave(status)


def _take_over(request: Request, streams: Sequence[int]) -> None:
    for descriptor, stream in zip(streams, STREAMS, strict=True):
        os.dup2(descriptor, stream)
        os.close(descriptor)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGTSTP,
                   signal.SIGUSR1, signal.SIGUSR2, signal.SIGCHLD):  # fmt: skip
        own = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
        signal.signal(number, signal.SIG_IGN if number in request.ignored else own)
    signal.pthread_sigmask(signal.SIG_SETMASK, request.blocked)
    os.chdir(request.folder)
    os.umask(request.umask)
    # What a plain process has after it has pinned its environment.
    kept = {name: value for name, value in request.environ.items() if name not in DROPPED}
    os.environ.clear()
    os.environ.update({**kept, **PINNED, "EDGEBUILD_WORKER": "0", BUILD_PROCESS: str(request.builder)})
    time.tzset()
    tempfile.tempdir = None
    _reopen_streams()
    # The server's random state is in every child: what is not seeded must not look as if it were.
    random.seed()
    if (numbers := sys.modules.get("numpy.random")) is not None:
        numbers.seed()
    for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
        del sys.modules[name]
    sys.path[:] = request.path
    sys.path_importer_cache.clear()
    importlib.invalidate_caches()
    gc.enable()


def _reopen_streams() -> None:
    """Text streams as the interpreter makes them at its start, on the client's descriptors."""
    # Libraries may hold the old objects, which write to the same descriptors.
    sys.stdin = sys.__stdin__ = _text(sys.__stdin__, "r")  # type: ignore[misc]
    sys.stdout = sys.__stdout__ = _text(sys.__stdout__, "w")  # type: ignore[misc]
    sys.stderr = sys.__stderr__ = _text(sys.__stderr__, "w", lines=True)  # type: ignore[misc]


def _text(old: io.TextIOWrapper | None, mode: Literal["r", "w"], *, lines: bool = False) -> io.TextIOWrapper:
    assert old is not None  # the server has its three streams
    raw = io.FileIO(old.fileno(), mode, closefd=False)
    raw.name = old.name
    unbuffered = old.write_through  # PYTHONUNBUFFERED, which client and server share
    buffer = io.BufferedReader(raw) if mode == "r" else raw if unbuffered else io.BufferedWriter(raw)
    stream = io.TextIOWrapper(
        buffer,
        encoding=old.encoding,
        errors=old.errors,
        line_buffering=not unbuffered and (lines or raw.isatty()),
        write_through=unbuffered,
    )
    stream.mode = mode  # type: ignore[misc]
    return stream


def _run(request: Request) -> int:
    """``python -m edgebuild ARGUMENTS``; returns the exit status as the interpreter computes it."""
    sys.argv[:] = [PACKAGE, *request.arguments]
    sys.orig_argv[:] = [sys.executable, "-m", *sys.argv]
    try:
        runpy.run_module(PACKAGE, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return (end.code or 0) & 0xFF
        print(end.code, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        sys.excepthook(*sys.exc_info())
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        return 1
    return 0


def _leave(status: int) -> NoReturn:
    """End as an interpreter ends, but for taking the libraries apart, which takes longer than many stages."""
    try:
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        sys.stdout.flush()
    except OSError:
        status = status or UNWRITTEN
    finally:
        try:
            sys.stderr.flush()
        finally:
            os._exit(status)
    raise AssertionError
