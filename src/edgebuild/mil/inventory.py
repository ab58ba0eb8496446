"""What a saved program holds, and which of its limits some inputs reach.

The evaluator judges a file by answers on data. What no image exercises it cannot
see: a relu6 that never meets a six might as well be a relu. So this counts what
is in the file, and names the limits that probes have not crossed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgebuild.errors import GraphError
from edgebuild.mil.evaluate import trace
from edgebuild.mil.ops.signature import Inputs, array, real, text
from edgebuild.mil.planning import Plan
from edgebuild.mil.program import Array, Function, Operation, Reference
from edgebuild.mil.step import Step

__all__ = ["Inventory", "inventory", "unexercised"]


@dataclass(frozen=True)
class Inventory:
    """Counts of one program.

    ``operations`` are those that run, ``storage`` those that expand stored
    weights; ``types`` are the element types of what both compute.
    ``weights`` counts constants that are matrices or kernels (two axes or more
    longer than 1) where operations read them, ``compressed`` those of them that
    are stored in another form than as they are used.
    """

    operations: Mapping[str, int]
    storage: Mapping[str, int]
    types: Mapping[str, int]
    weights: int
    compressed: int
    weight_elements: int
    compressed_elements: int


def inventory(function: Function) -> Inventory:
    """Count what ``function`` holds."""
    makers = {name: operation for operation in function.operations for name, _ in operation.outputs}
    kinds: Counter[str] = Counter()
    read: dict[str, tuple[int, bool]] = {}
    for operation in function.operations:
        if operation.type == "const":
            continue
        kinds.update(kind.dtype for _, kind in operation.outputs)
        if _expands(operation):
            continue
        for argument in operation.inputs.values():
            for item in argument:
                if isinstance(item, Reference) and item.name in makers:
                    maker = makers[item.name]
                    shape = dict(maker.outputs)[item.name].shape
                    if (maker.type == "const" or _expands(maker)) and sum(size > 1 for size in shape) > 1:
                        read[item.name] = int(np.prod(shape)), _expands(maker)
    counted = function.inventory()
    return Inventory(
        operations={
            kind: count for kind, count in sorted(counted.items()) if not kind.startswith("constexpr_")
        },
        storage={kind: count for kind, count in sorted(counted.items()) if kind.startswith("constexpr_")},
        types=dict(sorted(kinds.items())),
        weights=len(read),
        compressed=sum(small for _, small in read.values()),
        weight_elements=sum(size for size, _ in read.values()),
        compressed_elements=sum(size for size, small in read.values() if small),
    )


def unexercised(prepared: Plan, inputs: Mapping[str, Array]) -> tuple[str, ...]:
    """The limits of ``prepared`` that nothing in ``inputs`` crosses, each with the operation it belongs to.

    A limit is crossed where some elements lie beyond it, and held where some do
    not: a relu is exercised by inputs of both signs, a relu6 also by some above 6,
    a quantize by some beyond either end of its codes.

    Raises:
        GraphError: as :func:`edgebuild.mil.run`.
    """
    seen: dict[str, bool] = {}

    def watch(step: Step, read: Inputs) -> None:
        limits = _LIMITS.get(step.operation.type)
        if limits is None:
            return
        given = {**step.constants, **read}
        x = real(given, "input" if step.operation.type == "quantize" else "x")
        low, high = limits(given)
        sides = {f"nothing below {low:.6g}": x < low, f"nothing above {high:.6g}": x > high}
        if high == np.inf:
            sides.popitem()
        sides[f"nothing between {low:.6g} and {high:.6g}"] = (x > low) & (x < high)
        for side, reached in sides.items():
            message = f"{step.operation.location}: {side}"
            seen[message] = seen.get(message, False) or bool(reached.any())

    trace(prepared, inputs, watch)
    return tuple(message for message, reached in seen.items() if not reached)


def _expands(operation: Operation) -> bool:
    return operation.type.startswith("constexpr_")


def _codes(inputs: Inputs) -> tuple[float, float]:
    """The real numbers of a quantize's first and last code; of a vector of scales the widest range."""
    kind = text(inputs, "output_dtype")
    if kind not in ("int8", "uint8"):
        raise GraphError(f"parameter output_dtype must be int8 or uint8, found {kind!r}")
    first, last = (-128, 127) if kind == "int8" else (0, 255)
    scale: Any = array(inputs, "scale").astype(np.float32)
    zero: Any = array(inputs, "zero_point").astype(np.float32) if "zero_point" in inputs else np.float32(0)
    return float(np.min(scale * (first - zero))), float(np.max(scale * (last - zero)))


def _bounds(inputs: Inputs) -> tuple[float, float]:
    return float(np.float32(array(inputs, "alpha"))), float(np.float32(array(inputs, "beta")))


def _hard(inputs: Inputs) -> tuple[float, float]:
    """Where alpha · x + beta is 0 and 1."""
    alpha, beta = _bounds(inputs)
    return -beta / alpha, (1 - beta) / alpha


#: Operation → the lower and the upper limit that it puts on its input.
_LIMITS: Mapping[str, Callable[[Inputs], tuple[float, float]]] = {
    "relu": lambda _: (0.0, np.inf),
    "relu6": lambda _: (0.0, 6.0),
    "clip": _bounds,
    "leaky_relu": lambda _: (0.0, np.inf),
    "sigmoid_hard": _hard,
    "quantize": _codes,
}
