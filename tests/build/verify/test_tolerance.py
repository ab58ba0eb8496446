"""What is close, by the kind of output; what is not, and why."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save_file

from edgebuild.build.verify.locate import Difference, differences
from edgebuild.build.verify.tolerance import Verdict, judge


@pytest.fixture
def sides(tmp_path: Path) -> tuple[Path, Path]:
    return tmp_path / "committed", tmp_path / "rebuilt"


def judged(name: str, sides: tuple[Path, Path]) -> Verdict:
    return judge(name, *sides, differences(name, *sides))


def documents(sides: tuple[Path, Path], **pairs: tuple[Any, Any]) -> Verdict:
    for side, path in enumerate(sides):
        path.write_text(json.dumps({"images": 400, **{name: pair[side] for name, pair in pairs.items()}}))
    return judged("metrics.json", sides)


def arrays(sides: tuple[Path, Path], old: Any, new: Any, name: str = "logits.npy") -> Verdict:
    for path, value in zip(sides, (old, new), strict=True):
        if name.endswith(".npy"):
            with path.open("wb") as file:
                np.save(file, value)
        else:
            save_file({"kernel": value}, path)
    return judged(name, sides)


def test_accuracies_of_images_may_differ_by_as_many_as_chance_explains(sides: tuple[Path, Path]) -> None:
    assert documents(sides, accuracy=(0.99, 0.9725)).acceptable
    verdict = documents(sides, accuracy=(0.99, 0.95))
    assert not verdict.acceptable
    assert verdict.text == "beyond the tolerances: accuracy: 0.99 → 0.95, 15 of 400 images are allowed"


def test_one_image_is_always_acceptable(sides: tuple[Path, Path]) -> None:
    assert documents(sides, labels=(1.0, 0.9975)).acceptable


def test_losses_may_differ_by_a_factor_and_below_rounding_by_any(sides: tuple[Path, Path]) -> None:
    assert documents(sides, loss=(0.1, 0.4), max_abs_error=(0.0, 9e-5)).acceptable
    assert not documents(sides, loss=(0.1, 0.6)).acceptable
    assert not documents(sides, loss=(0.1, float("nan"))).acceptable


def test_errors_of_a_target_may_differ_by_a_factor_whatever_the_target_is_called(
    sides: tuple[Path, Path],
) -> None:
    old, near, far = ({"mae.wind, m.s": value, "r2": 0.9} for value in (2.0, 5.0, 20.0))
    assert documents(sides, variants=([{"metrics": old}], [{"metrics": near}])).acceptable
    assert not documents(sides, variants=([{"metrics": old}], [{"metrics": far}])).acceptable


def test_an_integer_files_steps_are_counted(sides: tuple[Path, Path]) -> None:
    assert documents(sides, steps=(0, 2), oracle_steps=(0, 1)).acceptable
    assert documents(sides, steps=(0, 9)).text == "beyond the tolerances: steps: 0 → 9, 8 are allowed"


def test_a_picture_is_drawn_from_what_is_compared_itself(sides: tuple[Path, Path]) -> None:
    for path, size, grey in zip(sides, (8, 8), (1, 2), strict=True):
        Image.new("L", (size, size), grey).save(path, "png")
    verdict = judged("plot.png", sides)
    assert verdict == Verdict(True, "drawn from metrics, which are compared themselves")
    Image.new("L", (8, 9)).save(sides[1], "png")
    assert not judged("plot.png", sides).acceptable


def test_what_follows_from_other_numbers_is_not_judged_twice(sides: tuple[Path, Path]) -> None:
    verdict = documents(sides, sha256=("a", "b"), accuracy_drop=(0.0, 0.5), accuracy_ci95=([0, 1], [0.5, 1]))
    assert verdict.acceptable


def test_counts_texts_and_metrics_of_other_names_are_held_closely(sides: tuple[Path, Path]) -> None:
    assert documents(sides, f1=(0.80, 0.82), gzip_bytes=(1000, 1015)).acceptable
    assert not documents(sides, f1=(0.80, 0.90)).acceptable
    assert not documents(sides, gzip_bytes=(1000, 1030)).acceptable
    assert not documents(sides, dataset=("digits", "letters")).acceptable
    assert not documents(sides, steps=(None, 1)).acceptable


def test_what_networks_compute_may_be_half_its_norm_away(sides: tuple[Path, Path]) -> None:
    ones = np.ones(100, np.float32)
    verdict = arrays(sides, ones, ones * np.float32(1.25))
    assert verdict == Verdict(True, "logits at most 0.25 apart, 0.5 is allowed")
    assert not arrays(sides, ones, ones * np.float32(1.6)).acceptable


def test_weights_may_be_those_of_another_training_but_not_broken(sides: tuple[Path, Path]) -> None:
    generator = np.random.default_rng(0)
    old, new = (generator.normal(size=(8, 8)).astype(np.float32) for _ in range(2))
    assert arrays(sides, old, new, "m.safetensors").acceptable
    assert not arrays(sides, old, new * np.float32(10), "m.safetensors").acceptable
    new[0, 0] = np.nan
    assert not arrays(sides, old, new, "m.safetensors").acceptable


def test_a_model_of_another_structure_is_not_close(sides: tuple[Path, Path]) -> None:
    old = np.ones((8, 8), np.float32)
    verdict = arrays(sides, old, old[:, :4], "m.safetensors")
    assert verdict == Verdict(False, "beyond the tolerances: kernel")


def test_a_zero_point_of_zero_has_no_relative_distance(sides: tuple[Path, Path]) -> None:
    zero, nine = np.zeros(1, np.int8), np.full(1, 9, np.int8)
    assert arrays(sides, zero, nine, "m.safetensors").acceptable


def test_of_a_graphs_numbers_only_its_grids_may_differ(sides: tuple[Path, Path]) -> None:
    def verdict(key: str, old: float, new: float) -> Verdict:
        return judge("m.safetensors", *sides, Difference(False, "x", numbers={key: (old, new)}))

    assert verdict("graph.nodes[1 stem].grid[1]", 6, 14).acceptable
    assert not verdict("graph.nodes[1 stem].stride[0]", 1, 2).acceptable


def test_epochs_swing_and_are_compared_row_by_row(sides: tuple[Path, Path]) -> None:
    sides[0].write_text("epoch,loss,val_accuracy\n1,2.0,0.3\n2,1.0,0.9\n")
    sides[1].write_text("epoch,loss,val_accuracy\n1,2.1,0.4\n2,1.1,0.9\n")
    assert judged("history.csv", sides).acceptable
    sides[1].write_text("epoch,loss,val_accuracy\n1,2.1,0.4\n2,1.1,0.5\n")
    assert judged("history.csv", sides).text.startswith(
        "beyond the tolerances: row 2, val_accuracy: 0.9 → 0.5"
    )


def test_a_ranking_in_another_order_is_compared_name_by_name(sides: tuple[Path, Path]) -> None:
    sides[0].write_text("node,divergence\nb,0.5\na,0.4\n")
    sides[1].write_text("node,divergence\na,0.45\nb,0.4\n")
    assert judged("sensitivity.csv", sides).acceptable
    sides[1].write_text("node,divergence\na,0.45\nc,0.4\n")
    assert not judged("sensitivity.csv", sides).acceptable


def test_data_has_no_tolerance(sides: tuple[Path, Path]) -> None:
    for path, value in zip(sides, (1, 2), strict=True):
        with path.open("wb") as file:
            np.savez(file, x=np.full(3, value, np.uint8))
    verdict = judged("train.npz", sides)
    assert verdict == Verdict(
        False, "beyond the tolerances: bits are required of files like train.npz everywhere"
    )


def test_files_of_a_folder_are_judged_one_by_one(sides: tuple[Path, Path]) -> None:
    for path, value in zip(sides, (0.99, 0.98), strict=True):
        path.mkdir()
        (path / "a.json").write_text(json.dumps({"images": 400, "accuracy": value}))
    assert judged("folder", sides).acceptable
    (sides[1] / "b.txt").write_text("x")
    assert judged("folder", sides).text == "beyond the tolerances: only one version has b.txt"
