"""Keeps from the terminal what C++ libraries write to standard error while they raise the same as an exception."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["native_stderr_dropped"]


@contextmanager
def native_stderr_dropped() -> Iterator[None]:
    """File descriptor 2 leads nowhere inside."""
    sys.stderr.flush()
    held, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(held, 2)
        os.close(held)
        os.close(nowhere)
