"""A clean clone of one commit in a temporary folder, which leaves nothing behind."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from edgebuild.build.signals import interrupting
from edgebuild.errors import UsageError
from edgebuild.track.outbox import state_folder

__all__ = ["Clone", "clean_clone", "git", "without_delivery"]

#: Of the caller's variables these would tie the clone to the caller's repository, stores and settings.
#: git sets its own in hooks.
SCRUBBED = ("GIT_", "DVC_", "MLFLOW_", "EDGEBUILD_")
#: The caller's word that packages other than the lock's are acceptable holds for the clone, too; it is recorded.
PASSED = ("EDGEBUILD_ALLOW_DRIFT",)
#: seconds that a build gets to end in order before it is killed
GRACE_S = 10.0
POLL_S = 0.05


@dataclass(frozen=True)
class Clone:
    """``root`` is the folder of dvc.yaml in the clone of ``commit``; everything lies in ``folder``.

    ``prefix`` is where ``root`` is in the repository, "" or ending in a slash.
    """

    folder: Path
    root: Path
    commit: str
    prefix: str
    environ: Mapping[str, str] = field(repr=False)

    def dvc(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run ``dvc`` here to its end; the caller looks at the exit status."""
        command = [sys.executable, "-m", "dvc", *arguments]
        return subprocess.run(
            command, cwd=self.root, env=self.environ, capture_output=True, text=True, stdin=subprocess.DEVNULL
        )

    def follow(self, arguments: Sequence[str], log: Path, hear: Callable[[str], None]) -> int:
        """Run ``dvc`` here, let ``hear`` have its lines as they come, append them to ``log``; its exit status.

        When ``hear`` raises or an interrupt arrives, the build is ended, with its children.
        """
        command = [sys.executable, "-m", "dvc", *arguments]
        with (
            log.open("a", encoding="utf-8") as file,
            subprocess.Popen(
                command, cwd=self.root, env=self.environ, stdin=subprocess.DEVNULL, text=True, errors="replace",
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
            ) as build,
        ):  # fmt: skip
            try:
                assert build.stdout is not None
                for line in build.stdout:
                    file.write(line)
                    hear(line)
                return build.wait()
            finally:
                if build.poll() is None:
                    _end(build)


@contextmanager
def clean_clone(root: Path, revision: str, environ: Mapping[str, str], keep: bool = False) -> Iterator[Clone]:
    """Check ``revision`` of the repository around ``root`` out into a temporary folder.

    Objects are read from the repository and not copied. The clone runs its own
    code where it has edgebuild's, with this interpreter; DVC's cache there is
    empty, MLflow's store is the clone's own. ``keep`` leaves the folder; otherwise
    it is removed, also after SIGINT, SIGTERM and SIGHUP.

    Raises:
        UsageError: no git, no such revision, or no dvc.yaml in it.
        KeyboardInterrupt: a signal arrived.
    """
    top = git(root, "rev-parse", "--show-toplevel")
    if top is None:
        raise UsageError(f"{root} is in no git repository; verify needs a commit to clone")
    commit = git(root, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
    if commit is None:
        raise UsageError(f"git knows no revision {revision!r}; a branch, tag or commit is required")
    prefix = git(root, "rev-parse", "--show-prefix") or ""
    folder = Path(tempfile.mkdtemp(prefix="edgebuild-verify-")).resolve()
    try:
        with interrupting(signal.SIGTERM, signal.SIGHUP):
            place = folder / Path(top).name
            _check_out(root, commit, place)
            clone = Clone(
                folder, place / prefix, commit, prefix, _environment(environ, folder, place / prefix)
            )
            for name in (".dvc/config", "dvc.yaml", "dvc.lock"):
                if not (clone.root / name).is_file():
                    raise UsageError(
                        f"commit {commit[:10]} has no {prefix}{name}; build with dvc repro and commit {name}"
                    )
            _without_shared_cache(clone)
            with without_delivery(clone.root):
                yield clone
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)


def git(root: Path, *arguments: str) -> str | None:
    """What ``git`` says in ``root``, without the last newline; None if it fails.

    Raises:
        UsageError: there is no git.
    """
    environ = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    command = ["git", "--no-optional-locks", "-C", str(root), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environ)
    except FileNotFoundError:
        raise UsageError("verify needs git, which is not on PATH") from None
    return done.stdout.rstrip("\n") if done.returncode == 0 else None


def _check_out(root: Path, commit: str, place: Path) -> None:
    """Like ``git clone --shared``, but also of a commit that no branch holds, and from a shallow clone as CI has."""
    # An empty template: no hooks, of which `dvc install` has one that checks data out.
    made = git(root, "init", "--quiet", "--template=", str(place))
    common = git(root, "rev-parse", "--path-format=absolute", "--git-common-dir")
    if made is None or common is None:
        raise UsageError(f"git cannot make a repository in {place}; is there space?")
    alternates = place / ".git" / "objects" / "info" / "alternates"
    alternates.parent.mkdir(parents=True, exist_ok=True)
    alternates.write_text(f"{common}/objects\n", encoding="utf-8")
    if (shallow := Path(common) / "shallow").is_file():
        shutil.copyfile(shallow, place / ".git" / "shallow")
    if git(place, "checkout", "--quiet", "--detach", commit) is None:
        raise UsageError(f"git cannot check commit {commit[:10]} out into {place}; is there space?")


def _environment(environ: Mapping[str, str], folder: Path, root: Path) -> dict[str, str]:
    kept = {name: value for name, value in environ.items() if name in PASSED or not name.startswith(SCRUBBED)}
    # Stages are started by name; they must find the edgebuild of this interpreter.
    path = os.pathsep.join([str(Path(sys.executable).parent), environ.get("PATH", os.defpath)])
    own = {"PYTHONPATH": str(root / "src")} if (root / "src" / "edgebuild").is_dir() else {}
    return {
        **kept,
        **own,
        "PATH": path,
        # Nothing of the user's or the machine's DVC: a cache that they share with others, say. The last of these
        # holds DVC's notes, of which it would leave a folder in /var/tmp for each clone.
        "DVC_GLOBAL_CONFIG_DIR": str(folder / "dvc" / "global"),
        "DVC_SYSTEM_CONFIG_DIR": str(folder / "dvc" / "system"),
        "DVC_SITE_CACHE_DIR": str(folder / "dvc" / "site"),
        "DVC_NO_ANALYTICS": "1",
        "MLFLOW_TRACKING_URI": f"sqlite:///{folder / 'mlflow.db'}",
        "EDGEBUILD_WORKER": "0",  # every stage in a fresh process: evidence from nothing that was there before
    }


def _without_shared_cache(clone: Clone) -> None:
    """The commit's own configuration may name a cache outside, where an earlier build's results are."""
    local = clone.root / ".dvc" / "config.local"
    local.write_text(f"[cache]\n    dir = {clone.folder / 'dvc' / 'cache'}\n", encoding="utf-8")


@contextmanager
def without_delivery(root: Path) -> Iterator[None]:
    """Hold the lock of the delivery process, so that none starts and outlives the clone."""
    state = state_folder(root)
    state.mkdir(parents=True, exist_ok=True)
    with (state / "daemon.lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _end(build: subprocess.Popen[str]) -> None:
    """Let the build's whole process group end in order; then make it."""
    end = time.monotonic() + GRACE_S
    with suppress(ProcessLookupError):
        os.killpg(build.pid, signal.SIGTERM)
        while time.monotonic() < end:
            build.poll()
            os.killpg(build.pid, 0)  # raises when no process of the group is left
            time.sleep(POLL_S)
        os.killpg(build.pid, signal.SIGKILL)
