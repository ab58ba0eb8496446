"""A check with every kind of verdict and change, for the tests of what is written about it."""

from __future__ import annotations

import math

from edgebuild.gates.regression import Change
from edgebuild.gates.rows import Checked
from edgebuild.gates.verdict import Verdict

__all__ = ["FAILED", "KEPT"]

LITERT, ONNX, COREML = "pruned-litert-int8", "pruned-onnx-int8", "pruned-coreml-int8"

PASSED = (
    Verdict(LITERT, "accuracy", 0.95, 0.99, (0.975, 0.997), "passed", False),
    Verdict(LITERT, "gzip_bytes", 8000, 5332, None, "passed", False),
    Verdict(ONNX, "latency", 0.5, 0.283, (0.247, math.inf), "passed", False, "of teacher-onnx-fp32"),
)
DOUBTFUL = (
    Verdict(
        ONNX, "drop", 1.0, 0.25, (-0.95, 1.58), "not proven", False, "loses 3 and gains 2 of 400 examples"
    ),
    Verdict(
        COREML,
        "memory_bytes",
        10**8,
        None,
        None,
        "not measured",
        False,
        "it was not run: <needs> macOS & 'more'",
    ),
)
BROKEN = (Verdict(COREML, "accuracy", 0.95, 0.9, (0.86, 0.93), "failed", True),)
HARMLESS = (
    Change(LITERT, "accuracy", 0.99, 0.99, 0.0, None, None, "same", "the same file"),
    Change(LITERT, "bytes", 8000, 7000, -0.125, None, None, "better"),
    Change(ONNX, "accuracy", 0.99, 0.985, 0.5, (-0.4, 1.4), 0.375, "not significant", "loses 3 and gains 1"),
    Change(ONNX, "latency", 0.5, 0.45, -0.1, (-0.25, 0.1), 0.4, "not significant"),
    Change(COREML, "accuracy", None, None, None, None, None, "not compared", "new | other"),
)
WORSE = (Change(COREML, "bytes", 8000, 9000, 0.125, None, None, "worse", "2% is tolerated"),)

#: Nothing failed.
KEPT = Checked((*PASSED, *DOUBTFUL), HARMLESS, "main", "accuracy")
#: One budget of six failed, and one of six figures got worse.
FAILED = Checked((*PASSED, *DOUBTFUL, *BROKEN), (*HARMLESS, *WORSE), "main", "accuracy")
