"""What a person sees while a stage runs: a bar on a terminal, sparse lines in a log."""

from __future__ import annotations

import sys
import time
from typing import Any

__all__ = ["Progress", "say", "warn"]

BAR = 28
#: a log gets a line for every quarter of a long work
QUARTERS = 4


class Progress:
    """Progress of one stage on standard error; nothing is shown for work under a second."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._start = time.monotonic()
        self._terminal = sys.stderr.isatty()
        self._shown = 0

    def update(self, done: int, total: int, text: str) -> None:
        """``done`` of ``total`` steps; ``text`` is what is known so far."""
        spent = time.monotonic() - self._start
        left = spent * (total - done) / max(done, 1)
        line = f"{self._title}  {done}/{total}  {text}  {spent:.0f} s, {left:.0f} s left"
        if self._terminal:
            filled = BAR * done // total
            sys.stderr.write(f"\r\x1b[2K{'█' * filled}{'░' * (BAR - filled)}  {line}")
            sys.stderr.flush()
        elif done * QUARTERS // total > self._shown and spent > 1:
            self._shown = done * QUARTERS // total
            print(line, file=sys.stderr, flush=True)

    def close(self) -> None:
        if self._terminal:
            sys.stderr.write("\r\x1b[2K")
            sys.stderr.flush()


def say(text: Any) -> None:
    """A result, on standard output."""
    print(text, flush=True)


def warn(text: str) -> None:
    """A note that does not change the outcome, on standard error."""
    print(f"edgebuild: {text}", file=sys.stderr, flush=True)
