"""What surrounds a stage: how it failed is noted, and a full disk is told as one."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from edgebuild.build import failed, supervised
from edgebuild.build.exclusive import holders
from edgebuild.build.failed import Failure
from edgebuild.build.intact import DamageError
from edgebuild.errors import EdgebuildError, Finding, ParamsError, StageError, UsageError


def fail(root: Path, error: Exception) -> None:
    with supervised.supervised(root, "train", {}):
        raise error


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (ParamsError("x"), Failure("train", 2, False)),
        (Finding("x"), Failure("train", 1, False)),
        (DamageError("x"), Failure("train", 1, True)),
    ],
)
def test_how_a_stage_failed_is_noted_once(tmp_path: Path, error: EdgebuildError, failure: Failure) -> None:
    with pytest.raises(type(error)):
        fail(tmp_path, error)
    assert failed.take(tmp_path) == failure
    assert failed.take(tmp_path) is None


def test_a_note_that_was_cut_off_is_no_note(tmp_path: Path) -> None:
    (tmp_path / ".edgebuild").mkdir()
    (tmp_path / ".edgebuild/failed.json").write_text('{"stage": "tr')
    assert failed.take(tmp_path) is None


def test_success_leaves_no_note_and_no_lock(tmp_path: Path) -> None:
    with supervised.supervised(tmp_path, "train", {}):
        assert [holder.pid for holder in holders(tmp_path)] == [os.getpid()]
    assert holders(tmp_path) == []
    assert failed.take(tmp_path) is None


def test_a_full_disk_is_told_with_the_file_and_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match=r"stage train could not write models/a: the disk is full; .* last finished"
    ):
        fail(tmp_path, OSError(errno.ENOSPC, "No space left on device", "models/a"))


def test_other_errors_of_the_operating_system_stay_as_they_are(tmp_path: Path) -> None:
    with pytest.raises(ConnectionResetError):
        fail(tmp_path, ConnectionResetError(errno.ECONNRESET, "reset"))


@pytest.mark.parametrize(("environ", "watched"), [({"DVC_STAGE": "train"}, [4711]), ({}, [])])
def test_only_a_stage_that_dvc_runs_is_watched(
    tmp_path: Path, environ: dict[str, str], watched: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    monkeypatch.setattr(supervised, "build_process", lambda: 4711)
    monkeypatch.setattr(supervised, "ensure_watched", lambda root, build, environ: seen.append(build))
    with supervised.supervised(tmp_path, "train", environ):
        assert [holder.build for holder in holders(tmp_path)] == (watched or [0])
    assert seen == watched


def test_an_orphan_of_a_killed_build_does_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervised, "build_process", lambda: 1)
    monkeypatch.setattr(supervised, "is_dvc", lambda pid: False)
    with (
        pytest.raises(StageError, match="the build that started stage train has ended; run it again"),
        supervised.supervised(tmp_path, "train", {"DVC_STAGE": "train"}),
    ):
        pytest.fail("it ran")


def test_dvc_may_be_the_first_process_of_a_container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervised, "build_process", lambda: 1)
    monkeypatch.setattr(supervised, "is_dvc", lambda pid: pid == 1)
    monkeypatch.setattr(supervised, "ensure_watched", lambda root, build, environ: None)
    with supervised.supervised(tmp_path, "train", {"DVC_STAGE": "train"}):
        assert [holder.build for holder in holders(tmp_path)] == [1]
