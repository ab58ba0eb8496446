"""What a source of examples hands over, checked, and the protocol of the modules that do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from edgebuild.data.check import Part, check
from edgebuild.data.images import Images, Indices, Labels
from edgebuild.errors import DataError

if TYPE_CHECKING:
    from edgebuild.params.data import Data

__all__ = ["SPLIT_NAMES", "Load", "Names", "Source", "source"]

#: What a data set may call the splits that it fixes; "" leaves an example to the build.
SPLIT_NAMES = ("train", "validation", "calibration", "test")

Names = npt.NDArray[np.str_]


@dataclass(frozen=True)
class Source:
    """A data set as its authors publish it, checked.

    ``images`` is uint8 ``(n, height, width, channels)``, in memory, in a mapped
    file or made when asked for; ``real = images * scale`` lies in [0, 1].
    ``labels`` has one of the forms of :class:`~edgebuild.data.check.Part`.
    ``test`` is the authors' own test part, where they fixed one in files of its
    own. ``groups``, int64 ``(n,)``, says what must not be torn apart: a speaker,
    a recording. ``split``, str ``(n,)``, names the split of each example that
    the user has placed himself, one of :data:`SPLIT_NAMES`, and is "" for the
    others. ``features`` says how the codes come from what was measured, for the
    data card: all that an app has to know. ``dropped`` counts what was left out
    on purpose, by reason.
    """

    images: Images
    labels: Labels
    scale: float
    classes: tuple[str, ...]
    test: Part | None = None
    groups: Indices | None = None
    split: Names | None = None
    features: Mapping[str, Any] | None = None
    dropped: Mapping[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        """All examples, the official test part among them."""
        return len(self.labels) + (0 if self.test is None else len(self.test.labels))


class Load(Protocol):
    """What the module of a source offers."""

    def __call__(self, params: Data, task: str) -> Source:
        """Load the whole source.

        Args:
            params: section ``data`` of params.yaml.
            task: the kind of task that the labels are for: classification,
                multilabel, regression or anomaly (whose classes may be any, one
                of them called normal).

        Raises:
            DataError: the files are missing, damaged, or no labelled examples.
        """


def source(
    images: Images | npt.NDArray[np.generic],
    labels: npt.NDArray[np.generic],
    *,
    scale: float,
    classes: tuple[str, ...],
    where: str,
    test: tuple[Images | npt.NDArray[np.generic], npt.NDArray[np.generic]] | None = None,
    groups: Sequence[object] | npt.NDArray[np.generic] | None = None,
    split: Sequence[str] | npt.NDArray[np.generic] | None = None,
    features: Mapping[str, Any] | None = None,
) -> Source:
    """A :class:`Source` of raw arrays, each part passed through :func:`~edgebuild.data.check.check`.

    ``groups`` may be anything that can be told apart, one for each image: names
    of speakers, numbers of recordings. ``split`` names a split for each image,
    or nothing.

    Raises:
        DataError: as ``check``; or the test part's images differ in shape, there
            is not one group or split per image, or a split has another name.
    """
    part = check(images, labels, scale=scale, classes=classes, where=where)
    official = None
    if test is not None:
        official = check(*test, scale=scale, classes=classes, where=f"{where}, test part")
        if official.images.shape[1:] != part.images.shape[1:]:
            raise DataError(
                f"{where}: training and test images must have one shape, but they are {part.images.shape[1:]} "
                f"and {official.images.shape[1:]}; check that all files come from the same release of the data"
            )
        if split is not None and any(str(name) == "test" for name in split):
            raise DataError(
                f"{where}: the test part is given twice, in arrays of its own and by the names of splits; "
                f"leave out one of them"
            )
    for name, given in (("group", groups), ("split", split)):
        if given is not None and (np.ndim(np.asarray(given)) != 1 or len(given) != len(part.labels)):
            raise DataError(
                f"{where}: one {name} per image is required, but there are {len(given)} for "
                f"{len(part.labels)} images; name one for each"
            )
    numbers = None if groups is None else _numbered(groups)
    names = None if split is None else _named(split, where)
    if groups is not None and numbers is not None and names is not None:
        _check_groups(groups, numbers, names, where)
    return Source(part.images, part.labels, scale, classes, official, numbers, names, features)


def _numbered(groups: Sequence[object] | npt.NDArray[np.generic]) -> Indices:
    """Groups by number, in the order in which they appear first."""
    numbers: dict[object, int] = {}
    values = groups.tolist() if isinstance(groups, np.ndarray) else groups
    return np.array([numbers.setdefault(value, len(numbers)) for value in values], np.int64)


def _named(split: Sequence[str] | npt.NDArray[np.generic], where: str) -> Names | None:
    names = np.array([str(name) for name in split])
    if len(unknown := sorted(set(names.tolist()) - {*SPLIT_NAMES, ""})):
        raise DataError(
            f"{where}: a split is called {', '.join(SPLIT_NAMES)} or nothing, but there is "
            f"{', '.join(map(repr, unknown[:5]))}; rename it"
        )
    return names if (names != "").any() else None


def _check_groups(groups: Any, numbers: Indices, names: Names, where: str) -> None:
    """Refuse a group that lies in two splits: what is learned from one part of it is asked in the other."""
    splits = np.where(names == "", "train", names)
    first = np.zeros(int(numbers.max()) + 1, np.int64)
    first[numbers[::-1]] = np.arange(len(numbers))[::-1]
    torn = np.flatnonzero(splits != splits[first[numbers]])
    if len(torn):
        found = sorted({str(splits[torn[0]]), str(splits[first[numbers[torn[0]]]])})
        raise DataError(
            f"{where}: a group must lie in one split, but {str(groups[int(torn[0])])!r} has examples in "
            f"{' and '.join(found)}; move it into one of them, or leave the split out"
        )
