"""Damage in DVC's cache is found, named and made good, and never becomes part of a build."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from edgebuild.build.declaration import Declaration, declarations
from edgebuild.build.digest import md5
from edgebuild.build.intact import DamageError, cache, check_deps, mend
from edgebuild.build.recorded import recorded
from tests.build.dvc_repository import cached, damage, dvc, make

Damage = Callable[[bytes], bytes]
DAMAGES = pytest.mark.parametrize(
    "change",
    [lambda data: data[:3], lambda data: b"w" + data[1:], lambda data: b"", lambda data: data + b"x"],
    ids=["truncated", "flipped", "empty", "longer"],
)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("built")
    make(root)
    return root


@pytest.fixture
def root(built: Path, tmp_path: Path) -> Path:
    shutil.copytree(built, tmp_path / "repository", symlinks=True)
    return tmp_path / "repository"


@pytest.fixture
def expected(built: Path) -> dict[str, str]:
    return {path: digest for outs in recorded(built).values() for path, digest in outs.items()}


def repair(root: Path) -> list[str]:
    return mend(root, declarations(root))


def harm(root: Path, path: str, change: Damage = lambda data: data[:3]) -> Path:
    """Damage the object of an output."""
    target = cached(root, next(outs[path] for outs in recorded(root).values() if path in outs))
    damage(target, change(target.read_bytes()))
    return target


def test_a_sound_cache_is_left_alone(root: Path) -> None:
    assert repair(root) == []


@DAMAGES
def test_a_damaged_object_is_made_anew_from_a_sound_workspace(
    root: Path, expected: dict[str, str], change: Damage
) -> None:
    target = harm(root, "model", change)
    (line,) = repair(root)
    assert line.startswith("model: its object .dvc/cache/files/md5/")
    assert "stage train" in line
    assert md5(target) == expected["model"]
    assert target.stat().st_mode & 0o777 == 0o444
    assert repair(root) == []


@DAMAGES
def test_what_dvc_has_restored_from_a_damaged_object_goes_with_it_and_is_built_again(
    root: Path, expected: dict[str, str], change: Damage
) -> None:
    harm(root, "model", change)
    (root / "model").unlink()
    assert dvc(root, "checkout", "model").returncode == 0
    assert md5(root / "model") != expected["model"]
    (line,) = repair(root)
    assert line.endswith("removed it and the copy in the workspace (stage train)")
    assert not (root / "model").exists()
    assert "Running stage 'train'" in dvc(root, "repro").stdout
    assert {path: md5(root / path) for path in expected} == expected


def test_a_file_of_a_folder_and_the_folders_list_are_objects_too(
    root: Path, expected: dict[str, str]
) -> None:
    file, listing = cached(root, md5(root / "folder/deep/b")), harm(root, "folder")
    damage(file, b"")
    (line,) = repair(root)
    assert "folder: its object" in line
    (line,) = repair(root)
    assert "folder/deep/b: its object" in line
    assert repair(root) == []
    assert (file.read_text(), listing.stat().st_mode & 0o777) == ("deep\n", 0o444)
    shutil.rmtree(root / "folder")
    assert dvc(root, "checkout").returncode == 0
    assert md5(root / "folder") == expected["folder"]


@pytest.mark.parametrize("kind", ["symlink", "hardlink"])
def test_a_damaged_object_that_the_workspace_links_to_goes_with_its_link(root: Path, kind: str) -> None:
    target = harm(root, "model")
    (root / "model").unlink()
    (root / "model").symlink_to(target) if kind == "symlink" else (root / "model").hardlink_to(target)
    repair(root)
    assert not (root / "model").is_symlink()
    assert not (root / "model").exists()
    assert not target.exists()


def test_a_file_that_a_person_has_changed_is_not_taken_for_a_copy_of_damage(root: Path) -> None:
    harm(root, "model")
    (root / "model").write_text("mine")
    repair(root)
    assert (root / "model").read_text() == "mine"


def test_objects_that_are_not_there_are_no_damage(root: Path) -> None:
    shutil.rmtree(root / ".dvc/cache")
    assert repair(root) == []


def test_a_cache_elsewhere_is_found(root: Path) -> None:
    assert dvc(root, "cache", "dir", "--local", "../elsewhere").returncode == 0
    assert cache(root).resolve() == (root.parent / "elsewhere").resolve()


def stage(root: Path, name: str) -> Declaration:
    return declarations(root)[name]


def test_a_stage_is_refused_what_a_damaged_object_gave(root: Path, expected: dict[str, str]) -> None:
    harm(root, "model")
    shutil.copyfile(cached(root, expected["model"]), root / "model")
    with pytest.raises(
        DamageError, match=r"stage package .*\n  model: its object .*\(stage train\)\nrun the"
    ):
        check_deps(root, stage(root, "package"))
    assert not (root / "model").exists()
    assert not cached(root, expected["model"]).exists()


def test_a_stage_that_reads_what_was_made_is_not_stopped(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("train", "package", "pack"):
        check_deps(root, stage(root, name))
    assert capsys.readouterr() == ("", "")


def test_a_dep_that_a_person_has_changed_is_told_and_let_pass(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "folder/a").write_text("mine")
    check_deps(root, stage(root, "pack"))
    assert "folder is not what stage package made" in capsys.readouterr().err
    assert (root / "folder/a").read_text() == "mine"


def test_an_entry_of_a_stage_that_is_gone_does_not_make_an_output_wrong(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lock = (root / "dvc.lock").read_text()
    old = lock[lock.index("  train:") :].replace("  train:", "  gone:").replace(md5(root / "model"), "0" * 32)
    (root / "dvc.lock").write_text(lock + old)
    check_deps(root, stage(root, "package"))
    assert capsys.readouterr().err == ""
