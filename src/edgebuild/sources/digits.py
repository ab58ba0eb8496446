"""scikit-learn's digits: 1,797 real 8×8 scans with 17 grey levels, embedded in the package.

E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI
Machine Learning Repository (the test part). The table is read from the
installed package without importing it, which would cost seconds for a file
of 57 KB.
"""

from __future__ import annotations

import csv
import gzip
import importlib.metadata
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgebuild.errors import DataError
from edgebuild.sources.source import Source, source

if TYPE_CHECKING:
    from edgebuild.params.data import Data

__all__ = ["load"]

SIDE = 8
LARGEST = 16  #: grey levels run from 0 to 16
CLASSES = tuple("0123456789")


def load(params: Data, task: str) -> Source:
    """All 1,797 images in the order of the file; there is no official test part.

    Raises:
        DataError: scikit-learn is not installed or damaged.
    """
    try:
        installed = importlib.metadata.distribution("scikit-learn")
    except importlib.metadata.PackageNotFoundError:
        raise DataError(
            "data.source: digits needs the package scikit-learn; pip install scikit-learn"
        ) from None
    return read(Path(str(installed.locate_file("sklearn/datasets/data/digits.csv.gz"))))


def read(path: Path) -> Source:
    """Read the table at ``path``: per line 64 grey levels, row by row, and the digit.

    Raises:
        DataError: the file is missing, damaged, or not such a table.
    """
    try:
        with gzip.open(path, "rt", encoding="ascii", newline="") as file:
            rows = [[float(cell) for cell in row] for row in csv.reader(file)]
    except FileNotFoundError:
        raise DataError(f"{path} does not exist; install scikit-learn again") from None
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise DataError(
            f"{path} is not a gzipped table of numbers ({error}); install scikit-learn again"
        ) from None
    if not rows or any(len(row) != SIDE * SIDE + 1 for row in rows):
        raise DataError(
            f"{path}: every line must hold {SIDE * SIDE} grey levels and a digit; install scikit-learn again"
        )
    table = np.array(rows)
    images = table[:, :-1].reshape(-1, SIDE, SIDE, 1)
    # A NaN among the labels becomes the lowest integer: outside the classes, and refused as such.
    with np.errstate(invalid="ignore"):
        labels = table[:, -1].astype(np.int64)
    return source(images, labels, scale=1 / LARGEST, classes=CLASSES, where=str(path))
