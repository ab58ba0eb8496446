"""Putting a plan into a folder: compared with what is there first, then all of it or nothing."""

from __future__ import annotations

import difflib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from edgebuild.errors import Finding, UsageError
from edgebuild.init.plan import Plan

__all__ = ["Written", "begin_dvc", "check", "difference", "git_top", "refuse_differences", "write"]

#: Lines of a difference that are shown of each file.
SHOWN = 60
#: What happened to a file.
Written = dict[str, str]


def check(root: Path, plan: Plan) -> None:
    """Can the plan be put into ``root`` at all?

    Raises:
        UsageError: ``root`` is no folder, cannot be written to, or holds what the build would write over.
    """
    if not root.is_dir():
        raise UsageError(f"{root} is not a folder; init works in the folder that it is started in")
    if not plan.outs and not (root / "dvc.yaml").is_file():
        raise UsageError(
            "--upgrade renews the locks of a build, but there is no dvc.yaml here; run it beside that"
        )
    folders = {(root / name).parent for name in (*plan.files, *plan.lines)}
    for folder in sorted({_existing(folder) for folder in folders}):
        if not folder.is_dir():
            raise UsageError(f"{folder} is a file, and a folder of that name is needed; move it elsewhere")
        if not os.access(folder, os.W_OK | os.X_OK):
            raise UsageError(
                f"{folder} cannot be written to; take a folder of your own, or change its rights"
            )
    if (root / "dvc.lock").exists():
        return  # it was built here: what lies there are outputs
    taken = sorted({out for out in plan.outs if (root / out).exists()})
    taken += [path for path in _foreign(root, plan) if path not in taken]
    if taken:
        raise UsageError(
            f"{', '.join(taken)} {'is' if len(taken) == 1 else 'are'} where the build writes its results; move "
            f"{'it' if len(taken) == 1 else 'them'} elsewhere, or begin in a folder below: mkdir edge && cd edge && "
            f"edgebuild init"
        )


def refuse_differences(root: Path, plan: Plan) -> None:
    """Nothing that is there and says something else may be written over.

    Raises:
        Finding: there are such files; the message shows how they differ.
    """
    found = [diff for name, text in plan.files.items() if (diff := difference(root, name, text))]
    if found:
        shown = "\n".join(found)
        raise Finding(
            f"{len(found)} file(s) are there already and say something else; nothing was written.\n{shown}\n"
            f"init never overwrites. Take over by hand what you want of this, or move the files away, or begin in a "
            f"folder below (mkdir edge && cd edge && edgebuild init), which has a dvc.yaml of its own"
        )


def difference(root: Path, name: str, text: str) -> str:
    """How the file ``name`` of ``root`` differs from ``text``, for people; "" if it does not, or is not there."""
    path = root / name
    if not path.exists() and not path.is_symlink():
        return ""
    if not path.is_file():
        return f"{name} is not a file"
    try:
        before = path.read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        return f"{name} cannot be read as text: {error}"
    if before == text:
        return ""
    lines = list(
        difflib.unified_diff(
            before.splitlines(), text.splitlines(), f"{name} (yours)", f"{name} (init)", lineterm="", n=1
        )
    )
    rest = [f"... and {len(lines) - SHOWN} more lines"] if len(lines) > SHOWN else []
    return "\n".join([*lines[:SHOWN], *rest]) or f"{name} differs in the ends of its lines"


def write(root: Path, plan: Plan, *, over: bool = False, dry: bool = False) -> Written:
    """Write what is missing, and with ``over`` what differs; what was done, by file.

    Raises:
        UsageError: a file cannot be written; those written before are gone again.
    """
    done: Written = {}
    new: list[Path] = []
    try:
        for name, text in _texts(root, plan, over):
            known = (root / name).exists()
            if known and (root / name).read_bytes() == text.encode():
                done[name] = "as it was"
                continue
            done[name] = (
                "written" if not known else "written anew" if name in plan.files else "lines appended"
            )
            if not dry:
                new += [] if known else [root / name]
                _put(root / name, text)
    except OSError as error:
        for path in new:
            path.unlink(missing_ok=True)
        raise UsageError(
            f"{error.filename or root} cannot be written: {error.strerror}; the files that were new are gone again"
        ) from None
    return done


def _texts(root: Path, plan: Plan, over: bool) -> Iterator[tuple[str, str]]:
    """Every file with the text that it is to have."""
    for name, text in plan.files.items():
        if over or not (root / name).exists():
            yield name, text
        else:
            yield name, (root / name).read_text(encoding="utf-8")
    for name, lines in plan.lines.items():
        before = (root / name).read_text(encoding="utf-8") if (root / name).exists() else ""
        missing = "".join(f"{line}\n" for line in lines if line not in before.splitlines())
        yield (
            name,
            f"{before}\n{missing}" if missing and before and not before.endswith("\n") else before + missing,
        )


def git_top(root: Path) -> Path | None:
    """The top of the git repository around ``root``, if there is one."""
    try:
        done = subprocess.run(
            ["git", "-C", str(root), "rev-parse", "--show-toplevel"],
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        return None
    return Path(done.stdout.strip()) if done.returncode == 0 else None


def begin_dvc(root: Path, top: Path | None) -> str:
    """Make ``root`` a DVC repository, unless it is one; what was done, in words.

    Raises:
        UsageError: `dvc init` fails.
    """
    if (root / ".dvc").is_dir():
        return "was there"
    options = [] if top and top.samefile(root) else ["--subdir"] if top else ["--no-scm"]
    command = [sys.executable, "-m", "dvc", "init", "--quiet", *options]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise UsageError(
            f"`dvc init {' '.join(options)}` fails: {done.stderr.strip() or done.stdout.strip()}"
        )
    return " ".join(["dvc init", *options])


def _foreign(root: Path, plan: Plan) -> Iterator[str]:
    """What lies in folders that the report reads as a whole, and is no output."""
    folders = {Path(out).parent.as_posix() for out in plan.outs if not out.startswith(("data/", "plots/"))}
    for folder in sorted(folders - {"metrics", "."}):
        for entry in sorted((root / folder).glob("*")):
            path = entry.relative_to(root).as_posix()
            if entry.name != ".gitignore" and not any(out.startswith(f"{path}/") for out in plan.outs):
                yield path


def _existing(folder: Path) -> Path:
    while not folder.exists():
        folder = folder.parent
    return folder


def _put(path: Path, text: str) -> None:
    """At once, or not at all; a link stays a link."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path = path.resolve()
    draft = path.with_name(f".{path.name}.new")
    try:
        draft.write_text(text, encoding="utf-8", newline="")
        if path.exists():
            draft.chmod(path.stat().st_mode)
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)
