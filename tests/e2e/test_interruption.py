"""Builds that are killed, starved and damaged end, after the next `dvc repro`, with the bytes of an undisturbed one."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from edgebuild.build.declaration import declarations
from edgebuild.build.hashes import cached_md5
from tests.e2e.clone import Clone, make

pytestmark = [pytest.mark.slow, pytest.mark.long]

KILLS = 20
#: How a build ends early: the signal, and whom it hits.
WAYS = [
    *[(signal.SIGKILL, "all")] * 4,
    *[(signal.SIGKILL, "top")] * 2,
    (signal.SIGTERM, "all"),
    (signal.SIGTERM, "top"),
    (signal.SIGINT, "all"),
    (signal.SIGKILL, "stage"),
]
SETTLED_S = 30.0


def environment(root: Path, **variables: str) -> dict[str, str]:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "DVC_"))}
    # Without the warm worker, which is meant to outlive builds.
    own = {"PATH": path, "PYTHONPATH": str(root / "src"), "EDGEBUILD_WORKER": "0"}
    return {**kept, **own, **variables}


def processes(root: Path) -> dict[int, str]:
    """What works in the clone: command lines by pid, without the delivery to MLflow."""
    found = {}
    for entry in Path("/proc").iterdir():
        try:
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            inside = (entry / "cwd").resolve().is_relative_to(root) or str(root) in command
        except (OSError, RuntimeError):
            continue
        if entry.name.isdigit() and command and inside and "edgebuild.track.daemon" not in command:
            found[int(entry.name)] = command
    return found


class Running:
    """A build in a session of its own, whose console is read as it comes."""

    def __init__(self, clone: Clone, *command: str, **variables: str) -> None:
        self.root = clone.root
        self.process = subprocess.Popen(
            command, cwd=clone.root, env=environment(clone.root, **variables), start_new_session=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        self.lines += iter(self.process.stdout)

    @property
    def said(self) -> str:
        return "".join(self.lines)

    def wait_for(self, pattern: str, times: int = 1) -> bool:
        """Whether it comes before the build ends."""
        while self.process.poll() is None:
            if len(re.findall(pattern, self.said, re.MULTILINE)) >= times:
                return True
            time.sleep(0.02)
        return False

    def end(self) -> int:
        status = self.process.wait(timeout=300)
        self._reader.join(timeout=60)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return status

    def kill(self, number: signal.Signals, whom: str) -> None:
        """End the whole process group, the command itself, or what executes a stage."""
        if whom == "all":
            os.killpg(self.process.pid, number)
        elif whom == "top":
            self.process.send_signal(number)
        for pid, command in processes(self.root).items() if whom == "stage" else ():
            if re.search(r"edgebuild( |/__main__.py )run [a-z]", command):
                os.kill(pid, number)
        self.end()


def wait_until_nothing_runs(root: Path) -> None:
    deadline = time.monotonic() + SETTLED_S
    while ((left := processes(root)) or unburied(root)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert left == {}


def unburied(root: Path) -> bool:
    """Whether DVC would take a dead process that init has not noticed yet for a living one: that is init's matter."""
    lock = root / ".dvc/tmp/rwlock"
    pids = re.findall(r'"pid": (\d+)', lock.read_text()) if lock.exists() else []
    return any(Path("/proc", pid).exists() for pid in pids)


def repeatable(clone: Clone) -> dict[str, str]:
    """The digests of all outputs that do not depend on the machine, as dvc.lock has them."""
    machine = {path for stage in declarations(clone.root).values() for path in stage.machine}
    return {path: digest for path, digest in clone.digests().items() if path not in machine}


def assert_same_bytes(clone: Clone, undisturbed: Clone) -> None:
    assert repeatable(clone) == repeatable(undisturbed)
    for path, digest in clone.digests().items():
        assert cached_md5(clone.root, clone.root / path) == digest, path


