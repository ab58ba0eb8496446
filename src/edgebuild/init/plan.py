"""What `edgebuild init` is going to write, whole: every file with its text, and what there is to say of each choice."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from edgebuild.build.declaration import declarations
from edgebuild.build.environment import library
from edgebuild.errors import UsageError
from edgebuild.init import declare, template
from edgebuild.init.choice import Choice
from edgebuild.params import read

__all__ = ["Plan", "plan"]

#: Of data/ a user may have other files: only what the build makes there is ignored. What this project's own tools
#: leave is no matter elsewhere.
SHARPER = {
    "/data/": ("/data/*.npz", "/data/*.npy"),
    **dict.fromkeys(
        (
            "/build/",
            "/dist/",
            "/src/*.egg-info/",
            ".pytest_cache/",
            ".mypy_cache/",
            ".ruff_cache/",
            ".hypothesis/",
        ),
        (),
    ),
}


@dataclass(frozen=True)
class Plan:
    """``files`` must not be there with another text; of ``lines`` (by file) what is missing is appended.

    ``outs`` are the paths that the build is going to write, ``choices`` what was chosen and why.
    """

    files: Mapping[str, str]
    lines: Mapping[str, tuple[str, ...]]
    outs: tuple[str, ...] = ()
    choices: tuple[Choice, ...] = field(default=())


def plan(params: str, inputs: Mapping[str, tuple[str, ...]], choices: tuple[Choice, ...], ci: str) -> Plan:
    """The files of a build with the text ``params`` of params.yaml, whose stages also read ``inputs``.

    ``ci`` is ``github``, ``gitlab`` or ``none``.

    Raises:
        UsageError: the template is not installed, or what comes out cannot be built.
    """
    files = {
        "dvc.yaml": declare.adapt(template.read("dvc.yaml"), inputs),
        "params.yaml": params,
        **{name: template.read(name) for name in template.stage_files()},
        declare.LOCK: template.read(declare.LOCK),
        library.NAME: library.pin(),
    }
    if ci != "none":
        target, text = template.ci(ci)
        files[target] = text
    lines = {
        ".gitignore": tuple(line for entry in _lines(".gitignore") for line in SHARPER.get(entry, (entry,))),
        ".dvcignore": _lines(".dvcignore"),
    }
    return Plan(files, lines, _outs(files), choices)


def _lines(name: str) -> tuple[str, ...]:
    entries = template.read(name).splitlines()
    return tuple(line for line in entries if line.strip() and not line.startswith("#"))


def _outs(files: Mapping[str, str]) -> tuple[str, ...]:
    """What the build writes; and with that, that its dvc.yaml and params.yaml are understood.

    Raises:
        UsageError: params.yaml is refused.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file in ("dvc.yaml", "params.yaml"):
            (folder / file).write_text(files[file], encoding="utf-8")
        try:
            read(folder / "params.yaml")
        except UsageError as error:
            raise UsageError(f"what init would write is not accepted by this edgebuild: {error}") from None
        return tuple(dict.fromkeys(out for stage in declarations(folder).values() for out in stage.outs))
