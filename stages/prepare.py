"""Load the data source, split it, and describe it in a data card."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgebuild.data.split import Split
from edgebuild.json_file import write_json
from edgebuild.sources.card import card
from edgebuild.sources.prepare import prepare
from edgebuild.sources.registry import load, title

if TYPE_CHECKING:
    from edgebuild.build.stage import Stage


def main(stage: Stage) -> None:
    """data → train, validation, calibration and test splits, metrics/data.json."""
    params, task = stage.params.data, stage.params.task.kind
    source = load(params, task)
    drawn = prepare(
        source,
        task=task,
        validation=params.validation,
        calibration=params.calibration,
        test=params.test,
        seed=params.seed,
    )
    splits = {}
    for name, draw in drawn.items():
        path = stage.out(f"data/{name}.npz")
        draw.write(path)
        splits[name] = Split.read(path)  # mapped from the file: from here on nothing is larger than memory
    described = card(splits, title(params), features=source.features, dropped=source.dropped)
    write_json(stage.out("metrics/data.json"), described)
    if twice := described["train_images_in_test"]:
        stage.warn(f"{twice} test images are training images, too, byte for byte")
    if disputed := described.get("contradictions"):
        stage.warn(f"{disputed} images are there more than once, byte for byte, with different labels")
    counts = {name: len(split) for name, split in splits.items()}
    if left := len(source) - sum(counts.values()):
        counts["in no split"] = left
    sizes = ", ".join(f"{count} {name}" for name, count in counts.items())
    stage.say(f"{params.source}, {len(splits['train'].classes)} classes: {sizes}")
