"""Sections ``data.tfrecord`` and ``data.tfds`` of params.yaml: where pictures and labels are in TensorFlow's files."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["TFDS", "TFRecord"]


@dataclass(frozen=True)
class TFRecord:
    """Names of the features of a ``tf.train.Example``; ``""`` stands for one that there is not."""

    image: str  #: a PNG or JPEG file, or the values of data.image.height × width × channels: bytes, or floats in [0, 1]
    label: str  #: the class, a number or a text; 0 and 1 for each class (multilabel); or floats (regression)
    classes: str  #: names in the order of the numbers, separated by commas, or a file in data.folder with one a line
    group: str  #: what must not be torn apart: a person, a recording


@dataclass(frozen=True)
class TFDS:
    """A data set of TensorFlow Datasets that has been prepared in data.folder."""

    name: str  #: with its version, so that the same data are read tomorrow: `mnist:3.0.1`
    image: str  #: key of the picture
    label: str  #: key of the label
