"""The client: lets the warm worker execute a stage, and is to its own caller what that stage is.

It is imported at the start of every stage, so it imports little.
"""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from edgebuild.build.worker import protocol
from edgebuild.build.worker.key import key, server_environment
from edgebuild.track.process import build_process

__all__ = ["delegate"]

#: "0" runs every stage in a plain process
SWITCH = "EDGEBUILD_WORKER"
#: seconds without a stage after which a server ends
IDLE_S = 900.0
#: how long a server may take to import what a stage needs, seconds; beyond it the client does it itself
PATIENCE_S = 180.0
#: what a terminal sends, it sends to all of a stage's processes; the others go to the supervisor only
FROM_TERMINAL = (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGWINCH)
FROM_PROCESSES = (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
BACKLOG = 64
START = "import sys; sys.path[0] = sys.argv[1]; from edgebuild.build.worker.server import main; main()"


def delegate(
    stage: str, arguments: Sequence[str], root: Path, environ: Mapping[str, str], *, idle_s: float = IDLE_S
) -> int | None:
    """Execute ``edgebuild ARGUMENTS``, which runs ``stage``, in a fork of the warm worker; returns its exit status.

    None means that there is no worker for this process, or that it died: then the
    caller does the work itself. A stage that was ended by a signal ends this process
    by the same signal. ``root`` is the working folder, which holds dvc.yaml.
    """
    if not _is_wanted(environ):
        return None
    try:
        address = protocol.socket_for(key(environ), environ)
        request = _request(stage, arguments, root, environ)
        for _ in range(2):  # the first server may be about to end
            with _connect(address, environ, idle_s) as connection:
                if answer := _ask(connection, request):
                    return _follow(connection) if answer == b"ready" else None
    except OSError:
        return None
    return None


def _ask(connection: socket.socket, request: protocol.Request) -> bytes:
    """The answer, or nothing when the server has gone without reading the request."""
    connection.settimeout(PATIENCE_S)
    try:
        protocol.send_request(connection, request)
        answer = connection.recv(1 << 16)
    except (BrokenPipeError, ConnectionResetError):
        return b""
    connection.settimeout(None)
    return answer


def _is_wanted(environ: Mapping[str, str]) -> bool:
    options = sys.orig_argv[1:2]
    plain = (
        not options or not options[0].startswith("-") or options[0] == "-m"
    )  # no option of the interpreter
    return (
        sys.platform == "linux"
        and environ.get(SWITCH, "1") != "0"
        and plain
        and not sys.flags.safe_path
        and all(_is_open(stream) for stream in protocol.STREAMS)
    )


def _request(
    stage: str, arguments: Sequence[str], root: Path, environ: Mapping[str, str]
) -> protocol.Request:
    numbers = (*FROM_TERMINAL, *FROM_PROCESSES, signal.SIGTSTP)
    umask = os.umask(0o077)
    os.umask(umask)
    return protocol.Request(
        stage=stage,
        arguments=tuple(arguments),
        folder=str(root),
        environ=dict(environ),
        path=(str(root), *sys.path[1:]),  # as for ``python -m edgebuild``, which a plain process becomes
        umask=umask,
        ignored=tuple(int(number) for number in numbers if signal.getsignal(number) is signal.SIG_IGN),
        blocked=tuple(int(number) for number in signal.pthread_sigmask(signal.SIG_BLOCK, ())),
        builder=build_process(),
    )


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def _connect(address: Path, environ: Mapping[str, str], idle_s: float) -> socket.socket:
    """A connection to the server at ``address``, which is started if there is none.

    Raises:
        OSError: it can be neither reached nor started.
    """
    try:
        return _connected(address)
    except (FileNotFoundError, ConnectionRefusedError):
        pass
    with open(address.with_suffix(".lock"), "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            return _connected(address)  # another client was faster
        except ConnectionRefusedError:
            address.unlink()  # of a server that was killed
        except FileNotFoundError:
            pass
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
            listener.bind(str(address))
            listener.listen(BACKLOG)
            _start(listener, address, environ, idle_s)
        return _connected(address)


def _connected(address: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        connection.connect(str(address))
        if not protocol.is_own(connection):
            raise PermissionError(f"{address} belongs to somebody else")
    except BaseException:
        connection.close()
        raise
    return connection


def _start(listener: socket.socket, address: Path, environ: Mapping[str, str], idle_s: float) -> None:
    """Start the server with the listening socket as its standard input: clients can connect before it runs."""
    log = os.open(address.with_suffix(".log"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    code = Path(__file__).parents[3]
    try:
        os.posix_spawn(
            sys.executable,
            [sys.executable, "-c", START, str(code), str(address), str(idle_s)],
            server_environment(environ),
            file_actions=[
                (os.POSIX_SPAWN_DUP2, listener.fileno(), 0),
                (os.POSIX_SPAWN_DUP2, log, 1),
                (os.POSIX_SPAWN_DUP2, log, 2),
            ],
            setsid=True,
            setsigmask=[],
            setsigdef=[*FROM_TERMINAL, *FROM_PROCESSES, signal.SIGPIPE, signal.SIGTSTP],
        )
    finally:
        os.close(log)


def _follow(connection: socket.socket) -> int | None:
    """Let the stage run, pass signals on, and end as it ends; None if its processes were killed."""
    received: list[int] = []
    with _passed_on(connection, received):
        connection.send(b"go")
        try:
            answer = connection.recv(64)
        except ConnectionResetError:
            answer = b""
    if answer:
        how, number = answer.split()
        if how == b"exit":
            return int(number)
        _die(int(number))
    if received:  # who asked for an end does not want it done again
        _die(received[-1])
    return None


@contextmanager
def _passed_on(connection: socket.socket, received: list[int]) -> Iterator[None]:
    """Send signals on instead of obeying them; what is ignored stays ignored."""

    def send(number: int, frame: FrameType | None) -> None:
        whom = "process" if number in FROM_PROCESSES else "group"
        if number not in (signal.SIGWINCH, signal.SIGCONT):
            received.append(number)
        _tell(connection, f"{whom} {number}")

    def stop(number: int, frame: FrameType | None) -> None:
        _tell(connection, f"group {int(signal.SIGSTOP)}")
        os.kill(os.getpid(), signal.SIGSTOP)  # until SIGCONT

    handlers = dict.fromkeys((*FROM_TERMINAL, *FROM_PROCESSES, signal.SIGCONT), send)
    handlers[signal.SIGTSTP] = stop
    previous = {}
    try:
        for number, handler in handlers.items():
            if signal.getsignal(number) is not signal.SIG_IGN:
                previous[number] = signal.signal(number, handler)
        yield
    finally:
        for number, old in previous.items():
            signal.signal(number, old)


def _tell(connection: socket.socket, message: str) -> None:
    try:
        connection.send(message.encode())
    except OSError:
        return  # the stage has just ended


def _die(number: int) -> None:
    """End this process by the signal that ended the stage, without a core file of its own."""
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if number not in (signal.SIGKILL, signal.SIGSTOP):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (number,))
    os.kill(os.getpid(), number)
