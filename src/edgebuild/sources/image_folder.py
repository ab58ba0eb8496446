"""Pictures in a folder for each class: ``cat/1.png``, ``dog/2.jpg``.

Where the top folders are called train and test (and validation or calibration),
each holds the classes' folders, and what lies in them stays in that split.
Folders of a class may have folders in them. Files whose names begin with a dot
are passed over.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgebuild.errors import DataError
from edgebuild.sources.faults import Faults
from edgebuild.sources.pictures import Picture, pictures
from edgebuild.sources.source import SPLIT_NAMES, Source

if TYPE_CHECKING:
    from edgebuild.params.data import Data

__all__ = ["LITTER", "classes_of", "load", "placed", "top"]

#: What operating systems leave in folders.
LITTER = ("thumbs.db", "desktop.ini")

WAY_OUT = "repair or remove what is listed"


def load(params: Data, task: str) -> Source:
    """All pictures in ``data.folder``, class by class in the order of names.

    Raises:
        DataError: no folder, fewer than two classes, empty classes, or files that
            cannot be used: all of them at once.
    """
    folder = top(params.folder)
    faults = Faults(f"data.folder: {params.folder}")
    found = list(placed(folder, faults))
    names = classes_of(found, folder)
    listed = [
        Picture(path, path.relative_to(folder).as_posix(), names.index(name), split)
        for split, name, files in found
        for path in files
    ]
    labels = np.array([picture.label for picture in listed], np.int64)
    return pictures(params, task, listed, labels, names, faults, WAY_OUT)


def top(folder: str) -> Path:
    """The folder that data.folder names.

    Raises:
        DataError: there is none.
    """
    path = Path(folder).expanduser()
    if not path.is_dir():
        what = "is a file" if path.is_file() else "does not exist"
        raise DataError(
            f"data.folder: {folder} {what}, but must be a folder with a folder for each class; where it is relative, "
            f'it has to be among the deps of stage prepare in dvc.yaml: add `- "${{data.folder}}"`'
        )
    return path


def placed(folder: Path, faults: Faults, hidden: str = ".") -> Iterator[tuple[str, str, list[Path]]]:
    """``(split, class, files)`` for every folder of a class; split is "" where the top folders are the classes.

    What lies beside the classes' folders and looks like data is a fault, and so is a class without files,
    and a link that leads nowhere or to a folder. Folders whose names begin with one of ``hidden`` are no classes.
    """
    tops = _folders(folder, hidden)
    splits = [path for path in tops if path.name in SPLIT_NAMES]
    if not any(path.name == "train" for path in splits):
        splits = []
    elif len(splits) < len(tops):
        others = ", ".join(path.name for path in tops if path not in splits)
        faults.add(
            others, f"beside the splits {', '.join(path.name for path in splits)}; move it into one of them"
        )
    for above in splits or [folder]:
        for path in _files(above):
            if not path.exists():
                faults.add(path.relative_to(folder).as_posix(), "a link that leads nowhere")
            elif path.suffix.lower() not in ("", ".txt", ".md", ".csv", ".json", ".pdf", ".dvc", ".yaml"):
                faults.add(path.relative_to(folder).as_posix(), "lies in no class's folder")
        for kind in _folders(above, hidden):
            files = []
            for path in filter(lambda path: _counts(path, kind), sorted(kind.rglob("*"))):
                if path.is_symlink() and (path.is_dir() or not path.exists()):
                    what = "to a folder, which is not followed" if path.is_dir() else "that leads nowhere"
                    faults.add(path.relative_to(folder).as_posix(), f"a link {what}")
                elif not path.is_dir():
                    files.append(path)
            if not files:
                faults.add(f"{kind.relative_to(folder).as_posix()}/", "a class without files")
            yield (above.name if splits else ""), kind.name, files


def classes_of(found: list[tuple[str, str, list[Path]]], folder: Path) -> tuple[str, ...]:
    """The classes' names in order.

    Raises:
        DataError: fewer than two.
    """
    names = tuple(sorted({name for _, name, _ in found}))
    if len(names) < 2:
        there = f"only {names[0]}/" if names else "no folder at all"
        raise DataError(
            f"data.folder: {folder} must hold a folder for each of at least two classes, but there is {there}; "
            f"sort the files by class: {folder}/<class>/<file>"
        )
    return names


def _folders(folder: Path, hidden: str) -> list[Path]:
    return [path for path in sorted(folder.iterdir()) if path.is_dir() and path.name[0] not in hidden]


def _files(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.iterdir()) if not path.is_dir() and _counts(path, folder)]


def _counts(path: Path, above: Path) -> bool:
    parts = path.relative_to(above).parts
    return not any(part.startswith(".") for part in parts) and path.name.lower() not in LITTER
