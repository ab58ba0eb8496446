"""Arrays in one .npz file: images and labels, and what else edgebuild knows by name.

The names are those of :data:`~edgebuild.sources.arrays.KEYS`, or those of Keras'
data sets: x_train, y_train, x_test and y_test. Images that are stored
uncompressed are mapped, not loaded.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edgebuild.data import archive
from edgebuild.errors import DataError
from edgebuild.sources.arrays import from_arrays
from edgebuild.sources.source import Source

if TYPE_CHECKING:
    from edgebuild.params.data import Data

__all__ = ["load"]

KERAS = {"x_train": "images", "y_train": "labels", "x_test": "test_images", "y_test": "test_labels"}
TO_MAP = ("images", "test_images", "x_train", "x_test")


def load(params: Data, task: str) -> Source:
    """The arrays of the file that ``data.folder`` names.

    Raises:
        DataError: no such file, a damaged one, or arrays that are no labelled images.
    """
    path = Path(params.folder).expanduser()
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise DataError(
            f"data.folder: {params.folder} {what}, but must be an .npz file; where it is relative, it has to be "
            f'among the deps of stage prepare in dvc.yaml: add `- "${{data.folder}}"`'
        )
    arrays = archive.read(path, TO_MAP, "write it again with numpy.savez")
    return from_arrays({KERAS.get(name, name): array for name, array in arrays.items()}, params.folder)
