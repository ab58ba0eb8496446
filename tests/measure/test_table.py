"""The table of variants."""

from __future__ import annotations

import io
from typing import Any

from edgebuild.measure.table import COLUMNS, console, markdown, table


def rows(summary: dict[str, Any], latency: dict[str, Any]) -> dict[str, dict[str, str]]:
    found = table(summary, latency)
    return {row[0]: dict(zip(found.columns, row, strict=True)) for row in found.rows}


def test_there_is_a_row_for_each_variant_in_order(summary: dict[str, Any], latency: dict[str, Any]) -> None:
    found = table(summary, latency)
    assert [row[0] for row in found.rows] == [entry["id"] for entry in summary["variants"]]
    assert found.columns == COLUMNS


def test_a_row_says_everything(summary: dict[str, Any], latency: dict[str, Any]) -> None:
    assert tuple(rows(summary, latency)["pruned-litert-int8"].values()) == (
        "pruned-litert-int8",
        "97.50 (95.9–98.2)",
        "1.25",
        "100.00",
        "9.9",
        "7.4",
        "8.40",
        "123",  # than teacher-litert-fp32, not than the Keras file
        "47.9",
    )


def test_a_gain_is_a_negative_drop_and_no_drop_has_no_sign(
    summary: dict[str, Any], latency: dict[str, Any]
) -> None:
    summary["variants"][1]["accuracy_drop"] = -0.0025
    summary["variants"][2]["accuracy_drop"] = -0.0000001
    found = rows(summary, latency)
    assert found["student-keras-fp32"]["drop"] == "−0.25"
    assert found["pruned-keras-fp32"]["drop"] == "0.00"


def test_agreement_of_100_means_every_image(summary: dict[str, Any], latency: dict[str, Any]) -> None:
    found = rows(summary, latency)
    assert found["pruned-litert-fp32"]["agreement %"] == "99.99"  # 0.99996
    assert found["pruned-litert-int8"]["agreement %"] == "100.00"
    assert found["pruned-keras-fp32"]["agreement %"] == "–"


def test_what_was_not_run_has_one_footnote_and_no_number(
    summary: dict[str, Any], latency: dict[str, Any]
) -> None:
    found = rows(summary, latency)
    for name in ("pruned-coreml-fp32", "pruned-coreml-int8"):
        assert found[name]["p50 µs"] == "not run [1]"
        assert found[name]["× faster"] == "–"
    assert table(summary, latency).notes[1:] == ("[1] not run: Core ML runs on macOS only",)


def test_a_variant_without_a_latency_says_so(summary: dict[str, Any], latency: dict[str, Any]) -> None:
    latency["variants"] = latency["variants"][1:]
    assert rows(summary, latency)["teacher-keras-fp32"]["p50 µs"] == "not run [1]"
    assert rows(summary, latency)["student-keras-fp32"]["× faster"] == "–"


def test_markdown_is_aligned_and_complete(summary: dict[str, Any], latency: dict[str, Any]) -> None:
    shown = table(summary, latency)
    lines = markdown(shown).splitlines()
    grid = lines[: 2 + len(shown.rows)]
    assert len({len(line) for line in grid}) == 1
    assert {line.count("|") for line in grid} == {len(COLUMNS) + 1}
    assert grid[1].startswith("| :-")
    assert all(note in markdown(shown) for note in shown.notes)


def test_the_console_shows_every_cell_with_its_footnote(
    summary: dict[str, Any], latency: dict[str, Any]
) -> None:
    from rich.console import Console

    shown = table(summary, latency)
    output = io.StringIO()
    Console(file=output, width=150).print(console(shown))
    for row in shown.rows:
        assert any(all(cell in line for cell in row) for line in output.getvalue().splitlines())
    assert "[1] not run: Core ML" in output.getvalue()
