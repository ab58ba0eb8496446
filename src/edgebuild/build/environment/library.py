"""requirements/edgebuild.txt: the edgebuild that the stages of a user's repository run, pinned down to its code.

This repository declares each file of the library that a stage imports, and DVC sees every
change. Elsewhere the library is an installed package, and this one line stands for all of it: a
dep of every stage, and a requirement that pip can read. Its digest tells two builds of one
version apart, such as two wheels of a branch.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import edgebuild

__all__ = ["NAME", "code_digest", "pin", "pinned", "pinned_drift"]

NAME = "requirements/edgebuild.txt"
PACKAGE = Path(edgebuild.__file__).resolve().parent
#: Not what a stage runs: the template's files become the user's own, and caches come and go.
LEFT_OUT = ("template/repository", "template/ci", "__pycache__")
LINE = re.compile(r"^edgebuild==(\S+) # code sha256:([0-9a-f]{64})$", re.MULTILINE)
HEADER = """\
# The library that the stages run. After an upgrade `edgebuild init --upgrade` writes this anew, and they run again.
"""


def pin() -> str:
    """The text of the file for the edgebuild that is running."""
    return f"{HEADER}edgebuild=={_version()} # code sha256:{code_digest(PACKAGE)}\n"


def pinned(lock: str) -> tuple[str, str] | None:
    """Version and digest of the code, if the text of a lock pins edgebuild as `pin` does."""
    found = LINE.search(lock)
    return (found[1], found[2]) if found else None


def pinned_drift(lock: str) -> tuple[str, ...]:
    """The running edgebuild against the text of a lock, as ``edgebuild running!=locked``; empty if it is the same."""
    if (locked := pinned(lock)) is None:
        return ()
    here = (_version(), code_digest(PACKAGE))
    return () if here == locked else (f"edgebuild {_short(*here)}!={_short(*locked)}",)


def code_digest(package: Path) -> str:
    """SHA-256, in hexadecimal, over the names and contents of all files that the package consists of."""
    files = sorted(
        (path.relative_to(package).as_posix(), path) for path in package.rglob("*") if path.is_file()
    )
    result = hashlib.sha256()
    for name, path in files:
        if not any(f"/{part}/" in f"/{name}" for part in LEFT_OUT):
            result.update(f"{name}\0{path.stat().st_size}\0".encode())
            result.update(path.read_bytes())
    return result.hexdigest()


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version  # 20 ms that only a user's repository pays

    try:
        return version("edgebuild")
    except PackageNotFoundError:  # a checkout on PYTHONPATH
        return "0+checkout"


def _short(number: str, digest: str) -> str:
    return f"{number}+{digest[:8]}"
