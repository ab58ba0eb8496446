"""A stage of the worker is what a plain process is: status, streams, surroundings."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.build.worker.workshop import Workshop

SURROUNDINGS = """\
import json, os, signal, sys, tempfile, threading, time
os.umask(umask := os.umask(0))
print(json.dumps({
    "argv": sys.argv, "orig_argv": sys.orig_argv, "path": sys.path, "cwd": os.getcwd(), "umask": umask,
    "environ": dict(sorted(os.environ.items())), "name": __name__, "main": sys.modules["__main__"].__spec__.name,
    "flags": str(sys.flags), "nice": os.nice(0), "processors": sorted(os.sched_getaffinity(0)),
    "signals": {n: str(signal.getsignal(n)) for n in range(1, 32)}, "blocked": list(signal.pthread_sigmask(0, [])),
    "threads": threading.active_count(), "temporary": tempfile.gettempdir(), "zone": time.tzname,
    "streams": [[s.name, s.mode, s.encoding, s.errors, s.line_buffering, s.write_through, s.isatty()]
                for s in (sys.stdin, sys.stdout, sys.stderr)],
    "hash": hash("text"), "recursion": sys.getrecursionlimit(), "bytecode": sys.dont_write_bytecode,
    "modules": sorted(name for name in sys.modules if name.startswith("edgebuild")),
    "group": os.getpgid(0) == os.getpid(),
}))
"""
ENDS = {
    "success": "print('made')",
    "a status": "import sys; print('found'); sys.exit(3)",
    "a large status": "import sys; sys.exit(259)",
    "a text": "import sys; sys.exit('wrong usage')",
    "an exception": "print('begun'); raise ValueError('no')",
    "a crash": "import os, signal; print('begun', flush=True); os.kill(os.getpid(), signal.SIGSEGV)",
    "a kill": "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
    "a bare interruption": "raise KeyboardInterrupt",
    "clean-up": "import atexit; atexit.register(print, 'cleaned')",
    "a thread": "import threading, time; threading.Thread(target=lambda: (time.sleep(0.1), print('late'))).start()",
    "an unwritable stream": "import os; print('lost'); os.close(1)",
}


@pytest.mark.parametrize("end", ENDS)
def test_it_ends_as_a_plain_process_ends(workshop: Workshop, end: str) -> None:
    workshop.write(ENDS[end])
    status, out, err = workshop.plain("run", "make")
    in_worker = workshop.run("run", "make")
    assert in_worker[:2] == (status, out)
    assert in_worker[2].splitlines()[-1:] == err.splitlines()[-1:]


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_its_surroundings_are_those_of_the_client(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, unbuffered: str
) -> None:
    workshop.write(SURROUNDINGS)
    (workshop.folder / "tmp").mkdir()
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    for name, value in {"TMPDIR": str(workshop.folder / "tmp"), "TZ": "JST-9", "ODD": "\udcff"}.items():
        monkeypatch.setenv(name, value)
    (_, before, _), (status, out, err) = workshop.plain("run", "make"), workshop.run("run", "make")
    assert (status, err) == (0, "")
    plain, in_worker = json.loads(before), json.loads(out)
    assert in_worker["environ"].pop("EDGEBUILD_BUILD_PROCESS").isdigit()
    in_worker["environ"]["PYTHONPATH"] = plain["environ"]["PYTHONPATH"]
    assert in_worker.pop("group")
    assert not plain.pop("group")
    assert in_worker == plain


def test_it_reads_standard_input(workshop: Workshop) -> None:
    workshop.write("import sys; print(sys.stdin.read().upper(), end='')")
    assert workshop.run("run", "make", text="über\n") == (0, "ÜBER\n", "")


def test_it_writes_to_the_client_s_own_streams(
    workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    workshop.write("import os, sys; print('out'); print('err', file=sys.stderr); os.write(1, b'native')")
    log = tmp_path / "log"
    log.write_text("before\n")
    with (
        log.open("a") as file,
        workshop.start("run", "make", stdout=file, stderr=subprocess.STDOUT) as client,
    ):
        client.communicate()
    assert log.read_text() == "before\nerr\nnativeout\n"  # what is printed waits in Python's own buffer


def test_what_is_not_seeded_differs_from_stage_to_stage(workshop: Workshop) -> None:
    workshop.write("import random, numpy; print(random.random(), numpy.random.rand())")
    (workshop.folder / "dvc.yaml").write_text("stages:\n  make:\n    deps: [stages/make.py]\n")
    (workshop.folder / "stages").mkdir()
    (workshop.folder / "stages/make.py").write_text("import numpy.random\n")
    drawn = [number for _ in range(2) for number in workshop.run("run", "make")[1].split()]
    assert len(set(drawn)) == 4


def test_edited_code_is_imported_anew(workshop: Workshop) -> None:
    module = workshop.code / "edgebuild" / "part.py"
    workshop.write("from edgebuild.part import VALUE; print(VALUE)")
    for value in (1, 22):
        module.write_text(f"VALUE = {value}\n")
        assert workshop.run("run", "make") == (0, f"{value}\n", "")
