"""From the wheel, in a clean environment, in an empty git repository: a user's images become a checked build."""

from __future__ import annotations

import email
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from PIL import Image
from ruamel.yaml import YAML

from tests.e2e.clone import REPOSITORY

pytestmark = pytest.mark.slow

CLASSES = ("bright", "dark", "split")
COUNT = 24


@dataclass(frozen=True)
class User:
    """A repository with no code of this one, and an environment in which the wheel is installed."""

    root: Path
    python: Path

    def run(self, *command: str, status: int = 0) -> str:
        """A command as the user types it; what it prints."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "DVC_"))}
        kept.pop("PYTHONPATH", None)
        path = os.pathsep.join([str(self.python.parent), os.environ["PATH"]])
        done = subprocess.run(
            command,
            cwd=self.root,
            env={**kept, "PATH": path, "DVC_NO_ANALYTICS": "1"},
            capture_output=True,
            text=True,
        )
        assert done.returncode == status, (
            f"{command} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        )
        return done.stdout

    def edit(self, change: Any) -> None:
        yaml, path = YAML(), self.root / "params.yaml"
        document = yaml.load(path)
        change(document)
        yaml.dump(document, path)


def sources(folder: Path) -> Path:
    """What git would clone, without tests: a wheel is built beside it, and leaves nothing here."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY, check=True, capture_output=True, text=True,
    )  # fmt: skip
    for name in listed.stdout.splitlines():
        if not name.startswith(("docs/", "tests/", "bench/", "metrics/")) and (REPOSITORY / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPOSITORY / name, folder / name)
    return folder


PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
FLAGS = ["--quiet", "--no-deps", "--no-index"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [*PIP, "wheel", *FLAGS, "--no-build-isolation", "-w", str(folder), str(sources(folder / "src"))],
        check=True,
    )
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def user(wheel: Path) -> User:
    folder = wheel.parent
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / "venv")], check=True)
    python = folder / "venv/bin/python"
    (packages,) = (folder / "venv").glob("lib/python*/site-packages")
    # The packages that edgebuild depends on; not edgebuild, whose own path file is not read from there.
    (packages / "packages.pth").write_text(sysconfig.get_path("purelib") + "\n")
    subprocess.run([*PIP, "--python", str(python), "install", *FLAGS, str(wheel)], check=True)
    (folder / "project").mkdir()
    subprocess.run(["git", "init", "--quiet", str(folder / "project")], check=True)
    return User(folder / "project", python)


def draw(folder: Path) -> None:
    """Images of three kinds that differ in light, of odd sizes, with noise."""
    rng = np.random.default_rng(0)
    for name in CLASSES:
        (folder / name).mkdir(parents=True)
        for number in range(COUNT):
            pixels = rng.integers(0, 60, (rng.integers(10, 14), rng.integers(10, 14), 3), np.uint8)
            rows = {"bright": slice(None), "dark": slice(0), "split": slice(0, 5)}[name]
            pixels[rows] += 150
            Image.fromarray(pixels).save(folder / name / f"{number}.{'png' if number % 2 else 'jpg'}")


def shrink(params: dict[str, Any]) -> None:
    params["teacher"] |= {"width": 8, "stages": 2, "epochs": 4}
    params["student"] |= {"width": 16}
    params["distill"]["epochs"] = params["prune"]["epochs"] = 4
    params["finetune"]["w4"]["epochs"] = 0
    params["budgets"]["limits"]["default"] = {"drop": 100.0}
    for runtime in params["benchmark"].values():
        runtime |= {"warmup": 2, "runs": 20}


def test_the_extra_pinned_is_the_lock_with_its_markers(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = email.message_from_bytes(archive.read(name))
    assert set(metadata.get_all("Provides-Extra", ())) == {"pinned", "provenance", "tfds"}
    required = [Requirement(line) for line in metadata.get_all("Requires-Dist", ())]
    lock = (REPOSITORY / "requirements/runtime.txt").read_text()
    locked = [
        Requirement(line.removesuffix("\\")) for line in lock.splitlines() if re.match(r"[A-Za-z0-9]", line)
    ]

    def chosen(requirements: list[Requirement], **environment: str) -> set[str]:
        found = (one for one in requirements if one.marker is None or one.marker.evaluate(environment))
        return {f"{one.name}{one.specifier}" for one in found}

    pinned = [one for one in required if one.marker is not None and 'extra == "pinned"' in str(one.marker)]
    assert len(pinned) == len(locked) > 100
    for system, python in itertools.product(("linux", "darwin", "win32"), ("3.11.9", "3.13.1")):
        environment = {"sys_platform": system, "python_full_version": python, "extra": "pinned"}
        assert chosen(pinned, **environment) == chosen(locked, **environment)
    plain = {canonicalize_name(one.name) for one in required if "extra" not in str(one.marker)}
    assert plain <= {one.name for one in locked}  # the lock leaves nothing open


def test_a_folder_of_images_becomes_a_checked_build(user: User) -> None:
    where = user.run("python", "-c", "import edgebuild; print(edgebuild.__file__)")
    assert where.startswith(str(user.python.parents[1]))
    draw(user.root / "photos")
    said = user.run("edgebuild", "init", "--data", "photos", "--targets", "litert", "--precisions", "int8")
    assert "72 images in 3 class folders (bright, dark, split)" in " ".join(
        said.split()
    )  # the table folds lines
    assert (user.root / ".github/workflows/edgebuild.yml").is_file()
    user.edit(shrink)

    user.run("python", "-m", "dvc", "repro")
    assert "every stage declares the code that it imports" in user.run("edgebuild", "deps")
    summary = json.loads((user.root / "metrics/summary.json").read_text())
    variants = {variant["id"] for variant in summary["variants"]}
    assert {"teacher-litert-fp32", "pruned-litert-int8"} <= variants
    assert summary["dataset"]["classes"] == list(CLASSES)
    user.run("edgebuild", "check")
    user.run("edgebuild", "report", "--html", "report.html")
    assert "<html" in (user.root / "report.html").read_text()

    user.run("git", "add", "--all")
    user.run("git", "-c", "user.name=A", "-c", "user.email=a@example.org", "commit", "--quiet", "-m", "built")
    assert "nothing would rerun" in user.run("edgebuild", "verify", "--quick")
    user.run("edgebuild", "init", "--data", "photos", "--targets", "litert", "--precisions", "int8", status=1)
    user.run("edgebuild", "track")  # ends when no delivery process holds the store any more
    assert user.run("git", "status", "--porcelain") == ""


def test_a_library_with_other_code_does_not_pass_for_the_one_that_built(user: User) -> None:
    (package,) = user.python.parents[1].glob("lib/python*/site-packages/edgebuild")
    before = (package / "variant.py").read_text()
    (package / "variant.py").write_text(before + "\n# a later build of the same version\n")
    user.run("edgebuild", "run", "prepare", status=2)
    user.run("edgebuild", "init", "--upgrade")
    assert "requirements/edgebuild.txt" in user.run("git", "status", "--porcelain")
    assert "prepare" in user.run("python", "-m", "dvc", "status")
    (package / "variant.py").write_text(before)
    user.run("edgebuild", "init", "--upgrade")
    assert user.run("git", "status", "--porcelain") == ""
