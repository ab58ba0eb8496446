"""The evaluator against the values that Apple's own tests of MIL's operations expect."""

from __future__ import annotations

import importlib.util
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from edgebuild import mil
from edgebuild.errors import GraphError
from tests.mil.golden import Collected, Golden, collect_apart

#: Combinations of parameters taken of each test.
PER_TEST = 24

#: (release, module) → how many comparisons it gives.
MODULES: dict[tuple[str, str], int] = {
    ("iOS14", "test_activation"): 96,
    ("iOS14", "test_control_flow"): 9,
    ("iOS14", "test_conv"): 1,
    ("iOS14", "test_elementwise_binary"): 18,
    ("iOS14", "test_elementwise_unary"): 26,
    ("iOS14", "test_image_resizing"): 17,
    ("iOS14", "test_linear"): 21,
    ("iOS14", "test_normalization"): 42,
    ("iOS14", "test_pool"): 6,
    ("iOS14", "test_reduction"): 19,
    ("iOS14", "test_scatter_gather"): 6,
    ("iOS14", "test_tensor_operation"): 57,
    ("iOS14", "test_tensor_transformation"): 146,
    ("iOS15", "test_image_resizing"): 2,
    ("iOS15", "test_tensor_transformation"): 1,
    ("iOS16", "test_constexpr_ops"): 63,
    ("iOS16", "test_image_resizing"): 5,
    ("iOS16", "test_scatter_gather"): 27,
    ("iOS16", "test_tensor_operation"): 5,
    ("iOS16", "test_tensor_transformation"): 25,
    ("iOS17", "test_activation"): 18,
    ("iOS17", "test_elementwise_unary"): 25,
    ("iOS17", "test_image_resizing"): 4,
    ("iOS17", "test_linear"): 9,
    ("iOS17", "test_reduction"): 6,
    ("iOS17", "test_tensor_operation"): 24,
    ("iOS17", "test_tensor_transformation"): 57,
    ("iOS18", "test_compression"): 196,
    ("iOS18", "test_tensor_transformation"): 9,
}

#: Modules that give none: chance, states, recurrence; and those whose tests need PyTorch for what they expect.
NO_COMPARISONS = {
    ("iOS14", "test_random"),
    ("iOS14", "test_recurrent"),
    ("iOS15", "test_elementwise_unary"),
    ("iOS16", "test_conv"),
    ("iOS17", "test_conv"),
    ("iOS17", "test_normalization"),
    ("iOS17", "test_quantization"),
    ("iOS17", "test_recurrent"),
    ("iOS17", "test_scatter_gather"),
    ("iOS18", "test_recurrent"),
    ("iOS18", "test_states"),
    ("iOS18", "test_transformers"),
}

#: Operations that the evaluator refuses: by chance, with branches or state, on lists, or that no network of
#: images has been seen to use. Whoever adds one takes it off this list.
NOT_COVERED = {
    "affine",
    "cond",
    "coreml_update_state",
    "crop_resize",
    "list_gather",
    "list_length",
    "list_read",
    "list_scatter",
    "list_write",
    "local_response_norm",  # what Apple's test expects is not what Apple's documentation says
    "make_list",
    "non_maximum_suppression",
    "random_bernoulli",
    "random_categorical",
    "random_normal",
    "random_uniform",
    "read_state",
    "reverse_sequence",
    "scatter",
    "scatter_along_axis",
    "scatter_nd",
    "while_loop",
}

#: Tests whose programs use a covered operation in a way that the evaluator refuses.
REFUSED = {
    "iOS14.test_pool.TestAvgPool.test_builder_to_backend_smoke": "rank 3 or 4",  # volumes
    "iOS14.test_pool.TestMaxPool.test_builder_to_backend_smoke": "rank 3 or 4",
    "iOS14.test_tensor_operation.TestFill.test_builder_to_backend_symbolic": "unknown number of axes",
    "iOS17.test_linear.TestLinear.test_linear_ios17_mixed_precision": "must be floating point",  # integers
    "iOS17.test_linear.TestMatMul.test_ios17_mixed_precision": "must have one type",
}

