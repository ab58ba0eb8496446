"""environment.lock: who ran where, in few lines that seldom collide."""

from __future__ import annotations

import json
import multiprocessing
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from edgebuild.build.environment import record
from edgebuild.build.environment.record import Environment, current, read, write
from edgebuild.errors import UsageError

HERE = Environment("cpython 3.11.9", "Linux glibc 2.36", "x86_64", "x86_64 A avx2", "ab" * 32)
THERE = replace(HERE, cpu="x86_64 B avx512_core", drift=("numpy 2.1!=2.0",))
OUTS = {"models/a.tflite": "11" * 16, "metrics/a.json": "22" * 16}


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    assert write(tmp_path, "export@a", OUTS, THERE) is None
    assert write(tmp_path, "prepare", {}, HERE) is None
    made = read(tmp_path)
    assert {stage: entry.environment for stage, entry in made.items()} == {"export@a": THERE, "prepare": HERE}
    assert made["export@a"].is_of(OUTS)


def test_a_line_about_other_outputs_is_known_to_be_stale(tmp_path: Path) -> None:
    write(tmp_path, "export@a", OUTS, HERE)
    assert not read(tmp_path)["export@a"].is_of({**OUTS, "metrics/a.json": "33" * 16})


def lock(root: Path, **stages: dict[str, str]) -> None:
    """A dvc.lock with the outputs of stages."""
    text = "schema: '2.0'\nstages:\n"
    for stage, outs in stages.items():
        text += f"  {stage}:\n    cmd: x\n    outs:\n"
        text += "".join(
            f"    - path: {path}\n      hash: md5\n      md5: {md5}\n" for path, md5 in outs.items()
        )
    (root / "dvc.lock").write_text(text)


OTHER = dict.fromkeys(OUTS, "44" * 16)


def test_the_entry_of_restored_outputs_is_put_back_from_what_was_executed_here(tmp_path: Path) -> None:
    write(tmp_path, "a", OUTS, THERE)
    write(tmp_path, "a", OTHER, HERE)
    lock(tmp_path, a=OUTS)  # a knob was put back, and DVC restored
    assert record.refresh(tmp_path) is None
    assert read(tmp_path) == {"a": record.Made(record.outs_key(OUTS), THERE)}


def test_the_next_stage_that_executes_puts_entries_back_too(tmp_path: Path) -> None:
    write(tmp_path, "a", OUTS, THERE)
    write(tmp_path, "a", OTHER, HERE)
    lock(tmp_path, a=OUTS)
    write(tmp_path, "b", {}, HERE)
    assert read(tmp_path)["a"].is_of(OUTS)


def test_of_outputs_that_were_made_elsewhere_nothing_is_invented(tmp_path: Path) -> None:
    write(tmp_path, "a", OUTS, HERE)
    lock(tmp_path, a=OTHER, pulled=OUTS)
    before = (tmp_path / record.NAME).read_bytes()
    assert record.refresh(tmp_path) is None
    assert (tmp_path / record.NAME).read_bytes() == before


def test_a_line_of_the_log_that_was_cut_off_by_a_kill_is_skipped(tmp_path: Path) -> None:
    write(tmp_path, "a", OUTS, THERE)
    write(tmp_path, "a", OTHER, HERE)
    with (tmp_path / ".edgebuild/environment.log").open("a") as log:
        log.write('{"stage": "a", "outs"')
    lock(tmp_path, a=OUTS)
    assert record.refresh(tmp_path) is None
    assert read(tmp_path)["a"].is_of(OUTS)


def test_a_broken_file_is_told_by_a_refresh_and_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / record.NAME).write_text("<<<<<<< HEAD")
    problem = record.refresh(tmp_path)
    assert problem is not None
    assert "after a merge with conflicts" in problem
    assert (tmp_path / record.NAME).read_text() == "<<<<<<< HEAD"


def test_the_bytes_do_not_depend_on_the_order_of_writing(tmp_path: Path) -> None:
    texts = []
    for order in (("a", "b", "c"), ("c", "a", "b")):
        for stage in order:
            write(tmp_path, stage, OUTS, HERE)
        texts.append((tmp_path / record.NAME).read_bytes())
        (tmp_path / record.NAME).unlink()
    assert texts[0] == texts[1]


def test_another_run_changes_one_line_and_forgets_environments_that_nobody_needs(tmp_path: Path) -> None:
    for stage in ("a", "b", "c"):
        write(tmp_path, stage, OUTS, HERE)
    before = (tmp_path / record.NAME).read_text().splitlines()
    write(tmp_path, "b", {}, HERE)
    after = (tmp_path / record.NAME).read_text().splitlines()
    assert [new.split(":")[0].strip() for old, new in zip(before, after, strict=True) if old != new] == [
        '"b"'
    ]
    for stage in ("a", "b", "c"):
        write(tmp_path, stage, OUTS, THERE)
    assert list(json.loads((tmp_path / record.NAME).read_text())["environments"]) == [THERE.id]


def test_stages_that_end_at_the_same_moment_are_all_recorded(tmp_path: Path) -> None:
    stages = [f"s{number}" for number in range(16)]
    with multiprocessing.get_context("fork").Pool(8) as pool:
        problems = pool.starmap(write, [(tmp_path, stage, OUTS, HERE) for stage in stages])
    assert set(problems) == {None}
    assert sorted(read(tmp_path)) == sorted(stages)


@pytest.mark.parametrize(
    "text",
    ["<<<<<<< HEAD\n", "[]", "{}", '{"schema": 1, "environments": {}, "stages": {"a": {"outs": "x"}}}'],
)
def test_a_file_that_cannot_be_understood_is_refused_with_the_way_out(text: str, tmp_path: Path) -> None:
    (tmp_path / record.NAME).write_text(text)
    with pytest.raises(UsageError, match="delete the file"):
        read(tmp_path)


def test_a_stage_that_was_executed_does_not_fail_over_a_broken_record(tmp_path: Path) -> None:
    (tmp_path / record.NAME).write_text("<<<<<<< HEAD\n")
    problem = write(tmp_path, "prepare", OUTS, HERE)
    assert problem is not None
    assert "begun afresh" in problem
    assert list(read(tmp_path)) == ["prepare"]


def test_a_folder_that_cannot_be_written_is_told_and_not_raised(tmp_path: Path) -> None:
    problem = write(tmp_path / "missing", "prepare", OUTS, HERE)
    assert problem is not None
    assert "prepare" in problem


def test_a_file_of_a_later_version_is_not_guessed_at(tmp_path: Path) -> None:
    (tmp_path / record.NAME).write_text('{"schema": 2}')
    with pytest.raises(UsageError, match="schema 2"):
        read(tmp_path)


def test_the_current_environment_has_the_locks_digest_and_the_accepted_drift(tmp_path: Path) -> None:
    assert current(tmp_path, {}).requirements == ""
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements/runtime.txt").write_text("numpy==2.0\n")
    environment = current(tmp_path, {}, drift=("b 1!=2", "a 1!=2"))
    assert len(environment.requirements) == 64
    assert environment.drift == ("a 1!=2", "b 1!=2")
    assert environment.python_minor == f"cpython {sys.version_info.major}.{sys.version_info.minor}"


def test_importing_it_costs_a_stage_next_to_nothing() -> None:
    code = "import sys, edgebuild.build.environment.record; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert not {"numpy", "dvc", "ruamel.yaml", "platform", "importlib.metadata"} & set(done.stdout.split())
