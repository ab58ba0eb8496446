"""``edgebuild check``: is the build good enough, and has it got worse?"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from edgebuild.commands.command import Command
from edgebuild.errors import Finding, UsageError

if TYPE_CHECKING:
    from edgebuild.build.environment.record import Made
    from edgebuild.gates.regression import Change
    from edgebuild.gates.results import Results
    from edgebuild.gates.verdict import Verdict

__all__ = ["COMMAND"]

RESULTS = ("metrics/summary.json", "metrics/latency.json")
EPILOG = """\
exit status: 0 every budget is kept (or not contradicted), 1 one is not, results are missing, or something is
proven worse; 2 params.yaml or the command line is refused. docs/budgets.md explains budgets and statistics.
"""

#: Stage → path → MD5, as dvc.lock records a build's outputs.
Lock = Mapping[str, Mapping[str, str]]


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--against", metavar="REV", help="also compare with the results that this git revision committed"
    )
    parser.add_argument(
        "--format",
        choices=("table", "markdown", "junit", "json"),
        default="table",
        help="table (default) for a terminal, markdown for a pull request, junit and json for machines",
    )
    parser.add_argument("--json", action="store_const", const="json", dest="format", help="as --format json")
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help="write to FILE instead of standard output"
    )


def run(options: argparse.Namespace) -> int:
    """Hold the finished build against the budgets of params.yaml, and against another revision.

    A budget fails only if the data contradict it at the stated confidence: noise does not.
    """
    from edgebuild import params
    from edgebuild.gates.regression import changes
    from edgebuild.gates.verdict import verdicts

    root = Path.cwd()
    stated = params.read(root / "params.yaml")
    budgets = stated.budgets
    if budgets is None and options.against is None:
        raise UsageError(
            "params.yaml has no section budgets, so there is nothing to check; add one (docs/budgets.md), or "
            "compare with a revision: edgebuild check --against main"
        )
    then = None if options.against is None else _then(root, options.against)
    now = _now(root, stated.ids)
    judged = () if budgets is None else verdicts(budgets, now)
    compared = () if then is None else changes(now, then, budgets)
    failed = any(part.fails for part in (*judged, *compared))
    text = _text(options.format, judged, compared, options.against, failed)
    if options.output is None:
        print(text, end="")
    else:
        _write(options.output, text)
    return 1 if failed else 0


def _text(
    kind: str,
    verdicts: tuple[Verdict, ...],
    changes: tuple[Change, ...],
    against: str | None,
    failed: bool,
) -> str:
    from datetime import UTC, datetime

    from edgebuild.gates import machine, rows, show

    if kind == "json":
        return machine.document(verdicts, changes, against, failed)
    if kind == "junit":
        return machine.junit(verdicts, changes, against, datetime.now(UTC))
    sections: list[show.Section] = []
    if verdicts:
        sections.append(("Budgets", rows.VERDICTS, [rows.verdict(verdict) for verdict in verdicts]))
    if against is not None:
        sections.append((f"Against {against}", rows.CHANGES, [rows.change(change) for change in changes]))
    shown = show.markdown if kind == "markdown" else show.console
    return shown(rows.headline(verdicts, changes, against), sections, failed)


def _write(target: Path, text: str) -> None:
    try:
        target.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"{target} cannot be written: {error.strerror}; name a file in a folder that exists"
        ) from None


def _now(root: Path, wanted: tuple[str, ...]) -> Results:
    """The build in the folder.

    Raises:
        Finding: there is none, or it is not the one that dvc.lock records.
    """
    from edgebuild.build.environment import record
    from edgebuild.build.hashes import cached_md5
    from edgebuild.build.recorded import recorded
    from edgebuild.gates.results import assemble
    from edgebuild.json_file import read_json

    lock = recorded(root)
    digests = _digests(lock)
    for path in RESULTS:
        if not (root / path).is_file():
            raise Finding(f"{path} is required, but it is not there; build first: edgebuild run")
        if digests.get(path) != cached_md5(root, root / path):
            raise Finding(f"{path} must be what dvc.lock records, but it is not; build first: edgebuild run")
    summary, latency = (read_json(root / path) for path in RESULTS)
    built = {entry["id"] for entry in summary["variants"]}
    if missing := [name for name in wanted if name not in built]:
        raise Finding(
            f"params.yaml asks for {', '.join(missing)}, which is not among the results; build first: edgebuild run"
        )

    def load(path: str) -> bytes | None:
        file = root / path
        if file.is_file() and digests.get(path) == cached_md5(root, file):
            return file.read_bytes()
        return _cached(root, digests)(path)

    return assemble(summary, latency, load, _machines(lock, record.read(root)))


def _then(root: Path, name: str) -> Results:
    """The build that the revision ``name`` committed."""
    import tempfile

    from edgebuild.build.environment import record
    from edgebuild.build.recorded import recorded
    from edgebuild.gates import revision
    from edgebuild.gates.results import assemble

    other = revision.read(root, name)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "dvc.lock").write_text(other.lock, encoding="utf-8")
        lock = recorded(Path(folder))
    made = record.parse(other.environment) if other.environment else {}
    load = _cached(root, _digests(lock))
    return assemble(other.summary, other.latency, load, _machines(lock, made))


def _digests(lock: Lock) -> dict[str, str]:
    return {path: digest for outs in lock.values() for path, digest in outs.items()}


def _cached(root: Path, digests: Mapping[str, str]) -> Callable[[str], bytes | None]:
    """What gives the bytes of an output from DVC's cache, or None: a damaged object counts as none."""
    from edgebuild.build.hashes import cached_md5
    from edgebuild.build.intact import cache

    objects = cache(root) / "files" / "md5"

    def load(path: str) -> bytes | None:
        digest = digests.get(path)
        file = objects / digest[:2] / digest[2:] if digest else None
        good = file is not None and file.is_file() and cached_md5(root, file) == digest
        return file.read_bytes() if good and file is not None else None

    return load


def _machines(lock: Lock, made: Mapping[str, Made]) -> dict[str, str]:
    """The kind of machine that timed each variant, where environment.lock knows it."""
    return {
        stage.partition("@")[2]: entry.environment.cpu
        for stage, entry in made.items()
        if stage.startswith("benchmark") and stage in lock and entry.is_of(lock[stage])
    }


COMMAND = Command(
    "check", "hold the build against its budgets, and against another revision", run, _arguments, EPILOG
)
