"""What a stage says is shown and kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgebuild.build.hearing import Hearing
from edgebuild.track.outbox import Record


@pytest.fixture
def record(tmp_path: Path) -> Record:
    return Record.begin(tmp_path, stage="train", params={}, deps={}, revision=None)


def test_output_of_both_streams_is_shown_where_it_belongs_and_kept_in_order(
    record: Record, capsys: pytest.CaptureFixture[str]
) -> None:
    hearing = Hearing("train", record)
    hearing.output(1, b"out\n")
    hearing.output(2, b"err\n")
    hearing.message("say", "12 images")
    hearing.message("warn", "few images")
    hearing.close()
    shown = capsys.readouterr()
    assert shown.out.startswith("out\ntrain: 12 images (")
    assert shown.err == "err\nedgebuild: few images\n"
    out, err, said, warned = record.log.read_text().splitlines()
    assert (out, err, said[:16], warned) == ("out", "err", "train: 12 images", "edgebuild: few images")


def test_what_redraws_a_line_is_not_kept(record: Record) -> None:
    hearing = Hearing("train", record)
    hearing.output(1, b"\r10%\r20%")
    hearing.output(1, b"\rdone\n")
    hearing.close()
    assert record.log.read_text() == "done\n"


def test_a_log_that_cannot_be_written_is_told_once_and_stops_nothing(
    record: Record, capsys: pytest.CaptureFixture[str]
) -> None:
    record.log.mkdir(parents=True)
    hearing = Hearing("train", record)
    hearing.output(1, b"one\n")
    hearing.output(1, b"two\n")
    hearing.close()
    shown = capsys.readouterr()
    assert shown.out == "one\ntwo\n"
    assert shown.err.count("the log of this stage is incomplete") == 1
