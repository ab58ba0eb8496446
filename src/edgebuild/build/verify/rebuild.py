"""Building in the clone what a commit says can be built, from its sources or from given inputs."""

from __future__ import annotations

import re
import shutil
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path

from edgebuild.build.declaration import Declaration
from edgebuild.build.verify.clone import Clone
from edgebuild.build.verify.committed import Committed
from edgebuild.build.verify.lock import Entry, entries
from edgebuild.errors import UsageError

__all__ = ["Rebuilt", "again", "covers", "producers", "rebuild", "selected", "tracked_by_dvc"]

RUNNING = re.compile(r"Running stage '([^']+)'")
FAILED = re.compile(r"failed to reproduce '([^']+)'")
#: lines of a failed build that are shown
TAIL = 12


@dataclass(frozen=True)
class Rebuilt:
    """What the clone has made: its dvc.lock by stage, the stages that failed, and the last lines if any did."""

    lock: Mapping[str, Entry]
    failed: tuple[str, ...]
    tail: str


def selected(stages: Mapping[str, Declaration], asked: Iterable[str]) -> list[str]:
    """The stages to rebuild in an order that respects their deps; ``asked`` are names or the part before the @.

    Raises:
        UsageError: dvc.yaml has no such stage.
    """
    order = _order(stages)
    chosen: set[str] = set()
    for name in asked:
        found = {stage for stage in order if name in (stage, stages[stage].base)}
        if not found:
            raise UsageError(f"dvc.yaml has no stage {name!r}; it has {', '.join(order)}")
        chosen |= found
    return [stage for stage in order if stage in chosen]


def rebuild(
    clone: Clone,
    stages: Mapping[str, Declaration],
    chosen: list[str],
    lock: Mapping[str, Entry],
    committed: Committed,
    progress: Callable[[int, int, str], None],
) -> Rebuilt:
    """Execute the ``chosen`` stages, every one of them, with ``dvc repro``.

    The clone's dvc.lock and the outputs that git has are removed first, so that
    nothing counts as up to date. What the chosen stages need of others, and
    what ``dvc add`` tracks, is fetched as committed.

    Raises:
        UsageError: an input cannot be had.
    """
    whole = set(chosen) == set(stages)
    _fetch_inputs(clone, stages, chosen, lock, committed)
    for name in chosen:
        for path in stages[name].outs:
            _remove(clone.root / path)
    (clone.root / "dvc.lock").unlink()
    # --no-commit: the outputs stay where the stages put them, and no cache is filled.
    arguments = ["repro", "--keep-going", "--no-commit", "--no-run-cache"]
    return _run(clone, arguments if whole else [*arguments, "--single-item", *chosen], len(chosen), progress)


def again(
    clone: Clone, stage: Declaration, progress: Callable[[int, int, str], None]
) -> Mapping[str, str] | None:
    """Execute ``stage`` once more from the same inputs; its outputs' digests, or None if it fails.

    The clone's outputs are those of the first execution afterwards; the second's
    lie in the folder ``second`` beside the clone.
    """
    first = clone.folder / "first"
    for path in stage.outs:
        _move(clone.root / path, first / path)
    arguments = ["repro", "--force", "--no-commit", "--no-run-cache", "--single-item", stage.name]
    made = _run(clone, arguments, 1, progress)
    for path in stage.outs:
        _move(clone.root / path, clone.folder / "second" / path)
        _move(first / path, clone.root / path)
    return None if made.failed or stage.name not in made.lock else made.lock[stage.name].outs


def producers(stages: Mapping[str, Declaration], dep: str) -> list[str]:
    """The stages that make ``dep``, all of it or a part."""
    return [name for name, stage in stages.items() if any(covers(dep, out) for out in stage.outs)]


def covers(dep: str, out: str) -> bool:
    """Whether ``dep`` and ``out`` are the same path, or one lies in the other."""
    return dep == out or out.startswith(f"{dep}/") or dep.startswith(f"{out}/")


def _run(
    clone: Clone, arguments: list[str], total: int, progress: Callable[[int, int, str], None]
) -> Rebuilt:
    log = clone.folder / "build.log"
    said: deque[str] = deque(maxlen=TAIL)
    failed: list[str] = []
    begun = 0

    def hear(line: str) -> None:
        nonlocal begun
        if line.strip():
            said.append(line.rstrip())
        if match := RUNNING.search(line):
            progress(min(begun, total), total, match[1])
            begun += 1
        elif match := FAILED.search(line):
            failed.append(match[1])

    if clone.follow(arguments, log, hear) != 0 and not failed:
        failed.append(f"dvc {arguments[0]}")
    path = clone.root / "dvc.lock"
    made = entries(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return Rebuilt(made, tuple(failed), "\n".join(said))


def _fetch_inputs(
    clone: Clone,
    stages: Mapping[str, Declaration],
    chosen: list[str],
    lock: Mapping[str, Entry],
    committed: Committed,
) -> None:
    wanted = tracked_by_dvc(clone)
    for name in chosen:
        for dep in stages[name].deps:
            for producer in producers(stages, dep):
                if producer not in chosen:
                    outs = lock[producer].outs if producer in lock else {}
                    wanted |= {path: digest for path, digest in outs.items() if covers(dep, path)}
    problems = [
        problem
        for path, digest in wanted.items()
        if not (clone.root / path).exists()
        and (problem := committed.fetch(path, digest, clone.root / path)) is not None
    ]
    if problems:
        raise UsageError(
            "inputs of the stages to verify cannot be had:\n  "
            + "\n  ".join(problems)
            + "\nrun dvc repro or dvc pull first, or verify the stages that make them too"
        )


def tracked_by_dvc(clone: Clone) -> dict[str, str]:
    """Path → digest of what ``dvc add`` tracks: no stage makes it."""
    from edgebuild.strict import read_yaml

    wanted: dict[str, str] = {}
    for file in clone.root.rglob("*.dvc"):
        if file.is_file() and ".dvc" not in file.relative_to(clone.root).parts:
            document = read_yaml(file)
            outs = document.get("outs", ()) if isinstance(document, Mapping) else ()
            for out in outs:
                path = (file.parent / out["path"]).relative_to(clone.root)
                wanted[path.as_posix()] = str(out.get("md5", ""))
    return wanted


def _order(stages: Mapping[str, Declaration]) -> list[str]:
    graph = {
        name: dict.fromkeys(maker for dep in stage.deps for maker in producers(stages, dep))
        for name, stage in stages.items()
    }
    return list(TopologicalSorter(graph).static_order())


def _move(path: Path, target: Path) -> None:
    """Move a file or folder, if it is there, in place of what is at ``target``."""
    _remove(target)
    if path.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        path.rename(target)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