def test_a_build_that_is_killed_at_twenty_random_moments_ends_with_the_same_bytes(
    built: Clone, tmp_path: Path
) -> None:
    clone = make(tmp_path / "0")
    moments = random.Random(20)
    killed = attempt = 0
    while killed < KILLS:
        number, whom = moments.choice(WAYS)
        stages, delay_s = moments.choice([1, 1, 2]), moments.uniform(0, 3)
        # `dvc repro` is what users have in their fingers; `edgebuild run` mends more.
        command = ("dvc", "repro") if attempt % 3 else ("edgebuild", "run")
        attempt += 1
        build = Running(clone, *command)
        if not build.wait_for("^Running stage", stages):
            assert build.end() == 0, build.said
            assert_same_bytes(clone, built)  # it got to the end; the rest is for another one
            clone = make(tmp_path / str(attempt))
            continue
        time.sleep(delay_s)
        print(killed, *command, number.name, whom, build.said.splitlines()[-1], f"+ {delay_s:.1f} s")
        if build.process.poll() is None:
            build.kill(number, whom)
            killed += 1
        wait_until_nothing_runs(clone.root)
    clone.run("dvc", "repro", EDGEBUILD_WORKER="0")
    assert_same_bytes(clone, built)
    staging = clone.root / ".edgebuild/staging"
    assert [path for path in staging.rglob("*") if path.is_file()] == []


EXPORT = "export@pruned-litert-int8"
FILE = "models/pruned-litert-int8.tflite"


@pytest.fixture
def copy(built: Clone, tmp_path: Path) -> Clone:
    """A finished build of its own."""
    shutil.copytree(built.root, tmp_path / "copy", symlinks=True)
    return Clone(tmp_path / "copy")


def cached(clone: Clone, path: str) -> Path:
    """The object of DVC's cache."""
    digest = clone.digests()[path]
    return clone.root / ".dvc/cache/files/md5" / digest[:2] / digest[2:]


def lose(clone: Clone, *paths: str) -> None:
    """Remove outputs from the workspace and from the cache: their stages must run again."""
    for path in paths:
        cached(clone, path).unlink()
        (clone.root / path).unlink()


def damage(clone: Clone, path: str) -> None:
    """Cut an object off as a failing disk does, and let DVC restore it."""
    found = cached(clone, path)
    found.chmod(0o644)
    found.write_bytes(found.read_bytes()[:100])
    found.chmod(0o444)
    (clone.root / path).unlink()


def script(clone: Clone, text: str) -> subprocess.CompletedProcess[str]:
    """Run shell commands with private mounts, in the clone's folder."""
    return subprocess.run(
        ["unshare", "-rm", "sh", "-c", text], cwd=clone.root, env=environment(clone.root),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120,
    )  # fmt: skip


def test_a_damaged_object_of_the_cache_is_named_and_built_again(copy: Clone, built: Clone) -> None:
    damage(copy, FILE)
    done = copy.run("edgebuild", "run")
    assert f"{FILE}: its object .dvc/cache/files/md5/" in done.stderr
    assert f"Running stage '{EXPORT}'" in done.stdout
    assert_same_bytes(copy, built)


def test_what_dvc_alone_restores_from_a_damaged_object_reaches_no_stage(copy: Clone, built: Clone) -> None:
    damage(copy, FILE)
    revert = copy.edit(lambda params: params["benchmark"]["litert"].update(runs=30))
    refused = copy.attempt("dvc", "repro")
    assert refused.returncode == 255
    assert f"what a damaged cache gave:\n  {FILE}: its object" in refused.stderr
    copy.run("dvc", "repro")
    revert()
    copy.run("dvc", "repro")
    assert_same_bytes(copy, built)


