"""A stage's console output, kept as its log, which is delivered with its record.

What redraws a line on a terminal (progress) is not worth keeping and is left out.
Imported by every stage, so it imports little. Writing never fails for the log's
sake: on a full disk the stage goes on, and the log ends.
"""

from __future__ import annotations

from pathlib import Path

__all__ = ["LIMIT", "Log"]

LIMIT = 1_000_000  # bytes; of a longer output the end is kept, where the error is
#: bytes of a line without an end that are remembered
_CHUNK = 65_536


class Log:
    """The file, made at the first byte; holds at most two times `LIMIT` on disk and ends with at most `LIMIT`.

    ``broken`` is the error that ended it early.
    """

    def __init__(self, path: Path, limit: int = LIMIT) -> None:
        self._path, self._limit = path, limit
        self._size = self._dropped = 0
        self._rest = b""
        self.broken: OSError | None = None

    def write(self, data: bytes) -> None:
        """Append output; a line counts once it has ended. Never raises."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > _CHUNK:  # a line without an end
            self._rest = self._rest.rpartition(b"\r")[2][-_CHUNK:]
        self._append(b"".join(_settled(line) + b"\n" for line in lines))

    def close(self) -> None:
        """Write what has no line end, and cut to the limit. Never raises; twice does what once does."""
        if rest := _settled(self._rest):
            self._append(rest + b"\n")
        self._rest = b""
        if self._size > self._limit:
            self._cut()

    def _append(self, data: bytes) -> None:
        if self.broken or not data:
            return
        try:
            with self._path.open("ab") as file:
                file.write(data)
            self._size += len(data)
            if self._size > 2 * self._limit:
                self._cut()
        except OSError as error:
            self.broken = error

    def _cut(self) -> None:
        """Keep the last `limit` bytes, from a line's start on, and say how many were dropped."""
        try:
            data = self._path.read_bytes()
            if self._dropped:
                data = data.partition(b"\n")[2]  # the note of the last cut
            kept = data[-self._limit :].partition(b"\n")[2]
            self._dropped += len(data) - len(kept)
            self._path.write_bytes(b"[%d bytes before this are not kept]\n" % self._dropped + kept)
            self._size = self._path.stat().st_size
        except OSError as error:
            self.broken = error


def _settled(line: bytes) -> bytes:
    """What a terminal shows of a line in the end: what follows the last return to its start."""
    line = line.removesuffix(b"\r").rpartition(b"\r")[2]
    return line.removeprefix(b"\x1b[2K")
