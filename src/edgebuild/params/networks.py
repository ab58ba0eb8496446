"""Sections ``teacher`` and ``student`` of params.yaml: the two networks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from edgebuild.params.kinds import Count, Fraction, Rate, Size
from edgebuild.strict import Range
from edgebuild.zoo.names import TEACHER, problem_of, too_small

if TYPE_CHECKING:
    from edgebuild.params.data import Data

__all__ = ["Student", "Teacher", "problems_of_sizes"]

#: Where the teacher lies that the build trains or adopts.
OWN = "models/teacher-keras-fp32.keras"

#: What files a trained network may come in, and what to do with those that it may not.
ENDINGS = (".keras", ".onnx", ".tflite")
_INSTEAD = {
    ".h5": "load it with Keras and save it as .keras",
    ".hdf5": "load it with Keras and save it as .keras",
    ".pt": "export it with torch.onnx.export (docs/teachers.md has the lines)",
    ".pth": "export it with torch.onnx.export (docs/teachers.md has the lines)",
    ".pb": "name the SavedModel's folder, not a file in it",
    ".mlpackage": "Core ML is written and not read; name the file that it was made from",
}

#: Height and width of the images that come with the package.
_SIDES = {"digits": (8, 8), "fashion_mnist": (28, 28)}

Width = Annotated[int, Range(4, 4096)]
Depth = Annotated[int, Range(1, 16)]
Stages = Annotated[int, Range(1, 5)]


@dataclass(frozen=True)
class Teacher:
    """The large network that the student learns from: trained here, or a file that somebody trained."""

    #: a trained network, and then nothing below but ``input`` is read: .keras, .onnx, .tflite or the folder of
    #: a SavedModel; "" trains one here
    file: str
    #: what the file's network expects of a pixel: [0, 1], [0, 255], [-1, 1], standardized by ImageNet's mean and
    #: deviation (as PyTorch does), or bytes in the order BGR less ImageNet's mean (as keras.applications' ResNet50)
    input: Literal["unit", "byte", "signed", "imagenet", "caffe"]
    architecture: str  #: a name of edgebuild.zoo, keras.applications.<name>, or module:function
    width: Width  #: channels of the first stage, which double with each stage; units of dense layers
    blocks: Depth  #: blocks per stage; hidden layers of an mlp, or on each side of an autoencoder
    stages: Stages  #: stages; each after the first halves the image
    stem_stride: Literal[1, 2]  #: 2 halves the image at once
    epochs: Count
    batch_size: Count
    learning_rate: Rate  #: peak of a cosine schedule
    weight_decay: Fraction  #: decoupled (AdamW)
    shift: Size  #: augmentation: largest random shift, in pixels; 0 is off
    flip: bool  #: augmentation: random horizontal flips
    augment: str  #: augmentation: module:function that gives a Keras layer, called with images in [0, 1]; "" is off

    def problems(self) -> list[str]:
        """What is wrong with the names in it, a line each."""
        found = []
        if problem := problem_of(self.architecture):
            found.append(f"teacher.architecture: {problem}")
        dot = self.file.rpartition("/")[2].rpartition(".")
        ending = f".{dot[2]}".lower() if dot[1] else ""
        if ending in _INSTEAD:
            known = ", ".join(ENDINGS)
            found.append(
                f"teacher.file: {self.file!r} must be one of {known} or the folder of a SavedModel; "
                f"{_INSTEAD[ending]}"
            )
        if self.input != "unit" and not self.file:
            found.append(
                f"teacher.input: {self.input} is about a file, but teacher.file names none; write unit, or name one"
            )
        return found


@dataclass(frozen=True)
class Student:
    """The small network that goes onto the device."""

    #: as teacher.architecture; ``teacher``: the teacher itself goes on, without distillation
    architecture: str
    width: Width  #: channels after the stem; doubles when the image is halved
    blocks: Depth  #: blocks per stage; hidden layers of an mlp, or on each side of an autoencoder
    stages: Stages  #: stages; each after the first halves the image
    stem_stride: Literal[1, 2]  #: 2 halves the image at once

    def problems(self, teacher: str) -> list[str]:
        """What is wrong with the names in it where ``teacher`` is ``distill.teacher``, a line each."""
        found = []
        if problem := problem_of(self.architecture, (TEACHER,)):
            found.append(f"student.architecture: {problem}")
        if self.architecture == TEACHER and teacher != OWN:
            found.append(
                f"student.architecture: teacher goes on with the build's own, but distill.teacher is {teacher}; "
                f"write {OWN} there, and the file's name for teacher.file"
            )
        return found


def problems_of_sizes(teacher: Teacher, student: Student, data: Data) -> list[str]:
    """Which networks cannot take images as small as the data's, where params.yaml tells their size, a line each."""
    sides = (data.image.height, data.image.width) if data.image else _SIDES.get(data.source)
    networks: dict[str, Teacher | Student] = {} if teacher.file else {"teacher": teacher}
    networks["student"] = student
    if sides is None:
        return []
    found = {name: too_small(network.architecture, *sides) for name, network in networks.items()}
    return [f"{name}.architecture: {problem}" for name, problem in found.items() if problem]
