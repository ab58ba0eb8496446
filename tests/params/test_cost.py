"""Section ``cost`` of params.yaml: its two variants must be built."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edgebuild.errors import ParamsError
from edgebuild.params import read

ROOT = Path(__file__).parents[2]
SHIPPED = (ROOT / "params.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("  edge: pruned-litert-int8", "  edge: pruned-litert-int9", r"cost.edge: .*did you mean pruned-litert-int8\?"),
        ("  cloud: teacher-keras-fp32", "  cloud: gpt", "cost.cloud: 'gpt' is not built; choose teacher-litert"),
        ("  round_trip_ms: 60.0", "  round_trip_ms: -1", "cost.round_trip_ms: -1 is out of range"),
        ("  active_hours_per_day: 12.0", "  active_hours_per_day: 25", "cost.active_hours_per_day: 25 .* at most 24"),
        ("  users: 100000", "  users: many", "cost.users: 'many' is not a whole number"),
        ("  server_watts:", "  server_wats:", r"cost.server_wats: unknown key.*did you mean server_watts\?"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused(old: str, new: str, message: str, tmp_path: Path) -> None:
    assert SHIPPED.count(old) == 1
    (tmp_path / "params.yaml").write_text(SHIPPED.replace(old, new))
    with pytest.raises(ParamsError, match=message):
        read(tmp_path / "params.yaml")


def test_a_trained_model_needs_no_line_in_variants() -> None:
    params = read(ROOT / "params.yaml")
    assert "student-keras-fp32" not in params.variants
    assert (
        replace(params.cost, cloud="student-keras-fp32").problems([*params.variants, "student-keras-fp32"])
        == []
    )


def test_both_variants_are_told_at_once() -> None:
    cost = replace(read(ROOT / "params.yaml").cost, cloud="a", edge="b")
    assert [problem.split(":")[0] for problem in cost.problems(["c"])] == ["cost.cloud", "cost.edge"]


@pytest.mark.parametrize("path", ["docs/report.md", "examples/fashion_mnist/params.yaml"])
def test_what_is_shipped_is_what_is_told(path: str) -> None:
    section = SHIPPED[SHIPPED.index("\ncost:\n") :].strip()
    assert section.partition("\n\n")[0] in (ROOT / path).read_text(encoding="utf-8")
