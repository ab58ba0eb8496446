"""What client, server and monitor say to one another, over one Unix socket that keeps messages apart.

    client → server    the request, with the client's standard streams
    server → client    "ready", or "refused <why>"
    client → monitor   "go", then "process <signal>" or "group <signal>", any number
    monitor → client   "exit <status>" or "signal <number>", once

Nothing of the stage runs before "go", so a client that has given up can run the
stage itself. The forked processes hold the server's end too: the client reads
end-of-file without a last word only when all of them are gone.
"""

from __future__ import annotations

import json
import os
import socket
import stat
import struct
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

__all__ = ["Request", "folder", "is_own", "receive_request", "send_request", "socket_for"]

#: an environment that is larger than the kernel lets one message be goes without worker
LARGEST_REQUEST = 1 << 20
STREAMS = (0, 1, 2)


@dataclass(frozen=True)
class Request:
    """What a process is, as far as it can tell another: the new one becomes the same.

    ``stage`` is what ``arguments`` execute, ``folder`` is that of dvc.yaml. ``path`` is the
    ``sys.path`` that ``python -m edgebuild`` has there, ``ignored`` and ``blocked`` are
    numbers of signals. ``builder`` is the pid of the ``dvc repro`` that all this is for.
    """

    stage: str
    arguments: tuple[str, ...]
    folder: str
    environ: Mapping[str, str]
    path: tuple[str, ...]
    umask: int
    ignored: tuple[int, ...]
    blocked: tuple[int, ...]
    builder: int


def send_request(connection: socket.socket, request: Request) -> None:
    """Send ``request`` and the standard streams.

    Raises:
        OSError: nobody is there any more, or the request is too large for one message.
    """
    data = json.dumps(asdict(request)).encode()  # lone surrogates, as in os.environ, become escapes
    socket.send_fds(connection, [data], STREAMS)


def receive_request(connection: socket.socket) -> tuple[Request, list[int]]:
    """The request and the three descriptors that came with it.

    Raises:
        OSError, ValueError, KeyError, TypeError: this is no request.
    """
    data, descriptors, flags, _ = socket.recv_fds(connection, LARGEST_REQUEST, len(STREAMS))
    try:
        if flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC):
            raise ValueError("the request does not fit")
        fields = json.loads(data)
        lists = ("arguments", "path", "ignored", "blocked")
        request = Request(**{**fields, **{name: tuple(fields[name]) for name in lists}})
        if len(descriptors) != len(STREAMS):
            raise ValueError(f"{len(STREAMS)} streams expected, {len(descriptors)} received")
    except BaseException:
        for descriptor in descriptors:
            os.close(descriptor)
        raise
    return request, descriptors


def folder(environ: Mapping[str, str]) -> Path:
    """Where this user's sockets are; nobody else may look into it.

    Raises:
        PermissionError: what is there is not a folder of this user's own.
    """
    place = environ.get("XDG_RUNTIME_DIR")
    own = Path(place) / "edgebuild" if place else Path(tempfile.gettempdir()) / f"edgebuild-{os.getuid()}"
    own.mkdir(mode=0o700, exist_ok=True)
    found = own.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) != 0o700:
        raise PermissionError(f"{own} must be a folder of yours with mode 0700; remove it")
    return own


def socket_for(key: str, environ: Mapping[str, str]) -> Path:
    """The address of the server ``key``."""
    return folder(environ) / f"{key}.socket"


def is_own(connection: socket.socket) -> bool:
    """Whether the process at the other end belongs to this user (unix(7), SO_PEERCRED)."""
    size = struct.calcsize("3i")
    _, user, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
    return bool(user == os.getuid())
