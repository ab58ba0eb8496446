"""What people read: a terminal's tables, and the comment on a pull request."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import pytest

from edgebuild.gates import show
from edgebuild.gates.rows import Checked
from tests.gates.checks import FAILED, KEPT


def test_the_terminal_ends_with_the_result_and_what_needs_an_explanation_before_it() -> None:
    lines = show.console(FAILED, terminal=False).splitlines()
    assert lines[-1].strip() == FAILED.headline
    assert "  pruned-coreml-int8, size: worse (8,000 B, 9,000 B, +12.5 %, 2% is tolerated)" in lines
    assert not [line for line in lines if line.startswith("  pruned-litert-int8, ")]


def test_the_terminal_only_counts_what_is_the_same() -> None:
    shown = show.console(FAILED, terminal=False)
    assert "Against main: 1 figure is the same" in shown
    assert "same" not in shown.replace("1 figure is the same", "")


def test_a_variant_is_named_once_in_its_rows() -> None:
    lines = show.console(KEPT, terminal=False).split("Against")[0].splitlines()
    assert len([line for line in lines if "pruned-litert-int8" in line]) == 1


def test_markup_in_a_note_is_shown_as_it_is() -> None:
    noted = replace(KEPT.verdicts[4], note="it was not run: [red]needs[/red] macOS")
    assert "[red]needs[/red]" in show.console(replace(KEPT, verdicts=(noted,)), terminal=False)


def test_only_a_terminal_gets_colours() -> None:
    assert "\x1b[" in show.console(FAILED, terminal=True)
    assert "\x1b[" not in show.console(FAILED, terminal=False)


def test_markdown_begins_with_the_result_then_what_is_not_in_order_and_folds_the_rest() -> None:
    text = show.markdown(FAILED)
    assert text.startswith(
        f"❌ **edgebuild check: {FAILED.headline}**\n\n**Budgets**\n\n| variant | budget |"
    )
    open_part, _, folded = text.partition("<details>")
    assert "| pruned-coreml-int8 | accuracy |" in open_part
    assert "**failed**" in open_part
    assert "| pruned-litert-int8 | size after gzip |" in folded
    assert show.markdown(KEPT).startswith("✅ ")


def test_in_markdown_what_failed_comes_before_what_is_in_doubt() -> None:
    open_part = show.markdown(FAILED).partition("<details>")[0]
    assert (
        open_part.index("| **failed**") < open_part.index("| not proven") < open_part.index("| not measured")
    )


def test_every_line_of_a_markdown_table_has_as_many_cells_as_its_head() -> None:
    tables = [part for part in show.markdown(FAILED).split("\n\n") if part.startswith("| variant")]
    assert len(tables) == 4
    for table in tables:
        assert len({line.count("|") for line in table.splitlines()}) == 1
    assert "new &#124; other" in show.markdown(FAILED)


def test_nothing_folded_away_leaves_no_empty_fold() -> None:
    shown = show.markdown(replace(KEPT, verdicts=KEPT.verdicts[:2], changes=(), against=None))
    assert shown.count("<details>") == 1
    assert "**Budgets**" not in shown


@pytest.mark.parametrize("outcome", ["passed", "failed"])
def test_a_comment_is_never_longer_than_a_comment_may_be(outcome: Literal["passed", "failed"]) -> None:
    many = replace(KEPT.verdicts[0], outcome=outcome, fails=outcome == "failed", note="n" * 40)
    changed = replace(KEPT.changes[1], judgement="worse" if outcome == "failed" else "better")
    shown = show.markdown(Checked((many,) * 2000, (changed,) * 2000, "main", "accuracy"))
    assert len(shown) < 65_000
    assert shown.count(" more, for which a comment has no room") == 2
    assert shown.count("<details>") == shown.count("</details>")


def test_what_fits_a_comment_is_complete() -> None:
    assert "no room" not in show.markdown(FAILED)
