"""Which server may serve a client: the digest of all that a forked process cannot take over from it.

Two clients share a server when the same libraries would be loaded, in the same
way, by a process with the same limits. What a forked process can take over
(working folder, umask, streams, the rest of the environment) is in the request.
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
import sys
from collections.abc import Mapping
from pathlib import Path

from edgebuild.build.environment.variables import DROPPED, PINNED, scrub

__all__ = ["key", "server_environment"]

#: Read when a process starts, by the loader, the allocator or the interpreter: nothing can set them later.
AT_START = ("PYTHON", "LD_", "GLIBC_TUNABLES", "MALLOC_")
#: Other folders for other users of the same libraries: no library reads these while it is imported.
#: What PYTHONPATH puts in front of a library is looked at in every request.
NOT_READ = ("PATH", "PYTHONPATH", "VIRTUAL_ENV", "HOME", "TMPDIR", "TZ")
CODE = ("client", "child", "codes", "key", "libraries", "monitor", "needs", "protocol", "server")


def server_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables that libraries find when they are imported in a stage; a server is started with them."""
    at_start = {
        name: value for name, value in environ.items() if name.startswith(AT_START) and name not in DROPPED
    }
    seen = {**at_start, **scrub(environ, Path(os.devnull)), **PINNED}
    return {name: value for name, value in sorted(seen.items()) if name not in NOT_READ}


def key(environ: Mapping[str, str]) -> str:
    """16 hexadecimal digits: the address of a socket may have 107 bytes in all."""
    facts = (
        os.path.realpath(sys.executable),
        sys.version,
        sys.prefix,
        _installed(),
        server_environment(environ),
        [Path(__file__).with_name(f"{name}.py").read_text(encoding="utf-8") for name in CODE],
        _place(),
    )
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]


def _installed() -> list[tuple[str, int]]:
    """Every installed distribution and path file with its time of change, in nanoseconds."""
    return sorted(
        (entry.path, entry.stat().st_mtime_ns)
        for folder in sys.path
        if folder.endswith(("site-packages", "dist-packages")) and os.path.isdir(folder)
        for entry in os.scandir(folder)
        if entry.name.endswith((".dist-info", ".egg-info", ".pth"))
    )


def _place() -> list[object]:
    """What a child process inherits and cannot give itself: rights, limits, processors, name spaces."""
    limits = [
        resource.getrlimit(getattr(resource, name))
        for name in sorted(dir(resource))
        if name.startswith("RLIMIT_")
    ]
    spaces = [
        os.readlink(f"/proc/self/ns/{name}") for name in ("cgroup", "ipc", "mnt", "net", "pid", "user", "uts")
    ]
    group = Path("/proc/self/cgroup").read_text()
    rights = [os.getresuid(), os.getresgid(), sorted(os.getgroups())]
    return [rights, limits, os.nice(0), sorted(os.sched_getaffinity(0)), spaces, group]
