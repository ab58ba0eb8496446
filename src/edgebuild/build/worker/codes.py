"""Compiled code of the repository's files, kept by the server for the processes that it forks.

A stage's process reads the source of each module that it imports, as any process
does, and from where the client has it. Where the very same bytes were compiled
before, it takes the code from here: inside a sandbox, whose files are read-only
and whose ``__pycache__`` does not exist, compiling takes longer than most exports.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from importlib.machinery import SourceFileLoader
from types import CodeType
from typing import Any

__all__ = ["Codes"]


class Codes:
    """File name → the bytes that were compiled, and their code."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[int, bytes, CodeType]] = {}

    def refresh(self, folders: Iterable[str]) -> None:
        """Compile what is new or changed among the Python files below ``folders``."""
        for file in _files(folders):
            try:
                changed = os.stat(file).st_mtime_ns
                if file in self._known and self._known[file][0] == changed:
                    continue
                with open(file, "rb") as source:
                    data = source.read()
                self._known[file] = changed, data, compile(data, file, "exec", dont_inherit=True)
            except (OSError, SyntaxError, ValueError):
                continue  # whoever imports it will be told

    def find(self, data: bytes, file: str) -> CodeType | None:
        """The code of ``file``, if ``data`` is what was compiled."""
        known = self._known.get(file)
        return known[2] if known is not None and known[1] == data else None

    def use(self) -> None:
        """Let this process's imports look here before they compile."""
        compiled = SourceFileLoader.source_to_code

        def source_to_code(loader: SourceFileLoader, data: Any, path: Any, **options: Any) -> CodeType:
            code = (
                self.find(bytes(data), str(path))
                if isinstance(data, bytes | bytearray | memoryview)
                else None
            )
            return compiled(loader, data, path, **options) if code is None else code

        SourceFileLoader.source_to_code = source_to_code  # type: ignore[method-assign, assignment]


def _files(folders: Iterable[str]) -> Iterator[str]:
    for folder in folders:
        for above, _, names in os.walk(folder):
            yield from (os.path.join(above, name) for name in names if name.endswith(".py"))
