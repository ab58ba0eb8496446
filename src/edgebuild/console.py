"""What a person sees while a stage runs: a bar on a terminal, sparse lines in a log."""

from __future__ import annotations

import os
import select
import sys
import time
from typing import Any

__all__ = ["Progress", "drop_unread", "say", "warn"]

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


def drop_unread() -> bool:
    """Let go of what nobody reads any more, as in ``edgebuild … | head``; was there such an output?

    A pipe whose reader has gone is replaced by the null device, for what is still in Python's buffer
    would be written at exit, and fail once more (the documentation of `signal`, "Note on SIGPIPE").
    """
    gone = [stream.fileno() for stream in (sys.stdout, sys.stderr) if _has_no_reader(stream.fileno())]
    for number in gone:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, number)
        os.close(null)
    return bool(gone)


def _has_no_reader(number: int) -> bool:
    poll = select.poll()
    poll.register(number, 0)  # errors are reported whatever is asked for
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))
