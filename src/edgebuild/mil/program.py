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

__all__ = [
    "UNKNOWN",
    "Argument",
    "Array",
    "Function",
    "Operation",
    "Program",
    "Reference",
    "TensorType",
    "Value",
]

Array = npt.NDArray[np.generic]

#: A constant: strings stay Python strings, everything else is an array (rank 0 for scalars).
Value = Array | str


_SUB_BYTE = {"int4": 4, "uint1": 1, "uint2": 2, "uint3": 3, "uint4": 4, "uint6": 6}

#: The size of an axis that the file leaves open: a flexible batch.
UNKNOWN = -1


@dataclass(frozen=True)
class TensorType:
    """Element type and shape.

    ``dtype`` is a numpy name, "string", or a type of less than a byte: "int4",
    "uint1", "uint2", "uint3", "uint4", "uint6". An axis is :data:`UNKNOWN`
    where its size is given with the input only.
    """

    dtype: str
    shape: tuple[int, ...]

    def __str__(self) -> str:
        sizes = ("?" if size == UNKNOWN else str(size) for size in self.shape)
        return f"{self.dtype}[{', '.join(sizes)}]"

    @property
    def bits(self) -> int:
        """Bits that one element takes in the file."""
        return _SUB_BYTE[self.dtype] if self.dtype in _SUB_BYTE else 8 * np.dtype(self.dtype).itemsize

    @property
    def held(self) -> str:
        """The numpy type that holds an element in memory: one byte for a type of less than a byte."""
        return self.dtype if self.dtype not in _SUB_BYTE else self.dtype[:-1] + "8"


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
