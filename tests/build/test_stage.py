"""What a stage file may touch: what dvc.yaml declares, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgebuild.build.declaration import Declaration
from edgebuild.build.stage import Stage
from edgebuild.errors import DeclarationError
from edgebuild.params import read

ROOT = Path(__file__).resolve().parents[2]
Make = Callable[..., Stage]


@pytest.fixture
def heard() -> list[tuple[Any, ...]]:
    return []


@pytest.fixture
def make(tmp_path: Path, heard: list[tuple[Any, ...]]) -> Make:
    """A stage that declares what the test says; what it reports lands in ``heard``."""

    def make(
        name: str = "s@one",
        deps: tuple[str, ...] = (),
        params: tuple[str, ...] = (),
        outs: tuple[str, ...] = (),
    ) -> Stage:
        def hear(*arguments: Any) -> None:
            heard.append(arguments)

        declared = Declaration(name, "x", deps, params, outs)
        folders = (tmp_path, tmp_path / "staging", tmp_path / "kept")
        return Stage(declared, *folders, read(ROOT / "params.yaml"), hear, hear, hear, hear)

    return make


def test_declared_params_can_be_read_whole_or_in_part(make: Make) -> None:
    params = make(params=("seed", "prune", "benchmark.onnx", "teacher.width")).params
    assert params.seed == 7
    assert 0 <= params.prune.sparsity < 1
    assert params.benchmark.onnx.threads == 1
    assert params.teacher.width >= 4


@pytest.mark.parametrize(
    ("declared", "read_it", "line"),
    [
        ((), lambda params: params.seed, "add `- seed` to its params"),
        (("seed",), lambda params: params.prune, "add `- prune` to its params"),
        (
            ("benchmark.onnx",),
            lambda params: params.benchmark.litert,
            "add `- benchmark.litert` to its params",
        ),
        (("teacher.width",), lambda params: params.teacher.epochs, "add `- teacher.epochs` to its params"),
        (("prune2", "seed.x"), lambda params: params.prune, "add `- prune` to its params"),
    ],
)
def test_an_undeclared_param_is_refused_with_the_line_to_add(
    declared: tuple[str, ...], read_it: Callable[[Any], object], line: str, make: Make
) -> None:
    with pytest.raises(DeclarationError) as caught:
        read_it(make(params=declared).params)
    assert line in str(caught.value)
    assert "s@one" in str(caught.value)


def test_a_param_that_does_not_exist_is_a_defect_of_the_stage(make: Make) -> None:
    with pytest.raises(AttributeError, match=r"no teacher\.depth"):
        _ = make(params=("teacher.width",)).params.teacher.depth  # type: ignore[attr-defined]


def test_deps_and_outs_are_found_by_name_or_pattern(make: Make, tmp_path: Path) -> None:
    stage = make(deps=("data/test.npz", "models/a.tflite"), outs=("metrics/a.npy",))
    assert stage.key == "one"
    assert stage.dep("data/test.npz") == tmp_path / "data/test.npz"
    assert stage.dep("models/*") == tmp_path / "models/a.tflite"
    assert stage.out("metrics/*") == tmp_path / "staging/metrics/a.npy"
    assert (tmp_path / "staging/metrics").is_dir()
    assert not (tmp_path / "metrics").exists()


@pytest.mark.parametrize("pattern", ["models/b", "other/*", "MODELS/a"])
def test_an_undeclared_path_is_refused_with_those_declared(pattern: str, make: Make) -> None:
    stage = make(deps=("models/a",), outs=("models/a",))
    for ask, kind in ((stage.dep, "deps"), (stage.out, "outs")):
        with pytest.raises(DeclarationError) as caught:
            ask(pattern)
        assert repr(pattern) in str(caught.value)
        assert f"declares as its {kind}: models/a" in str(caught.value)


def test_an_ambiguous_pattern_is_refused_with_what_it_matches(make: Make) -> None:
    with pytest.raises(DeclarationError, match=r"matches models/a, models/b"):
        make(deps=("models/a", "models/b", "x")).dep("models/*")


def test_what_a_stage_reports_is_handed_on(make: Make, heard: list[tuple[Any, ...]]) -> None:
    stage = make()
    stage.metrics({"loss": 0.5}, step=3)
    stage.metrics({"accuracy": 0.9})
    stage.progress(1, 2, "half")
    stage.say("done")
    stage.warn("look")
    assert heard == [(3, {"loss": 0.5}), (None, {"accuracy": 0.9}), (1, 2, "half"), ("done",), ("look",)]
