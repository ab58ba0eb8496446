"""Golden values: what Apple's own tests of MIL's operations, shipped in coremltools, expect.

Those tests build a program and hand it, with inputs and expected outputs, to
``run_compare_builder``, which compares on macOS only. Here that function is
replaced by one that writes the program as coremltools writes it, without any
pass, and keeps the bytes with the expected values.
"""

from __future__ import annotations

import importlib
import inspect
import itertools
import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgebuild.formats.coreml_session import open_coremltools, quietly
from edgebuild.mil import proto

__all__ = ["FRAMEWORKS", "Collected", "Golden", "collect_apart"]

#: Names of modules that some of Apple's tests need and that are not imported here.
FRAMEWORKS = ("torch", "tf", "tensorflow")

_TESTS = "coremltools.converters.mil.mil.ops.tests"
_ROOT = Path(__file__).parents[2]
_OUTCOMES = (pytest.skip.Exception, pytest.xfail.Exception, pytest.fail.Exception)


@dataclass(frozen=True)
class Golden:
    """One comparison of one of Apple's tests.

    ``operations`` are the types in the program; ``values`` and ``expected`` are
    by name.
    """

    test: str
    operations: frozenset[str]
    specification: bytes
    weights: bytes
    values: dict[str, Any]
    expected: dict[str, Any]
    atol: float
    rtol: float


@dataclass(frozen=True)
class Collected:
    """What the tests of a module compare, and those tests that compute what they expect with a framework."""

    goldens: list[Golden] = field(default_factory=list)
    need_frameworks: set[str] = field(default_factory=set)


