"""TensorFlow, imported once for all tests that ask for it."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture(scope="session")
def backend() -> tuple[Any, Any]:
    """``(tensorflow, keras)``, set up as the stages do."""
    from edgebuild.train.backend import load

    return load(seed=1, threads=1)
