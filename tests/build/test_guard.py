"""After a killed DVC: its dvc.lock is whole again, and none of its stages goes on."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgebuild.build import guard
from edgebuild.build.guard import ensure_watched, keep_lock, mend_lock
from tests.build.dvc_repository import dvc, make


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("built")
    make(root)
    return root


@pytest.fixture
def root(built: Path, tmp_path: Path) -> Path:
    shutil.copytree(built, tmp_path / "repository")
    (tmp_path / "repository/.edgebuild").mkdir()
    return tmp_path / "repository"


@pytest.fixture
def build() -> Iterator[subprocess.Popen[bytes]]:
    """A process that stands for `dvc repro`."""
    with subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE
    ) as one:
        yield one
        one.kill()


def cut(root: Path, before: str = "d5: ") -> str:
    """Cut dvc.lock off, as DVC leaves it when it is killed while it writes; returns what it was.

    After an ``m`` on a line of its own it is no YAML any more.
    """
    text = (root / "dvc.lock").read_text()
    (root / "dvc.lock").write_text(text[: text.index(before)])
    return text


def wait_until_watched_no_more(root: Path, pid: int) -> None:
    while (root / f".edgebuild/locks/guard-{pid}").exists():
        time.sleep(0.05)


@pytest.mark.parametrize("before", ["schema", ".0", "    cmd", "d5: "])
def test_a_lock_that_dvc_could_not_read_is_put_back(root: Path, before: str) -> None:
    keep_lock(root)
    text = cut(root, before)
    line = mend_lock(root)
    assert line is not None
    assert "dvc.lock" in line
    assert (root / "dvc.lock").read_text() == text


def test_without_a_kept_one_the_run_cache_knows_what_was_made(root: Path) -> None:
    text = cut(root)
    assert dvc(root, "repro").returncode == 255
    assert mend_lock(root) is not None
    done = dvc(root, "repro")
    assert done.returncode == 0
    assert "Running stage" not in done.stdout
    assert (root / "dvc.lock").read_text() == text


def test_a_whole_lock_stays_whatever_was_kept(root: Path) -> None:
    keep_lock(root)
    text = (root / "dvc.lock").read_text().replace("weights", "other")
    (root / "dvc.lock").write_text(text + "\n")
    assert mend_lock(root) is None
    assert (root / "dvc.lock").read_text() == text + "\n"


def test_no_lock_is_no_damage(root: Path) -> None:
    (root / "dvc.lock").unlink()
    keep_lock(root)
    assert mend_lock(root) is None


def test_a_kept_lock_that_is_damaged_is_not_put_back(root: Path) -> None:
    (root / ".edgebuild/dvc.lock").write_text("stages: {")
    cut(root)
    assert mend_lock(root) is not None
    assert not (root / "dvc.lock").exists()


@pytest.mark.parametrize("before", ["d5: ", "  train:"], ids=["unreadable", "without a stage"])
def test_when_the_build_is_gone_its_lock_is_put_back_at_once(
    root: Path, build: subprocess.Popen[bytes], before: str
) -> None:
    ensure_watched(root, build.pid, {})
    ensure_watched(root, build.pid, {})  # the second stage of the same build
    text = cut(root, before)
    build.kill()
    build.wait()
    wait_until_watched_no_more(root, build.pid)
    assert (root / "dvc.lock").read_text() == text


def test_after_a_build_that_ended_well_nothing_is_changed(root: Path, build: subprocess.Popen[bytes]) -> None:
    ensure_watched(root, build.pid, {})
    text = (root / "dvc.lock").read_text() + "  another:\n    cmd: 'true'\n"
    (root / "dvc.lock").write_text(text)
    build.kill()
    build.wait()
    wait_until_watched_no_more(root, build.pid)
    assert (root / "dvc.lock").read_text() == text


STAGE = """\
import signal, sys, time
from pathlib import Path
from edgebuild.build.exclusive import stage_lock
if sys.argv[3] == "deaf":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
with stage_lock(Path(sys.argv[1]), sys.argv[3], int(sys.argv[2])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize(("name", "status"), [("orderly", -15), ("deaf", -9)])
def test_a_stage_of_a_build_that_is_gone_is_ended(
    root: Path,
    build: subprocess.Popen[bytes],
    name: str,
    status: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(guard, "GRACE_S", 0.3)
    with (
        subprocess.Popen(
            [sys.executable, "-c", STAGE, str(root), str(build.pid), name], stdout=subprocess.PIPE
        ) as stage,
        subprocess.Popen(
            [sys.executable, "-c", STAGE, str(root), "0", "by-hand"], stdout=subprocess.PIPE
        ) as other,
    ):
        for process in (stage, other):
            assert process.stdout is not None
            assert process.stdout.readline() == b"held\n"
        build.kill()
        build.wait()
        guard.main([str(root), str(build.pid)])
        assert stage.wait(30) == status
        assert other.poll() is None
        other.kill()
