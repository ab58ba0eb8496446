"""Signals and sudden deaths."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.build.worker.workshop import Workshop, lives, wait

#: says its pids, then waits; ends in order on SIGINT, as edgebuild does
LONG = """\
import os, sys, time
from pathlib import Path
helper = os.fork()
if helper == 0:
    Path("helper").touch()  # a signal to a process that is just being forked is lost, as in any Python
    while True: time.sleep(60)
while not Path("helper").exists(): time.sleep(0.01)
Path("pids.new").write_text(f"{os.getpid()} {helper} {os.getppid()}")
os.rename("pids.new", "pids")
try:
    while not Path("go on").exists(): time.sleep(0.01)
except KeyboardInterrupt:
    print("interrupted", flush=True)
    sys.exit(130)
os.kill(helper, 9)
print("done")
sys.exit(4)
"""


def started(workshop: Workshop) -> tuple[int, int, int]:
    """Pids of the stage, of its own child, and of the monitor."""
    wait((workshop.folder / "pids").exists)
    stage, helper, monitor = map(int, (workshop.folder / "pids").read_text().split())
    return stage, helper, monitor


def test_an_interrupt_reaches_all_processes_of_the_stage(workshop: Workshop) -> None:
    workshop.write(LONG)
    with workshop.start("run", "make") as client:
        stage, helper, _ = started(workshop)
        client.send_signal(signal.SIGINT)
        out, _ = client.communicate(timeout=30)
    assert (client.returncode, out) == (130, "interrupted\n")
    wait(lambda: not lives(stage) and not lives(helper))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGQUIT])
def test_a_signal_that_ends_the_stage_is_what_ends_the_client(
    workshop: Workshop, number: signal.Signals
) -> None:
    workshop.write(LONG)
    with workshop.start("run", "make") as client:
        _, helper, _ = started(workshop)
        client.send_signal(number)
        assert client.wait(30) == -number
        if lives(helper):
            os.kill(helper, signal.SIGKILL)  # as of a plain process, whose children stay


def test_an_ignored_signal_stays_ignored(workshop: Workshop) -> None:
    workshop.write(LONG)
    ignoring = lambda: signal.signal(signal.SIGINT, signal.SIG_IGN)  # noqa: E731 (nohup does it)
    with workshop.start("run", "make", preexec_fn=ignoring) as client:
        stage, _, _ = started(workshop)
        client.send_signal(signal.SIGINT)
        os.kill(stage, signal.SIGINT)
        (workshop.folder / "go on").touch()
        client.communicate(timeout=30)
    assert client.returncode == 4


def test_a_stopped_client_stops_its_stage(workshop: Workshop) -> None:
    def state(pid: int) -> str:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]

    workshop.write(LONG)
    with workshop.start("run", "make") as client:
        stage, _, _ = started(workshop)
        client.send_signal(signal.SIGTSTP)
        wait(lambda: state(stage) == state(client.pid) == "T")
        client.send_signal(signal.SIGCONT)
        wait(lambda: state(stage) != "T")
        (workshop.folder / "go on").touch()
        client.communicate(timeout=30)
    assert client.returncode == 4


def test_a_killed_client_takes_its_stage_along(workshop: Workshop) -> None:
    workshop.write(LONG)
    with workshop.start("run", "make") as client:
        pids = started(workshop)
        client.kill()
        wait(lambda: not any(map(lives, pids)))


def test_a_stage_outlives_its_server(workshop: Workshop) -> None:
    workshop.write(LONG)
    with workshop.start("run", "make") as client:
        started(workshop)
        (server,) = workshop.servers()
        os.kill(server, signal.SIGKILL)
        wait(lambda: not lives(server))
        (workshop.folder / "go on").touch()
        assert client.communicate(timeout=30)[0] == "done\n"
    assert client.returncode == 4
    assert not workshop.was_plain()


def test_a_client_whose_monitor_is_killed_does_the_work_itself(workshop: Workshop) -> None:
    workshop.write(LONG)
    with workshop.start("run", "make") as client:
        stage, helper, monitor = started(workshop)
        os.kill(monitor, signal.SIGKILL)
        wait(lambda: not lives(stage))
        assert not workshop.was_plain()  # as long as something of the first stage lives
        (workshop.folder / "go on").touch()
        os.kill(helper, signal.SIGKILL)
        assert client.communicate(timeout=30)[0] == "done\n"
    assert client.returncode == 4
    assert workshop.was_plain()


def test_it_is_interrupted_from_a_terminal_as_a_plain_process_is(workshop: Workshop) -> None:
    workshop.write(LONG)
    primary, secondary = os.openpty()
    script = (
        "import fcntl, os, sys, termios; os.setsid(); fcntl.ioctl(0, termios.TIOCSCTTY, 0);"
        "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    )
    command = [sys.executable, "-c", script, str(workshop.run_folder / "client.py"), str(workshop.code), "60"]
    environment = {**workshop.environment(), "EDGEBUILD_WORKER": "1"}
    with subprocess.Popen(
        [*command, "run", "make"], cwd=workshop.folder, env=environment,
        stdin=secondary, stdout=secondary, stderr=secondary,
    ) as client:  # fmt: skip
        os.close(secondary)
        stage, helper, _ = started(workshop)
        os.write(primary, b"\x03")
        assert client.wait(30) == 130
    os.close(primary)
    wait(lambda: not lives(stage) and not lives(helper))
