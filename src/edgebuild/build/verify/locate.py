"""Where two versions of an artifact differ (the first element, operation or key), and how far apart they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from edgebuild.build.verify import raw
from edgebuild.build.verify.contents import PIXELS, READERS, Array, Contents
from edgebuild.build.verify.packing import packing

__all__ = ["Difference", "Distance", "differences"]

#: characters of a text that are shown
SHOWN = 60


@dataclass(frozen=True)
class Distance:
    """How far ``rebuilt`` is from ``committed``, element by element of one tensor.

    ``absolute`` is max|a-b|, ``relative`` is ‖a-b‖₂/‖a‖₂ with a as committed. Both are
    infinite where one side has a NaN or an infinity that the other has not, and
    ``relative`` also where a is all zeros.
    """

    absolute: float
    relative: float


@dataclass(frozen=True)
class Difference:
    """What is to be said of two versions of one artifact.

    Attributes:
        same: whether the bytes are equal, of a folder of every file.
        where: one line about the first difference, as committed → as rebuilt; "" if ``same``.
        tensors: the distance of every tensor that differs and has the same shape and element type in both.
        numbers: every number outside tensors that differs, as (committed, rebuilt): of metrics by the path of
            their key (``variants[0 pruned-onnx-int8].accuracy``), of tables by row and column. An integer of a
            model's structure (a stride, a shape, a tensor's index) is among them: no model that differs there is close.
        others: what differs and has no distance, by name: texts, keys or tensors of one version only, another shape.
            Empty together with ``tensors`` and ``numbers`` means that the content is the same in other bytes.
    """

    same: bool
    where: str = ""
    tensors: Mapping[str, Distance] = field(default_factory=dict)
    numbers: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    others: tuple[str, ...] = ()


def differences(name: str, committed: Path, rebuilt: Path) -> Difference:
    """Compare two versions of the artifact called ``name`` (its ending tells its kind), files or folders.

    Nothing is raised for what is in the files: one that is missing, damaged or of
    another kind than its name says is a difference too.
    """
    for side, path in (("committed", committed), ("rebuilt", rebuilt)):
        if not path.exists():
            return Difference(False, f"there is no {side} version", others=(name,))
    if committed.is_dir() != rebuilt.is_dir():
        folder, file = ("committed", "rebuilt") if committed.is_dir() else ("rebuilt", "committed")
        return Difference(False, f"the {folder} version is a folder, the {file} one a file", others=(name,))
    if committed.is_dir():
        return _folders(name, committed, rebuilt)
    if raw.first(committed, rebuilt) is None:
        return Difference(True)
    if Path(name).suffix not in READERS:
        return Difference(False, raw.place(committed, rebuilt), others=(name,))
    return _contents(name, committed, rebuilt)


def _folders(name: str, committed: Path, rebuilt: Path) -> Difference:
    old, new = _files(committed), _files(rebuilt)
    if alone := sorted(set(old) ^ set(new)):
        side = "committed" if alone[0] in old else "rebuilt"
        more = _more(len(alone) - 1, "such file")
        return Difference(False, f"only the {side} version has {alone[0]}{more}", others=tuple(alone))
    different = [file for file in sorted(old) if raw.first(old[file], new[file]) is not None]
    if not different:
        return Difference(True)
    if name.endswith(".mlpackage"):
        return _contents(name, committed, rebuilt)
    found = {file: differences(file, old[file], new[file]) for file in different}
    more = _more(len(different) - 1, "file")
    return Difference(
        False,
        f"{different[0]}: {found[different[0]].where}{more}",
        {f"{file}: {key}": value for file, one in found.items() for key, value in one.tensors.items()},
        {f"{file}: {key}": value for file, one in found.items() for key, value in one.numbers.items()},
        tuple(f"{file}: {key}" for file, one in found.items() for key in one.others),
    )


def _files(folder: Path) -> dict[str, Path]:
    return {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}


def _contents(name: str, committed: Path, rebuilt: Path) -> Difference:
    contents = []
    for side, path in (("committed", committed), ("rebuilt", rebuilt)):
        try:
            contents.append(READERS[Path(name).suffix](path))
        except Exception as error:  # readers of ten kinds of files raise whatever a damaged one leads them to
            what = " ".join(f"{type(error).__name__}: {error}".split())
            place = "" if path.is_dir() else f"; {raw.place(committed, rebuilt)}"
            return Difference(False, f"the {side} version cannot be read ({what}){place}", others=(name,))
    old, new = contents
    places = [*_values(old, new), *_tensors(old, new)]
    if not places:
        return Difference(False, f"same content, other bytes: {packing(name, committed, rebuilt)}")
    more = _more(len(places) - 1, "place")
    return Difference(
        False,
        f"{places[0].text}{more}",
        {place.key: place.distance for place in places if place.distance is not None},
        {place.key: place.numbers for place in places if place.numbers is not None},
        tuple(place.key for place in places if place.distance is None and place.numbers is None),
    )


@dataclass(frozen=True)
class _Place:
    """One value or tensor that differs."""

    key: str
    text: str
    distance: Distance | None = None
    numbers: tuple[float, float] | None = None


def _values(old: Contents, new: Contents) -> Iterator[_Place]:
    for key in dict.fromkeys([*old.values, *new.values]):
        if key not in old.values or key not in new.values:
            yield _alone(key, key in old.values)
            continue
        before, after = old.values[key], new.values[key]
        # repr tells 1 from 1.0 and 0.0 from -0.0, and holds NaN equal to itself.
        if type(before) is type(after) and repr(before) == repr(after):
            continue
        numbers = (before, after) if _is_number(before) and _is_number(after) else None
        yield _Place(key, f"{key}: {_shown(before, after)}", numbers=numbers)


def _tensors(old: Contents, new: Contents) -> Iterator[_Place]:
    for key in dict.fromkeys([*old.tensors, *new.tensors]):
        if key not in old.tensors or key not in new.tensors:
            yield _alone(key, key in old.tensors)
            continue
        before, after = old.tensors[key], new.tensors[key]
        if before.dtype != after.dtype or before.shape != after.shape:
            kinds = (f"{array.dtype}{list(array.shape)}" for array in (before, after))
            yield _Place(key, f"{key} is {' → '.join(kinds)}")
        elif (different := _different(before, after)).any():
            yield _tensor(key, before, after, different)


def _tensor(key: str, before: Array, after: Array, different: Array) -> _Place:
    place = np.unravel_index(int(np.argmax(different)), before.shape)
    index = f"[{', '.join(map(str, place))}]" if place else ""
    distance = _distance(before, after)
    far = f"max {distance.absolute:.3g}, relative {distance.relative:.3g}"
    values = f"{before[place]!s} → {after[place]!s}"
    many = f"{int(different.sum())} of {before.size} elements"
    if key == PIXELS:
        rows, columns = np.nonzero(different.reshape(*different.shape[:2], -1).any(axis=2))
        box = f"in rows {rows.min()} to {rows.max()}, columns {columns.min()} to {columns.max()}"
        many = f"{len(rows)} of {before.shape[0] * before.shape[1]} pixels, {box}"
    return _Place(key, f"{key}{index}: {values} ({many}; {far})", distance)


def _different(before: Array, after: Array) -> Array:
    """Which elements have other bits, so that NaN equals itself and -0.0 is not 0.0; the tensors' shape, booleans."""
    size = before.dtype.itemsize
    a, b = (
        np.ascontiguousarray(array).reshape(-1).view(np.uint8).reshape(-1, size) for array in (before, after)
    )
    unequal: Array = np.any(a != b, axis=1)
    return unequal.reshape(before.shape)


