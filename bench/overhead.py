"""What a build costs beside its work: one command, one run, one machine.

python -m bench.overhead --help
"""

from __future__ import annotations

import argparse
import functools
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from bench import repositories
from bench.repositories import DVC, EMPTY_STAGES, OURS, ROOT, Repository
from bench.times import Compared, Measured, ratio, tables, turns
from edgebuild.build.environment.variables import PINNED
from edgebuild.errors import EdgebuildError
from edgebuild.json_file import write_json
from edgebuild.measure.latency import host
from edgebuild.measure.table import markdown, show

__all__ = ["main"]

PACKAGES = ("dvc", "ruamel.yaml", "tensorflow")
EDGEBUILD = (sys.executable, "-m", "edgebuild", "run")
PARTS = ("noop", "many", "stage", "knob", "whole")
KNOB = ("batch: fixed", "batch: flexible")

HELP = """\
Take the times of builds in temporary repositories:

  noop   a build in which nothing is to do, beside a DVC project of the same graph and files whose commands are `true`
  many   a graph of 200 variants: nothing to do, and all restored from the run-cache, beside DVC
  stage  stages that only import: worker off, cold and warm
  knob   one knob of the exports changed and everything rebuilt: worker off and warm
  whole  the default build beside its stage functions called in one process

Whatever is compared is run in turns, forth and back. Ratios are medians of the rounds' ratios.
"""
EXAMPLES = """\
examples:
  python -m bench.overhead                     everything; half an hour on two cores
  python -m bench.overhead --quick             short trainings, few variants, two rounds; some minutes
  python -m bench.overhead --parts noop,many   some

exit status: 0 all targets met, 1 some missed or not measured, 2 the command is wrong.
"""


