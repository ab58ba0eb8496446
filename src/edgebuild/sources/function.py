"""Examples from a function of the user's own: ``data.function: shapes:load``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from edgebuild.errors import DataError
from edgebuild.sources.arrays import KEYS, from_arrays
from edgebuild.sources.source import Source
from edgebuild.user_function import find

if TYPE_CHECKING:
    from edgebuild.params.data import Data

__all__ = ["load"]


def load(params: Data, task: str) -> Source:
    """What the function returns, called with data.folder as a path, or None where that is "".

    Raises:
        DataError: it returns something else than a mapping of arrays, or arrays
            that are no labelled images.
        UsageError: there is no such function.
    """
    name = params.function or ""
    function = find(name, "data.function")
    given = function(Path(params.folder).expanduser() if params.folder else None)
    if isinstance(given, Source):
        return given
    if not isinstance(given, Mapping):
        raise DataError(
            f"data.function: {name} must return a dict with images and labels (and perhaps "
            f"{', '.join(KEYS[2:])}), but returned {type(given).__name__}"
        )
    return from_arrays(given, f"data.function: {name}")
