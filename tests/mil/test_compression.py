"""Compressed weights of coremltools' own optimizers, expanded as its ``decompress_weights`` does, bit by bit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgebuild import mil
from edgebuild.errors import DataError, GraphError
from edgebuild.formats.coreml_session import open_coremltools, quietly
from edgebuild.mil import blob
from edgebuild.mil.inventory import inventory

Change = Callable[[Any, Any], Any]


def model(ct: Any, system: str, half: bool = False) -> Any:
    """A convolution of 16 to 32 channels, relu, and a dense layer of 64 to 12 features."""
    from coremltools.converters.mil import Builder

    generator = np.random.default_rng(3)
    kernel, dense = generator.normal(size=(32, 16, 3, 3)), generator.normal(size=(12, 128))
    target = getattr(ct.target, system)

    @Builder.program(input_specs=[Builder.TensorSpec((1, 16, 4, 4))], opset_version=target)
    def program(x: Any) -> Any:
        y = Builder.conv(x=x, weight=kernel.astype(np.float32), name="convolved")
        y = Builder.reshape(x=Builder.relu(x=y), shape=[1, 128])
        return Builder.linear(x=y, weight=dense.astype(np.float32), name="scores")

    return ct.convert(
        program,
        source="milinternal",
        convert_to="mlprogram",
        minimum_deployment_target=target,
        compute_precision=ct.precision.FLOAT16 if half else ct.precision.FLOAT32,
        skip_model_load=True,
    )


def linear(**options: Any) -> Change:
    return lambda ct, m: ct.optimize.coreml.linear_quantize_weights(
        m, config_of(ct, ct.optimize.coreml.OpLinearQuantizerConfig(weight_threshold=0, **options))
    )


def lookup(joint: bool = False, **options: Any) -> Change:
    return lambda ct, m: ct.optimize.coreml.palettize_weights(
        m,
        config_of(ct, ct.optimize.coreml.OpPalettizerConfig(weight_threshold=0, **options)),
        joint_compression=joint,
    )


def pruned(joint: bool = False, **options: Any) -> Change:
    return lambda ct, m: ct.optimize.coreml.prune_weights(
        m,
        config_of(ct, ct.optimize.coreml.OpMagnitudePrunerConfig(weight_threshold=0, **options)),
        joint_compression=joint,
    )


def both(*changes: Change) -> Change:
    def run(ct: Any, m: Any) -> Any:
        for change in changes:
            m = change(ct, m)
        return m

    return run


def joint_linear(**options: Any) -> Change:
    return lambda ct, m: ct.optimize.coreml.linear_quantize_weights(
        m,
        config_of(ct, ct.optimize.coreml.OpLinearQuantizerConfig(weight_threshold=0, **options)),
        joint_compression=True,
    )


def config_of(ct: Any, operation: Any) -> Any:
    return ct.optimize.coreml.OptimizationConfig(global_config=operation)


CASES: dict[str, tuple[str, Change, str]] = {
    "int8": ("iOS16", linear(), "constexpr_affine_dequantize"),
    "uint8": ("iOS16", linear(mode="linear", dtype="uint8"), "constexpr_affine_dequantize"),
    "int8 per tensor": ("iOS18", linear(granularity="per_tensor"), "constexpr_blockwise_shift_scale"),
    "int4 per channel": ("iOS18", linear(dtype="int4"), "constexpr_blockwise_shift_scale"),
    "uint4 per block": (
        "iOS18",
        linear(mode="linear", dtype="uint4", granularity="per_block", block_size=4),
        "constexpr_blockwise_shift_scale",
    ),
    "int8 per block": (
        "iOS18",
        linear(granularity="per_block", block_size=8),
        "constexpr_blockwise_shift_scale",
    ),
    **{
        f"palette of {bits} bits, {system}": (
            system,
            lookup(mode="uniform", nbits=bits),
            "constexpr_lut_to_dense",
        )
        for system, widths in (("iOS16", (1, 2, 4, 6, 8)), ("iOS18", (1, 2, 3, 4, 6, 8)))
        for bits in widths
    },
    "palette per group": (
        "iOS18",
        lookup(mode="uniform", nbits=3, granularity="per_grouped_channel", group_size=4),
        "constexpr_lut_to_dense",
    ),
    "sparse": ("iOS16", pruned(target_sparsity=0.7), "constexpr_sparse_to_dense"),
    "sparse, one bit each": ("iOS18", pruned(target_sparsity=0.7), "constexpr_sparse_to_dense"),
    "sparse in blocks": ("iOS16", pruned(n_m_ratio=(3, 4)), "constexpr_sparse_to_dense"),
    "sparse int8": (
        "iOS18",
        both(pruned(target_sparsity=0.6), joint_linear(mode="linear_symmetric")),
        "constexpr_sparse_blockwise_shift_scale",
    ),
    "sparse int4": (
        "iOS18",
        both(pruned(target_sparsity=0.6), joint_linear(mode="linear_symmetric", dtype="int4")),
        "constexpr_sparse_blockwise_shift_scale",
    ),
    "sparse palette": (
        "iOS18",
        both(pruned(target_sparsity=0.6), lookup(joint=True, mode="uniform", nbits=4)),
        "constexpr_lut_to_sparse",
    ),
    "palette of int8": (
        "iOS18",
        both(lookup(mode="uniform", nbits=4), joint_linear(granularity="per_tensor")),
        "constexpr_lut_to_dense",
    ),
}


def weights(path: Path) -> list[npt.NDArray[np.float32]]:
    steps = mil.plan(mil.read(path).main).steps
    return [np.asarray(step.constants["weight"]) for step in steps if "weight" in step.constants]


@pytest.mark.parametrize("half", [False, True], ids=["float32", "float16"])
@pytest.mark.parametrize("case", CASES)
def test_weights_expand_to_the_bits_of_coremltools(tmp_path: Path, case: str, half: bool) -> None:
    system, change, form = CASES[case]
    with quietly():
        ct = open_coremltools()
        compressed = change(ct, model(ct, system, half))
        compressed.save(str(tmp_path / "small.mlpackage"))
        ct.optimize.coreml.decompress_weights(compressed).save(str(tmp_path / "large.mlpackage"))
    forms = mil.read(tmp_path / "small.mlpackage").main.inventory()
    assert forms[form] == 2, forms
    assert not any(
        kind.startswith("constexpr") for kind in mil.read(tmp_path / "large.mlpackage").main.inventory()
    )
    ours, theirs = weights(tmp_path / "small.mlpackage"), weights(tmp_path / "large.mlpackage")
    assert len(ours) == len(theirs) == 2
    for got, expected in zip(ours, theirs, strict=True):
        assert got.dtype == np.float32
        assert np.array_equal(got, expected)


def test_the_inventory_tells_what_an_optimizer_left_alone(tmp_path: Path) -> None:
    with quietly():
        ct = open_coremltools()
        config = ct.optimize.coreml.OptimizationConfig(
            op_type_configs={"conv": ct.optimize.coreml.OpLinearQuantizerConfig(weight_threshold=0)}
        )
        ct.optimize.coreml.linear_quantize_weights(model(ct, "iOS16"), config).save(
            str(tmp_path / "m.mlpackage")
        )
    found = inventory(mil.read(tmp_path / "m.mlpackage").main)
    assert (found.compressed, found.weights) == (1, 2)
    assert (found.compressed_elements, found.weight_elements) == (32 * 16 * 9, 32 * 16 * 9 + 12 * 128)


@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from(["int4", "uint1", "uint2", "uint3", "uint4", "uint6"]),
    numbers=st.lists(st.integers(0, 63), min_size=1, max_size=40),
)
def test_elements_of_less_than_a_byte_are_unpacked_as_packed(kind: str, numbers: list[int]) -> None:
    expected = mil.TensorType(kind, (len(numbers),))
    elements = np.array(numbers) % (1 << expected.bits)
    packed = np.packbits(
        (elements[:, None] >> np.arange(expected.bits) & 1).astype(np.uint8).reshape(-1), bitorder="little"
    ).tobytes()
    signed = np.where(elements >= 8, elements - 16, elements) if kind == "int4" else elements
    assert np.array_equal(blob.unpack(packed, expected, "here"), signed)
    with pytest.raises(DataError, match="here: "):
        blob.unpack(packed + b"\0", expected, "here")


@pytest.mark.parametrize(
    ("op", "inputs", "message"),
    [
        ("sparse_to_dense", {"mask": [1, 0, 1], "nonzero_data": [1.0]}, "a mask with 2 ones"),
        ("lut_to_dense", {"indices": [0, 3], "lut": np.zeros((1, 2, 1))}, "does not fit indices"),
        ("lut_to_dense", {"indices": np.zeros(2, np.uint8), "lut": np.zeros(4), "shape": [3, 3]}, "do not make up"),
        ("blockwise_shift_scale", {"data": np.zeros((4, 6), np.int8), "scale": np.ones((3, 1))}, "into blocks"),
        ("affine_dequantize", {"quantized_data": np.zeros((2, 3), np.int8), "scale": np.ones(2), "axis": 1}, "axis"),
    ],
)  # fmt: skip
def test_parts_that_do_not_fit_are_refused(op: str, inputs: dict[str, Any], message: str) -> None:
    with pytest.raises(GraphError, match=message):
        mil.OPERATORS[f"constexpr_{op}"].run({key: np.asarray(value) for key, value in inputs.items()})
