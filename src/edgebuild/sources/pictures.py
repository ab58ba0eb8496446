"""From a list of files of pictures and what is known of each to a source: judged by name first, then decoded once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgebuild.data.images import Bytes, Labels
from edgebuild.sources.faults import Faults
from edgebuild.sources.image import SUFFIXES, Unusable, decode
from edgebuild.sources.rehearse import rehearse
from edgebuild.sources.source import Source, source
from edgebuild.sources.spool import Spool

if TYPE_CHECKING:
    from edgebuild.params.data import Data, Image

__all__ = ["Picture", "pictures"]

SCALE = 1 / 255


@dataclass(frozen=True)
class Picture:
    """One file: where it is, what messages call it, and what the data set says of it."""

    path: Path
    place: str
    label: int = -1
    split: str = ""
    group: object = None


def pictures(
    params: Data,
    task: str,
    listed: Sequence[Picture],
    labels: Labels,
    classes: tuple[str, ...],
    faults: Faults,
    way_out: str,
) -> Source:
    """The source of all ``listed`` files, of which ``labels`` has a row each.

    Raises:
        DataError: with everything that is in ``faults`` already, and every file that cannot be used.
    """
    wanted = params.image
    assert wanted is not None  # params.yaml is refused without
    groups = [picture.group for picture in listed] if any(p.group is not None for p in listed) else None
    split = [picture.split for picture in listed]
    if not faults and listed:
        rehearse(params, task, labels, classes, where=faults.where, groups=groups, split=split)
    into = Spool((wanted.height, wanted.width, wanted.channels))
    for picture in listed:
        example = _decoded(picture, wanted, faults)
        if example is not None and not faults:  # what is read after the first fault is only looked at
            into.add(example)
    faults.refuse(way_out)
    images = into.done()
    return source(
        images, labels, scale=SCALE, classes=classes, where=faults.where, groups=groups, split=split
    )


def _decoded(picture: Picture, wanted: Image, faults: Faults) -> Bytes | None:
    if picture.path.suffix.lower() not in SUFFIXES:
        faults.add(picture.place, f"its name does not end in {', '.join(SUFFIXES)}")
        return None
    try:
        return decode(picture.path, wanted)
    except (Unusable, OSError) as error:
        faults.add(picture.place, error)
        return None
