"""TensorFlow, imported once for all tests that ask for it; stages run in the process that a test starts."""

from __future__ import annotations

import os
from typing import Any

import pytest

# A worker would run a stage out of reach of a test's doubles; what is about the worker asks for it.
os.environ["EDGEBUILD_WORKER"] = "0"


@pytest.fixture(scope="session")
def backend() -> tuple[Any, Any]:
    """``(tensorflow, keras)``, set up as the stages do."""
    from edgebuild.train.backend import load

    return load(seed=1, threads=1)
