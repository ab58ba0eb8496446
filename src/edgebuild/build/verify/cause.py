"""Why an output differs: the likely cause, told from facts that can be told apart.

A difference begins at a stage whose inputs from other stages are the same. There,
in this order: the sources that dvc.lock was made from are not the commit's; two
executions in the clone differ, so the stage is not deterministic; the environment
that environment.lock names is not this one; or dvc.lock is not what this code makes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Literal

from edgebuild.build.environment.record import Environment, Made
from edgebuild.build.verify.lock import Entry

__all__ = ["Cause", "Kind", "cause", "environment_differences"]

Kind = Literal["stale", "nondeterministic", "environment", "lock"]


@dataclass(frozen=True)
class Cause:
    """Why ``stage`` differs, in one line that says the way out."""

    stage: str
    kind: Kind
    text: str


def environment_differences(there: Environment, here: Environment) -> list[str]:
    """What stood otherwise around the committed build: each of these may change bits."""
    pairs = [
        ("CPU class", there.cpu, here.cpu),
        ("architecture", there.machine, here.machine),
        ("system", there.system, here.system),
        ("Python", there.python_minor, here.python_minor),
        ("lock of requirements", there.requirements[:12] or "none", here.requirements[:12] or "none"),
        ("accepted drift", ", ".join(there.drift) or "none", ", ".join(here.drift) or "none"),
    ]
    return [f"{name}: {old} there, {new} here" for name, old, new in pairs if old != new]


def cause(
    stage: str,
    committed: Entry,
    sources: Collection[str],
    made: Made | None,
    here: Environment,
    once_more: Callable[[], Mapping[str, str] | None],
) -> Cause:
    """The likely cause of the difference that begins at ``stage``.

    ``sources`` is what `compare.stale` found, ``made`` the committed line of
    environment.lock, ``here`` this environment; ``once_more`` executes the stage again
    and says where each output differs from the first execution's, or None if it failed.
    """
    if sources:
        return Cause(
            stage, "stale",
            f"dvc.lock was made from another state of {', '.join(sources)} than the commit has; run dvc repro and "
            f"commit dvc.lock with the change",
        )  # fmt: skip
    moved = once_more()
    if moved is None:
        return Cause(
            stage, "nondeterministic",
            f"{stage} is not deterministic: executed once more from equal inputs, it failed",
        )  # fmt: skip
    if moved:
        places = "; ".join(f"{path}: {where}" for path, where in moved.items())
        return Cause(
            stage, "nondeterministic",
            f"{stage} is not deterministic: two executions from equal inputs differ: {places}. Look for randomness "
            f"without a seed, the time, threads, or the order of a set or folder",
        )  # fmt: skip
    again = f"two executions of {stage} here agree"
    if made is None or not made.is_of(committed.outs):
        return Cause(
            stage, "environment",
            f"{again}; environment.lock does not say where the committed outputs were made, so another environment is "
            f"likely; commit environment.lock with dvc.lock",
        )  # fmt: skip
    if found := environment_differences(made.environment, here):
        return Cause(stage, "environment", f"{again}; the environment is another one: {'; '.join(found)}")
    return Cause(
        stage, "lock",
        f"{again}, in the environment that environment.lock names: dvc.lock is not what this commit makes. It was "
        f"edited, or made from what was not committed; run dvc repro --force {stage} and commit",
    )  # fmt: skip
