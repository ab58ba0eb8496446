"""What speaks against giving a build's variants out: checks on the results that the build has left.

Whether the repository still is what was built is asked in `edgebuild.track.standing`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgebuild.errors import Finding, ParityError
from edgebuild.measure import oracle
from edgebuild.track.state import BuildState

if TYPE_CHECKING:
    from edgebuild.params import Params

__all__ = ["GATES", "Problem", "checks", "within_budgets"]

#: So many images stages/benchmark.py asks of a file with float outputs, and all images of one with integer outputs.
FLOAT_IMAGES = 500


@dataclass(frozen=True)
class Problem:
    """One reason against a promotion: ``what`` was found, ``remedy`` is the way out.

    ``final`` ones cannot be overridden, because there would be nothing to promote.
    """

    what: str
    remedy: str
    final: bool = False

    def __str__(self) -> str:
        return f"{self.what}: {self.remedy}"


def checks(state: BuildState) -> tuple[Problem, ...]:
    """Everything that the `GATES` find in the finished build ``state``, in their order."""
    return tuple(problem for gate in GATES for problem in gate(state))


def within_budgets(root: Path, params: Params, variant: str) -> list[Problem]:
    """Which of its budgets (section ``budgets`` of ``params``) the build in ``root`` breaks with ``variant``.

    A line each, as `edgebuild check` has it.
    """
    from edgebuild.build.measured import measured
    from edgebuild.gates.rows import Checked
    from edgebuild.gates.verdict import verdicts
    from edgebuild.tasks.registry import open_task

    if params.budgets is None:
        return []
    task = open_task(params.task)
    try:
        results = measured(root, task, ())
    except Finding as error:
        what, _, remedy = str(error).rpartition("; ")
        return [Problem(what, remedy)]
    rows = Checked(verdicts(params.budgets, results, {variant}), (), None, task.quality).budgets
    remedy = "build a better one, or change its budget in params.yaml"
    return [Problem(row.sentence, remedy) for row in rows if row.fails]


def _whole(state: BuildState) -> list[Problem]:
    """Every variant's file is an output that dvc.lock records, and every variant has been run."""
    made = {path for entry in state.entries.values() for path in entry.outs}
    found = []
    for variant in state.variants:
        name = variant["id"]
        if not any(variant["path"] == out or variant["path"].startswith(f"{out}/") for out in made):
            found.append(f"{name}: dvc.lock does not record its file {variant['path']}")
        if name not in state.latency:
            found.append(f"{name}: metrics/latency.json does not have it")
    return [Problem(what, "run `edgebuild run`") for what in found]


def _parity(state: BuildState) -> list[Problem]:
    """Every written file computes what its graph says, within the limits that hold now."""
    images = int(state.dataset.get("splits", {}).get("test", {}).get("images", FLOAT_IMAGES))
    return [
        problem
        for variant in state.variants
        if variant["format"] != "keras"
        for problem in _judged(variant, images)
    ]


def _judged(variant: Mapping[str, Any], images: int) -> list[Problem]:
    labels, equal, steps = (variant.get(f"oracle_{name}") for name in ("labels", "equal", "steps"))
    again = f"run `dvc repro --force benchmark@{variant['id']}`, then `edgebuild run`"
    if labels is None:
        return [Problem(f"{variant['id']}: the summary has no comparison with its graph's reference", again)]
    if equal is None:
        verdict = oracle.Verdict(min(images, FLOAT_IMAGES), labels)
        limit = oracle.Limit(0.0, 0, oracle.LABELS)
    else:
        verdict = oracle.Verdict(images, labels, equal, steps, outputs=variant.get("oracle_outputs"))
        limit = oracle.GRID_LIMITS[variant["format"]]
    try:
        oracle.judge(verdict, limit, variant["id"])
    except ParityError as error:
        return [Problem(str(error), again)]
    return []


#: Each asks one question of the build and returns what is wrong. A further check becomes a line here.
GATES: tuple[Callable[[BuildState], list[Problem]], ...] = (_whole, _parity)
