"""Makes other signals as orderly as Ctrl-C."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["interrupting"]


@contextmanager
def interrupting(*numbers: signal.Signals) -> Iterator[None]:
    """Let each signal raise KeyboardInterrupt with its name; one that is ignored, as under nohup, stays ignored."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt(signal.Signals(number).name)

    previous = {
        number: signal.signal(number, interrupt)
        for number in numbers
        if signal.getsignal(number) != signal.SIG_IGN
    }
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
