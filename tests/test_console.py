"""What the command line does where nobody reads what it says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from edgebuild import cli

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("arguments", [["report"], ["report", "--json"], ["run", "no-such-stage"]])
def test_a_reader_that_has_gone_ends_it_as_sigpipe_would_and_without_a_traceback(
    arguments: list[str], unbuffered: str
) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "PYTHONUNBUFFERED": unbuffered}
    refused = arguments[0] == "run"
    done = subprocess.run(
        [sys.executable, "-m", "edgebuild", *arguments],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE if refused else writing,
        stderr=writing if refused else subprocess.PIPE,
    )
    os.close(writing)
    assert done.returncode == cli.UNREAD
    assert not done.stdout
    assert not done.stderr


def test_another_broken_pipe_is_a_defect_and_keeps_its_traceback(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def broken(*_: object, **__: object) -> int:
        raise BrokenPipeError

    monkeypatch.setattr("edgebuild.build.whole.build", broken)
    with (tmp_path / "out").open("w") as out:
        monkeypatch.setattr(sys, "stdout", out)
        monkeypatch.setattr(sys, "stderr", out)
        with pytest.raises(BrokenPipeError):
            cli.main(["run"])
