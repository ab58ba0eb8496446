"""Fashion-MNIST: 60,000 training and 10,000 test photographs of clothes, 28×28, grey.

H. Xiao, K. Rasul and R. Vollgraf, "Fashion-MNIST: a Novel Image Dataset for
Benchmarking Machine Learning Algorithms", arXiv:1708.07747, 2017. It comes as
four idx files, which are read from a folder as they are (gzipped or not), or
fetched by Keras when the user asks for that.
"""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from edgebuild.errors import DataError
from edgebuild.sources.source import Source, source

if TYPE_CHECKING:
    from edgebuild.params.data import Data

__all__ = ["CLASSES", "FILES", "load", "read_idx"]

CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
SCALE = 1 / 255

#: Training images and labels, test images and labels; each may end in .gz.
FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)

Bytes = npt.NDArray[np.uint8]
#: (training images, labels), (test images, labels); images (n, height, width), labels (n,), all uint8
Arrays = tuple[tuple[Bytes, Bytes], tuple[Bytes, Bytes]]

WAYS_OUT = (
    "install Debian's package dataset-fashion-mnist and set data.folder to where it puts the files "
    "(dpkg -L dataset-fashion-mnist), or leave data.folder empty and set data.download: true"
)


def fetch_with_keras() -> Arrays:
    """Let Keras fetch the files into its own cache (~/.keras), or find them there.

    Raises:
        DataError: Keras could not.
    """
    import keras

    try:
        arrays: Arrays = keras.datasets.fashion_mnist.load_data()
    except Exception as error:  # Keras raises a bare Exception when a download fails
        raise DataError(
            f"Keras could not download Fashion-MNIST ({error}); try again, or {WAYS_OUT}"
        ) from error
    return arrays


def load(params: Data, task: str, fetch: Callable[[], Arrays] = fetch_with_keras) -> Source:
    """Read the four files of ``data.folder``; with no folder, ``fetch`` them if ``data.download`` allows it.

    Raises:
        DataError: no files and no permission to fetch them, or damaged files.
    """
    if params.folder:
        train, test = read_folder(Path(params.folder).expanduser())
        where = str(Path(params.folder).expanduser())
    elif params.download:
        train, test = fetch()
        where = "Fashion-MNIST as fetched by Keras"
    else:
        raise DataError(f"Fashion-MNIST needs its files, but data.folder is empty; {WAYS_OUT}")
    return source(
        train[0][..., np.newaxis],
        train[1],
        scale=SCALE,
        classes=CLASSES,
        where=where,
        test=(test[0][..., np.newaxis], test[1]),
    )


def read_folder(folder: Path) -> Arrays:
    """The arrays of the four files in ``folder``, as they are.

    Raises:
        DataError: the folder or some of the files are missing, or one is no idx file.
    """
    if not folder.is_dir():
        raise DataError(f"data.folder: {folder} is not a folder; {WAYS_OUT}")
    paths = {name: _find(folder, name) for name in FILES}
    if missing := [name for name, path in paths.items() if path is None]:
        raise DataError(
            f"data.folder: {folder} must hold the four idx files of Fashion-MNIST, gzipped or not, but "
            f"{', '.join(missing)} is missing; {WAYS_OUT}"
        )
    arrays = [read_idx(path, 3 if "idx3" in name else 1) for name, path in paths.items() if path is not None]
    return (arrays[0], arrays[1]), (arrays[2], arrays[3])


def read_idx(path: Path, dimensions: int) -> Bytes:
    """The array of an idx file of unsigned bytes with that many dimensions.

    The format (LeCun, Cortes and Burges, "The MNIST database"): two zero bytes,
    the type of the numbers (8: unsigned byte), the number of dimensions, each
    dimension's size as a big-endian 32-bit integer, then the numbers, last
    dimension fastest.

    Raises:
        DataError: another magic number, or more or fewer bytes than the header says.
    """
    data = _read(path)
    magic, expected = data[:4], bytes((0, 0, 8, dimensions))
    if magic != expected:
        raise DataError(
            f"{path}: an idx file of unsigned bytes in {dimensions} dimension(s) starts with the bytes "
            f"{expected.hex(' ')}, but this one with {magic.hex(' ') or 'nothing'}; {_AGAIN}"
        )
    start = 4 + 4 * dimensions
    if len(data) < start:
        raise DataError(f"{path}: the header takes {start} bytes, but the file has {len(data)}; {_AGAIN}")
    shape = struct.unpack(f">{dimensions}I", data[4:start])
    if len(data) - start != prod(shape):
        state = "truncated" if len(data) - start < prod(shape) else "too long"
        raise DataError(
            f"{path} is {state}: its header says {' × '.join(map(str, shape))} = {prod(shape)} bytes, but "
            f"{len(data) - start} follow; {_AGAIN}"
        )
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape)


_AGAIN = "get the file again"


def _find(folder: Path, name: str) -> Path | None:
    candidates = (folder / f"{name}.gz", folder / name)
    return next((path for path in candidates if path.is_file()), None)


def _read(path: Path) -> bytes:
    try:
        if path.suffix == ".gz":
            with gzip.open(path, "rb") as file:
                return file.read()
        return path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} is truncated or damaged ({error}); {_AGAIN}") from None
