"""The commands of a page: fenced ``console`` blocks, as a person would type them, with what they print.

A line that begins with ``$ `` is a command, which goes on over the lines of a here-document. What follows is its
output, in which … stands for anything: for lines where it is alone, for the rest of a line or a part of one elsewhere.
``[exit status 1]`` says that the command has to end with it. Where no output is shown, any is right.
``<!-- after: PAGE -->`` says that the page goes on in the folder that another one left.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs"
BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
AFTER = re.compile(r"^<!-- after: (\S+) -->$", re.MULTILINE)
STATUS = re.compile(r"\[exit status (\d+)\]")


@dataclass(frozen=True)
class Command:
    """One command of a page, and what it is to print, line by line; no line: whatever it likes."""

    text: str
    output: tuple[str, ...]
    status: int


def commands(text: str) -> list[Command]:
    """The commands of a page, in their order."""
    return [command for block in BLOCK.findall(text) for command in _of_block(block.splitlines())]


def after(text: str) -> str | None:
    """The page whose folder this one goes on in."""
    found = AFTER.search(text)
    return found[1] if found else None


def with_commands() -> list[str]:
    """Every page with commands, those that others go on from first."""
    texts = {path.relative_to(DOCS).as_posix(): path.read_text() for path in sorted(DOCS.rglob("*.md"))}
    names = [name for name, text in texts.items() if BLOCK.search(text)]
    return sorted(names, key=lambda name: (after(texts[name]) is not None, name))


def _of_block(lines: list[str]) -> list[Command]:
    found = []
    while lines:
        first = lines.pop(0)
        assert first.startswith("$ "), f"{first!r} belongs to no command"
        text = [first[2:]]
        if here := re.search(r"<<'(\w+)'", first):
            end = lines.index(here[1])
            text += lines[: end + 1]
            lines = lines[end + 1 :]
        shown = []
        while lines and not lines[0].startswith("$ "):
            shown.append(lines.pop(0))
        status = STATUS.fullmatch(shown[-1]) if shown else None
        output = shown[:-1] if status else shown
        found.append(Command("\n".join(text), tuple(output), int(status[1]) if status else 0))
    return found


def agrees(expected: tuple[str, ...], printed: str) -> bool:
    """Whether what was printed is what the page shows; blank lines and spaces at the ends of lines do not count."""
    lines = "".join(f"{line.rstrip()}\n" for line in printed.splitlines() if line.strip())
    patterns = (_pattern(line.rstrip()) for line in expected if line.strip())
    return not expected or re.fullmatch("".join(patterns), lines) is not None


def _pattern(line: str) -> str:
    if line == "…":
        return r"(?:.*\n)*?"
    return "[^\n]*".join(map(re.escape, line.split("…"))) + "\n"


class Shell:
    """Bash in a folder; a ``cd`` of one command holds for the next."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder = folder
        self._environment = environment

    def run(self, text: str) -> tuple[int, str]:
        """Exit status and what the command printed, on either stream."""
        place = self.folder.parent / ".where"
        script = f'exec 3>"{place}"\n{text}\nstatus=$?\npwd -P >&3\nexit $status\n'
        done = subprocess.run(
            ["bash", "-c", script], cwd=self.folder, env=self._environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        self.folder = Path(place.read_text().strip())
        place.unlink()
        return done.returncode, done.stdout
