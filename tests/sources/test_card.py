"""The data card."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np

from edgebuild.data.split import Split
from edgebuild.sources.card import card, digest


def split(first: int, labels: list[int]) -> Split:
    images = (np.arange(len(labels) * 4) + first).astype(np.uint8).reshape(-1, 2, 2, 1)
    return Split(images, np.array(labels), 1 / 255, ("cat", "dog"))


def splits() -> dict[str, Split]:
    return {"train": split(0, [0, 1, 1]), "validation": split(20, [0]), "test": split(40, [1, 1])}


def test_it_counts_and_describes_each_split() -> None:
    found = card(splits(), "pets")
    assert found["name"] == "pets"
    assert found["classes"] == ["cat", "dog"]
    assert found["image_shape"] == [2, 2, 1]
    assert (found["dtype"], found["scale"]) == ("uint8", 1 / 255)
    train, test = found["splits"]["train"], found["splits"]["test"]
    assert (train["images"], train["per_class"], train["range"]) == (3, {"cat": 1, "dog": 2}, [0, 11])
    assert (test["images"], test["per_class"], test["range"]) == (2, {"cat": 0, "dog": 2}, [40, 47])


def test_it_is_plain_json() -> None:
    found = card(splits(), "pets")
    assert json.loads(json.dumps(found)) == found


def test_it_counts_test_images_seen_in_training() -> None:
    parts = splits()
    assert card(parts, "pets")["train_images_in_test"] == 0
    parts["test"] = replace(parts["test"], images=parts["train"].images[[2, 2]])
    assert card(parts, "pets")["train_images_in_test"] == 2


def test_the_hash_changes_with_every_part_of_a_split() -> None:
    one = split(0, [0, 1, 1])
    others = [
        replace(one, images=one.images[::-1]),
        replace(one, images=one.images.reshape(3, 4, 1, 1)),
        replace(one, labels=one.labels[::-1]),
        replace(one, scale=1 / 254),
        replace(one, classes=("cat", "cow")),
    ]
    assert len({digest(other) for other in (one, *others)}) == 6
    assert digest(one) == digest(split(0, [0, 1, 1]))


def test_the_hash_of_the_whole_changes_with_any_split() -> None:
    one, two = splits(), splits()
    two["validation"] = split(21, [0])
    assert card(one, "pets")["sha256"] != card(two, "pets")["sha256"]
    assert card(one, "pets")["splits"]["train"] == card(two, "pets")["splits"]["train"]


def test_it_counts_images_that_are_there_again_with_another_label() -> None:
    parts = splits()
    assert "contradictions" not in card(parts, "pets")
    parts["validation"] = replace(parts["validation"], images=parts["train"].images[:1])  # a cat again
    assert "contradictions" not in card(parts, "pets")
    parts["test"] = replace(parts["test"], images=parts["train"].images[[0, 2]])  # the cat, called a dog
    assert card(parts, "pets")["contradictions"] == 3


def test_the_targets_of_a_regression_are_described_by_their_range() -> None:
    parts = {
        name: replace(part, labels=np.array([[1.0, 2.0], [3.0, 8.0]], np.float32)[: len(part)])
        for name, part in splits().items()
        if name != "train"
    }
    images = splits()["train"].images
    train = Split(images, np.array([[0, 1], [2, 3], [4, 5]], np.float32), 1 / 255, ("x", "y"))
    found = card({"train": train, **{k: replace(v, classes=("x", "y")) for k, v in parts.items()}}, "pets")
    assert found["splits"]["train"]["targets"] == {
        "x": {"min": 0.0, "mean": 2.0, "max": 4.0},
        "y": {"min": 1.0, "mean": 3.0, "max": 5.0},
    }


def test_several_labels_of_one_image_are_counted_each() -> None:
    labels = np.array([[1, 1], [0, 1], [0, 0]])
    parts = {name: replace(part, labels=labels[: len(part)]) for name, part in splits().items()}
    assert card(parts, "pets")["splits"]["train"]["per_class"] == {"cat": 1, "dog": 2}


def test_how_codes_were_made_and_what_was_left_out_is_there_where_it_is_known() -> None:
    found = card(splits(), "pets", features={"kind": "log-mel", "floor_db": -80.0}, dropped={"too short": 3})
    assert found["features"] == {"kind": "log-mel", "floor_db": -80.0}
    assert found["dropped"] == {"too short": 3}