def _distance(before: Array, after: Array) -> Distance:
    kind = np.complex128 if before.dtype.kind == "c" else np.float64
    a, b = before.astype(kind), after.astype(kind)
    equal = (a == b) | (
        np.isnan(a) & np.isnan(b)
    )  # infinities of the same sign too, whose difference is no number
    with np.errstate(all="ignore"):
        gap = np.where(equal, 0, np.abs(a - b))
        norm = float(np.linalg.norm(np.where(np.isfinite(a), a, 0)))
    if not np.isfinite(gap).all():
        return Distance(np.inf, np.inf)
    far = float(np.linalg.norm(gap))
    return Distance(float(gap.max()), far / norm if norm else (np.inf if far else 0.0))


def _alone(key: str, in_committed: bool) -> _Place:
    return _Place(key, f"only the {'committed' if in_committed else 'rebuilt'} version has {key}")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _shown(before: object, after: object) -> str:
    """Both values; of long texts what surrounds the first other character."""
    if not isinstance(before, str | bytes) or not isinstance(after, str | bytes):
        return f"{before!r} → {after!r}"
    pairs = zip(before, after, strict=False)
    first = next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(before), len(after)))
    start = max(0, first - SHOWN // 2) if max(len(before), len(after)) > SHOWN else 0
    cut = (before[start : start + SHOWN], after[start : start + SHOWN])
    return f"{cut[0]!r} → {cut[1]!r}" + (f" (from character {start})" if start else "")


def _more(count: int, what: str) -> str:
    return f"; {count} more {what}{'s' if count > 1 else ''}" if count else ""
