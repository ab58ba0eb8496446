"""Output by output: what the committed dvc.lock says against what the clone has made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from edgebuild.build.declaration import Declaration
from edgebuild.build.verify.lock import Entry
from edgebuild.build.verify.rebuild import covers, producers

__all__ = ["Output", "Status", "compare", "descendants", "roots", "stale"]

#: ``close`` is another file within the tolerances; ``machine`` is declared to depend on the machine
#: and is not compared; ``missing`` was not rebuilt, or is in no dvc.lock.
#: ``unseen`` is another file whose committed bytes are not here, so that it could not be compared.
Status = Literal["same", "close", "differs", "unseen", "machine", "missing"]
#: those with other bytes, of what has to have the same
DIFFERENT = ("close", "differs", "unseen")


@dataclass(frozen=True)
class Output:
    """One output: its digests, "" where there is none, and for a difference where it is.

    ``unseen`` is the status of those only that another output, compared and made from it, speaks for.
    """

    stage: str
    path: str
    status: Status
    committed: str
    rebuilt: str
    where: str = ""

    @property
    def acceptable(self) -> bool:
        return self.status in ("same", "close", "unseen", "machine")


def compare(
    stages: Mapping[str, Declaration],
    chosen: Iterable[str],
    committed: Mapping[str, Entry],
    rebuilt: Mapping[str, Entry],
) -> list[Output]:
    """Every output of the ``chosen`` stages, by digest only."""
    result = []
    for name in chosen:
        before = committed[name].outs if name in committed else {}
        after = rebuilt[name].outs if name in rebuilt else {}
        for path in stages[name].outs:
            status, where = _status(path in stages[name].machine, before.get(path), after.get(path))
            result.append(Output(name, path, status, before.get(path, ""), after.get(path, ""), where))
    return result


def stale(stages: Mapping[str, Declaration], name: str, committed: Entry, rebuilt: Entry) -> list[str]:
    """Inputs that no stage makes (code, files, params, the command) of which dvc.lock has another state.

    These are facts of the commit: where there is one, dvc.lock was made before a
    change and not since, and what it promises is something else's.
    """
    sources = [
        path
        for path in {**committed.deps, **rebuilt.deps}
        if committed.deps.get(path) != rebuilt.deps.get(path) and not producers(stages, path)
    ]
    values = [
        f"{file}: {key}"
        for file in {**committed.params, **rebuilt.params}
        for key in {**committed.params.get(file, {}), **rebuilt.params.get(file, {})}
        if committed.params.get(file, {}).get(key) != rebuilt.params.get(file, {}).get(key)
    ]
    command = ["its cmd"] if committed.cmd != rebuilt.cmd else []
    outs = sorted(set(committed.outs) - set(stages[name].outs))
    return [*sources, *values, *command, *(f"{path}, which dvc.yaml declares no more" for path in outs)]


def roots(stages: Mapping[str, Declaration], outputs: Iterable[Output]) -> list[str]:
    """The stages that differ though all that they read of other stages is the same: where differences begin."""
    different = {output.path: output.stage for output in outputs if output.status in DIFFERENT}
    return [
        name
        for name in dict.fromkeys(different.values())
        if not any(covers(dep, path) for dep in stages[name].deps for path in different)
    ]


def descendants(stages: Mapping[str, Declaration], name: str) -> list[str]:
    """The stage ``name`` and all that are made from what it makes, near ones first."""
    found = [name]
    for maker in found:  # grows as it is read
        found += [
            other
            for other in stages
            if other not in found
            and any(covers(dep, out) for dep in stages[other].deps for out in stages[maker].outs)
        ]
    return found


def _status(machine: bool, committed: str | None, rebuilt: str | None) -> tuple[Status, str]:
    if rebuilt is None:
        return "missing", "it was not rebuilt"
    if committed is None:
        return "missing", "the committed dvc.lock does not have it"
    if committed == rebuilt:
        return "same", ""
    return ("machine", "") if machine else ("differs", "")
