"""The sandbox on Linux: a mount namespace in which only a stage's inputs exist, and no network.

Every path means the same as outside, so nothing that a stage writes can tell
that it ran here. Inputs are bind mounts: a folder of any size costs one call, and
nothing is copied. What is not declared does not exist, and nothing but
the staging folder can be written: that holds for native code and for child
processes too. Source: namespaces(7), mount_namespaces(7), mount_setattr(2).
"""

from __future__ import annotations

import ctypes
import os
import platform
import sys
from pathlib import Path

from edgebuild.build.sandbox.view import View

__all__ = ["available", "enter"]

CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWNET = 0x00020000, 0x10000000, 0x40000000
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 0x40000
AT_FDCWD, AT_RECURSIVE = -100, 0x8000
MOUNT_ATTR_RDONLY = 0x1
SYS_MOUNT_SETATTR = 442  # the same number on every architecture, as for all calls since Linux 5.1
MACHINES = ("x86_64", "aarch64")
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108


class _MountAttr(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint64) for name in ("attr_set", "attr_clr", "propagation", "userns_fd")]


def available() -> bool:
    """Whether this system lets an ordinary process make such a namespace; tried in a child process."""
    if sys.platform != "linux" or platform.machine() not in MACHINES:
        return False
    if (child := os.fork()) == 0:
        try:
            _unshare(network=False)
            _call("mount", b"none", b"/", None, MS_REC | MS_PRIVATE, None)
            _set_read_only(Path("/"), True, recursive=True)
        except OSError:
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def enter(view: View) -> None:
    """Turn this process, which must have one thread, into one that sees ``view`` only; there is no way back.

    Raises:
        OSError: the system refuses; `available` tells beforehand.
    """
    _unshare(network=view.network)
    _call("mount", b"none", b"/", None, MS_REC | MS_PRIVATE, None)
    _set_read_only(Path("/"), True, recursive=True)
    # What stays visible is held by descriptors, which go on meaning it when its path is covered.
    held = {
        path: os.open(path, os.O_PATH | os.O_CLOEXEC)
        for path in (*view.outside, *view.inputs, *view.writable)
    }
    temporary = os.open(view.temporary, os.O_PATH | os.O_CLOEXEC)
    for path in view.temporaries:
        _bind(temporary, path)
        _set_read_only(path, False)
    covers = [path for path in view.hidden if not _inside(path, (view.root, *view.temporaries))]
    for path in (*covers, view.root):
        path.mkdir(parents=True, exist_ok=True)  # it may lie in what has just been covered
        _call("mount", b"edgebuild", os.fsencode(path), b"tmpfs", 0, b"mode=755")
    for path in view.searched:
        path.mkdir(parents=True, exist_ok=True)
    for path, descriptor in held.items():
        if not _is_there(path, descriptor):
            _make_mount_point(path, descriptor)
            _bind(descriptor, path)
    for path in view.writable:
        _set_read_only(path, False)
    for path in (*covers, view.root):
        _set_read_only(path, True)
    if os.path.ismount(SHARED_MEMORY):  # semaphores of multiprocessing live there
        _set_read_only(SHARED_MEMORY, False)
    for descriptor in (*held.values(), temporary):
        os.close(descriptor)
    os.chdir(view.root)


def _unshare(*, network: bool) -> None:
    """New mount and network namespaces; with a user namespace where that takes a privilege."""
    flags = CLONE_NEWNS | (0 if network else CLONE_NEWNET)
    user, group = os.geteuid(), os.getegid()
    try:
        _call("unshare", flags)
    except PermissionError:
        _call("unshare", flags | CLONE_NEWUSER)
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")


def _bind(descriptor: int, path: Path) -> None:
    _call("mount", f"/proc/self/fd/{descriptor}".encode(), os.fsencode(path), None, MS_BIND | MS_REC, None)


def _is_there(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.stat(f"/proc/self/fd/{descriptor}"))
    except FileNotFoundError:
        return False


def _make_mount_point(path: Path, descriptor: int) -> None:
    if os.path.isdir(f"/proc/self/fd/{descriptor}"):
        path.mkdir(parents=True, exist_ok=True)
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def _inside(path: Path, places: tuple[Path, ...]) -> bool:
    return any(path.is_relative_to(place) for place in places)


def _set_read_only(path: Path, on: bool, *, recursive: bool = False) -> None:
    change = _MountAttr(MOUNT_ATTR_RDONLY, 0, 0, 0) if on else _MountAttr(0, MOUNT_ATTR_RDONLY, 0, 0)
    flags = AT_RECURSIVE if recursive else 0
    size = ctypes.c_size_t(ctypes.sizeof(change))
    _call("syscall", SYS_MOUNT_SETATTR, AT_FDCWD, os.fsencode(path), flags, ctypes.byref(change), size)


def _call(name: str, *arguments: object) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
