"""Core ML programs without Core ML: read a saved package's own bytes and evaluate them in numpy.

program = read(path)                    # bytes → typed operations and constants, all checked
prepared = plan(program.main)           # constants folded, batching decided
outputs = run(prepared, {"image": x})   # x: (n, channels, height, width)
"""

from __future__ import annotations

from edgebuild.mil.evaluate import run
from edgebuild.mil.ops import OPERATORS
from edgebuild.mil.planning import Plan, plan
from edgebuild.mil.program import Array, Function, Operation, Program, Reference, TensorType, Value
from edgebuild.mil.reader import parse, read

__all__ = [
    "OPERATORS",
    "Array",
    "Function",
    "Operation",
    "Plan",
    "Program",
    "Reference",
    "TensorType",
    "Value",
    "parse",
    "plan",
    "read",
    "run",
]
