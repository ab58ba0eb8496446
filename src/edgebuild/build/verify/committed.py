"""Where the bytes of a committed output are to be had: git, the local DVC cache, or a remote."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from edgebuild.build.digest import md5
from edgebuild.build.verify.clone import git

__all__ = ["Committed"]


@dataclass(frozen=True)
class Committed:
    """The outputs of ``commit`` of the repository ``root``, whose folder of dvc.yaml is ``prefix`` in git."""

    root: Path
    commit: str
    prefix: str

    def fetch(self, path: str, digest: str, target: Path) -> str | None:
        """Put the output ``path`` with ``digest``, file or folder, to ``target``.

        Returns None, or why its bytes cannot be had. What is found is trusted only
        if it has the digest.
        """
        target.parent.mkdir(parents=True, exist_ok=True)
        sources = (self._from_git, self._from_cache, self._from_remote)
        damaged = ""
        for source in sources:
            _remove(target)
            if source(path, digest, target):
                if md5(target) == digest:
                    return None
                damaged = " (a damaged copy was found)"
        _remove(target)
        remote = "nor in its remote" if self._has_remote else "and no DVC remote is configured"
        return f"{path} as committed is not in git, not in the local DVC cache, {remote}{damaged}"

    def _from_git(self, path: str, digest: str, target: Path) -> bool:
        listed = git(
            self.root,
            "ls-tree",
            "-r",
            "-z",
            "--full-tree",
            "--name-only",
            self.commit,
            "--",
            self.prefix + path,
        )
        names = [name for name in (listed or "").split("\0") if name]
        for name in names:
            inside = name.removeprefix(self.prefix + path).lstrip("/")
            file = target / inside if inside else target
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("wb") as out:
                command = ["git", "-C", str(self.root), "cat-file", "--filters", f"{self.commit}:{name}"]
                if subprocess.run(command, stdout=out, stderr=subprocess.DEVNULL).returncode != 0:
                    return False
        return bool(names)

    def _from_cache(self, path: str, digest: str, target: Path) -> bool:
        if self._cache is None:
            return False
        if not digest.endswith(".dir"):
            return _copy(self._object(digest), target)
        listing = self._object(digest)
        if listing is None or not listing.is_file():
            return False
        target.mkdir()
        return all(
            _copy(self._object(entry["md5"]), target / entry["relpath"])
            for entry in json.loads(listing.read_text(encoding="utf-8"))
        )

    def _from_remote(self, path: str, digest: str, target: Path) -> bool:
        if not self._has_remote:
            return False
        # DVC's own way to a file of another commit; it asks the remote that this repository is configured for.
        done = self._dvc("get", str(self.root), path, "--rev", self.commit, "--out", str(target))
        return done.returncode == 0

    def _object(self, digest: str) -> Path | None:
        return None if self._cache is None else self._cache / "files" / "md5" / digest[:2] / digest[2:]

    @cached_property
    def _cache(self) -> Path | None:
        done = self._dvc("cache", "dir")
        return Path(done.stdout.strip()) if done.returncode == 0 else None

    @cached_property
    def _has_remote(self) -> bool:
        return bool(self._dvc("remote", "list").stdout.strip())

    def _dvc(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "dvc", *arguments]
        return subprocess.run(command, cwd=self.root, capture_output=True, text=True)


def _copy(source: Path | None, target: Path) -> bool:
    if source is None or not source.is_file():
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)  # never a link: an object of the cache must not be written through
    return True


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
