"""An ML Program as it was saved: typed operations in order, with their constants.

The Model Intermediate Language (MIL) is in static single assignment form: an
operation reads tensors by name and names its results. This data model keeps
what the evaluator and an inventory need; it knows nothing of protobuf.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Argument", "Array", "Function", "Operation", "Program", "Reference", "TensorType", "Value"]

Array = npt.NDArray[np.generic]

#: A constant: strings stay Python strings, everything else is an array (rank 0 for scalars).
Value = Array | str


@dataclass(frozen=True)
class TensorType:
    """Element type and shape. ``dtype`` is a numpy name, or "string"."""

    dtype: str
    shape: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.dtype}[{', '.join(map(str, self.shape))}]"


@dataclass(frozen=True)
class Reference:
    """A tensor read by name."""

    name: str


#: What a parameter is given: most take one, variadic ones (concat's ``values``) several.
Argument = tuple[Reference | Value, ...]


@dataclass(frozen=True)
class Operation:
    """One operation. ``inputs`` maps parameter names; constants written inline are resolved.

    A const has no input: its value is the parameter "val". ``location`` says
    where in the program it stands, for messages.
    """

    type: str
    name: str
    inputs: Mapping[str, Argument]
    outputs: tuple[tuple[str, TensorType], ...]
    location: str


@dataclass(frozen=True)
class Function:
    """Typed inputs, operations in execution order, names of the results."""

    inputs: Mapping[str, TensorType]
    operations: tuple[Operation, ...]
    outputs: tuple[str, ...]

    def inventory(self) -> Counter[str]:
        """How often each operation type occurs, constants left out."""
        return Counter(operation.type for operation in self.operations if operation.type != "const")


@dataclass(frozen=True)
class Program:
    """A saved program and what its file says about itself.

    ``specification`` is Core ML's specification version (7 is iOS 16, 8 is
    iOS 17); ``metadata`` holds the user-defined entries.
    """

    functions: Mapping[str, Function]
    specification: int
    description: str
    metadata: Mapping[str, str]

    @property
    def main(self) -> Function:
        return self.functions["main"]
