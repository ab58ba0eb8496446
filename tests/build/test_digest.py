"""Digests are those of dvc.lock."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from edgebuild.build.digest import md5
from edgebuild.strict import read_yaml

DVC_YAML = """\
stages:
  copy:
    cmd: cp input file && cp -r source folder && touch empty
    deps: [input, source]
    outs: [file, empty, folder]
"""


def test_digests_of_files_and_folders_are_those_that_dvc_repro_writes(tmp_path: Path) -> None:
    (tmp_path / "input").write_bytes(b"a\r\nb\n\0" * 100_000)
    # "a-b" sorts before "a/b" as text, and after it part by part
    for name in ("a/b", "a-b", "a/b.d/c", "ä ö", "Z"):
        (tmp_path / "source" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "source" / name).write_text(name)
    (tmp_path / "source/a/run.sh").write_text("#!/bin/sh\n")
    (tmp_path / "source/a/run.sh").chmod(0o755)
    (tmp_path / "dvc.yaml").write_text(DVC_YAML)
    for command in (["init", "--no-scm", "--quiet"], ["repro", "--quiet"]):
        subprocess.run([sys.executable, "-m", "dvc", *command], cwd=tmp_path, check=True, timeout=120)
    lock = read_yaml(tmp_path / "dvc.lock")
    assert isinstance(lock, dict)
    recorded = {entry["path"]: entry["md5"] for entry in lock["stages"]["copy"]["outs"]}
    assert recorded == {name: md5(tmp_path / name) for name in ("file", "empty", "folder")}
    assert recorded["folder"].endswith(".dir")
