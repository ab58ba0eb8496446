"""dvc.lock written by its text has the bytes that DVC writes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edgebuild.build.dvc_repro import HEAD, with_entry

A, B = "  a@x:\n    cmd: one\n    outs:\n    - path: p\n", "  b:\n    cmd: two\n"
DVC_YAML = """\
stages:
  made:
    foreach: ${variants}
    do:
      cmd: mkdir -p ${key} && echo ${item.size} > ${key}/f && echo 1 > ${key}.json
      params: [knobs]
      deps: [in.txt]
      outs: ["${key}"]
      metrics: ["${key}.json": {cache: false, labels: [machine]}]
  last:
    cmd: cat v1/f v2/f > "all of it.txt" ; echo a line that is long enough to be folded by the emitter of YAML
    deps: [v1, v2]
    params: [knobs.text]
    outs: ["all of it.txt"]
"""
PARAMS = """\
variants: {v1: {size: 1}, v2: {size: 2}}
knobs: {float: 3.0e-3, text: "yes: # é", none: null, list: [1, [], {}], number: "1e3", flag: on}
"""
PLAIN, OURS = ("dvc", "repro"), (sys.executable, "-m", "edgebuild.build.dvc_repro")


def test_an_entry_replaces_its_older_self_where_it_stands() -> None:
    new = A.replace("one", "three")
    assert with_entry(HEAD + A + B, new) == HEAD + new + B
    assert with_entry(HEAD + B + A, new) == HEAD + B + new


def test_a_new_entry_is_the_last_and_a_new_file_gets_a_head() -> None:
    assert with_entry(HEAD + B, A) == HEAD + B + A
    assert with_entry("", A) == HEAD + A


@pytest.mark.parametrize(
    "text",
    [
        f"# mine\n{HEAD}{A}",
        f"{HEAD}<<<<<<< ours\n{A}=======\n{B}>>>>>>> theirs\n",
        f"{HEAD}{A}datasets: []\n",
        f"{HEAD}{A}  # mine\n{B}",
        f"{HEAD}{A}".rstrip("\n"),
        f"{HEAD}{A}".replace("\n", "\r\n"),
        "schema: '2.0'\nstages: {}\n",
    ],
)
def test_a_text_in_another_layout_is_left_to_dvc(text: str) -> None:
    assert with_entry(text, B) is None


def project(root: Path) -> Path:
    root.mkdir()
    for name, text in {"dvc.yaml": DVC_YAML, "params.yaml": PARAMS, "in.txt": "1"}.items():
        (root / name).write_text(text)
    run(root, "git", "init", "--quiet")
    run(root, "dvc", "init", "--quiet")
    return root


def run(root: Path, *command: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {
        **os.environ,
        "PATH": path,
        "PYTHONWARNINGS": "ignore",
        "DVC_NO_ANALYTICS": "1",
        "PYTHONHASHSEED": "0",
    }
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True)


def test_a_build_says_and_writes_what_dvc_does(tmp_path: Path) -> None:
    plain, ours = project(tmp_path / "plain"), project(tmp_path / "ours")

    def both() -> tuple[str, int]:
        by_dvc, by_us = run(plain, *PLAIN), run(ours, *OURS)
        assert (by_us.stdout, by_us.returncode) == (by_dvc.stdout, by_dvc.returncode), by_us.stderr
        assert (ours / "dvc.lock").read_bytes() == (plain / "dvc.lock").read_bytes()
        return by_us.stdout, by_us.returncode

    said, status = both()
    assert (said.count("Running stage"), status) == (3, 0)
    for root in (plain, ours):
        (root / "params.yaml").write_text(PARAMS.replace("size: 1", "size: 10"))
    assert both()[0].count("Running stage") == 2
    for root in (plain, ours):
        (root / "params.yaml").write_text(PARAMS)
    assert both()[0].count("is cached") == 2
    for root in (plain, ours):
        (root / "dvc.lock").write_text("# mine\n" + (root / "dvc.lock").read_text())
        (root / "dvc.yaml").write_text(
            DVC_YAML.replace("cat v1/f", "false && cat v1/f").replace(" ; ", " && ")
        )
    assert both()[1] == 255


def test_a_repository_without_git_is_built(tmp_path: Path) -> None:
    root = project(tmp_path / "plain")
    shutil.rmtree(root / ".git")
    shutil.rmtree(root / ".dvc")
    run(root, "dvc", "init", "--quiet", "--no-scm")
    assert run(root, *OURS).returncode == 0
    assert run(root, *PLAIN, "--dry").stdout.count("didn't change") == 3
