"""``dvc repro`` without its quadratic costs: ``python -m edgebuild.build.dvc_repro [ARGUMENTS]``.

After each stage DVC parses the whole dvc.lock and writes it anew, and it parses
params.yaml six times for each stage that it restores; both grow with the number
of stages. Here one entry of dvc.lock is replaced in the text, and the file by its
successor, so that a kill never leaves half of it; the bytes are those that DVC
writes. A params file is parsed again when its text has changed.

All else is DVC's: `Repo.reproduce` takes the function that reproduces one
stage, as DVC's own experiments do, and DVC keeps its loaders in a registry. A
dvc.lock in another layout than DVC's is written by DVC.
"""

from __future__ import annotations

import copy
import functools
import logging
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dvc.stage import Stage

__all__ = ["main", "reproduce", "with_entry"]

HEAD = "schema: '2.0'\nstages:\n"
#: The lines of an entry after its first; a stage's name stands two columns in.
INSIDE = re.compile(r"(?:    .*\n)*")
#: Entries and nothing after them: no other section, comment or conflict of a merge.
ENTRIES = re.compile(r"(?:  [^ #\n].*:\n(?:    .*\n)*)*")

logger = logging.getLogger("dvc.edgebuild")  # below "dvc", which the command line sets up


def main(arguments: Sequence[str] | None = None) -> int:
    """Like ``dvc repro`` with ``arguments``; returns its exit status."""
    from dvc import cli
    from dvc.commands import repro
    from dvc.utils.serialize import LOADERS

    _be_watched()

    class Repro(repro.CmdRepro):  # type: ignore[misc]
        @property
        def _repro_kwargs(self) -> dict[str, Any]:
            return {**super()._repro_kwargs, "repro_fn": reproduce}

    repro.CmdRepro = Repro  # what the parser calls for `repro`
    LOADERS[".yaml"] = load
    status: int = cli.main(["repro", *(sys.argv[1:] if arguments is None else arguments)])
    return status


def _be_watched() -> None:
    """The first stage would see to it, but a kill may come before that stage has started."""
    from edgebuild.build.guard import ensure_watched

    try:
        ensure_watched(Path.cwd(), os.getpid(), os.environ)
    except OSError as error:
        print(f"edgebuild: nothing watches over this build: {error}", file=sys.stderr)


def reproduce(stage: Stage, **options: Any) -> Stage | None:
    """Reproduce one stage as DVC does, and write its entry of dvc.lock."""
    from dvc.repo.reproduce import _reproduce_stage
    from dvc.stage import PipelineStage

    if not isinstance(stage, PipelineStage) or stage.frozen or options.get("dry"):
        return _reproduce_stage(stage, **options)
    done: Stage | None = stage.reproduce(**options)
    if done is not None and not _write(done):
        done.dump(update_pipeline=False)
    return done


def load(path: str, fs: Any = None, **options: Any) -> Any:
    """Like DVC's ``load_yaml``, of a file whose text is mostly that of the last call."""
    from dvc.utils.serialize import EncodingError

    with fs.open(path, "rb") if fs else open(path, "rb") as file:
        data: bytes = file.read()
    try:
        return copy.deepcopy(_parse(data.decode("utf-8"), os.fspath(path)))
    except UnicodeDecodeError:
        raise EncodingError(path, "utf-8") from None


@functools.lru_cache(maxsize=8)
def _parse(text: str, path: str) -> Any:
    from dvc.utils.serialize import parse_yaml

    return parse_yaml(text, path)


def with_entry(text: str, entry: str) -> str | None:
    """``text`` of a dvc.lock with ``entry``, the lines of one stage; None if the text has not DVC's layout.

    An entry that is there is replaced where it stands; a new one is the last, as in DVC.
    """
    text = text or HEAD
    if not text.startswith(HEAD) or not ENTRIES.fullmatch(text, len(HEAD)):
        return None
    name = entry[: entry.index("\n") + 1]
    start = text.find(f"\n{name}", len(HEAD) - 1) + 1
    if not start:
        return text + entry
    end = INSIDE.match(text, start + len(name)).end()  # type: ignore[union-attr]
    return text[:start] + entry + text[end:]


def _write(stage: Any) -> bool:
    """Whether the entry of ``stage`` could be written."""
    from dvc.dvcfile import is_git_ignored
    from dvc.stage.serialize import to_lockfile
    from dvc.utils.serialize import dumps_yaml

    path = Path(stage.path).with_suffix(".lock")
    entry = dumps_yaml({"stages": to_lockfile(stage)}).removeprefix("stages:\n")
    before = path.read_bytes().decode("utf-8") if path.exists() else ""
    after = with_entry(before, entry)
    if after is None or path.is_symlink() or is_git_ignored(stage.repo, str(path)):
        return False
    if after != before:
        for verb in ("Updating",) if before else ("Generating", "Updating"):
            logger.info("%s lock file '%s'", verb, os.path.relpath(path))
        _replace(path, after)
        stage.repo.scm_context.track_file(os.path.relpath(path))
    return True


def _replace(path: Path, text: str) -> None:
    """Write ``path`` so that it is the old or the new text at any moment."""
    new = path.with_name(f".{path.name}.new")
    try:
        with new.open("w", encoding="utf-8", newline="") as file:
            file.write(text)
        if path.exists():
            new.chmod(path.stat().st_mode)
        os.replace(new, path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise


if __name__ == "__main__":
    sys.exit(main())
