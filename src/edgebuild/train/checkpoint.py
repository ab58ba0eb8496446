"""Checkpoints: how far a training is, on disk, from where it goes on to the very same bits after an interruption.

A checkpoint is a safetensors file of everything that the rest of a training
depends on, and a digest of it all. It replaces the one before it in one step,
and is written between two steps of the optimizer, also in mid-epoch. When it is
written depends on the clock, what a training comes to does not.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["EVERY_S", "Checkpoint", "Checkpoints", "Position"]

#: Seconds of training that an interruption may cost; a stage that takes less writes nothing.
EVERY_S = 60.0

#: Writing takes at most one part in so many of the time, however large the network and slow the disk.
PARTS = 50

Arrays = Mapping[str, npt.NDArray[np.generic]]


@dataclass
class Position:
    """A place between two steps of a training.

    ``rows`` are the metrics of every finished epoch. Of the epoch under way
    ``seen`` images were trained on; ``loss`` and ``correct`` are sums over them,
    and ``generator`` is the state of its random generator behind them.
    """

    rows: list[Mapping[str, float]] = field(default_factory=list)
    seen: int = 0
    loss: float = 0.0
    correct: float = 0.0
    generator: Mapping[str, Any] | None = None


@dataclass
class Checkpoints:
    """Those of one stage, whose trainings follow one another and share one clock.

    Args:
        folder: where they lie; it belongs to these very inputs and is removed by whoever made it.
        say, warn: take what a person should know.
        every_s: EVERY_S, or another number of seconds.
    """

    folder: Path
    say: Callable[[str], None]
    warn: Callable[[str], None]
    every_s: float = field(default_factory=lambda: EVERY_S)
    _next: float = field(init=False)
    _ended: dict[Path, bytes] = field(default_factory=dict, init=False)
    _warned: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self._next = time.monotonic() + self.every_s

    def of(self, training: str) -> Checkpoint:
        """The checkpoint of one training; the name is what the stage's messages call it."""
        return Checkpoint(self, training)

    def due(self) -> bool:
        """Whether so much was done since the last time that it should be kept."""
        return time.monotonic() >= self._next

    def write(self, path: Path, content: bytes) -> None:
        """Keep one training, and those that ended before it, without which it could not be reached."""
        start = time.monotonic()
        try:
            for ended in [*self._ended]:
                _replace(ended, self._ended[ended])
                del self._ended[ended]
            _replace(path, content)
        except OSError as error:
            if not self._warned:
                self.warn(f"the training goes on without checkpoints, which cannot be written: {error}")
            self._warned = True
        now = time.monotonic()
        self._next = now + max(self.every_s, (now - start) * PARTS)

    def hold(self, path: Path, content: bytes) -> None:
        """Keep a training that has ended, once another one after it is worth it."""
        self._ended[path] = content


@dataclass(frozen=True)
class Checkpoint:
    """That of one training. ``state`` is everything it changes: variables, and arrays that are changed in place."""

    stage: Checkpoints
    training: str

    @property
    def path(self) -> Path:
        return self.stage.folder / f"{self.training}.safetensors"

    def due(self) -> bool:
        """As :meth:`Checkpoints.due`."""
        return self.stage.due()

    def save(self, state: Sequence[Any], position: Position) -> None:
        """Write ``state`` and ``position``; that this fails is worth a warning, not the training."""
        self.stage.write(self.path, _pack(_arrays(state), position))

    def end(self, state: Sequence[Any], position: Position) -> None:
        """Remember the end of the training, for the checkpoints of those that follow it."""
        self.stage.hold(self.path, _pack(_arrays(state), position))

    def resume(self, state: Sequence[Any], epochs: int) -> Position:
        """Put ``state`` where the checkpoint left it and say so; without one that fits, the beginning."""
        if not self.path.exists():
            return Position()
        found = _unpack(self.path)
        own = _arrays(state)
        if found is None or not _alike(found[0], own):
            why = "is damaged" if found is None else "is of another network"
            self.stage.warn(f"{self.path.name} {why}; training {self.training} begins anew")
            return Position()
        arrays, position = found
        for target, name in zip(state, own, strict=True):
            if isinstance(target, np.ndarray):
                target[...] = arrays[name]
            else:
                target.assign(arrays[name])
        within = f" and {position.seen:,} images" if position.seen else ""
        self.stage.say(f"{self.training} resumes after epoch {len(position.rows)} of {epochs}{within}")
        return position


def _arrays(state: Sequence[Any]) -> Arrays:
    """The values of ``state`` by their order, so that names are alike in every process."""
    return {f"{index:05d}": np.asarray(entry, order="C") for index, entry in enumerate(state)}


def _alike(found: Arrays, own: Arrays) -> bool:
    """Whether both have the same names, shapes and types."""
    kinds = [{name: (array.shape, array.dtype) for name, array in arrays.items()} for arrays in (found, own)]
    return kinds[0] == kinds[1]


def _pack(arrays: Arrays, position: Position) -> bytes:
    from safetensors.numpy import save

    text = json.dumps(asdict(position))  # a float is written so that it is read as the same bits
    return save(dict(arrays), metadata={"checkpoint": f"{_digest(text, arrays)}\n{text}"})


def _unpack(path: Path) -> tuple[Arrays, Position] | None:
    """What :func:`_pack` took; None if the file is not exactly what it gave."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            digest, _, text = (file.metadata() or {}).get("checkpoint", "").partition("\n")
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    except (SafetensorError, OSError):
        return None
    return (arrays, Position(**json.loads(text))) if digest == _digest(text, arrays) else None


def _digest(text: str, arrays: Arrays) -> str:
    """SHA-256 of all that a checkpoint says: the position, and the name, type, shape and bytes of every array."""
    total = hashlib.sha256(text.encode())
    for name, array in sorted(arrays.items()):
        total.update(f"\n{name} {array.dtype} {array.shape}\n".encode())
        total.update(array.tobytes())
    return total.hexdigest()


def _replace(path: Path, content: bytes) -> None:
    """Put ``content`` on the disk as ``path``, all of it or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    with partial.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)
