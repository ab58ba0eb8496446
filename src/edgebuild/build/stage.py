"""What a stage file gets to work with: its declared inputs, params and outputs, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, cast

from edgebuild.build.declaration import Declaration
from edgebuild.errors import DeclarationError
from edgebuild.params import Params

__all__ = ["Declared", "Stage"]


class Declared:
    """The declared part of a params section; asking for another part is an error that says what to declare."""

    def __init__(self, section: object, declared: tuple[str, ...], stage: str, where: str = "") -> None:
        self._section, self._declared, self._stage, self._where = section, declared, stage, where

    def __getattr__(self, name: str) -> Any:
        if name not in {entry.name for entry in fields(cast(Any, self._section))}:
            raise AttributeError(f"params.yaml has no {self._where}{name}")
        value, dotted = getattr(self._section, name), f"{self._where}{name}"
        if dotted in self._declared:
            return value
        if is_dataclass(value) and any(key.startswith(f"{dotted}.") for key in self._declared):
            return Declared(value, self._declared, self._stage, f"{dotted}.")
        raise DeclarationError(
            f"stage {self._stage} reads {dotted} of params.yaml without declaring it; "
            f"add `- {dotted}` to its params in dvc.yaml"
        )


@dataclass(frozen=True)
class Stage:
    """One execution of one stage.

    ``root`` is the folder of dvc.yaml; ``staging`` is where outputs are
    written until the stage has succeeded. ``kept`` is a folder for what should
    survive an interruption: what a stage leaves there is found again by its next
    execution with the same inputs, and is removed when the stage succeeds.
    """

    declaration: Declaration
    root: Path
    staging: Path
    kept: Path
    all_params: Params = field(repr=False)
    on_metrics: Callable[[int | None, Mapping[str, float]], None] = field(repr=False)
    on_progress: Callable[[int, int, str], None] = field(repr=False)
    on_say: Callable[[str], None] = field(repr=False)
    on_warn: Callable[[str], None] = field(repr=False)

    @property
    def key(self) -> str:
        """What stands after the @ of the stage's name: for the matrix stages, the variant's id."""
        return self.declaration.key

    @property
    def params(self) -> Params:
        """The declared sections of params.yaml."""
        return cast(Params, Declared(self.all_params, self.declaration.params, self.declaration.name))

    def dep(self, pattern: str) -> Path:
        """The one declared dep that ``pattern`` matches (``*`` stands for anything)."""
        return self.root / self._one("deps", self.declaration.deps, pattern)

    def out(self, pattern: str) -> Path:
        """Where to write the one declared output that ``pattern`` matches."""
        path = self.staging / self._one("outs", self.declaration.outs, pattern)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def metrics(self, values: Mapping[str, float], step: int | None = None) -> None:
        """Record numbers for tracking; with a ``step`` they become a curve."""
        self.on_metrics(step, values)

    def progress(self, done: int, total: int, text: str) -> None:
        """Show how far a long stage is."""
        self.on_progress(done, total, text)

    def say(self, text: str) -> None:
        """The one line that tells what the stage has made."""
        self.on_say(text)

    def warn(self, text: str) -> None:
        """Something worth knowing that does not stop the stage."""
        self.on_warn(text)

    def _one(self, kind: str, declared: tuple[str, ...], pattern: str) -> str:
        found = [path for path in declared if fnmatchcase(path, pattern)]
        if len(found) != 1:
            matches = f"matches {', '.join(found)}" if found else "matches none of them"
            raise DeclarationError(
                f"stage {self.declaration.name} asks for {pattern!r}, which {matches}; "
                f"dvc.yaml declares as its {kind}: {', '.join(declared) or 'nothing'}"
            )
        return found[0]
