"""Right and wrong by class."""

from __future__ import annotations

import numpy as np

from edgebuild.report.classes import LARGEST, Confused, classes, matrix

LABELS = np.array([0, 0, 1, 2])
LOGITS = np.eye(3)[[0, 1, 1, 1]]


def test_each_class_has_its_share_per_model() -> None:
    found = classes(("a", "b", "c"), {"x": LOGITS, "y": np.eye(3)[LABELS]}, LABELS)
    assert [(row.name, row.images, row.shares) for row in found] == [
        ("a", 2, (0.5, 1.0)),
        ("b", 1, (1.0, 1.0)),
        ("c", 1, (0.0, 1.0)),
    ]


def test_a_matrix_has_true_classes_as_rows() -> None:
    found = matrix("x", ("a", "b", "c"), LOGITS, LABELS)
    assert [[cell.count for cell in row] for row in found.rows] == [[1, 1, 0], [0, 1, 0], [0, 1, 0]]
    assert found.confused == (Confused("a", "b", 1), Confused("c", "b", 1))


def test_beyond_what_is_readable_pairs_stand_for_the_matrix() -> None:
    count = LARGEST + 1
    logits = np.roll(np.eye(count), 1, axis=1)
    found = matrix("x", [str(at) for at in range(count)], logits, np.arange(count))
    assert found.rows == ()
    assert len(found.confused) == 10


def test_a_class_without_images_has_no_share() -> None:
    found = classes(("a", "b", "c", "d"), {"x": np.eye(4)[[0, 1, 1, 1]]}, LABELS)
    assert (found[3].images, found[3].shares) == (0, (0.0,))
