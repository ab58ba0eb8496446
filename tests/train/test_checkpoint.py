"""Checkpoints: whole or nothing, of this training or none, rarely written and never the reason why a training ends."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest

from edgebuild.train import checkpoint
from edgebuild.train.checkpoint import EVERY_S, Checkpoints, Position

ROWS = [{"loss": 0.1 + 0.2, "val_loss": float("inf")}, {"loss": 1e-300, "val_loss": 2 / 3}]


def state(start=0.0):
    """A matrix, a counter without dimensions, and a random generator's two words."""
    return [
        np.arange(6, dtype=np.float32).reshape(2, 3) + np.float32(start),
        np.array(7 + int(start), np.int64),
        np.array([1, 2], np.uint32),
    ]


def position():
    generator = np.random.default_rng(3)
    generator.random(5)
    return Position(list(ROWS), 50, 0.1 + 0.7, 31.0, generator.bit_generator.state)


@pytest.fixture
def told():
    return SimpleNamespace(said=[], warned=[])


@pytest.fixture
def stage(tmp_path, told):
    return Checkpoints(tmp_path, told.said.append, told.warned.append)


def test_a_checkpoint_gives_back_the_very_state_and_position(stage, told):
    stage.of("student").save(state(), position())
    found = state(start=9)
    assert stage.of("student").resume(found, epochs=5) == position()
    assert all(np.array_equal(one, other) for one, other in zip(found, state(), strict=True))
    assert told.said == ["student resumes after epoch 2 of 5 and 50 images"]
    assert told.warned == []


def test_a_generator_goes_on_where_it_was(stage):
    generator = np.random.default_rng(3)
    generator.random(5)
    stage.of("student").save([], position())
    other = np.random.default_rng(0)
    other.bit_generator.state = stage.of("student").resume([], epochs=5).generator
    assert np.array_equal(other.random(10), generator.random(10))


def test_without_a_checkpoint_a_training_begins_at_the_beginning_and_nothing_is_said(stage, told):
    assert stage.of("student").resume(state(), epochs=5) == Position()
    assert told.said == told.warned == []


def test_of_two_checkpoints_the_later_one_is_left_alone_in_the_folder(stage, tmp_path):
    stage.of("student").save(state(), Position())
    stage.of("student").save(state(1), position())
    found = state(5)
    assert stage.of("student").resume(found, epochs=5) == position()
    assert np.array_equal(found[0], state(1)[0])
    assert [path.name for path in tmp_path.iterdir()] == ["student.safetensors"]


def test_equal_checkpoints_are_equal_bytes(stage, tmp_path):
    for name in ("one", "other"):
        stage.of(name).save(state(), position())
    assert (tmp_path / "one.safetensors").read_bytes() == (tmp_path / "other.safetensors").read_bytes()


def refused(stage, told):
    """Whether a training of ``state(9)`` begins anew, untouched and with a warning."""
    found = state(start=9)
    begun = stage.of("student").resume(found, epochs=5)
    untouched = all(np.array_equal(one, other) for one, other in zip(found, state(9), strict=True))
    return begun == Position() and untouched and len(told.warned) == 1 and told.said == []


def test_no_changed_byte_goes_unnoticed(stage, told, tmp_path):
    stage.of("student").save(state(), position())
    path = tmp_path / "student.safetensors"
    whole = path.read_bytes()
    for index in range(len(whole)):
        path.write_bytes(whole[:index] + bytes([whole[index] ^ 0x21]) + whole[index + 1 :])
        assert refused(stage, told), index
        told.warned.clear()


@pytest.mark.parametrize("length", [0, 1, 8, 100, -1])
def test_a_torn_file_is_refused(stage, told, tmp_path, length):
    stage.of("student").save(state(), position())
    path = tmp_path / "student.safetensors"
    path.write_bytes(path.read_bytes()[:length])
    assert refused(stage, told)
    assert told.warned == ["student.safetensors is damaged; training student begins anew"]


def test_a_half_written_file_is_no_checkpoint(stage, told, tmp_path):
    stage.of("student").save(state(), position())
    (tmp_path / "student.safetensors").rename(tmp_path / "student.safetensors.partial")
    assert stage.of("student").resume(state(9), epochs=5) == Position()
    assert told.warned == []


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(state()[:2], id="fewer"),
        pytest.param([*state(), np.zeros(1, np.float32)], id="more"),
        pytest.param([state()[0].T, *state()[1:]], id="shape"),
        pytest.param([state()[0].astype(np.float64), *state()[1:]], id="type"),
    ],
)
def test_a_checkpoint_of_another_network_is_refused(stage, told, other):
    stage.of("student").save(other, position())
    assert refused(stage, told)
    assert told.warned == ["student.safetensors is of another network; training student begins anew"]


def test_a_foreign_safetensors_file_is_refused(stage, told, tmp_path):
    from safetensors.numpy import save_file

    arrays = {f"{index:05d}": array for index, array in enumerate(state())}
    save_file(arrays, tmp_path / "student.safetensors", metadata={"checkpoint": json.dumps({"rows": []})})
    assert refused(stage, told)


def test_variables_are_assigned_as_a_whole(backend, stage):
    tf, _ = backend
    saved, fresh = (tf.Variable([[value, 2.0]]) for value in (1.0, 5.0))
    stage.of("student").save([saved], position())
    stage.of("student").resume([fresh], epochs=5)
    assert np.array_equal(fresh.numpy(), saved.numpy())


@pytest.fixture
def clock(monkeypatch):
    now = SimpleNamespace(s=0.0)
    monkeypatch.setattr(checkpoint, "time", SimpleNamespace(monotonic=lambda: now.s))
    return now


def test_work_of_less_than_a_minute_is_not_worth_a_checkpoint(clock, tmp_path):
    stage = Checkpoints(tmp_path, print, print)
    clock.s = EVERY_S - 1
    assert not stage.of("student").due()
    clock.s = EVERY_S
    assert stage.of("student").due()
    stage.of("student").save(state(), Position())
    assert not stage.of("student").due()
    clock.s = 2 * EVERY_S
    assert stage.of("student").due()


def test_a_slow_disk_is_written_to_less_often(clock, monkeypatch, tmp_path):
    stage = Checkpoints(tmp_path, print, print)

    def slow(path, content):
        clock.s += 10

    monkeypatch.setattr(checkpoint, "_replace", slow)
    stage.of("student").save(state(), Position())
    clock.s += 10 * checkpoint.PARTS - 1
    assert not stage.due()
    clock.s += 1
    assert stage.due()


def test_the_end_of_a_training_is_written_with_the_checkpoint_of_the_next(stage, told, tmp_path):
    stage.of("round-1").end(state(1), Position(list(ROWS)))
    assert list(tmp_path.iterdir()) == []
    stage.of("round-2").save(state(), position())
    found = state(9)
    assert stage.of("round-1").resume(found, epochs=2) == Position(list(ROWS))
    assert np.array_equal(found[0], state(1)[0])
    assert told.said == ["round-1 resumes after epoch 2 of 2"]


def test_a_full_disk_is_a_warning_once_and_leaves_the_last_checkpoint(stage, told, monkeypatch):
    stage.of("student").save(state(), position())

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint.os, "fsync", full)
    for _ in range(3):
        stage.of("student").save(state(1), Position())
    assert len(told.warned) == 1
    assert "No space left on device" in told.warned[0]
    found = state(9)
    assert stage.of("student").resume(found, epochs=5) == position()
    assert np.array_equal(found[0], state()[0])
