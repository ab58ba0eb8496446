"""params.yaml as a whole: read, and refused before any work starts where something cannot be meant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from edgebuild.errors import ParamsError
from edgebuild.params.budgets import Budgets
from edgebuild.params.cost import Cost
from edgebuild.params.data import Data
from edgebuild.params.files import TRAINED, Benchmark, Export, VariantParams, problems_of_variants
from edgebuild.params.kinds import Seed
from edgebuild.params.networks import Student, Teacher, problems_of_sizes
from edgebuild.params.quantize import Quantize
from edgebuild.params.task import Task
from edgebuild.params.training import Distill, Finetune, Prune
from edgebuild.strict import Range, build, read_yaml

__all__ = ["Params", "read"]


@dataclass(frozen=True)
class Params:
    """params.yaml, whole."""

    project: str  #: names the MLflow experiments
    seed: Seed  #: initial weights, order of batches and augmentation of every training
    threads: Annotated[int, Range(1, 256)]  #: per operation while training; another count gives other bits
    task: Task
    data: Data
    teacher: Teacher
    student: Student
    distill: Distill
    prune: Prune
    quantize: Quantize
    finetune: Finetune
    export: Export
    variants: Mapping[str, VariantParams]
    benchmark: Benchmark
    cost: Cost
    budgets: Budgets | None = None  #: what `edgebuild check` holds the build against

    @property
    def ids(self) -> tuple[str, ...]:
        """Every variant's id, in the order of the summary: the trained models first."""
        return (*TRAINED, *self.variants)


def read(path: Path) -> Params:
    """Read and check ``path``.

    Raises:
        ParamsError: with every problem of the file at once, a line each.
    """
    params, problems = build(Params, read_yaml(path))
    if params is not None:
        problems += params.data.problems()
        problems += problems_of_variants(params.variants)
        problems += params.task.problems()
        problems += params.teacher.problems()
        problems += params.student.problems(params.distill.teacher)
        problems += problems_of_sizes(params.teacher, params.student, params.data)
        problems += params.prune.problems()
        problems += params.quantize.problems(params.data.calibration)
        problems += params.cost.problems([*params.variants, *TRAINED])
        problems += params.budgets.problems(params.ids) if params.budgets else []
        if not params.project.strip():
            problems.append("project: '' cannot name an experiment; write a name")
    if params is None or problems:
        lines = "\n".join(f"  {problem}" for problem in problems)
        raise ParamsError(f"{path.name} is refused; nothing was run or changed:\n{lines}")
    return params
