"""Outputs are what dvc.lock says they are, and not what a damaged cache has made of them.

DVC makes the objects of its cache read-only and then trusts them: a truncated
or flipped object is restored into the workspace, and the build goes on from it.
Here objects are hashed, once for each time that they change. A damaged one is
made anew from the workspace where that still has the right bytes; otherwise it is
removed, together with the copies that DVC made from it, and DVC executes the stage again.
"""

from __future__ import annotations

import configparser
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from edgebuild import console
from edgebuild.build.declaration import Declaration
from edgebuild.build.digest import md5
from edgebuild.build.hashes import cached_md5, listing
from edgebuild.build.recorded import recorded
from edgebuild.errors import Finding

__all__ = ["DamageError", "cache", "check_deps", "mend"]

OBJECT_MODE = 0o444  # by which DVC knows an object that it need not hash


class DamageError(Finding):
    """A stage was about to read what a damaged cache object gave; it is removed, the next build makes it anew."""


@dataclass(frozen=True)
class Part:
    """One object of the cache and the file or folder of the workspace that has its bytes."""

    path: Path
    digest: str
    object: Path


def cache(root: Path) -> Path:
    """The folder of DVC's local cache: .dvc/cache unless ``root``'s configuration says otherwise."""
    config = configparser.ConfigParser(interpolation=None)
    config.read([root / ".dvc" / "config", root / ".dvc" / "config.local"], encoding="utf-8")
    return root / ".dvc" / config.get("cache", "dir", fallback="cache")


def mend(root: Path, stages: Mapping[str, Declaration]) -> list[str]:
    """Check the cache's objects of every output that dvc.lock records for ``stages``.

    Returns one line for each damaged object, which says what was done about it. Objects that are not
    there are DVC's business.
    """
    known = recorded(root)
    lines = []
    for stage in stages.values():
        for path in stage.outs:
            digest = known.get(stage.name, {}).get(path)
            for part in _parts(root, path, digest) if digest else ():
                if line := _mend(root, part):
                    lines.append(f"{line} (stage {stage.name})")
    return lines


def check_deps(root: Path, declared: Declaration) -> None:
    """Refuse to execute the stage ``declared`` on what a damaged cache object gave.

    While a stage runs, dvc.lock has the present entries of the stages before it.
    A dep that a person has changed is told and let pass: DVC takes it as it is, too.

    Raises:
        DamageError: it was, and is removed.
    """
    damaged = []
    for path, made in _made(root, declared).items():
        if not (root / path).exists() or cached_md5(root, root / path) in made:
            continue
        for digest, stage in made.items():
            lines = [line for part in _parts(root, path, digest) if (line := _mend(root, part))]
            damaged += [f"{line} (stage {stage})" for line in lines]
            if not lines:
                console.warn(
                    f"{path} is not what stage {stage} made; stage {declared.name} reads it as it is"
                )
    if damaged:
        raise DamageError(
            "\n  ".join([f"stage {declared.name} cannot run on what a damaged cache gave:", *damaged])
            + "\nrun the build again, which makes it anew"
        )


def _made(root: Path, declared: Declaration) -> dict[str, dict[str, str]]:
    """The outputs of other stages that ``declared`` depends on: path → digest → stage.

    More than one where dvc.lock still has a stage that dvc.yaml has no more.
    """
    result: dict[str, dict[str, str]] = {}
    for stage, outs in recorded(root).items():
        for path, digest in outs.items():
            if any(path == dep or path.startswith(f"{dep}/") for dep in declared.deps):
                result.setdefault(path, {})[digest] = stage
    return result


def _parts(root: Path, path: str, digest: str) -> Iterator[Part]:
    """The objects that an output consists of; a folder's list of files comes after the files."""
    files = cache(root) / "files" / "md5"
    whole = Part(root / path, digest, files / digest[:2] / digest[2:])
    if digest.endswith(".dir"):
        # Where the list itself is missing or damaged, nothing is known of the files.
        good = whole.object.is_file() and cached_md5(root, whole.object) == digest.removesuffix(".dir")
        for entry in json.loads(whole.object.read_bytes()) if good else ():
            child = entry["md5"]
            yield Part(root / path / entry["relpath"], child, files / child[:2] / child[2:])
    yield whole


def _mend(root: Path, part: Part) -> str | None:
    """What was wrong with the object and what was done, or None."""
    try:
        if cached_md5(root, part.object) == part.digest.removesuffix(".dir"):
            return None
        found = md5(part.object)  # what is remembered could be wrong, and what follows removes files
    except FileNotFoundError:
        return None
    if found == part.digest.removesuffix(".dir"):
        return None
    name = part.path.relative_to(root).as_posix()
    what = f"{name}: its object {part.object.relative_to(root) if part.object.is_relative_to(root) else part.object}"
    what += f" in DVC's cache is damaged ({part.object.stat().st_size} bytes)"
    linked = part.path.is_symlink() or (part.path.exists() and part.path.samefile(part.object))
    if not linked and part.path.exists() and cached_md5(root, part.path) == part.digest:
        _write(root, part)
        return f"{what}; made anew from the workspace"
    # The copy goes first: after a kill between the two, the damaged object is found again.
    if linked or (part.path.is_file() and md5(part.path) == found):
        part.path.unlink()
        what += "; removed it and the copy in the workspace"
    else:
        what += "; removed it"
    part.object.unlink()
    return what


def _write(root: Path, part: Part) -> None:
    """Make the object from the workspace, whose bytes are right."""
    draft = part.object.with_name(f"{part.object.name}.{os.getpid()}.tmp")
    if part.path.is_dir():
        draft.write_bytes(listing(root, part.path))
    else:
        shutil.copyfile(part.path, draft)
    draft.chmod(OBJECT_MODE)
    draft.replace(part.object)
