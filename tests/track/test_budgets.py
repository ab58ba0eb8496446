"""A variant that breaks its budget is not promoted: the line that `edgebuild check` has for it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edgebuild.params import Params, read
from edgebuild.params.budgets import Budgets, Limits
from edgebuild.track.checks import Problem, within_budgets
from tests.gates.repository import INT8, write


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished build that keeps the shipped budgets."""
    root = tmp_path_factory.mktemp("repository")
    write(root)
    return root


def limited(root: Path, **limits: Limits) -> Params:
    return replace(read(root / "params.yaml"), budgets=Budgets(limits))


def test_a_variant_within_its_budgets_has_nothing_against_it(repository: Path) -> None:
    assert within_budgets(repository, read(repository / "params.yaml"), INT8) == []


def test_without_budgets_nothing_is_asked(tmp_path: Path, repository: Path) -> None:
    params = replace(read(repository / "params.yaml"), budgets=None)
    assert within_budgets(tmp_path, params, INT8) == []


def test_a_broken_budget_is_told_with_its_figures_and_the_way_out(repository: Path) -> None:
    (problem,) = within_budgets(repository, limited(repository, default=Limits(bytes=6000, drop=5.0)), INT8)
    assert problem == Problem(
        f"{INT8}, size: failed (≤ 6,000 B, 7,000 B, −1,000 B)",
        "build a better one, or change its budget in params.yaml",
    )


def test_what_another_variant_breaks_does_not_count(repository: Path) -> None:
    params = limited(repository, **{"pruned-onnx-int8": Limits(bytes=1)})
    assert within_budgets(repository, params, INT8) == []


def test_what_is_not_proven_speaks_against_it_only_where_params_are_strict(repository: Path) -> None:
    params = limited(repository, default=Limits(accuracy=0.985))
    assert within_budgets(repository, params, INT8) == []
    assert params.budgets is not None
    strict = replace(params, budgets=replace(params.budgets, strict=True))
    assert len(within_budgets(repository, strict, INT8)) == 1


def test_results_that_dvc_lock_does_not_record_are_a_problem(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "metrics/summary.json").write_text("{}")
    (problem,) = within_budgets(tmp_path, limited(tmp_path, default=Limits(drop=1.0)), INT8)
    assert problem.remedy == "build first: edgebuild run"
