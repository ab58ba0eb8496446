"""Clone, rebuild, compare, explain: the whole of ``edgebuild verify``."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from edgebuild.build.declaration import Declaration, declarations
from edgebuild.build.environment import record
from edgebuild.build.environment.record import Environment, Made
from edgebuild.build.verify import rebuild as building
from edgebuild.build.verify.cause import Cause, cause, environment_differences
from edgebuild.build.verify.clone import Clone, clean_clone
from edgebuild.build.verify.committed import Committed
from edgebuild.build.verify.compare import Output, compare, descendants, roots, stale
from edgebuild.build.verify.locate import differences
from edgebuild.build.verify.lock import Entry, entries
from edgebuild.build.verify.report import Report
from edgebuild.build.verify.tolerance import judge

__all__ = ["Verified", "verify"]

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Verified:
    """One rebuilt clone with all that was known before and after; ``started`` and ``finished`` are in UTC."""

    clone: Clone
    stages: Mapping[str, Declaration]
    chosen: Sequence[str]
    lock: Mapping[str, Entry]
    made: Mapping[str, Made]
    bytes: Committed
    rebuilt: building.Rebuilt
    environments: Mapping[str, Environment]
    started: datetime

    @property
    def both(self) -> list[str]:
        """The chosen stages that both builds have."""
        return [name for name in self.chosen if name in self.lock and name in self.rebuilt.lock]

    def known(self, stage: str) -> Made | None:
        """The committed line of environment.lock, if it speaks of the committed outputs."""
        line = self.made.get(stage)
        return line if line is not None and line.is_of(self.lock[stage].outs) else None


def verify(
    root: Path,
    revision: str,
    environ: Mapping[str, str],
    progress: Progress,
    asked: Sequence[str] = (),
    exact: bool = False,
    keep: bool = False,
    then: Callable[[Verified, Report], None] = lambda build, report: None,
) -> Report:
    """Rebuild ``revision`` of the repository around ``root`` in a clean clone and compare.

    ``asked`` are the stages to rebuild, all if there are none. ``exact`` wants
    equal bits on any machine. ``then`` is called at the end, while the clone is there.

    Raises:
        UsageError: there is nothing to verify, or inputs of a part cannot be had.
        KeyboardInterrupt: a signal arrived; nothing is left behind.
    """
    begin = time.monotonic()
    with clean_clone(root, revision, environ, keep) as clone:
        build = _rebuild(root, clone, asked, progress)
        reasons = _reasons(build)
        tolerant = set() if exact else _made_from(build, reasons)
        shown = [name for name in build.stages if name in build.chosen]  # in the order of dvc.yaml
        outputs = compare(build.stages, shown, build.lock, build.rebuilt.lock)
        first = roots(build.stages, outputs)
        outputs = [_locate(build, output, first, output.stage in tolerant) for output in outputs]
        outputs = [_vouch(build, output, outputs) for output in outputs]
        sources = {
            name: found
            for name in build.both
            if (found := stale(build.stages, name, build.lock[name], build.rebuilt.lock[name]))
        }
        causes = [
            _cause(build, name, sources.get(name, []), progress) for name in _one_of_each(first, sources)
        ]
        report = Report(
            commit=clone.commit,
            mode="tolerance" if tolerant else "bits",
            reasons=tuple(_summed(reasons)),
            outputs=tuple(outputs),
            stale=sources,
            causes=tuple(causes),
            failed=build.rebuilt.failed,
            tail=build.rebuilt.tail if build.rebuilt.failed else "",
            folder=str(clone.folder) if keep else "",
            seconds=time.monotonic() - begin,
        )
        then(build, report)
        return report


def _rebuild(root: Path, clone: Clone, asked: Sequence[str], progress: Progress) -> Verified:
    started = datetime.now(UTC)
    stages = declarations(clone.root)
    chosen = building.selected(stages, asked or list(stages))
    lock = entries((clone.root / "dvc.lock").read_text(encoding="utf-8"))
    made = record.read(clone.root)
    (clone.root / record.NAME).unlink(missing_ok=True)  # what stands there afterwards is of these executions
    committed = Committed(root, clone.commit, clone.prefix)
    rebuilt = building.rebuild(clone, stages, chosen, lock, committed, progress)
    # Stages that edgebuild runs have written down where they ran; for others it is this process' surroundings.
    ran, plain = record.read(clone.root), record.current(clone.root, clone.environ)
    here = {name: ran[name].environment if name in ran else plain for name in chosen}
    return Verified(clone, stages, chosen, lock, made, committed, rebuilt, here, started)


def _reasons(build: Verified) -> dict[str, list[str]]:
    """By stage, why equal bits are not promised of it: what stood otherwise when the committed outputs were made."""
    found = {}
    for name in build.both:
        known = build.known(name)
        found[name] = (
            ["environment.lock does not say where the committed outputs were made"]
            if known is None
            else environment_differences(known.environment, build.environments[name])
        )
    return {name: reasons for name, reasons in found.items() if reasons}


def _made_from(build: Verified, names: Iterable[str]) -> set[str]:
    """The stages ``names`` and all that are made from theirs: an input with other bits gives other bits."""
    return {name for start in names for name in descendants(build.stages, start)}


def _summed(reasons: Mapping[str, Sequence[str]]) -> list[str]:
    stages: dict[str, list[str]] = {}
    for name, found in reasons.items():
        for reason in found:
            stages.setdefault(reason, []).append(name)
    return [
        f"{reason} ({f'{len(names)} stages' if len(names) > 1 else names[0]})"
        for reason, names in stages.items()
    ]


def _locate(build: Verified, output: Output, first: Sequence[str], tolerant: bool) -> Output:
    """Where a difference is, and where bits are not promised whether it is acceptable."""
    if output.status != "differs":
        return output
    if output.stage not in first and not tolerant:
        return replace(output, where="it was made from inputs that differ")
    old, new = build.clone.folder / "committed" / output.path, build.clone.root / output.path
    if problem := build.bytes.fetch(output.path, output.committed, old):
        return replace(output, status="unseen" if tolerant else "differs", where=problem)
    found = differences(output.path, old, new)
    if not tolerant:
        return replace(output, where=found.where)
    verdict = judge(output.path, old, new, found)
    # Of what follows from a difference only how far it is; where one begins, and where one is too far, the place, too.
    place = f"; {found.where}" if output.stage in first or not verdict.acceptable else ""
    return replace(
        output, status="close" if verdict.acceptable else "differs", where=f"{verdict.text}{place}"
    )


def _vouch(build: Verified, output: Output, outputs: Sequence[Output]) -> Output:
    """An output that could not be compared is as good as what was made from it and could be; otherwise it differs."""
    if output.status != "unseen":
        return output
    later = descendants(build.stages, output.stage)
    for other in outputs:
        if other.stage in later and other.status == "close":
            return replace(output, where=f"{output.where}; {other.path}, which follows from it, is close")
    return replace(
        output, status="differs", where=f"{output.where}; nothing that follows from it is here either"
    )


def _one_of_each(first: Sequence[str], sources: Mapping[str, object]) -> list[str]:
    """Of stages that are written once in dvc.yaml and run for many variants, one stands for all; sources come free."""
    seen: dict[str, str] = {}
    for name in first:
        seen.setdefault(name if name in sources else name.partition("@")[0], name)
    return list(seen.values())


def _cause(build: Verified, stage: str, sources: list[str], progress: Progress) -> Cause:
    return cause(
        stage,
        build.lock[stage],
        sources,
        build.made.get(stage),
        build.environments[stage],
        lambda: _moved(build, stage, progress),
    )


def _moved(build: Verified, stage: str, progress: Progress) -> dict[str, str] | None:
    """Where a second execution's outputs differ from the first's, by path; None if it failed."""
    declared, clone = build.stages[stage], build.clone
    outs = building.again(clone, declared, progress)
    if outs is None:
        return None
    return {
        path: differences(path, clone.root / path, clone.folder / "second" / path).where
        for path in declared.outs
        if path not in declared.machine and outs.get(path) != build.rebuilt.lock[stage].outs.get(path)
    }
