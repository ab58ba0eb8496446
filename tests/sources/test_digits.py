"""The embedded digits."""

from __future__ import annotations

import gzip
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgebuild.errors import DataError
from edgebuild.sources import digits
from tests.sources.conftest import data


def table(path: Path, cell: str = "0", cells: int = 64, label: str = "1") -> Path:
    lines = [",".join([cell] * cells + [label]), ",".join(["16"] * cells + ["0"])]
    path.write_bytes(gzip.compress("\n".join(lines).encode()))
    return path


def test_they_are_what_scikit_learn_loads() -> None:
    from sklearn.datasets import load_digits

    found, theirs = digits.load(data(), "classification"), load_digits()
    np.testing.assert_array_equal(found.images[..., 0], theirs.images)
    np.testing.assert_array_equal(found.labels, theirs.target)
    assert found.classes == tuple(map(str, theirs.target_names))
    assert found.test is None
    assert found.images.max() * found.scale == 1.0


def test_loading_does_not_import_scikit_learn() -> None:
    code = (
        "import sys, types; from edgebuild.sources import digits; "
        "digits.load(types.SimpleNamespace(), 'classification'); "
        "print('sklearn' in sys.modules)"
    )
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert loaded.stdout.strip() == "False"


@pytest.mark.parametrize(
    ("change", "key"),
    [({"folder": "x"}, r"data\.folder: 'x'"), ({"download": True}, r"data\.download: true")],
)
def test_knobs_that_would_do_nothing_are_refused(change: dict[str, Any], key: str) -> None:
    (problem,) = data(**change).problems()
    assert re.match(f"{key} has no meaning for data.source: digits", problem)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cells": 63}, "64 grey levels and a digit"),
        ({"cell": "nan"}, "image 0 holds nan"),
        ({"cell": "-inf"}, "image 0 holds -inf"),
        ({"cell": "17"}, "image 0 holds 17.0"),
        ({"cell": "x"}, "not a gzipped table of numbers"),
        ({"label": "10"}, "label 0 is 10"),
        ({"label": "nan"}, "between 0 and 9"),
    ],
)
def test_a_damaged_table_is_refused(tmp_path: Path, change: dict[str, str | int], message: str) -> None:
    with pytest.raises(DataError, match=message):
        digits.read(table(tmp_path / "digits.csv.gz", **change))  # type: ignore[arg-type]


def test_a_truncated_or_missing_table_is_refused(tmp_path: Path) -> None:
    path = table(tmp_path / "digits.csv.gz")
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(DataError, match="not a gzipped table"):
        digits.read(path)
    with pytest.raises(DataError, match="does not exist"):
        digits.read(tmp_path / "nothing")
