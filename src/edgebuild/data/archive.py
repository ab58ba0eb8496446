"""Arrays in an uncompressed ``.npz``, written a chunk at a time and read as a memory map.

The bytes are those that ``numpy.savez`` writes: a zip archive (PKWARE,
APPNOTE.TXT 6.3.10) of stored members dated 1980, each in numpy's format
(NEP 1). A stored member lies in the file as it is, so an array in it can be
mapped where it lies.
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from edgebuild.data.images import Images, chunks
from edgebuild.errors import DataError

__all__ = ["AGAIN", "Array", "members", "read", "write"]

Array = npt.NDArray[np.generic]

AGAIN = "delete it and run dvc repro prepare"

#: What zipfile and numpy raise on damaged archives, found by flipping every bit of one.
DAMAGE = (
    ValueError,
    EOFError,
    KeyError,
    OSError,
    RuntimeError,
    SyntaxError,
    struct.error,
    zlib.error,
    zipfile.BadZipFile,
)

LOCAL_HEADER = 30  #: bytes before name and extra field of a member
CRC_CHUNK = 2**20


def write(path: Path, images: Images, others: Mapping[str, Array]) -> None:
    """Write ``images`` and then ``others`` to ``path``, with one chunk of images in memory at a time."""
    # An open file: given a path, numpy appends ".npz" to names without it.
    with path.open("wb") as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        with archive.open("images.npy", "w", force_zip64=True) as member:
            header = {"descr": "|u1", "fortran_order": False, "shape": tuple(map(int, images.shape))}
            np.lib.format.write_array_header_1_0(member, header)
            for chunk in chunks(images):
                member.write(np.ascontiguousarray(chunk).data)
        for name, array in others.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asarray(array), allow_pickle=False)


def read(path: Path, mapped: Collection[str] = ("images",), way_out: str = AGAIN) -> dict[str, Array]:
    """The arrays in ``path``; those called ``mapped`` are mapped, read-only, and checked without being loaded.

    One that is compressed cannot be mapped and is loaded.

    Raises:
        DataError: there is no such file, it is no archive, or it is damaged.
    """
    if not path.is_file():
        raise DataError(f"{path} does not exist; make it with dvc repro prepare")
    with members(path, way_out) as archive:
        arrays = {}
        for info in archive.infolist():
            name = info.filename.removesuffix(".npy")
            to_map = name in mapped and info.compress_type == zipfile.ZIP_STORED
            arrays[name] = _mapped(path, archive, info) if to_map else _loaded(archive, info)
        return arrays


@contextmanager
def members(path: Path, way_out: str) -> Iterator[zipfile.ZipFile]:
    """The archive ``path``, open for reading; whatever its bytes make Python raise becomes one kind of error.

    Raises:
        DataError: it is no archive, or it is damaged.
    """
    try:
        with path.open("rb") as file:
            if not zipfile.is_zipfile(file):
                raise DataError(f"{path} is not an .npz archive; {way_out}")
            with zipfile.ZipFile(file) as archive:
                yield archive
    except DAMAGE as error:
        raise DataError(f"{path} is damaged ({error}); {way_out}") from None


def _loaded(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Array:
    with archive.open(info) as member:
        array: Array = np.lib.format.read_array(member, allow_pickle=False)
        if member.read(1):  # the checksum is compared where the member ends
            raise ValueError(f"{info.filename} is longer than its header says")
    return array


def _mapped(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Array:
    with archive.open(info) as member:
        shape, fortran, dtype = _header(member)
        offset = info.file_size - _rest(member)
        if not dtype.hasobject and offset + dtype.itemsize * int(np.prod(shape)) != info.file_size:
            raise ValueError(f"{info.filename} has not the length that its header says")
    if dtype.hasobject:
        raise ValueError("it holds Python objects")
    start = _start(path, info) + offset
    # Of the plain class: that the numbers lie in a file is nobody's concern.
    return np.asarray(
        np.memmap(path, dtype, "r", start, shape, "F" if fortran else "C") if np.prod(shape) else
        np.zeros(shape, dtype)
    )  # fmt: skip


def _header(member: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    if np.lib.format.read_magic(member) != (1, 0):
        raise ValueError("its header is not of version 1.0")
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(member)
    return shape, fortran, dtype


def _rest(member: IO[bytes]) -> int:
    """Read to the end, where zipfile compares the checksum; how many bytes that were."""
    size = 0
    while chunk := member.read(CRC_CHUNK):
        size += len(chunk)
    return size


def _start(path: Path, info: zipfile.ZipInfo) -> int:
    """Where in the file the member's content begins: after its local header, whose lengths may differ."""
    with path.open("rb") as file:
        file.seek(info.header_offset)
        name, extra = struct.unpack("<26x2H", file.read(LOCAL_HEADER))
    return info.header_offset + LOCAL_HEADER + int(name) + int(extra)