def collect_apart(modules: list[tuple[str, str]], per_test: int) -> dict[tuple[str, str], Collected]:
    """The comparisons of ``modules``, collected in a process of its own: whether TensorFlow has been imported,
    which changes Apple's tests, must not depend on what else is tested.
    """
    code = (
        "import pickle, sys; from tests.mil.golden import _collect; modules, per_test = eval(sys.argv[1]); "
        "sys.stdout.buffer.write(pickle.dumps({module: _collect(*module, per_test) for module in modules}))"
    )
    environment = {**os.environ, "PYTHONPATH": f"{_ROOT}:{_ROOT / 'src'}", "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [sys.executable, "-c", code, repr((modules, per_test))],
        cwd=_ROOT,
        env=environment,
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr.decode()
    collected: dict[tuple[str, str], Collected] = pickle.loads(done.stdout)
    return collected


def _collect(release: str, module: str, per_test: int) -> Collected:
    """The comparisons of ``release``/``module``: of each test at most ``per_test`` combinations, evenly spread."""
    found = Collected()
    with quietly(), pytest.MonkeyPatch.context() as patch:
        patch.setenv(
            "INCLUDE_MIL_FP32_UNIT_TESTS", "1"
        )  # read once, when Apple's list of backends is imported
        patch.setenv("PYMIL_TEST_TARGETS", "mlprogram")
        open_coremltools()
        tests = importlib.import_module(f"{_TESTS}.{release}.{module}")
        for name, function in _functions(tests):
            for arguments in _spread(list(_combinations(function)), per_test):
                _capture(f"{release}.{module}.{name}", function, arguments, found)
    return found


def _functions(module: Any) -> Iterator[tuple[str, Callable[..., Any]]]:
    """Every test of the module, methods bound to an instance of their class, with the class's marks."""
    for name, item in vars(module).items():
        if inspect.isfunction(item) and name.startswith("test") and _compares(item):
            yield name, item
        if inspect.isclass(item) and name.startswith("Test"):
            for method in dir(item):
                if method.startswith("test") and _compares(getattr(item, method)):
                    yield f"{name}.{method}", getattr(item(), method)


def _compares(function: Any) -> bool:
    return "run_compare_builder(" in inspect.getsource(inspect.unwrap(function))


def _combinations(function: Any) -> Iterator[dict[str, Any]]:
    """Arguments that pytest would call ``function`` with, for ML Programs in float32 on one compute unit."""
    marks = list(getattr(function, "pytestmark", []))
    if any(mark.name == "skip" or (mark.name == "skipif" and mark.args[0]) for mark in marks):
        return
    axes = []
    for mark in marks:
        if mark.name == "parametrize":
            names, sets = (
                mark.args[i] if i < len(mark.args) else mark.kwargs[k]
                for i, k in enumerate(("argnames", "argvalues"))
            )
            names = [name.strip() for name in names.split(",")] if isinstance(names, str) else list(names)
            axes.append([_named(names, values) for values in sets])
    seen: set[str] = set()
    for combination in itertools.product(*axes):
        arguments = {key: value for part in combination for key, value in part.items()}
        backend = arguments.get("backend")
        if backend is not None and (backend.backend, backend.precision) != ("mlprogram", "fp32"):
            continue
        key = repr({k: v for k, v in arguments.items() if k not in ("backend", "compute_unit")})
        if key not in seen:
            seen.add(key)
            yield arguments


def _named(names: list[str], values: Any) -> dict[str, Any]:
    """One set of parametrize's values by name; pytest.param wraps them."""
    if isinstance(values, type(pytest.param())):
        values = values.values if len(names) > 1 else values.values[0]
    return {names[0]: values} if len(names) == 1 else dict(zip(names, values, strict=True))


def _spread(items: list[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    places = (
        np.unique(np.linspace(0, len(items) - 1, min(count, len(items))).round().astype(int)) if items else []
    )
    return [items[place] for place in places]


def _capture(test: str, function: Any, arguments: dict[str, Any], found: Collected) -> None:
    """Run one test with ``run_compare_builder`` replaced; it may fail once it misses a compiled model."""
    before, scope = len(found.goldens), inspect.unwrap(function).__globals__
    original = scope["run_compare_builder"]

    def replacement(*positional: Any, **named: Any) -> None:
        given = inspect.signature(original).bind(*positional, **named)
        given.apply_defaults()
        found.goldens.extend(_golden(test, **given.arguments))

    scope["run_compare_builder"] = replacement
    np.random.seed(0)
    try:
        function(**arguments)
    except _OUTCOMES:
        pass
    except (NameError, ModuleNotFoundError) as error:
        if error.name not in FRAMEWORKS:
            raise
        found.need_frameworks.add(test)
    except AttributeError:  # it goes on to use the compiled model
        if len(found.goldens) == before:
            raise
    finally:
        scope["run_compare_builder"] = original


def _golden(test: str, **given: Any) -> Iterator[Golden]:
    """The program of one call, in bytes; nothing where the test compares no values of an ML Program."""
    from coremltools.converters.mil.backend.mil.load import MILProtoExporter
    from coremltools.converters.mil.mil import Function, Program

    backend, expected, values = given["backend"], given["expected_outputs"], given["input_values"]
    if given["frontend_only"] or expected is None or backend is None or given["pred_iters"] is not None:
        return
    target = backend.opset_version
    program = Program()
    with Function(given["input_placeholders"], opset_version=target) as function:
        outputs = given["build"](**function.inputs)
        outputs = list(outputs) if isinstance(outputs, tuple | list) else [outputs]
        function.set_outputs(outputs)
        program.add_function("main", function)
    expected = expected if isinstance(expected, list) else [expected]
    operations = frozenset(operation.op_type for operation in function.operations) - {"const"}
    with tempfile.TemporaryDirectory() as folder:
        exporter = MILProtoExporter(program, folder, target.value)
        model = proto.model_pb2().Model(specificationVersion=target.value)
        model.mlProgram.CopyFrom(exporter.export())
        exporter.blob_writers.clear()  # which ends the file
        file = Path(folder) / "weight.bin"
        weights = file.read_bytes() if file.exists() else b""
    for name in function.inputs:
        model.description.input.add().name = name
    for output in outputs:
        model.description.output.add().name = output.name
    named = {output.name: np.asarray(value) for output, value in zip(outputs, expected, strict=True)}
    values = {key: np.asarray(value) for key, value in (values or {}).items()}
    yield Golden(
        test, operations, model.SerializeToString(), weights, values, named, given["atol"], given["rtol"]
    )
