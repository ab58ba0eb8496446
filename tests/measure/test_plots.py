"""The figures: their bytes, their labels, and what they refuse."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest

from edgebuild.errors import Finding
from edgebuild.measure import plots
from edgebuild.measure.figure import figure, label
from edgebuild.measure.pareto import points

CURVES = {
    "teacher": {
        "epoch": [1, 2, 3],
        "loss": [1, 0.5, 0.2],
        "val_loss": [1, 0.6, 0.3],
        "val_accuracy": [0.5, 0.8, 0.9],
    },
    "student": {"epoch": [1, 2], "loss": [2, 1], "accuracy": [0.4, 0.7]},
}


def draw_all(folder: Path, summary: dict[str, Any], latency: dict[str, Any]) -> dict[str, bytes]:
    folder.mkdir()
    plots.training_curves(folder / "curves.png", CURVES)
    plots.trade_off(folder / "size.png", points(summary), cost="KiB")
    plots.trade_off(folder / "latency.png", points(summary, latency), cost="µs")
    plots.confusion_matrix(
        folder / "confusion.png", np.array([[9, 1], [0, 0]]), ["cat", "doggy"], title="Errors"
    )
    plots.sizes(folder / "sizes.png", points(summary))
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_figures_are_pngs_of_readable_size_without_date_or_version(
    tmp_path: Path, summary: dict[str, Any], latency: dict[str, Any]
) -> None:
    for name, data in draw_all(tmp_path / "one", summary, latency).items():
        assert data.startswith(b"\x89PNG"), name
        width = int.from_bytes(data[16:20], "big")
        assert 700 <= width <= 1700, name
        assert b"tEXt" not in data, name
        assert b"tIME" not in data, name


def test_the_user_s_own_style_neither_shows_nor_is_lost(tmp_path: Path) -> None:
    plots.training_curves(tmp_path / "one.png", CURVES)
    backend = mpl.rcParams["backend"]
    with mpl.rc_context({"font.size": 30, "axes.facecolor": "black", "lines.linewidth": 9}):
        plots.training_curves(tmp_path / "two.png", CURVES)
        assert mpl.rcParams["font.size"] == 30
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    assert mpl.rcParams["backend"] == backend


def test_another_process_draws_the_same_bytes(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; import numpy as np; from edgebuild.measure import plots; "
        "plots.confusion_matrix(Path(sys.argv[1]), np.eye(3, dtype=int), ['a', 'b', 'c'], title='Errors')"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "there.png")], check=True)
    plots.confusion_matrix(tmp_path / "here.png", np.eye(3, dtype=int), ["a", "b", "c"], title="Errors")
    assert (tmp_path / "here.png").read_bytes() == (tmp_path / "there.png").read_bytes()


def test_labels_cover_neither_points_nor_one_another(tmp_path: Path) -> None:
    places = [(float(x), float(y)) for x in range(4) for y in range(3)]
    with figure(tmp_path / "x.png", 8, 5) as (axes,):
        axes.set(xlim=(-1, 4), ylim=(-1, 3))
        label(axes, [(f"point at {place}", place) for place in places], places)
        root = axes.get_figure(root=True)
        assert root is not None
        root.draw_without_rendering()
        boxes = [text.get_tightbbox() for text in axes.texts]
        # Without its leader, which starts at the point.
        extents = [mpl.text.Text.get_window_extent(text) for text in axes.texts]
        assert len(boxes) == len(places)
        for index, box in enumerate(extents):
            assert not any(box.overlaps(other) for other in extents[index + 1 :])
            assert not any(box.contains(*axes.transData.transform(place)) for place in places)


def test_a_label_without_room_is_left_out(tmp_path: Path) -> None:
    with figure(tmp_path / "x.png", 3, 2) as (axes,):
        axes.set(xlim=(-1, 1), ylim=(-1, 1))
        label(axes, [("a very long name " * 9, (0.0, 0.0)), ("b", (0.0, 0.0))], [(0.0, 0.0)])
        assert [text.get_text() for text in axes.texts] == ["b"]


def test_no_measured_variant_is_a_finding(tmp_path: Path) -> None:
    with pytest.raises(Finding, match="accuracy against µs: at least one measured variant"):
        plots.trade_off(tmp_path / "x.png", [], cost="µs")
    assert not (tmp_path / "x.png").exists()


def test_one_variant_is_enough(tmp_path: Path, summary: dict[str, Any]) -> None:
    plots.trade_off(tmp_path / "x.png", points(summary)[:1], cost="KiB")
    assert (tmp_path / "x.png").stat().st_size > 5_000


def test_a_history_is_read_by_column(tmp_path: Path) -> None:
    (tmp_path / "teacher.csv").write_text("epoch,loss,val_accuracy\n1,0.5,0.25\n2,0.25,0.75\n")
    assert plots.read_history(tmp_path / "teacher.csv") == {
        "epoch": [1.0, 2.0],
        "loss": [0.5, 0.25],
        "val_accuracy": [0.25, 0.75],
    }


@pytest.mark.parametrize("text", ["", "epoch,loss\n", "loss\n1\n", "epoch,loss\n1\n", "epoch,loss\n1,x\n"])
def test_a_damaged_history_is_a_finding(tmp_path: Path, text: str) -> None:
    (tmp_path / "teacher.csv").write_text(text)
    with pytest.raises(Finding, match=r"teacher\.csv must"):
        plots.read_history(tmp_path / "teacher.csv")


def test_a_missing_history_is_a_finding(tmp_path: Path) -> None:
    with pytest.raises(Finding, match=r"teacher\.csv must be a table"):
        plots.read_history(tmp_path / "teacher.csv")
