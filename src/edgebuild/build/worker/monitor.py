"""The monitor: one process per request, which starts the stage's process and speaks with the client about it.

It is the parent of that process, so that a signal never reaches a stranger who
got its pid, and it outlives the server: a server may end or be killed while
stages run. A client that is gone takes the stage's processes with it.
"""

from __future__ import annotations

import os
import select
import signal
import socket
from collections.abc import Callable

__all__ = ["monitor"]


def monitor(connection: socket.socket, start: Callable[[], int]) -> None:
    """Wait for "go", ``start`` a process that leads a group of its own, and tell the client how it ended."""
    connection.settimeout(None)
    connection.send(b"ready")
    if connection.recv(64) != b"go":
        return
    child = start()
    descriptor = os.pidfd_open(child)
    with select.epoll() as events:
        events.register(connection, select.EPOLLIN)
        events.register(descriptor, select.EPOLLIN)
        while True:
            ready = {number for number, _ in events.poll()}
            if descriptor in ready:
                break
            if not (message := _receive(connection)):
                _signal("group", child, signal.SIGKILL)
                os.waitpid(child, 0)
                return
            whom, _, number = message.decode().partition(" ")
            _signal(whom, child, int(number))
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    connection.send(f"exit {status}".encode() if status >= 0 else f"signal {-status}".encode())


def _receive(connection: socket.socket) -> bytes:
    try:
        return connection.recv(64)
    except ConnectionResetError:  # it left words unread
        return b""


def _signal(whom: str, child: int, number: int) -> None:
    """Send a signal to the process that this one has not waited for yet, or to its group, once it has one."""
    try:
        os.killpg(child, number) if whom == "group" else os.kill(child, number)
    except ProcessLookupError:
        os.kill(child, number)  # it has not yet made its group
