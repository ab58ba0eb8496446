"""Load the data source, split it, and describe it in a data card."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgebuild.json_file import write_json
from edgebuild.sources.card import card
from edgebuild.sources.prepare import prepare
from edgebuild.sources.registry import load

if TYPE_CHECKING:
    from edgebuild.build.stage import Stage


def main(stage: Stage) -> None:
    """data → train, validation, calibration and test splits, metrics/data.json."""
    params = stage.params.data
    splits = prepare(
        load(params),
        validation=params.validation,
        calibration=params.calibration,
        test=params.test,
        seed=params.seed,
    )
    for name, split in splits.items():
        split.write(stage.out(f"data/{name}.npz"))
    write_json(stage.out("metrics/data.json"), card(splits, params.source))
    sizes = ", ".join(f"{len(split)} {name}" for name, split in splits.items())
    stage.say(f"{params.source}, {len(splits['train'].classes)} classes: {sizes}")
