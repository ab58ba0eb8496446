"""A small finished build, as the two metric files describe it."""

from __future__ import annotations

from typing import Any

import pytest

ROWS = [
    # model, format, precision, bytes, accuracy, p50
    ("teacher", "keras", "fp32", 1_300_000, 0.9875, 5200.0),
    ("student", "keras", "fp32", 70_000, 0.9800, 3900.0),
    ("pruned", "keras", "fp32", 70_000, 0.9775, 3890.0),
    ("teacher", "litert", "fp32", 1_240_000, 0.9875, 402.0),
    ("teacher", "onnx", "fp32", 1_250_000, 0.9875, 350.0),
    ("pruned", "litert", "fp32", 24_000, 0.9775, 11.2),
    ("pruned", "litert", "fp16", 15_000, 0.9775, 11.4),
    ("pruned", "litert", "w8", 11_000, 0.9750, 12.9),
    ("pruned", "litert", "int8", 10_100, 0.9750, 8.4),
    ("pruned", "onnx", "fp32", 25_500, 0.9775, 14.1),
    ("pruned", "onnx", "fp16", 15_900, 0.9775, 15.0),
    ("pruned", "onnx", "w8", 12_300, 0.9750, 14.9),
    ("pruned", "onnx", "int8", 11_700, 0.9750, 16.0),
    ("pruned", "coreml", "fp32", 28_500, 0.9775, None),
    ("pruned", "coreml", "int8", 18_200, 0.9775, None),
]


@pytest.fixture
def summary() -> dict[str, Any]:
    variants = [
        {
            "id": f"{model}-{kind}-{precision}",
            "model": model,
            "format": kind,
            "precision": precision,
            "path": f"models/{model}-{kind}-{precision}",
            "sha256": "0" * 64,
            "size_bytes": size,
            "gzip_bytes": size * 3 // 4,
            "parameters": 5_000,
            "nonzero_parameters": 4_000,
            "macs": 200_000,
            "accuracy": accuracy,
            "accuracy_ci95": [round(accuracy - 0.016, 6), round(accuracy + 0.0075, 6)],
            "accuracy_drop": round(0.9875 - accuracy, 6),
            "agreement_with_reference": 0.98,
            "agreement_with_source": None if kind == "keras" else 0.99996 if precision == "fp32" else 1.0,
            "max_abs_error": None if kind == "keras" else 0.01,
        }
        for model, kind, precision, size, accuracy, _ in ROWS
    ]
    return {"schema": 1, "dataset": {}, "reference": "teacher-keras-fp32", "variants": variants}


@pytest.fixture
def latency() -> dict[str, Any]:
    variants = [
        {
            "id": f"{model}-{kind}-{precision}",
            "threads": 1,
            "latency_us": None if p50 is None else {"p50": p50, "p90": p50, "p99": 2 * p50, "mean": p50},
            "load_ms": None if p50 is None else 1.5,
            "peak_rss_bytes": None if p50 is None else 60_000_000,
            "not_run": None if p50 is not None else "Core ML runs on macOS only",
        }
        for model, kind, precision, _, _, p50 in ROWS
    ]
    return {"schema": 1, "host": {}, "variants": variants}
