"""Digests as DVC computes them, remembered from one process to the next.

A file is hashed again when its inode, size, modification or change time differ
from what was remembered. What is remembered is a log of lines in
``.edgebuild/hashes``: processes append to it at the same time, a torn or damaged
line is ignored, and losing the file costs nothing but time.
"""

from __future__ import annotations

import contextlib
import fnmatch
import functools
import hashlib
import json
import os
import re
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from edgebuild.build.digest import md5

__all__ = ["cached_md5", "listing"]

#: A file that changed this recently may change again within one tick of the file system's clock.
SETTLED_NS = 1_000_000_000
#: Lines per remembered file beyond which the log is written anew.
GROWTH = 4
#: What DVC never looks at inside a folder.
NEVER = (".dvc", ".git", ".hg")

Mark = tuple[int, int, int, int]
Remembered = dict[str, tuple[Mark, str]]


def cached_md5(root: Path, path: Path) -> str:
    """The digest of a file or folder, as `edgebuild.build.digest.md5` and dvc.lock have it.

    Files that ``root``/.dvcignore names do not count in a folder's digest.

    Raises:
        OSError: it does not exist or cannot be read.
    """
    if not path.is_dir():
        return _file(root, path)
    return hashlib.md5(listing(root, path), usedforsecurity=False).hexdigest() + ".dir"


def listing(root: Path, folder: Path) -> bytes:
    """A folder's files and their digests, as DVC keeps them in its cache: what a folder's digest is made of."""
    files = [
        {"md5": _file(root, file), "relpath": file.relative_to(folder).as_posix()}
        for file in _files(root, folder)
    ]
    files.sort(key=lambda entry: entry["relpath"])
    return json.dumps(files, sort_keys=True).encode()


def _file(root: Path, path: Path) -> str:
    started_ns = time.time_ns()
    before = _mark(path)
    remembered = _remembered(root)
    found = remembered.get(os.fspath(path))
    if found is not None and found[0] == before:
        return found[1]
    digest = md5(path)
    if before == _mark(path) and started_ns - max(before[2:]) > SETTLED_NS:
        remembered[os.fspath(path)] = (before, digest)
        _append(root, path, before, digest)
    return digest


def _mark(path: Path) -> Mark:
    """Inode, size, and the times of the last modification and of the last change, in ns."""
    entry = path.stat()
    # The change time cannot be set back by a program, as the modification time can.
    return entry.st_ino, entry.st_size, entry.st_mtime_ns, entry.st_ctime_ns


def _files(root: Path, folder: Path) -> Iterator[Path]:
    ignored = _ignored(root)
    for parent, folders, names in os.walk(folder):
        above = Path(parent)
        folders[:] = [name for name in folders if name not in NEVER and not ignored(above / name, True)]
        yield from (above / name for name in names if name not in NEVER and not ignored(above / name, False))


@functools.cache
def _ignored(root: Path) -> Callable[[Path, bool], bool]:
    """Whether ``root``/.dvcignore names a path (a folder or a file)."""
    try:
        lines = (root / ".dvcignore").read_text(encoding="utf-8").splitlines()
    except OSError:
        return lambda path, is_folder: False
    patterns = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    if not any("/" in pattern.rstrip("/") or pattern.startswith(("!", "\\")) for pattern in patterns):
        names = [re.compile(fnmatch.translate(pattern)) for pattern in patterns if not pattern.endswith("/")]
        folders = [re.compile(fnmatch.translate(pattern.rstrip("/"))) for pattern in patterns]
        return lambda path, is_folder: any(
            pattern.match(path.name) for pattern in (folders if is_folder else names)
        )
    from pathspec import GitIgnoreSpec  # what DVC reads it with; 26 ms

    spec = GitIgnoreSpec.from_lines(patterns)
    return lambda path, is_folder: (
        path.is_relative_to(root)
        and spec.match_file(path.relative_to(root).as_posix() + ("/" if is_folder else ""))
    )


@functools.cache
def _remembered(root: Path) -> Remembered:
    """Path → mark and digest; the last line for a path counts."""
    result: Remembered = {}
    try:
        lines = (root / ".edgebuild" / "hashes").read_bytes().splitlines()
    except OSError:
        return result
    for line in lines:
        check, _, entry = line.partition(b" ")
        if check == _check(entry):
            path, inode, size, modified, changed, digest = json.loads(entry)
            result[path] = (inode, size, modified, changed), digest
    if len(lines) > GROWTH * len(result) + 200:
        _compact(root, result)
    return result


def _line(path: str, mark: Mark, digest: str) -> bytes:
    entry = json.dumps([path, *mark, digest]).encode()
    return _check(entry) + b" " + entry + b"\n"


def _check(entry: bytes) -> bytes:
    return b"%08x" % zlib.crc32(entry)


def _append(root: Path, path: Path, mark: Mark, digest: str) -> None:
    # One write per line, and a newline first too: a line that another process left torn ends there.
    line = b"\n" + _line(os.fspath(path), mark, digest)
    # Where nothing can be remembered (a full disk), files are hashed again.
    with contextlib.suppress(OSError):
        (root / ".edgebuild").mkdir(exist_ok=True)
        with open(root / ".edgebuild" / "hashes", "ab", buffering=0) as file:
            file.write(line)


def _compact(root: Path, remembered: Remembered) -> None:
    """Write the log anew; what another process appends meanwhile is lost, and hashed again."""
    lines = [_line(path, mark, digest) for path, (mark, digest) in remembered.items() if os.path.exists(path)]
    draft = root / ".edgebuild" / f"hashes-{os.getpid()}.tmp"
    with contextlib.suppress(OSError):
        draft.write_bytes(b"".join(lines))
        draft.replace(root / ".edgebuild" / "hashes")