Found = tuple[list[Measured], list[Compared]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what the command line asks for."""
    options = _parser().parse_args(arguments)
    options.rounds = options.rounds or (2 if options.quick else 5)
    measured: list[Measured] = []
    compared: list[Compared] = []
    measure: dict[str, Callable[[Path, argparse.Namespace], Found]] = {
        "noop": _noop, "many": _many, "stage": _stage, "knob": _knob, "whole": _whole,
    }  # fmt: skip
    try:
        for part in options.parts:
            with tempfile.TemporaryDirectory(prefix="bench-") as folder:
                _tell(f"{part}: preparing")
                try:
                    more, targets = measure[part](Path(folder), options)
                finally:
                    repositories.end_processes(Path(folder))
            measured += more
            compared += targets
    except EdgebuildError as error:
        print(f"bench: {error}", file=sys.stderr)
        return error.exit_status
    for shown in tables(measured, compared):
        show(shown)
    machine = host(PACKAGES)
    if options.json is not None:
        found = {"measured": list(map(asdict, measured)), "compared": list(map(asdict, compared))}
        write_json(options.json, {"schema": 1, "host": machine, **found})
    if options.markdown is not None:
        about = f"{machine['cpu']}, {machine['usable_cores']} cores, Python {machine['python']}"
        text = "\n".join(markdown(shown) for shown in tables(measured, compared))
        options.markdown.write_text(
            f"# What a build costs beside its work\n\n{about}.\n\n{text}", encoding="utf-8"
        )
    return 0 if all(target.met is not False for target in compared) else 1


def _noop(folder: Path, options: argparse.Namespace) -> Found:
    ours = repositories.clone(folder / "ours", short=True, few=options.quick)
    ours.run(*EDGEBUILD)
    plain = repositories.twin(folder / "plain", ours)
    found = turns(
        options.rounds,
        {
            "no-op: dvc repro": lambda: ours.run(*DVC),
            "no-op: a plain DVC project": lambda: plain.run(*DVC),
            "no-op: edgebuild run": lambda: ours.run(*EDGEBUILD),
        },
    )
    repro, twin, whole = found.values()
    return [*found.values()], [
        ratio("no-op dvc repro / plain DVC project", repro, twin, 1.1),
        ratio("no-op edgebuild run, with tracking and table / plain DVC project", whole, twin),
    ]


def _many(folder: Path, options: argparse.Namespace) -> Found:
    count = 50 if options.quick else 200
    made = repositories.many(folder / "many", count)
    own = {"PYTHONPATH": str(ROOT / "src")}

    def restore(command: Sequence[str]) -> float:
        repositories.forget(made, ["v*.txt"])
        return made.run(*command, "--quiet", **own)

    found = turns(
        2,
        {
            f"{count} variants, nothing to do: edgebuild": lambda: made.run(*OURS, **own),
            f"{count} variants, nothing to do: dvc": lambda: made.run(*DVC, **own),
            f"{count} variants restored: edgebuild": lambda: restore(OURS),
            f"{count} variants restored: dvc": lambda: restore(DVC),
        },
    )
    noop, plain_noop, restored, plain_restored = found.values()
    return [*found.values()], [
        ratio(f"{count} variants, nothing to do / dvc", noop, plain_noop, 1.0),
        ratio(f"{count} variants restored / dvc", restored, plain_restored, 1.0),
    ]


def _stage(folder: Path, options: argparse.Namespace) -> Found:
    made = repositories.clone(folder / "ours", short=True, few=True)
    repositories.with_empty_stages(made)
    measured, compared = [], []
    for name in EMPTY_STAGES:
        what, run = (
            f"stage that imports {name}",
            functools.partial(made.run, *EDGEBUILD, f"empty_{name}"),
        )
        cold = Measured(f"{what}: worker cold", (run(),))
        off = functools.partial(run, EDGEBUILD_WORKER="0")
        found = turns(options.rounds, {f"{what}: worker off": off, f"{what}: worker warm": run})
        warm = found[f"{what}: worker warm"]
        measured += [cold, *found.values()]
        compared.append(Compared(warm.name, warm.median, min(warm.seconds), max(warm.seconds), 0.5, unit="s"))
    return measured, compared


def _knob(folder: Path, options: argparse.Namespace) -> Found:
    made = repositories.clone(folder / "ours", short=True, few=options.quick)
    made.run(*EDGEBUILD)

    def rebuild(**variables: str) -> float:
        made.change(*KNOB)
        return made.run(*OURS, "--no-run-cache", **variables)

    def bare() -> float:
        return _bare(made, "export", "benchmark", "benchmark_keras", "report")

    rebuild()
    found = turns(
        max(2, options.rounds // 2),
        {
            "export knob: worker off": lambda: rebuild(EDGEBUILD_WORKER="0"),
            "export knob: worker warm": rebuild,
            "export knob: bare stage functions": bare,
        },
    )
    off, warm, functions = found.values()
    return [*found.values()], [
        ratio("export knob, worker off / warm", off, warm, 5.0, least=True),
        ratio(
            "export knob, worker off / bare stage functions: the most that any worker could give",
            off,
            functions,
        ),
    ]


def _whole(folder: Path, options: argparse.Namespace) -> Found:
    numbers = iter(range(100))

    def fresh() -> Repository:
        return repositories.clone(folder / str(next(numbers)), short=options.quick, few=options.quick)

    found = turns(
        1 if options.quick else 2,
        {
            "whole build: edgebuild run, with tracking and table": lambda: fresh().run(*EDGEBUILD),
            "whole build: its dvc repro": lambda: fresh().run(*OURS),
            "whole build: bare stage functions": lambda: _bare(fresh()),
        },
    )
    everything, build, functions = found.values()
    limit = None if options.quick else 1.15  # short trainings make the work small, and no overhead
    return [*found.values()], [
        ratio("whole build, its dvc repro / bare stage functions", build, functions, limit),
        ratio("whole build, with tracking and table / bare stage functions", everything, functions),
    ]


def _bare(made: Repository, *stages: str) -> float:
    path = os.pathsep.join([str(made.root / "src"), str(ROOT)])
    return made.run(sys.executable, "-m", "bench.bare", ".", *stages, **PINNED, PYTHONPATH=path)


def _parts(text: str) -> list[str]:
    names = text.split(",")
    if unknown := [name for name in names if name not in PARTS]:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} is not one of {', '.join(PARTS)}")
    return names


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m bench.overhead",
        None,
        HELP,
        EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--parts", type=_parts, default=list(PARTS), metavar="A,B", help="some of " + ", ".join(PARTS))
    add("--quick", action="store_true", help="short trainings, few variants, two rounds")
    add("--rounds", type=int, metavar="N", help="of each comparison (default: 5, with --quick 2)")
    add("--json", type=Path, metavar="FILE", help="everything, as a document")
    add("--markdown", type=Path, metavar="FILE", help="the tables, with the machine described")
    return parser


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
