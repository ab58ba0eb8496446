"""The server: imports libraries, and forks once per request.

It has one thread and waits for nobody but clients. Its own modules are the only
ones of edgebuild that it knows; a stage's code is imported after the fork,
from where the client has it.
"""

from __future__ import annotations

import fcntl
import gc
import os
import shutil
import signal
import socket
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from edgebuild.build.worker import libraries, protocol
from edgebuild.build.worker.child import become
from edgebuild.build.worker.codes import Codes
from edgebuild.build.worker.monitor import monitor
from edgebuild.build.worker.needs import needs, package

__all__ = ["main"]

#: how long a client may take to send its request, seconds
REQUEST_S = 5.0
#: how often an idle server looks whether its time is up, seconds
TICK_S = 5.0


@dataclass
class Server:
    """One server; ``refusal`` says why it forks no more."""

    listener: socket.socket
    address: Path
    idle_s: float
    monitors: set[int] = field(default_factory=set)
    codes: Codes = field(default_factory=Codes)
    refusal: str = ""

    def serve(self) -> None:
        """Answer requests until there have been none, and no stage, for the idle time."""
        busy = time.monotonic()
        while True:
            self.listener.settimeout(min(TICK_S, self.idle_s))
            try:
                connection, _ = self.listener.accept()
            except TimeoutError:
                if not self._stages_run() and time.monotonic() - busy >= self.idle_s and self._retire():
                    return
            else:
                with connection:
                    request = self._answer(connection)
                if (
                    request is not None
                ):  # for the next one: this one's code is compiled, or it compiles it itself
                    own = package(request.path)
                    self.codes.refresh([os.path.join(request.folder, "stages"), *([own] if own else [])])
                busy = time.monotonic()
            if self._stages_run():
                busy = time.monotonic()

    def _answer(self, connection: socket.socket) -> protocol.Request | None:
        """Fork for the client, or refuse; what it asked for, if it was understood."""
        connection.settimeout(REQUEST_S)
        streams: list[int] = []
        try:
            if not protocol.is_own(connection):
                return None
            request, streams = protocol.receive_request(connection)
            start = time.monotonic()
            self._prepare(request)
            prepared = time.monotonic()
            if self.refusal:
                connection.send(f"refused {self.refusal}".encode())
            elif shadows := libraries.shadowed(request.path):
                connection.send(f"refused {', '.join(shadows)} would be imported".encode())
            else:
                self._fork(connection, request, streams)
            spent = [1000 * seconds for seconds in (prepared - start, time.monotonic() - prepared)]
            _say(f"{' '.join(request.arguments)}: prepared in {spent[0]:.0f} ms, forked in {spent[1]:.0f} ms")
            return request
        except (OSError, ValueError, KeyError, TypeError) as error:
            _say(f"request refused: {error}")
        finally:
            for descriptor in streams:
                os.close(descriptor)
        return None

    def _prepare(self, request: protocol.Request) -> None:
        """Import what the stage will; one that cannot be imported as it should be ends the forking."""
        if self.refusal:
            return
        wanted = needs(Path(request.folder), request.path, request.stage) - sys.modules.keys()
        try:
            libraries.load(wanted)
        except Exception as error:  # whatever a library raises; half-imported, it is no base for anybody
            self.refusal = f"import failed: {type(error).__name__}: {error}"
        if not self.refusal and (count := libraries.threads()) != 1:
            self.refusal = f"{count} threads after importing {', '.join(sorted(wanted))}"
        if self.refusal:
            _say(self.refusal)

    def _fork(self, connection: socket.socket, request: protocol.Request, streams: list[int]) -> None:
        gc.freeze()  # the collector would copy what children only read
        sys.stdout.flush()
        if (pid := os.fork()) == 0:
            try:
                self.listener.close()
                monitor(connection, lambda: _start(request, streams, self.codes))
            except BaseException as error:
                _say(f"monitor: {type(error).__name__}: {error}")
            finally:
                os._exit(0)
        self.monitors.add(pid)

    def _stages_run(self) -> bool:
        self.monitors = {pid for pid in self.monitors if os.waitpid(pid, os.WNOHANG) == (0, 0)}
        return bool(self.monitors)

    def _retire(self) -> bool:
        """Whether nobody wants anything at this moment; then nobody finds this server any more."""
        with open(self.address.with_suffix(".lock"), "a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self.listener.settimeout(0)
            try:
                connection, _ = self.listener.accept()
            except BlockingIOError:
                self.address.unlink(missing_ok=True)
                return True
            with connection:
                self._answer(connection)
        return False


def _start(request: protocol.Request, streams: list[int], codes: Codes) -> int:
    parent = os.getpid()
    if (pid := os.fork()) == 0:
        become(request, streams, parent, codes)
    for descriptor in streams:  # a pipe ends when the stage has closed it
        os.close(descriptor)
    return pid


def _say(line: str) -> None:
    print(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} [{os.getpid()}] {line}", flush=True)


def _end(number: int, frame: object) -> NoReturn:
    raise SystemExit(0)


def main() -> None:
    """Serve on the listening socket that is standard input: ``main FOLDER ADDRESS IDLE_S``."""
    _, code, address, idle_s = sys.argv
    sys.path.remove(code)  # the first of that name
    listener = socket.socket(fileno=os.dup(0))
    os.set_inheritable(listener.fileno(), False)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.chdir("/")
    home = Path(address).with_suffix(".home")  # as empty as a stage's
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(mode=0o700)
    os.environ |= {"HOME": str(home), "TMPDIR": str(home)}
    signal.signal(signal.SIGTERM, _end)
    _say("started")
    try:
        Server(listener, Path(address), float(idle_s)).serve()
    finally:
        shutil.rmtree(home, ignore_errors=True)
        _say("ended")
