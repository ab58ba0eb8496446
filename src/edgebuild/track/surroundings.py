"""Where the stages of a build ran, as environment.lock tells: tags of the build, next to those of its stages' runs.

A stage whose outputs came from DVC's run-cache did not run here; of it nothing is said.
"""

from __future__ import annotations

from pathlib import Path

from edgebuild.build.environment import record
from edgebuild.errors import UsageError
from edgebuild.track.state import BuildState

__all__ = ["environments", "facts"]


def environments(root: Path, state: BuildState) -> dict[str, record.Environment]:
    """The environment of each stage whose present outputs environment.lock speaks of.

    Raises:
        UsageError: environment.lock cannot be understood.
    """
    made = record.read(root)
    return {
        name: made[name].environment
        for name, entry in state.entries.items()
        if name in made and made[name].is_of(entry.outs)
    }


def facts(root: Path, state: BuildState) -> dict[str, str]:
    """Tags ``edgebuild.python``, ``….cpu``, ``….drift`` and others; several values where stages ran in several places.

    An environment.lock that cannot be understood is a tag, too: the build is as good without it.
    """
    try:
        seen = [environment.facts for environment in environments(root, state).values()]
    except UsageError as error:
        return {"edgebuild.environment": f"unknown: {error}"}
    return {
        f"edgebuild.{name}": "; ".join(values)
        for name in (seen[0] if seen else {})
        if (values := sorted({fact[name] for fact in seen if fact[name]}))
    }
