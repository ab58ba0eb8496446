"""The data card: what the splits hold, as JSON, with hashes that change when they do."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from edgebuild.data.split import Split

__all__ = ["card", "digest"]


def card(splits: Mapping[str, Split], name: str) -> dict[str, Any]:
    """Describe ``splits`` (all of one source, "train" and "test" among them).

    ``train_images_in_test`` counts the test images that are, byte for byte, also
    training images: a model may know those by heart. ``sha256`` of the whole is
    taken over the lines ``<split> <sha256>``, in the given order of the splits.
    """
    first = next(iter(splits.values()))
    hashes = {key: digest(split) for key, split in splits.items()}
    lines = "".join(f"{key} {value}\n" for key, value in hashes.items())
    return {
        "name": name,
        "sha256": hashlib.sha256(lines.encode()).hexdigest(),
        "classes": list(first.classes),
        "image_shape": list(first.images.shape[1:]),
        "dtype": str(first.images.dtype),
        "scale": first.scale,
        "train_images_in_test": _shared(splits["train"], splits["test"]),
        "splits": {
            key: {
                "images": len(split),
                "per_class": dict(zip(split.classes, _counts(split), strict=True)),
                "range": [int(split.images.min()), int(split.images.max())],
                "sha256": hashes[key],
            }
            for key, split in splits.items()
        },
    }


def digest(split: Split) -> str:
    """SHA-256 over shape, scale and classes, the images' bytes, and the labels as little-endian int64."""
    state = hashlib.sha256()
    state.update(repr((split.images.shape, split.scale, split.classes)).encode())
    state.update(np.ascontiguousarray(split.images).data)
    state.update(split.labels.astype("<i8").data)
    return state.hexdigest()


def _counts(split: Split) -> list[int]:
    return [int(count) for count in np.bincount(split.labels, minlength=len(split.classes))]


def _shared(train: Split, test: Split) -> int:
    known = {image.tobytes() for image in train.images}
    return sum(image.tobytes() in known for image in test.images)