#: Tests that compute what they expect with PyTorch or TensorFlow.
NEED_FRAMEWORKS = {"iOS14.test_tensor_operation.TestNonMaximumSuppression.test_builder_to_backend_stress"}

#: float16 programs: the values that Apple expects were computed in float16 throughout.
HALF = 1e-3


@pytest.fixture(scope="module")
def goldens() -> dict[tuple[str, str], Collected]:
    return collect_apart(list(MODULES), PER_TEST)


@pytest.mark.parametrize(("release", "module"), MODULES)
def test_the_evaluator_gives_what_apples_tests_expect(
    goldens: dict[tuple[str, str], Collected], release: str, module: str
) -> None:
    collected = goldens[release, module]
    assert collected.need_frameworks == {t for t in NEED_FRAMEWORKS if t.startswith(f"{release}.{module}.")}
    compared = sum(compared_equal(golden) for golden in collected.goldens)
    assert compared == MODULES[release, module]


def compared_equal(golden: Golden) -> bool:
    """Was ``golden`` compared, with an equal result? False where it is on one of the lists above."""
    if golden.operations - set(mil.OPERATORS):
        assert golden.operations - set(mil.OPERATORS) <= NOT_COVERED, golden.test
        return False
    try:
        function = mil.parse(golden.specification, golden.weights, golden.test).main
        values = {name: given(golden.values[name], kind) for name, kind in function.inputs.items()}
        results = mil.run(mil.plan(function), values)
    except GraphError as error:
        assert REFUSED.get(golden.test, "nothing") in str(error), error
        return False
    kinds = {kind.dtype for operation in function.operations for _, kind in operation.outputs}
    slack = HALF if "float16" in kinds else 0
    for name, expected in golden.expected.items():
        np.testing.assert_allclose(
            results[name], expected, atol=golden.atol + slack, rtol=golden.rtol + slack, err_msg=golden.test
        )
    return True


def given(value: mil.Array, kind: mil.TensorType) -> mil.Array:
    """Apple's tests give numbers where vectors of one element are declared, and Python's element types."""
    return (value if value.ndim == len(kind.shape) else np.atleast_1d(value)).astype(kind.dtype)


def test_every_module_of_apples_tests_is_on_a_list() -> None:
    found = importlib.util.find_spec("coremltools")
    assert found is not None
    assert found.origin is not None
    folder = Path(found.origin).parent / "converters/mil/mil/ops/tests"
    modules = {(path.parent.name, path.stem) for path in folder.glob("iOS*/test_*.py")}
    assert modules == set(MODULES) | NO_COMPARISONS
    assert not set(MODULES) & NO_COMPARISONS


def test_what_is_listed_as_not_covered_is_not_covered() -> None:
    assert not NOT_COVERED & set(mil.OPERATORS)


def test_images_that_share_a_run_get_the_answers_that_they_get_alone(
    goldens: dict[tuple[str, str], Collected],
) -> None:
    """Apple's programs for one image, on three: every batch rule that says yes."""
    batched: Counter[str] = Counter()
    for golden in (golden for collected in goldens.values() for golden in collected.goldens):
        if golden.operations - set(mil.OPERATORS) or golden.test in REFUSED:
            continue
        prepared = mil.plan(mil.parse(golden.specification, golden.weights, golden.test).main)
        first = {name: given(golden.values[name], kind) for name, kind in prepared.inputs.items()}
        if prepared.one_by_one is not None or prepared.flexible or not first:
            continue
        parts = [
            first,
            {k: v[..., ::-1] for k, v in first.items()},
            {k: np.roll(v, 1) for k, v in first.items()},
        ]
        together = mil.run(prepared, {k: np.concatenate([part[k] for part in parts]) for k in first})
        for name in prepared.outputs:
            alone = np.concatenate([mil.run(prepared, part)[name] for part in parts])
            np.testing.assert_allclose(together[name], alone, rtol=1e-5, atol=1e-5, err_msg=golden.test)
        batched.update(golden.operations)
    assert len(batched) >= 33, sorted(batched)
