"""The real pipeline, rebuilt by `edgebuild verify` from a fresh clone of a commit."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from edgebuild.build.environment.cpu import cpu_class
from tests.e2e.clone import Clone

pytestmark = pytest.mark.slow


@pytest.fixture
def committed(built: Clone, tmp_path: Path) -> Clone:
    """The finished build with its outputs, committed as a user would."""
    shutil.copytree(built.root, tmp_path / "committed", symlinks=True)
    clone = Clone(tmp_path / "committed")
    clone.run("edgebuild", "run")  # other tests turned knobs and put them back
    clone.run("git", "add", "--all")
    clone.run(
        "git", "-c", "user.name=A", "-c", "user.email=a@example.org", "commit", "--quiet", "-m", "built"
    )
    return clone


def verify(clone: Clone, *arguments: str, **variables: str) -> dict[str, Any]:
    done = clone.attempt("edgebuild", "verify", "--json", *arguments, **variables)
    report: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == (0 if report["ok"] else 1)
    return report


def test_a_fresh_clone_without_cache_makes_every_output_again_bit_for_bit(
    committed: Clone, tmp_path: Path
) -> None:
    fresh = tmp_path / "fresh"
    subprocess.run(["git", "clone", "--quiet", str(committed.root), str(fresh)], check=True)
    assert "nothing would rerun" in Clone(fresh).run("edgebuild", "verify", "--quick").stdout
    report = verify(Clone(fresh))
    assert report["ok"], report
    assert report["mode"] == "bits", report["reasons"]
    assert {output["status"] for output in report["outputs"]} == {"same", "machine"}
    assert {output["path"] for output in report["outputs"]} == set(committed.digests())
    assert not (fresh / "models").exists()


def test_with_another_instruction_set_the_class_is_noticed_and_outputs_are_close(committed: Clone) -> None:
    cap = "AVX2" if "avx512" in cpu_class(os.environ) else "SSE41"
    report = verify(
        committed, "--stages", "prepare", "train_teacher", "distill", "freeze", ONEDNN_MAX_CPU_ISA=cap
    )
    assert report["ok"], report
    assert report["mode"] == "tolerance"
    [reason] = report["reasons"]
    assert reason.startswith("CPU class: ")
    assert f"onednn<={cap.lower()}" in reason
    assert reason.endswith("(4 stages)")
    statuses = {output["path"]: output["status"] for output in report["outputs"]}
    assert statuses["data/train.npz"] == "same"
    assert statuses["models/teacher-keras-fp32.keras"] == "close"
    [cause] = report["causes"]
    assert (cause["stage"], cause["kind"]) == ("train_teacher", "environment")


def test_an_unseeded_order_of_batches_is_caught_and_located(committed: Clone) -> None:
    file = committed.root / "src/edgebuild/train/loop.py"
    seeded = "np.random.default_rng([seed, epoch])"
    assert seeded in file.read_text()
    file.write_text(file.read_text().replace(seeded, "np.random.default_rng()"))
    committed.run("dvc", "repro", "--quiet", "--single-item", "train_teacher")
    committed.run(
        "git", "-c", "user.name=A", "-c", "user.email=a@example.org", "commit", "--quiet", "-am", "x"
    )
    report = verify(committed, "--stages", "train_teacher")
    assert not report["ok"]
    [cause] = report["causes"]
    assert cause["text"].startswith(
        "train_teacher is not deterministic: two executions from equal inputs differ: "
        "models/teacher-keras-fp32.keras: layers/batch_normalization/vars "
    )
