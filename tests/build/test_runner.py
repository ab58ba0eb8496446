"""Running one stage: all of its outputs or none, and a record of how it ended."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from edgebuild.build import runner
from edgebuild.build.digest import md5
from edgebuild.build.environment.variables import PINNED
from edgebuild.errors import DeclarationError, Finding, StageError, UsageError
from edgebuild.track.events import End, Metrics
from edgebuild.track.outbox import Pending, pending

ROOT = Path(__file__).resolve().parents[2]
DVC_YAML = """\
stages:
  make:
    cmd: edgebuild run make
    params: [seed, benchmark.onnx]
    deps: [stages/make.py, input.txt]
    outs: [out/file.txt, out/folder]
"""
GOOD = """\
def main(stage):
    stage.out("out/file.txt").write_text(stage.dep("input.txt").read_text() + str(stage.params.seed))
    folder = stage.out("out/folder")
    folder.mkdir()
    (folder / "a").write_text("new a")
    stage.metrics({"loss": 0.5}, step=1)
    stage.say("made")
"""
OLD = {"out/file.txt": "old", "out/folder/a": "old a", "out/folder/b": "old b", "out/other": "not mine"}
NEW = {"out/file.txt": "text7", "out/folder/a": "new a", "out/other": "not mine"}
Run = Callable[[str], None]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with one stage, whose outputs of an earlier run are there; nothing is delivered."""
    monkeypatch.setattr(runner, "ensure_running", lambda *_, **__: None)
    shutil.copyfile(ROOT / "params.yaml", tmp_path / "params.yaml")
    (tmp_path / "dvc.yaml").write_text(DVC_YAML)
    (tmp_path / "input.txt").write_text("text")
    (tmp_path / "stages").mkdir()
    for name, text in OLD.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.fixture
def run(root: Path) -> Run:
    """Execute the stage with the given text as its file."""

    def run(text: str) -> None:
        (root / "stages/make.py").write_text(text)
        runner.run_stage(root, "make", {})

    return run


def outputs(root: Path) -> dict[str, str]:
    return {
        path.relative_to(root).as_posix(): path.read_text()
        for path in (root / "out").rglob("*")
        if path.is_file()
    }


def ended(root: Path) -> tuple[Pending, End]:
    (record,) = pending(root)
    assert isinstance(record.events[-1], End)
    return record, record.events[-1]


def assert_nothing_changed(root: Path, status: str, word: str) -> None:
    assert outputs(root) == OLD
    assert list((root / ".edgebuild/staging").iterdir()) == []
    record, end = ended(root)
    assert record.status == status
    assert end.message is not None
    assert word in end.message
    assert end.outs == {}


def test_success_replaces_all_outputs_and_leaves_no_staging(root: Path, run: Run) -> None:
    run(GOOD)
    assert outputs(root) == NEW
    assert list((root / ".edgebuild/staging").iterdir()) == []


def test_the_record_ties_the_run_to_its_entry_of_dvc_lock(root: Path, run: Run) -> None:
    run(GOOD)
    record, end = ended(root)
    assert (record.status, record.begin.stage) == ("FINISHED", "make")
    assert record.begin.deps == ["stages/make.py", "input.txt"]
    assert record.begin.params == {"seed": 7, "benchmark.onnx": {"threads": 1, "warmup": 50, "runs": 2000}}
    assert end.outs == {name: md5(root / name) for name in ("out/file.txt", "out/folder")}
    assert [event.values for event in record.events if isinstance(event, Metrics)] == [{"loss": 0.5}]


def test_a_first_run_makes_the_folders_of_its_outputs(root: Path, run: Run) -> None:
    shutil.rmtree(root / "out")
    run(GOOD)
    assert outputs(root) == {name: NEW[name] for name in ("out/file.txt", "out/folder/a")}


def test_a_file_and_a_folder_may_take_each_others_place(root: Path, run: Run) -> None:
    shutil.rmtree(root / "out")
    (root / "out/file.txt").mkdir(parents=True)
    (root / "out/folder").write_text("a file")
    run(GOOD)
    assert outputs(root) == {name: NEW[name] for name in ("out/file.txt", "out/folder/a")}


def test_left_overs_of_a_killed_run_do_not_count_as_outputs(root: Path, run: Run) -> None:
    left = root / ".edgebuild/staging/make/out/file.txt"
    left.parent.mkdir(parents=True)
    left.write_text("half")
    with pytest.raises(DeclarationError, match=r"did not write out/file\.txt, out/folder"):
        run("def main(stage): pass\n")
    assert_nothing_changed(root, "FAILED", "did not write")


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        ("raise ValueError('broken')", StageError),
        ("raise SystemExit('broken')", StageError),
        ("from edgebuild.errors import Finding; raise Finding('broken')", Finding),
    ],
)
def test_a_stage_that_raises_after_writing_changes_nothing(
    error: str, raised: type[BaseException], root: Path, run: Run
) -> None:
    with pytest.raises(raised, match="broken"):
        run(f"{GOOD}    {error}\n")
    assert_nothing_changed(root, "FAILED", "broken")


