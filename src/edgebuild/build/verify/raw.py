"""Two files as bytes: where they begin to differ, whatever they hold."""

from __future__ import annotations

from pathlib import Path

__all__ = ["first", "place"]

CHUNK = 1 << 20
#: bytes of each file that are shown before the first one that differs, and from it on
AROUND = 8
#: characters of a line of text that are shown
LINE = 60
#: larger files are not looked at as text, bytes
TEXT = 1 << 24


def first(committed: Path, rebuilt: Path) -> int | None:
    """The offset of the first byte that differs, where one file ends if the other goes on, None if they are equal."""
    offset = 0
    with committed.open("rb") as old, rebuilt.open("rb") as new:
        while True:
            a, b = old.read(CHUNK), new.read(CHUNK)
            if a != b:
                return offset + _first(a, b)
            if not a:
                return None
            offset += len(a)


def place(committed: Path, rebuilt: Path) -> str:
    """The first difference of two unequal files: a line of text, or an offset with the bytes around it."""
    return _line(committed, rebuilt) or _offset(committed, rebuilt)


def _line(committed: Path, rebuilt: Path) -> str | None:
    """None where the files are no text or end their lines in other ways."""
    if max(committed.stat().st_size, rebuilt.stat().st_size) > TEXT:
        return None
    try:
        old, new = (path.read_bytes().decode().split("\n") for path in (committed, rebuilt))
    except UnicodeDecodeError:
        return None
    if "\0" in "".join(old + new):
        return None
    for number, (a, b) in enumerate(zip(old, new, strict=False), start=1):
        if a != b:
            start = max(0, _first(a, b) - LINE // 2)
            column = f", from column {start + 1}" if start else ""
            return f"line {number}{column}: {a[start : start + LINE]!r} → {b[start : start + LINE]!r}"
    return (
        f"one ends after line {min(len(old), len(new))}, the other does not ({len(old)} → {len(new)} lines)"
    )


def _offset(committed: Path, rebuilt: Path) -> str:
    offset = first(committed, rebuilt)
    assert offset is not None  # asked of unequal files only
    start = max(0, offset - AROUND)
    shown, sizes = [], []
    for path in (committed, rebuilt):
        sizes.append(str(path.stat().st_size))
        with path.open("rb") as file:
            file.seek(start)
            shown.append(file.read(2 * AROUND).hex(" ") or "the end")
    size = sizes[0] if sizes[0] == sizes[1] else " → ".join(sizes)
    return f"first at byte {offset} (0x{offset:x}) of {size}; from {start} on: {' → '.join(shown)}"


def _first(a: bytes | str, b: bytes | str) -> int:
    pairs = zip(a, b, strict=False)
    return next((i for i, (x, y) in enumerate(pairs) if x != y), min(len(a), len(b)))