def test_damage_that_dvc_restores_in_the_midst_of_a_build_is_mended_by_the_build(
    copy: Clone, built: Clone
) -> None:
    revert = copy.edit(lambda params: params["export"].update(batch="flexible"))
    copy.run("dvc", "repro")
    revert()
    old = built.digests()[FILE]
    found = copy.root / ".dvc/cache/files/md5" / old[:2] / old[2:]  # no entry of dvc.lock names it now
    found.chmod(0o644)
    found.write_bytes(b"")
    found.chmod(0o444)
    copy.edit(lambda params: params["benchmark"]["litert"].update(runs=30))
    done = copy.run("edgebuild", "run")
    assert f"{FILE}: its object" in done.stderr
    revert()
    copy.run("edgebuild", "run")
    assert_same_bytes(copy, built)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_build_ends_in_order_with_the_status_of_its_signal(
    copy: Clone, number: signal.Signals, status: int
) -> None:
    lose(copy, "models/teacher-keras-fp32.keras")
    build = Running(copy, "edgebuild", "run")
    assert build.wait_for("^> edgebuild run train_teacher")
    time.sleep(1.5)
    build.process.send_signal(number)
    assert build.end() == status
    assert "Traceback" not in build.said
    assert processes(copy.root) == {}
    assert list((copy.root / ".edgebuild/staging").iterdir()) == []


def test_input_that_a_stage_refuses_has_the_status_of_wrong_usage(copy: Clone) -> None:
    copy.edit(lambda params: params["data"].update(source="fashion_mnist", folder="nowhere"))
    assert copy.attempt("edgebuild", "run").returncode == 2


def test_of_two_builds_at_once_the_second_waits_and_finds_everything_done(copy: Clone, built: Clone) -> None:
    lose(copy, FILE)
    first = Running(copy, "edgebuild", "run")
    assert first.wait_for("^Running stage")
    second = Running(copy, "edgebuild", "run")
    assert (first.end(), second.end()) == (0, 0), first.said + second.said
    assert f"another build runs here (process {first.process.pid}: edgebuild run); waiting" in second.said
    assert "Running stage" not in second.said
    assert_same_bytes(copy, built)


def test_a_build_waits_for_a_plain_dvc_repro(copy: Clone, built: Clone) -> None:
    lose(copy, FILE)
    first = Running(copy, "dvc", "repro")
    assert first.wait_for("^Running stage")
    second = Running(copy, "edgebuild", "run")
    assert (first.end(), second.end()) == (0, 0), first.said + second.said
    assert f"DVC works here (process {first.process.pid}); waiting" in second.said
    assert_same_bytes(copy, built)


def test_the_same_stage_by_hand_waits_too(copy: Clone, built: Clone) -> None:
    lose(copy, FILE)
    first, second = Running(copy, "edgebuild", "run", EXPORT), Running(copy, "edgebuild", "run", EXPORT)
    assert (first.end(), second.end()) == (0, 0), first.said + second.said
    assert f"stage {EXPORT} runs here already (process " in first.said + second.said
    copy.run("dvc", "repro")
    assert_same_bytes(copy, built)


def test_a_full_disk_is_told_and_when_there_is_room_the_build_goes_on(copy: Clone, built: Clone) -> None:
    lose(copy, FILE)
    done = script(
        copy,
        f"""\
mkdir small && mount -t tmpfs -o size=100m tmpfs small && cp -a $(ls -A | grep -vx small) small && cd small
cat /dev/zero > ballast 2> /dev/null
edgebuild run; echo "full: $?"
edgebuild run {EXPORT}; echo "stage: $?"
rm ballast
dvc repro {EXPORT}; echo "free: $?"
cp {FILE} ../models/ && cp dvc.lock ..
""",
    )
    assert "full: 2\n" in done.stdout, done.stdout
    assert "stage: 2\n" in done.stdout, done.stdout
    full, _, free = done.stdout.partition("stage: ")
    assert "No space left on device; make it writable, or free space" in full
    assert f"stage {EXPORT} could not write: the disk is full" in done.stdout
    assert "Traceback" not in done.stdout
    assert free.endswith("free: 0\n"), free
    assert_same_bytes(copy, built)


def test_a_read_only_folder_is_refused_before_the_stage_runs(copy: Clone, built: Clone) -> None:
    lose(copy, "models/teacher-keras-fp32.keras")
    done = script(
        copy, "mount --bind models models && mount -o remount,ro,bind models models; edgebuild run; echo $?"
    )
    assert "stage train_teacher must write to models/, which is refused: Read-only file system" in done.stdout
    assert done.stdout.endswith("\n2\n")
    copy.run("dvc", "repro")
    assert_same_bytes(copy, built)
