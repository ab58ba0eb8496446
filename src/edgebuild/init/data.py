"""What somebody's data is, read off its path: the source of edgebuild that reads it, and that source's section.

Only names of files and the headers of a few are read: 60,000 images take two or three seconds.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgebuild.build.closure import imports
from edgebuild.errors import UsageError
from edgebuild.init import images, recordings, records, sensors, tables
from edgebuild.init.choice import Choice

__all__ = ["Data", "kind_of", "look", "placed"]

FUNCTION = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")
ANOMALY = ({"normal", "anomaly"}, {"normal", "abnormal"}, {"normal"})
SPLITS = ("train", "test", "validation", "calibration")
AUDIO, TABLE, RECORDS = (".wav",), (".csv", ".parquet"), (".tfrecord", ".tfrecords")
KNOWN = (
    "a folder with a folder per class of PNG or JPEG images (or train/ and test/ with those), of WAV files or of CSV "
    "recordings; a CSV or Parquet table of images or of sensor readings; a .npz file; TFRecord files; or a function "
    "of yours as module:function"
)
#: names shown of what there is
SHOWN = 6


@dataclass(frozen=True)
class Data:
    """What was found.

    ``folder`` is as params.yaml will have it, ``sections`` what the source needs besides, ``inputs`` further files
    that preparing reads. ``shape`` is height, width, channels, or None where only the teacher or nobody knows;
    ``count`` is 0 where it is not known. ``placed`` are the splits that the data itself holds, ``targets`` the
    first values of what a regression predicts.
    """

    source: str
    folder: str
    count: int = 0
    classes: tuple[str, ...] = ()
    shape: tuple[int, int, int] | None = None
    sections: Mapping[str, Any] = field(default_factory=dict)
    placed: frozenset[str] = frozenset()
    task: str = "classification"
    targets: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    inputs: tuple[str, ...] = ()
    choices: tuple[Choice, ...] = ()


def look(root: Path, given: str, task: str | None, shape: tuple[int, int, int] | None) -> Data:
    """What ``given``, a path relative to ``root`` or ``module:function``, is.

    ``task`` is what the user says of it, ``shape`` that of the teacher's input; None where nobody says.

    Raises:
        UsageError: there is no such thing, or it is of no kind that edgebuild reads.
    """
    path = root / given
    if not path.exists() and FUNCTION.fullmatch(given):
        return _function(root, given, task)
    if not path.exists():
        raise UsageError(f"--data {given}: there is no such file or folder; what edgebuild reads is {KNOWN}")
    if path.is_file():
        return tables.of_file(path, given, task, shape) or _unknown(given, [path])
    files = sorted(file for file in path.rglob("*") if file.is_file() and not _hidden(path, file))
    for suffixes, found in _kinds(path, given, files, task, shape).items():
        if any(file.suffix.lower() in suffixes for file in files) and (data := found()) is not None:
            return data
    return _unknown(given, files)


def placed(path: Path) -> frozenset[str]:
    """The splits that folders of a data set are called by, where train and test are among them."""
    found = frozenset(name for name in SPLITS if (path / name).is_dir())
    return found if {"train", "test"} <= found else frozenset()


def _kinds(
    path: Path, given: str, files: Sequence[Path], task: str | None, shape: tuple[int, int, int] | None
) -> Mapping[tuple[str, ...], Callable[[], Data | None]]:
    """Endings → what to look for when there are such files, the surer first."""
    tops = [file for file in files if file.parent == path]
    listed = [file for file in tops if file.suffix.lower() in TABLE]
    shards = [file for file in files if file.suffix.lower() in RECORDS]
    has_images = any(file.suffix.lower() in images.ENDINGS for file in files)

    def tables_of() -> Data | None:
        if len(listed) == 1 and (has_images or len(files) == 1):
            return tables.of_file(listed[0], f"{given}/{listed[0].name}", task, shape)
        return (
            None
            if has_images
            else sensors.folder(path, given, _by_class(path, given, files, TABLE, task), task)
        )

    return {
        TABLE: tables_of,
        images.ENDINGS: lambda: _images(path, given, files, task, shape),
        AUDIO: lambda: recordings.audio(path, given, _by_class(path, given, files, AUDIO, task), task),
        RECORDS: lambda: records.look(given, shards, shape, task),
        (".npz",): lambda: _one_archive(given, tops, task, shape),
    }


def _images(
    path: Path, given: str, files: Sequence[Path], task: str | None, shape: tuple[int, int, int] | None
) -> Data:
    classes = _by_class(path, given, files, images.ENDINGS, task)
    found = [file for members in classes.values() for file in members]
    size = images.size(found, shape)
    height, width, channels = size.shape
    return Data(
        "image_folder",
        given,
        len(found),
        tuple(classes),
        size.shape,
        {"image": {"height": height, "width": width, "channels": channels, "fit": "crop"}},
        placed(path),
        task or kind_of(classes),
        choices=(
            Choice("data", f"{len(found):,} images in {len(classes)} class folders", _names(tuple(classes))),
            Choice("image size", f"{height}×{width}×{channels}", size.why),
        ),
    )


def _by_class(
    path: Path, given: str, files: Sequence[Path], endings: tuple[str, ...], task: str | None
) -> dict[str, list[Path]]:
    """Files with these endings by class folder; below train/ and test/ where both are there.

    Raises:
        UsageError: files lie in no class folder, or in only one.
    """
    official = placed(path)
    classes: dict[str, list[Path]] = {}
    loose = 0
    for file in files:
        if file.suffix.lower() not in endings:
            continue
        parts = file.relative_to(path).parts[:-1]
        parts = parts[1:] if official and parts and parts[0] in SPLITS else parts
        if parts:
            classes.setdefault(parts[0], []).append(file)
        else:
            loose += 1
    if not classes:
        raise UsageError(
            f"--data {given}: {loose:,} {endings[0]} files lie there without a folder per class; put those of each "
            f"class into a folder with its name, or list path and label of each in a .csv file there"
        )
    if len(classes) == 1 and task in (None, "classification"):
        raise UsageError(
            f"--data {given}: there is one class folder, {next(iter(classes))}, and telling classes apart takes two; "
            f"name the folder above it, or say --task anomaly if it holds what is normal"
        )
    return dict(sorted(classes.items()))


def kind_of(classes: Iterable[str]) -> str:
    """The task that class folders are for: to find anomalies, if there are but normal ones and anomalies."""
    return "anomaly" if set(classes) in ANOMALY else "classification"


def _function(root: Path, given: str, task: str | None) -> Data:
    module = given.partition(":")[0].replace(".", "/")
    files = [name for name in (f"{module}.py", f"{module}/__init__.py") if (root / name).is_file()]
    if not files:
        raise UsageError(
            f"--data {given}: there is no {module}.py here; write it (docs/data.md has an example)"
        )
    choice = Choice("data", f"the function {given}", "called when the build prepares its data")
    return Data(
        "function", "", sections={"function": given}, task=task or "classification",
        inputs=tuple(sorted(imports(root, root / files[0]))),
        choices=(choice,),
    )  # fmt: skip


def _one_archive(
    given: str, tops: Sequence[Path], task: str | None, shape: tuple[int, int, int] | None
) -> Data | None:
    archives = [file for file in tops if file.suffix == ".npz"]
    if len(archives) != 1:
        return None
    return tables.of_file(archives[0], f"{given}/{archives[0].name}", task, shape)


def _unknown(given: str, files: Sequence[Path]) -> Data:
    endings = Counter(file.suffix.lower() or "no ending" for file in files)
    there = ", ".join(f"{count:,} {ending}" for ending, count in endings.most_common(SHOWN)) or "nothing"
    raise UsageError(
        f"--data {given} is of no kind that edgebuild reads (it holds: {there}); it reads {KNOWN}"
    )


def _hidden(path: Path, file: Path) -> bool:
    return any(part.startswith((".", "__MACOSX")) for part in file.relative_to(path).parts)


def _names(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
