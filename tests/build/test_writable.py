"""What cannot be written to is refused before a stage works for it."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from edgebuild.build.declaration import Declaration
from edgebuild.build.writable import check_room, check_writable
from edgebuild.errors import UsageError

STAGE = Declaration("train", "x", (), (), ("models/deep/a.keras", "metrics.json"))


def test_folders_that_are_writable_or_yet_to_be_made_are_fine(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    check_writable(tmp_path, STAGE)
    assert list(tmp_path.rglob("*")) == [tmp_path / "models"]


@pytest.mark.parametrize(
    ("number", "reason"),
    [(errno.EROFS, "Read-only"), (errno.EACCES, "Permission"), (errno.ENOSPC, "No space")],
)
def test_the_refusal_names_the_folder_and_the_reason(
    tmp_path: Path, number: int, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "models/deep").mkdir(parents=True)

    def refuse(dir: Path) -> Any:  # a superuser is refused nothing
        if dir.name == "deep":
            raise OSError(number, os.strerror(number))
        return tempfile.SpooledTemporaryFile()

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    with pytest.raises(
        UsageError, match=rf"stage train must write to models/deep/, .*{reason}.* run the build again"
    ):
        check_writable(tmp_path, STAGE)


@pytest.mark.skipif(sys.platform != "linux", reason="needs a mount namespace")
def test_a_read_only_file_system_is_seen_by_a_superuser_too(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    code = (
        "import sys; from pathlib import Path; from edgebuild.build.writable import check_writable\n"
        "from tests.build.test_writable import STAGE\n"
        "check_writable(Path(sys.argv[1]), STAGE)"
    )
    mount = f"mount --bind models models && mount -o remount,ro,bind models && exec {sys.executable} -c '{code}' ."
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", mount], cwd=tmp_path, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )  # fmt: skip
    assert (
        "UsageError: stage train must write to models/, which is refused: Read-only file system"
        in done.stderr
    )


def test_a_file_that_may_not_grow_is_told_before_dvc_starts(tmp_path: Path) -> None:
    (tmp_path / ".dvc/tmp").mkdir(parents=True)
    check_room(tmp_path)
    code = (
        "import resource, signal, sys; from pathlib import Path; from edgebuild.build.writable import check_room\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "check_room(Path(sys.argv[1]))"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True)
    assert "UsageError: DVC must write to .dvc/tmp/, which is refused: File too large" in done.stderr
    assert list((tmp_path / ".dvc/tmp").iterdir()) == []
