"""A variant: one model in one format and precision, named by the three."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edgebuild.errors import UsageError

__all__ = ["ENDINGS", "Variant"]

#: format → how its files end. LiteRT keeps TensorFlow Lite's ending.
ENDINGS: Mapping[str, str] = {"keras": "keras", "litert": "tflite", "onnx": "onnx", "coreml": "mlpackage"}


@dataclass(frozen=True)
class Variant:
    """One file that is built, such as ``pruned-onnx-int8``."""

    model: str
    format: str
    precision: str

    @classmethod
    def parse(cls, name: str) -> Variant:
        """The variant called ``<model>-<format>-<precision>``.

        Raises:
            UsageError: ``name`` is not such a name.
        """
        parts = name.split("-")
        if len(parts) != 3 or parts[1] not in ENDINGS:
            raise UsageError(
                f"{name!r} is no variant; variants are called <model>-<format>-<precision>, "
                f"with a format of {', '.join(ENDINGS)}"
            )
        return cls(*parts)

    @property
    def id(self) -> str:
        """Its name everywhere: file, stage, row, MLflow model."""
        return f"{self.model}-{self.format}-{self.precision}"

    @property
    def path(self) -> str:
        """Its file, relative to the repository."""
        return f"models/{self.id}.{ENDINGS[self.format]}"