def test_a_missing_output_is_named_and_the_others_are_not_published(root: Path, run: Run) -> None:
    with pytest.raises(DeclarationError, match=r"did not write out/folder, which dvc\.yaml declares"):
        run("def main(stage):\n    stage.out('out/file.txt').write_text('new')\n")
    assert_nothing_changed(root, "FAILED", "out/folder")


def test_ctrl_c_changes_nothing_and_is_recorded_as_killed(root: Path, run: Run) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(f"{GOOD}    raise KeyboardInterrupt\n")
    assert_nothing_changed(root, "KILLED", "KeyboardInterrupt")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_while_outputs_are_moved_waits_until_all_are(
    number: signal.Signals, root: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace = os.replace

    def interrupted(source: Path, target: Path) -> None:
        os.kill(os.getpid(), number)
        replace(source, target)

    # With a second thread, as runtimes start them, any thread may be the one that the signal reaches.
    over = threading.Event()
    thread = threading.Thread(target=over.wait)
    thread.start()
    monkeypatch.setattr(os, "replace", interrupted)
    try:
        with pytest.raises(KeyboardInterrupt, match=number.name):
            run(GOOD)
    finally:
        over.set()
        thread.join()
    assert outputs(root) == NEW


def test_sigterm_to_the_process_changes_nothing_and_is_recorded_as_killed(root: Path) -> None:
    (root / "stages/make.py").write_text(
        f"{GOOD}    import time\n    (stage.kept / 'started').touch()\n    time.sleep(60)\n"
    )
    program = (
        "import sys; from edgebuild.build import runner; runner.ensure_running = lambda *_, **__: None; "
        "from edgebuild.cli import main; sys.exit(main(['run', 'make']))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=root,
        env={**os.environ, **PINNED},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        until = time.monotonic() + 30
        while (
            not list(root.glob(".edgebuild/kept/make/*/started"))
            and process.poll() is None
            and time.monotonic() < until
        ):
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130
    assert errors == "edgebuild: interrupted; nothing was changed by the stage that ran\n"
    assert_nothing_changed(root, "KILLED", "SIGTERM")


def test_the_handler_of_sigterm_is_as_before_afterwards(root: Path, run: Run) -> None:
    before = signal.getsignal(signal.SIGTERM)
    run(GOOD)
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("stage.params.prune", "add `- prune` to its params"),
        ("stage.params.benchmark.litert", "add `- benchmark.litert` to its params"),
        ("stage.dep('data/test.npz')", "declares as its deps: stages/make.py, input.txt"),
        ("stage.out('out/other')", "declares as its outs: out/file.txt, out/folder"),
    ],
)
def test_touching_what_is_not_declared_changes_nothing(line: str, words: str, root: Path, run: Run) -> None:
    with pytest.raises(DeclarationError) as caught:
        run(f"{GOOD}    {line}\n")
    assert words in str(caught.value)
    assert_nothing_changed(root, "FAILED", "DeclarationError")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            ("input.txt]", "gone.txt, lost.txt]"),
            "needs gone.txt, lost.txt, which do not exist; run dvc repro",
        ),
        (("stages/make.py, ", ""), "must name exactly one file of stages/"),
        (("stages/make.py", "stages/gone.py"), "stages/gone.py, the file of stage make, does not exist"),
        (("[seed,", "[sede,"), "names sede, which params.yaml does not have"),
        (("benchmark.onnx", "benchmark.tvm"), "names benchmark.tvm"),
    ],
)
def test_a_wrong_declaration_is_refused_before_a_record_begins(
    change: tuple[str, str], words: str, root: Path, run: Run
) -> None:
    (root / "dvc.yaml").write_text(DVC_YAML.replace(*change))
    with pytest.raises(UsageError) as caught:
        run(GOOD)
    assert words in str(caught.value)
    assert not (root / ".edgebuild").exists()
    assert outputs(root) == OLD


def test_trouble_with_tracking_is_a_note_and_not_a_failure(
    root: Path, run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(runner, "ensure_running", lambda *_, **__: "no live tracking")
    run(GOOD)
    shown = capsys.readouterr()
    assert shown.err == "edgebuild: no live tracking\n"
    assert shown.out.startswith("make: made (")
    assert outputs(root) == NEW
