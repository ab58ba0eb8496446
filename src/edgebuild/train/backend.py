"""The one adapter to TensorFlow and Keras: a quiet, quick and deterministic import.

Importing TensorFlow drags in scikit-learn, pandas and matplotlib through
optional wrappers that no stage uses; hiding them during the import saves a
third of it. Weights are the same bits in every process for the same seed,
thread count and class of CPU.
"""

from __future__ import annotations

import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["load"]

UNUSED = ("sklearn", "pandas", "matplotlib", "cv2", "torch", "jax")


def load(seed: int, threads: int = 1) -> tuple[Any, Any]:
    """``(tensorflow, keras)``, seeded, with deterministic kernels and ``threads`` threads per operation.

    The thread count is part of the result: one thread and two sum in another
    order. Call this before anything else touches TensorFlow in the process.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    with _hidden(UNUSED), _native_stderr_held_back():
        import tensorflow as tf

        keras = tf.keras
        with _ignore_started():
            tf.config.threading.set_intra_op_parallelism_threads(threads)
            tf.config.threading.set_inter_op_parallelism_threads(1)
        tf.config.list_logical_devices()  # starts the runtime, which has its own words to say
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
    return tf, keras


@contextmanager
def _hidden(names: tuple[str, ...]) -> Iterator[None]:
    """Make packages that nobody has imported yet impossible to import for a while."""
    hidden = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None blocks an import
    try:
        yield
    finally:
        for name in hidden:
            sys.modules.pop(name, None)


@contextmanager
def _native_stderr_held_back() -> Iterator[None]:
    """Keep what C++ writes to file descriptor 2; show it only if Python raises.

    TensorFlow logs before its own log level applies, so nothing else silences it.
    """
    sys.stderr.flush()
    before = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            os.write(before, held.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(before, 2)
            os.close(before)


@contextmanager
def _ignore_started() -> Iterator[None]:
    """TensorFlow refuses a thread count once it has started; a second call in one process keeps the first."""
    try:
        yield
    except RuntimeError as error:
        if "after initialization" not in str(error) and "cannot be modified" not in str(error):
            raise
