"""What params.yaml names in the repository: a file or folder that a stage reads, a function of the user's own.

Whatever a stage reads has to be among its deps, or a change of it goes unnoticed and the sandbox
hides it. dvc.yaml cannot say "a dep, if there is one", so whoever names a file adds the line;
here it is found missing before anything runs. A path is a dep by its template
(``${data.folder}``), so that it is written once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from edgebuild.build.declaration import Declaration
from edgebuild.build.values import at, texts
from edgebuild.errors import DeclarationError
from edgebuild.strict import read_yaml

__all__ = ["check", "functions", "undeclared", "values_of"]

#: The knobs that name what is read, and are "" where nothing is.
PATHS = ("data.folder", "teacher.file", "distill.teacher")
FUNCTION = re.compile(r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*):[A-Za-z_]\w*")


def values_of(root: Path) -> Mapping[str, Any]:
    """The plain values of ``root``/params.yaml.

    Raises:
        ParamsError: it is missing, or no YAML.
    """
    found = read_yaml(root / "params.yaml")
    return found if isinstance(found, Mapping) else {}


def undeclared(stage: Declaration, values: Mapping[str, Any]) -> list[str]:
    """Deps that ``stage`` lacks, as dvc.yaml writes them; ``values`` are those of params.yaml.

    An absolute path names a place outside of the repository, and is nobody's dep.
    """
    return [
        f"${{{key}}}"
        for key, path in _paths(stage, values)
        if path and not Path(path).expanduser().is_absolute() and not _covered(stage.deps, path)
    ]


def functions(stage: Declaration, values: Mapping[str, Any]) -> Iterator[str]:
    """The modules of all functions (``module:function``) that the params of ``stage`` name."""
    for key in stage.params:
        for text in texts(at(values, key)):
            if found := FUNCTION.fullmatch(text):
                yield found[1]


def check(stages: Iterable[Declaration], values: Mapping[str, Any]) -> None:
    """Every file and folder that params.yaml names must be a dep of the stage that reads it.

    Raises:
        DeclarationError: it is not, or a dep is the template of a knob that names nothing; all of them at once.
    """
    problems: dict[str, None] = {}
    for stage in stages:
        for template in undeclared(stage, values):
            key = template[2:-1]
            problems[
                f"stages.{stage.base} reads {key}, which is {at(values, key)}, without declaring it; add "
                f'`"{template}"` to its deps (`edgebuild deps --fix` does)'
            ] = None
        if "" in stage.deps:
            names = " or ".join(f"${{{key}}}" for key, path in _paths(stage, values) if not path)
            problems[
                f"stages.{stage.base}.deps has {names or 'a dep'}, which names nothing; remove the line"
            ] = None
    if problems:
        lines = "\n".join(f"  {problem}" for problem in problems)
        raise DeclarationError(f"dvc.yaml does not fit params.yaml; nothing was run:\n{lines}")


def _paths(stage: Declaration, values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key in PATHS:
        if any(key == param or key.startswith(f"{param}.") for param in stage.params):
            value = at(values, key)
            if isinstance(value, str):
                yield key, value


def _covered(deps: Iterable[str], path: str) -> bool:
    clean = Path(path).as_posix()
    return any(clean == Path(dep).as_posix() or clean.startswith(f"{dep}/") for dep in deps if dep)
