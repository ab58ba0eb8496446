"""JSON documents with canonical bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgebuild.errors import DataError

__all__ = ["read_json", "write_json"]


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write ``value``: keys in the order given, two spaces, a final newline.

    Raises:
        ValueError: a number is NaN or infinite, which JSON cannot say.
    """
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """The document in ``path``.

    Raises:
        DataError: it is missing or no JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{path} does not exist; build it with dvc repro") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is not JSON: {error}; delete it and run dvc repro") from None
