"""Names what breaks the sandbox: which file, which line of code, and the line that dvc.yaml lacks.

The mounts enforce; this explains. Python tells an audit hook of every open,
import, change and connection (PEP 578). What the hook finds is raised where it happens and also
remembered, so that code which swallows exceptions does not hide it.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from edgebuild.build.sandbox.view import View
from edgebuild.errors import DeclarationError

__all__ = ["Audit"]

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
#: audit events of changes: positions of a path and of the folder's descriptor that it is relative to
CHANGES: dict[str, tuple[tuple[int, int | None], ...]] = {
    "os.mkdir": ((0, 2),),
    "os.rmdir": ((0, 1),),
    "os.remove": ((0, 1),),
    "os.truncate": ((0, None),),
    "os.rename": ((0, 2), (1, 3)),
    "os.link": ((1, 3),),
    "os.symlink": ((1, 2),),
}
CONNECTIONS = ("socket.connect", "socket.getaddrinfo")


@dataclass
class Audit:
    """The hook of one execution.

    ``exists`` says whether a path of the repository, absolute, is there outside.
    ``tree`` is a folder that stands for the repository's, where there are no namespaces.
    ``found`` are the messages, the first cause first; ``written`` says which line of
    code last wrote to a path.
    """

    view: View
    exists: Callable[[Path], bool]
    tree: Path | None = None
    found: list[str] = field(default_factory=list)
    written: dict[Path, str] = field(default_factory=dict)

    def install(self) -> None:
        """Start listening; a hook cannot be removed from a process."""
        sys.addaudithook(self._hear)

    def explain(self, error: BaseException) -> None:
        """Look for undeclared files in what native code or an import complained of."""
        if isinstance(error, ModuleNotFoundError) and error.name:
            self._module(error.name, self._place(error))
        if isinstance(error, DeclarationError) or type(error).__name__ == "DeclarationError":
            return
        named = [
            name for name in (getattr(error, "filename", None), getattr(error, "filename2", None)) if name
        ]
        named += [text for text in self.view.named if text]
        # Native code and child processes name files in the text of an error. Our own errors may speak of
        # params.yaml without having read it: there only a path counts.
        mark = "/" if hasattr(error, "exit_status") else "."
        named += [text for text in re.findall(r"[\w./@+-]+", str(error)) if mark in text or "/" in text]
        for text in named:
            path = self._meant(Path(os.path.normpath(self.view.root / os.fsdecode(text))))
            inside = path != self.view.root and path.is_relative_to(self.view.root)
            if inside and not self.view.shows(path) and self.exists(path):
                self._add(self._read(path, self._place(error)))

    def _hear(self, event: str, arguments: tuple[object, ...]) -> None:
        if event == "open":
            path, mode, flags = (*arguments, None, None)[:3]
            writes = (
                bool(int(flags) & WRITES) if isinstance(flags, int) else any(c in str(mode) for c in "wax+")
            )
            self._opened(path, writes)
        elif event in CHANGES:
            for position, descriptor in CHANGES[event]:
                folder = -1 if descriptor is None else arguments[descriptor]
                if folder == -1:  # else it is a folder that was opened before
                    self._opened(arguments[position], True)
        elif event == "import":
            name = str(arguments[0])
            if name.partition(".")[0] in self.view.modules:
                self._raise(self._module(name, self._here()))
        elif event in CONNECTIONS and not self.view.network:
            self._connected(event, arguments)

    def _opened(self, path: object, writes: bool) -> None:
        if not isinstance(path, str | bytes | os.PathLike):
            return  # a descriptor that is open already
        absolute = self._meant(Path(os.path.abspath(os.fsdecode(path))))
        if not absolute.is_relative_to(self.view.root) or absolute == self.view.root:
            return
        if "__pycache__" in absolute.parts:
            return  # Python looks there by itself, and does without
        if writes:
            self.written[absolute] = place = self._here()
            if not self.view.takes(absolute):
                self._raise(self._write(absolute, place))
        elif not self.view.shows(absolute) and self.exists(absolute):
            self._raise(self._read(absolute, self._here()))

    def _connected(self, event: str, arguments: tuple[object, ...]) -> None:
        target = arguments[1] if event == "socket.connect" else arguments[0]
        if isinstance(target, str | bytes):  # a Unix socket's path, or a name to look up
            if event == "socket.connect":
                return
            target = os.fsdecode(target)
        self._raise(
            f"stage {self.view.stage} reaches for the network ({target}, {self._here()}), which is off inside stages; "
            f"if it has to, add `meta: {{network: true}}` to it in dvc.yaml"
        )

    def _module(self, name: str, place: str) -> str | None:
        """The message for an import of the repository's code that is not among the deps."""
        for source in (self.view.root / "src", self.view.root):
            stem = source.joinpath(*name.split("."))
            for path in (stem.with_suffix(".py"), stem / "__init__.py"):
                if not self.view.shows(path) and self.exists(path):
                    return self._read(path, place)
        return None

    def _read(self, path: Path, place: str) -> str:
        relative = path.relative_to(self.view.root).as_posix()
        return (
            f"stage {self.view.stage} reads {relative} ({place}) without declaring it; "
            f"add `- {relative}` to its deps in dvc.yaml"
        )

    def _write(self, path: Path, place: str) -> str:
        relative = path.relative_to(self.view.root).as_posix()
        return (
            f"stage {self.view.stage} writes {relative} ({place}), which it may not; "
            f"write it to stage.out({relative!r}), and add `- {relative}` to its outs in dvc.yaml if it is not there"
        )

    def _add(self, message: str | None) -> None:
        if message is not None and message not in self.found:
            self.found.append(message)

    def _raise(self, message: str | None) -> None:
        if message is not None:
            self._add(message)
            raise DeclarationError(message)

    def _here(self) -> str:
        """The line of the repository's code that is being executed."""
        frame: FrameType | None = sys._getframe(1)
        while frame is not None:
            if (place := self._own_line(frame.f_code.co_filename, frame.f_lineno)) is not None:
                return place
            frame = frame.f_back
        return "in code outside the repository"

    def _place(self, error: BaseException) -> str:
        """The innermost line of the repository's code in the traceback of ``error``."""
        place, step = None, error.__traceback__
        while step is not None:
            place = self._own_line(step.tb_frame.f_code.co_filename, step.tb_lineno) or place
            step = step.tb_next
        return place or "in code outside the repository"

    def _own_line(self, filename: str, line: int) -> str | None:
        path = self._meant(Path(filename))
        if not path.is_relative_to(self.view.root) or path.is_relative_to(Path(sys.prefix)):
            return None
        if "/edgebuild/build/" in filename:  # the runner's own
            return None
        return f"{path.relative_to(self.view.root).as_posix()}:{line}"

    def _meant(self, path: Path) -> Path:
        if self.tree is not None and path.is_relative_to(self.tree):
            return self.view.root / path.relative_to(self.tree)
        return path
