"""The table of layers on disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgebuild.errors import Finding
from edgebuild.measure.layers import Layer, read, write
from edgebuild.measure.plots import sensitivity

LAYERS = [Layer("stem", "conv2d", 0.01, 0.25, True), Layer("logits", "dense", 0.0, 1.25e-05, False)]


def test_what_is_written_is_read_back_in_its_order(tmp_path: Path) -> None:
    write(LAYERS, {"stem"}, tmp_path / "layers.csv")
    assert read(tmp_path / "layers.csv") == LAYERS


def test_another_table_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "layers.csv").write_text("node,op\nstem,conv2d\n")
    with pytest.raises(Finding, match="layers.csv must have the columns node, op, disagreement"):
        read(tmp_path / "layers.csv")


def test_the_plot_has_the_same_bytes_twice_and_copes_with_no_divergence(tmp_path: Path) -> None:
    given = [*LAYERS, Layer("dead", "conv2d", 0.0, 0.0, False)]
    for name in ("one.png", "two.png"):
        sensitivity(tmp_path / name, given)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
