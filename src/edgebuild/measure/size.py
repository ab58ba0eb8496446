"""What a model weighs on disk and over the wire, and which bytes it is.

A model is a file or, for Core ML, a directory. Sizes depend on the bytes only;
``gzip_bytes`` also on the zlib that Python is built with, whose compression
differs by a few bytes between zlib and its forks.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from dataclasses import dataclass
from pathlib import Path

from edgebuild.errors import Finding

__all__ = ["FileFacts", "file_facts"]


@dataclass(frozen=True)
class FileFacts:
    """Identity and weight of one model.

    ``sha256`` of a directory is that of the listing which ``sha256sum`` prints
    for its files, sorted by path: ``<sha256>  <path>`` and a newline for each.
    ``gzip_bytes`` is the size after gzip at level 9: of the file, or of a tar
    of the directory without dates, owners and modes.
    """

    sha256: str
    size_bytes: int
    gzip_bytes: int


def file_facts(path: Path) -> FileFacts:
    """The facts of the file or directory at ``path``.

    Raises:
        Finding: there is nothing at ``path``, or the directory holds no file.
    """
    if path.is_dir():
        return _directory_facts(path)
    if not path.is_file():
        raise Finding(f"{path} does not exist, so it cannot be measured; build it with dvc repro")
    data = path.read_bytes()
    return FileFacts(hashlib.sha256(data).hexdigest(), len(data), _gzipped(data))


def _directory_facts(folder: Path) -> FileFacts:
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    if not files:
        raise Finding(f"{folder} holds no file, so it is no model; build it with dvc repro")
    contents = {name: files[name].read_bytes() for name in sorted(files)}
    listing = "".join(f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in contents.items())
    return FileFacts(
        sha256=hashlib.sha256(listing.encode()).hexdigest(),
        size_bytes=sum(map(len, contents.values())),
        gzip_bytes=_gzipped(_tar(contents)),
    )


def _tar(contents: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, data in contents.items():
            entry = tarfile.TarInfo(name)  # mode 0644, owner 0, date 0
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def _gzipped(data: bytes) -> int:
    return len(gzip.compress(data, compresslevel=9, mtime=0))
