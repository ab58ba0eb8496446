"""``edgebuild init``: a build for somebody's own data and network, in his own repository."""

from __future__ import annotations

import argparse
from pathlib import Path

from edgebuild import console
from edgebuild.commands.command import Command

__all__ = ["COMMAND"]

EXAMPLES = ("digits", "fashion_mnist")
TASKS = ("classification", "multilabel", "regression", "anomaly")
CI = ("github", "gitlab", "none")
EPILOG = """\
It works in the folder that it is started in: a git or DVC repository, a folder of one, or an empty or plain folder.
It never overwrites: where a file says something else, it shows how they differ and writes nothing (exit status 1).
"""


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data",
        metavar="PATH",
        default="",
        help="images, sounds, recordings, a table, .npz, or module:function",
    )
    parser.add_argument(
        "--teacher",
        metavar="FILE",
        default="",
        help="a trained network: .keras, .onnx, .tflite, SavedModel folder",
    )
    parser.add_argument("--targets", metavar="LIST", help="of litert,onnx,coreml; all three if not given")
    parser.add_argument("--precisions", metavar="LIST", help="of fp32,fp16,w8,w4,int8; all if not given")
    parser.add_argument("--task", choices=TASKS, help="what the network is asked, if the data do not tell")
    parser.add_argument("--example", choices=EXAMPLES, help="a build of public data, to see how it goes")
    parser.add_argument(
        "--ci", choices=CI, help="the workflow file to write; found out by the git remote if not given"
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would be written, and write nothing")
    parser.add_argument(
        "--upgrade",
        action="store_true",
        help="write requirements/ anew for this edgebuild, and tell what else differs",
    )


def run(options: argparse.Namespace) -> int:
    """Write dvc.yaml, params.yaml, stages, locks, ignore rules and a CI workflow, filled in for data and network."""
    from edgebuild.init import begin, renew, write
    from edgebuild.init.tell import next_steps, table

    root = Path.cwd()
    wishes = {
        name: value
        for name, value in vars(options).items()
        if value and name in begin.Wishes.__dataclass_fields__
    }
    plan = renew.upgrade(root) if options.upgrade else begin.prepare(root, begin.Wishes(**wishes))
    write.check(root, plan)
    if not options.upgrade:
        write.refuse_differences(root, plan)
    top = write.git_top(root)
    if options.dry_run:
        written, dvc = write.write(root, plan, over=options.upgrade, dry=True), "not touched"
    else:
        written = write.write(root, plan, over=options.upgrade)
        dvc = "not touched" if options.upgrade else write.begin_dvc(root, top)
    for line in table(plan, written, dvc, dry=options.dry_run):
        console.say(line)
    if top is None and not options.upgrade:
        console.say(
            "\nWithout git the build, its check and its report work as they are; `edgebuild verify`, `promote`, "
            "`check --against`\nand CI need commits: `git init`, before `edgebuild init`, gives them."
        )
    for line in renew.needed(root) if options.upgrade else ():
        console.say(f"\n{line}")
    console.say("\nNext:")
    for line in next_steps(root, plan, git=top is not None):
        console.say(line)
    return 0


COMMAND = Command("init", "put a build for your data and network into this folder", run, _arguments, EPILOG)
