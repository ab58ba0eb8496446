"""The data card: what the splits hold, as JSON, with hashes that change when they do."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from edgebuild.data.images import chunks
from edgebuild.data.split import Split

__all__ = ["card", "digest"]

Prints = npt.NDArray[np.bytes_]


def card(
    splits: Mapping[str, Split],
    name: str,
    *,
    features: Mapping[str, Any] | None = None,
    dropped: Mapping[str, int] | None = None,
) -> dict[str, Any]:
    """Describe ``splits`` (all of one source, "train" and "test" among them).

    ``train_images_in_test`` counts the test images that are, byte for byte, also
    training images: a model may know those by heart. ``contradictions``, where
    there are any, counts images that are there again with another label.
    ``sha256`` of the whole is taken over the lines ``<split> <sha256>``, in the
    given order of the splits. ``features`` (how codes come from what was
    measured) and ``dropped`` (what was left out, by reason) are there where the
    source has them. Nothing is held in memory but 16 bytes for each image.
    """
    first = next(iter(splits.values()))
    hashes = {key: digest(split) for key, split in splits.items()}
    lines = "".join(f"{key} {value}\n" for key, value in hashes.items())
    prints = {key: _fingerprints(split) for key, split in splits.items()}
    contradictions = _contradictions(splits, prints)
    return {
        "name": name,
        "sha256": hashlib.sha256(lines.encode()).hexdigest(),
        "classes": list(first.classes),
        "image_shape": list(first.images.shape[1:]),
        "dtype": str(first.images.dtype),
        "scale": first.scale,
        "train_images_in_test": int(np.isin(prints["test"], prints["train"]).sum()),
        **({"contradictions": contradictions} if contradictions else {}),
        **({"features": dict(features)} if features else {}),
        **({"dropped": dict(dropped)} if dropped else {}),
        "splits": {
            key: {
                "images": len(split),
                **_labels(split),
                "range": _range(split),
                "sha256": hashes[key],
            }
            for key, split in splits.items()
        },
    }


def digest(split: Split) -> str:
    """SHA-256 over shape, scale and classes, the images' bytes, and the labels, little-endian (int64 or float32)."""
    state = hashlib.sha256()
    state.update(repr((split.images.shape, split.scale, split.classes)).encode())
    for chunk in chunks(split.images):
        state.update(np.ascontiguousarray(chunk).data)
    order = "<f4" if split.labels.dtype.kind == "f" else "<i8"
    state.update(np.ascontiguousarray(split.labels, dtype=order).data)
    return state.hexdigest()


def _labels(split: Split) -> dict[str, Any]:
    """What the labels are like: images per class, or the range of each target."""
    labels, names = split.labels, split.classes
    if labels.dtype.kind == "f":
        figures = np.stack([labels.min(axis=0), labels.mean(axis=0, dtype=np.float64), labels.max(axis=0)], 1)
        rows = [dict(zip(("min", "mean", "max"), map(float, row), strict=True)) for row in figures]
        return {"targets": dict(zip(names, rows, strict=True))}
    counts = np.bincount(labels, minlength=len(names)) if labels.ndim == 1 else labels.sum(axis=0)
    return {"per_class": dict(zip(names, map(int, counts), strict=True))}


def _range(split: Split) -> list[int]:
    ends = [(int(chunk.min()), int(chunk.max())) for chunk in chunks(split.images)]
    return [min(low for low, _ in ends), max(high for _, high in ends)]


def _contradictions(splits: Mapping[str, Split], prints: Mapping[str, Prints]) -> int:
    """Images of any split that another one equals, byte for byte, whose label does not."""
    _, image, sizes = np.unique(
        np.concatenate([prints[key] for key in splits]), return_inverse=True, return_counts=True
    )
    labels = np.concatenate([split.labels for split in splits.values()])
    _, label = np.unique(labels, axis=0, return_inverse=True)
    pairs = np.unique(np.stack([image, label.ravel()], 1), axis=0)
    disputed = np.bincount(pairs[:, 0]) > 1
    return int(sizes[disputed].sum())


def _fingerprints(split: Split) -> Prints:
    """16 bytes for each image: images that have the same are taken to be the same."""
    result = np.empty(len(split), "S16")
    first = 0
    for chunk in chunks(split.images):
        for number, image in enumerate(chunk, first):
            result[number] = hashlib.blake2b(np.ascontiguousarray(image).data, digest_size=16).digest()
        first += len(chunk)
    return result
