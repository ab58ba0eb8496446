"""Fast rounding to float16 against numpy's conversion, bit by bit."""

from __future__ import annotations

import numpy as np
import pytest

from edgebuild.mil.half import round_to_half


def test_any_bit_pattern_rounds_as_numpy_converts() -> None:
    bits = np.random.default_rng(0).integers(0, 2**32, 500_000, dtype=np.uint32)
    edges = np.array(
        [0.0, -0.0, 2**-14, 2**-24, 2**-25, 65504.0, 65519.9, 65520.0, np.inf, -np.inf, np.nan], np.float32
    )
    x = np.concatenate([bits.view(np.float32), edges])
    x = x[~np.isnan(x)]
    with np.errstate(over="ignore"):
        expected = x.astype(np.float16).astype(np.float32)
    assert np.array_equal(round_to_half(x).view(np.uint32), expected.view(np.uint32))
    assert np.isnan(round_to_half(edges)[-1])


@pytest.mark.parametrize("view", ["plain", "transposed", "strided", "reversed", "broadcast", "scalar"])
def test_any_memory_layout_keeps_shape_and_values(view: str) -> None:
    x = np.random.default_rng(1).normal(size=(3, 4, 5, 6)).astype(np.float32)
    chosen = {
        "plain": x,
        "transposed": x.transpose(3, 0, 1, 2),
        "strided": x[::2, :, ::2],
        "reversed": x[::-1, :, ::-1],
        "broadcast": np.broadcast_to(x[:1], (3, 4, 5, 6)),
        "scalar": x[0, 0, 0, 0].reshape(()),
    }[view]
    result = round_to_half(chosen)
    assert result.shape == chosen.shape
    assert np.array_equal(result, chosen.astype(np.float16).astype(np.float32))
