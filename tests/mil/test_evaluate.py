"""Planning and running programs: batching, rounding, and refusals that name the place."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from edgebuild.errors import GraphError
from edgebuild.mil import Array, Function, Operation, Reference, TensorType, plan, run

Shape = tuple[int, ...]


def operation(kind: str, name: str, shape: Shape, dtype: str = "float32", /, **inputs: Any) -> Operation:
    """Strings that begin with % are references, tuples are variadic."""

    def argument(value: Any) -> tuple[Any, ...]:
        items = value if isinstance(value, tuple) else (value,)
        return tuple(
            Reference(i[1:])
            if isinstance(i, str) and i[:1] == "%"
            else i
            if isinstance(i, str)
            else np.asarray(i)
            for i in items
        )

    parameters = {key: argument(value) for key, value in inputs.items()}
    return Operation(kind, name, parameters, ((name, TensorType(dtype, shape)),), f"here ({kind} {name!r})")


def function(*operations: Operation, shape: Shape = (1, 2, 4, 4)) -> Function:
    return Function({"x": TensorType("float32", shape)}, operations, (operations[-1].name,))


def images(count: int) -> npt.NDArray[np.float32]:
    return np.random.default_rng(0).normal(size=(count, 2, 4, 4)).astype(np.float32)


def flatten_and_classify() -> Function:
    weight = np.random.default_rng(1).normal(size=(3, 32)).astype(np.float32)
    return function(
        operation("relu", "r", (1, 2, 4, 4), x="%x"),
        operation("reshape", "f", (1, 32), x="%r", shape=[1, 32]),
        operation("linear", "y", (1, 3), x="%f", weight=weight),
    )


def test_a_saved_leading_one_becomes_the_batch() -> None:
    prepared = plan(flatten_and_classify())
    assert prepared.one_by_one is None
    x = images(5)
    one_by_one = np.concatenate([run(prepared, {"x": x[i : i + 1]})["y"] for i in range(5)])
    np.testing.assert_allclose(run(prepared, {"x": x})["y"], one_by_one, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("middle", "reason"),
    [
        (operation("softmax", "m", (1, 2, 4, 4), x="%x", axis=0), "it works along axis 0"),
        (operation("transpose", "m", (2, 1, 4, 4), x="%x", perm=[1, 0, 2, 3]), "no leading axis of size 1"),
        (
            operation("reduce_mean", "m", (1, 2, 4, 4), x="%x", axes=[0], keep_dims=True),
            "it works along axis 0",
        ),
        (operation("concat", "m", (2, 2, 4, 4), values=("%x", "%x"), axis=0), "no leading axis of size 1"),
        (operation("reshape", "m", (2, 16), x="%x", shape=[2, 16]), "no leading axis of size 1"),
        (
            operation("add", "m", (1, 1, 2, 4, 4), x="%x", y=np.zeros((1, 1, 1, 1, 1), np.float32)),
            "different rank",
        ),
    ],
)
def test_images_run_one_by_one_where_axis_0_is_more_than_a_batch(middle: Operation, reason: str) -> None:
    last = operation("reduce_mean", "y", (1, 1, 1, 1), x="%x", axes=[1, 2, 3], keep_dims=True)
    total = operation("reduce_mean", "t", (), x="%m")
    sum_ = operation("add", "z", (1, 1, 1, 1), x="%y", y="%t")
    prepared = plan(function(middle, last, total, sum_))
    assert prepared.one_by_one is not None
    assert reason in prepared.one_by_one
    assert "'m'" in prepared.one_by_one
    x = images(3)
    result = run(prepared, {"x": x})["z"]
    assert result.shape == (3, 1, 1, 1)
    for index in range(3):
        assert np.array_equal(result[index : index + 1], run(prepared, {"x": x[index : index + 1]})["z"])


def test_results_are_rounded_to_the_declared_half_precision() -> None:
    cast = operation("cast", "h", (1, 2, 4, 4), "float16", x="%x", dtype="fp16")
    product = operation("mul", "y", (1, 2, 4, 4), "float16", x="%h", y=np.float16(1.1))
    x = images(2)
    expected = (x.astype(np.float16).astype(np.float32) * np.float32(np.float16(1.1))).astype(np.float16)
    assert np.array_equal(run(plan(function(cast, product)), {"x": x})["y"], expected.astype(np.float32))


def test_what_depends_on_constants_alone_is_computed_once() -> None:
    two = operation("const", "two", (), val=np.float32(2))
    four = operation("mul", "four", (), x="%two", y="%two")
    prepared = plan(function(two, four, operation("mul", "y", (1, 2, 4, 4), x="%x", y="%four")))
    assert [step.operation.name for step in prepared.steps] == ["y"]
    assert np.array_equal(run(prepared, {"x": images(2)})["y"], 4 * images(2))


def test_tensors_are_dropped_after_their_last_use_and_outputs_are_kept() -> None:
    prepared = plan(flatten_and_classify())
    assert [step.last_use_of for step in prepared.steps] == [("x",), ("r",), ("f",)]


def test_an_unknown_operation_is_refused_with_its_place_and_what_is_known() -> None:
    with pytest.raises(
        GraphError, match=r"here \(lstm 'y'\): this operation cannot be evaluated; known are abs, acos"
    ):
        plan(function(operation("lstm", "y", (1, 2, 4, 4), x="%x")))


def test_a_result_that_is_not_as_declared_is_refused_with_its_place() -> None:
    wrong = function(operation("relu", "y", (1, 2, 4, 5), x="%x"))
    with pytest.raises(
        GraphError, match=r"here \(relu 'y'\) declares y as float32\[1, 2, 4, 5\], and computes"
    ):
        run(plan(wrong), {"x": images(1)})
    wrong = function(operation("relu", "y", (1, 2, 4, 4), "int32", x="%x"))
    with pytest.raises(GraphError, match="computes float32"):
        run(plan(wrong), {"x": images(1)})


def test_an_operation_that_refuses_its_inputs_is_named() -> None:
    with pytest.raises(GraphError, match=r"here \(softmax 'y'\): parameter axis must hold integers"):
        run(plan(function(operation("softmax", "y", (1, 2, 4, 4), x="%x", axis=0.5))), {"x": images(1)})


@pytest.mark.parametrize(
    "inputs",
    [{}, {"x": np.zeros((1, 2, 4, 5), np.float32)}, {"x": np.zeros((1, 2, 4, 4))},
     {"x": np.zeros((0, 2, 4, 4), np.float32)}],
)  # fmt: skip
def test_inputs_that_do_not_fit_are_refused(inputs: dict[str, Array]) -> None:
    with pytest.raises(GraphError, match=r"input x"):
        run(plan(flatten_and_classify()), inputs)
