from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from edgebuild.track.lock import (
    build_key,
    declared_stages,
    entry_key,
    flatten,
    inconsistency,
    read_lock,
    read_yaml,
)

Stages = dict[str, dict[str, Any]]


def test_a_record_and_the_lock_entry_written_after_it_have_the_same_key(
    root: Path, build: Callable[..., Stages]
) -> None:
    stages = build()
    entry = read_lock(read_yaml(root / "dvc.lock")["stages"])["train_teacher"]
    (out,) = stages["train_teacher"]["outs"]
    nested = {"teacher": {"widths": [8, 16], "rate": 0.00001, "epochs": 3}}
    assert entry.key == entry_key("train_teacher", nested, {out["path"]: out["md5"]})
    assert entry.key == entry_key("train_teacher", flatten(nested), {out["path"]: out["md5"]})
    assert entry.key != entry_key("train_teacher", nested, {out["path"]: "0" * 32})


def test_flatten_keeps_lists_and_empty_mappings_as_values() -> None:
    assert flatten({"a": {"b": {"c": 1}, "d": [1, {"e": 2}], "f": {}}}) == {
        "a.b.c": 1,
        "a.d": [1, {"e": 2}],
        "a.f": {},
    }


def test_dvc_resolves_the_names_of_matrix_stages(root: Path, build: Callable[..., Stages]) -> None:
    build()
    assert sorted(declared_stages(root)) == [
        "export@litert-int8",
        "export@onnx-int8",
        "report",
        "train_teacher",
    ]


def test_the_build_key_depends_on_every_entry_and_not_on_their_order(build: Callable[..., Stages]) -> None:
    stages = build()
    assert build_key(stages) == build_key(dict(reversed(stages.items())))
    assert build_key(stages) != build_key(build(sparsity=0.75))


def test_entries_of_two_different_builds_are_told_from_one_build(build: Callable[..., Stages]) -> None:
    before, after = build(), build(sparsity=0.75)
    params = {"prune.sparsity": 0.75}
    assert inconsistency(read_lock(after), params) is None
    mixed = {**after, "report": before["report"]}
    assert inconsistency(read_lock(mixed), params) == (
        "report was not run on the present models/pruned-litert-int8 of export@litert-int8"
    )
    assert "prune.sparsity = 0.5, params.yaml says 0.75" in (inconsistency(read_lock(before), params) or "")
