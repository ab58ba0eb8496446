"""The environment a stage runs in: what would otherwise change results is pinned."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

__all__ = ["PINNED", "pin"]

#: Sums in another order are other sums: thread counts belong to the result. TensorFlow's own
#: threads are set by the stage, from params.yaml; these are for numpy and its relatives. oneDNN
#: halves the time of a training and gives the same bits in every process.
PINNED: Mapping[str, str] = {
    "PYTHONHASHSEED": "0",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "TF_ENABLE_ONEDNN_OPTS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "KERAS_BACKEND": "tensorflow",
    "TQDM_DISABLE": "1",
}


def pin(arguments: list[str]) -> None:
    """Start this command again with the pinned environment, unless it is there already.

    A hash seed and BLAS threads can only be set before the interpreter starts.
    Returns if nothing has to change; otherwise it does not return.
    """
    if all(os.environ.get(name) == value for name, value in PINNED.items()):
        return
    os.execve(  # noqa: S606 (the same interpreter, no shell)
        sys.executable, [sys.executable, "-m", "edgebuild", *arguments], {**os.environ, **PINNED}
    )
