"""The sources by name. To add one, write its module and name it here and in ``params.Data.source``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from edgebuild.errors import DataError
from edgebuild.sources import digits, fashion_mnist
from edgebuild.sources.source import Load, Source

if TYPE_CHECKING:
    from edgebuild.params.data import Data

__all__ = ["SOURCES", "load"]

SOURCES: Mapping[str, Load] = {"digits": digits.load, "fashion_mnist": fashion_mnist.load}


def load(params: Data) -> Source:
    """Load the source that ``params`` names.

    Raises:
        DataError: no such source, or its files cannot be used.
    """
    if params.source not in SOURCES:
        raise DataError(
            f"data.source: {params.source!r} is not one of {', '.join(SOURCES)}; name one of them"
        )
    folder = Path(params.folder).expanduser() if params.folder else None
    return SOURCES[params.source](folder, params.download)
