"""The environment variables of a stage: what would change results is pinned, a list may pass, the rest is scrubbed."""

from __future__ import annotations

import fnmatch
import os
import platform
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

__all__ = ["PINNED", "pin", "scrub"]

X86_64 = ("x86_64", "AMD64")
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
    # numpy's matrix products are then the same bits on every x86-64 processor with AVX2, and not its newest
    # kernels' own; elsewhere OpenBLAS chooses as it would.
    **({"OPENBLAS_CORETYPE": "Haswell", "OPENBLAS_L2_SIZE": "512"} if platform.machine() in X86_64 else {}),
}
#: What a stage may see of the caller's environment: where programs and libraries are, which device
#: to use, how to write text. ONEDNN_MAX_CPU_ISA changes bits; it is part of the recorded CPU class.
PASSED = (
    "PATH", "PYTHONPATH", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "DYLD_*", "LANG", "LC_*", "TZ", "CUDA_*", "NVIDIA_*",
    "TF_FORCE_GPU_ALLOW_GROWTH", "ONEDNN_MAX_CPU_ISA",
)  # fmt: skip
#: Python's own switches that change what code does; they act when the interpreter starts.
DROPPED = ("PYTHONOPTIMIZE", "PYTHONINSPECT", "PYTHONSTARTUP", "PYTHONDEVMODE", "PYTHONCASEOK")


def pin(arguments: list[str]) -> None:
    """Start this command again with the pinned environment, unless it is there already.

    A hash seed and BLAS threads can only be set before the interpreter starts.
    Returns if nothing has to change; otherwise it does not return.
    """
    pinned = all(os.environ.get(name) == value for name, value in PINNED.items())
    if pinned and not any(name in os.environ for name in DROPPED):
        return
    kept = {name: value for name, value in os.environ.items() if name not in DROPPED}
    os.execve(  # noqa: S606 (the same interpreter, no shell)
        sys.executable, [sys.executable, "-m", "edgebuild", *arguments], {**kept, **PINNED}
    )


def scrub(environ: Mapping[str, str], temporary: Path, allowed: Iterable[str] = ()) -> dict[str, str]:
    """The environment of a stage: `PINNED`, what `PASSED` and ``allowed`` (patterns) let through, a home of its own."""
    patterns = (*PASSED, *allowed)
    passed = {
        name: value
        for name, value in environ.items()
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
    }
    return {**passed, **PINNED, "HOME": str(temporary / "home"), "TMPDIR": str(temporary)}
