"""Keras: write a model as a .keras file with canonical bytes, load and run it.

A .keras file is a zip of two JSON documents and the weights. As Keras writes
it, it holds the date, the time of every member and, as ``shared_object_id``,
addresses in memory; here they are fixed, so the same model gives the same
bytes. Keras loads the file as any other.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgebuild.errors import DataError

__all__ = ["KerasSession", "load", "unavailable_runtime", "write"]

Floats = npt.NDArray[np.float32]

EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest date that a zip can hold
DATE_SAVED = "1980-01-01@00:00:00"


def write(model: Any, path: Path) -> None:
    """Write a Keras model; equal models give equal bytes in every process."""
    saved = path.with_name(f".{path.stem}.saving.keras")
    try:
        model.save(saved)
        path.write_bytes(canonical(saved.read_bytes()))
    finally:
        saved.unlink(missing_ok=True)


def canonical(archive: bytes) -> bytes:
    """A .keras archive without dates and memory addresses, its members in order of their names."""
    result = BytesIO()
    with zipfile.ZipFile(BytesIO(archive)) as source, zipfile.ZipFile(result, "w") as target:
        for name in sorted(source.namelist()):
            content = source.read(name)
            if name.endswith(".json"):
                document = _renumber(json.loads(content), {})
                if "date_saved" in document:
                    document["date_saved"] = DATE_SAVED
                content = json.dumps(document, sort_keys=True).encode()
            target.writestr(zipfile.ZipInfo(name, EPOCH), content)
    return result.getvalue()


def _renumber(value: Any, numbers: dict[int, int]) -> Any:
    """``value`` with every ``shared_object_id`` replaced by the order of its first appearance."""
    if isinstance(value, list):
        return [_renumber(item, numbers) for item in value]
    if not isinstance(value, dict):
        return value
    result = {key: _renumber(value[key], numbers) for key in sorted(value)}
    if isinstance(shared := result.get("shared_object_id"), int):
        result["shared_object_id"] = numbers.setdefault(shared, len(numbers) + 1)
    return result


def load(path: Path, threads: int) -> KerasSession:
    """Load ``path``.

    Raises:
        DataError: the file is missing or Keras refuses it.
    """
    return KerasSession(path, threads)


def load_model(keras: Any, path: Path) -> Any:
    """The Keras model in ``path``, for training or inference.

    Raises:
        DataError: the file is missing or Keras refuses it.
    """
    if not path.is_file():
        raise DataError(f"{path} does not exist; run dvc repro")
    try:
        return keras.models.load_model(path, compile=False)
    except (ValueError, OSError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise DataError(f"Keras refuses {path}: {error}") from None


def unavailable_runtime() -> str | None:
    """Keras runs wherever edgebuild does."""
    return None


class KerasSession:
    """One model, traced for batch 1 and for larger batches."""

    def __init__(self, path: Path, threads: int) -> None:
        from edgebuild.train.backend import load as load_backend

        tf, keras = load_backend(seed=0, threads=threads)
        model = load_model(keras, path)
        self._infer = tf.function(lambda image: model(image, training=False), reduce_retracing=True)

    def predict(self, images: Floats) -> Floats:
        """Logits, float32 ``(n, classes)``."""
        starts = range(0, len(images), 256)
        return np.concatenate([self._infer(images[start : start + 256]).numpy() for start in starts])

    def bind(self, image: Floats) -> Callable[[], object]:
        """A call that copies ``image`` in, executes it, and copies the result out."""
        return lambda: self._infer(image).numpy()
