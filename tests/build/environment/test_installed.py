"""Installed packages are held against the lock; what differs is refused or recorded."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgebuild.build.environment import library
from edgebuild.build.environment.installed import check, drift
from edgebuild.errors import UsageError

LOCK = """\
# made by a resolver
alpha-one==1.0 \\
    --hash=sha256:00
beta==2.0 ; sys_platform == 'win32' \\
    --hash=sha256:00
gamma[extra]==3.0
delta==4.0 ; python_version < '3.12'
delta==4.1 ; python_version >= '3.12'
"""


def site(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / f"{name}.dist-info").mkdir(parents=True)
    return folder


@pytest.mark.parametrize("delta", ["delta-4.0", "delta-4.1"])
def test_what_the_lock_names_is_no_drift(tmp_path: Path, delta: str) -> None:
    path = site(tmp_path, "Alpha_One-1.0", "gamma-3.0", delta, "unrelated-9")
    assert drift(LOCK, [str(path), str(tmp_path / "gone.zip")]) == ()


def test_other_and_missing_versions_are_named(tmp_path: Path) -> None:
    path = site(tmp_path, "alpha.one-1.1", "beta-2.1", "delta-5")
    assert drift(LOCK, [str(path)]) == (
        "alpha-one 1.1!=1.0",
        "beta 2.1!=2.0",
        "delta 5!=4.0 or 4.1",
        "gamma missing!=3.0",
    )


def test_the_first_on_the_path_is_what_an_import_finds(tmp_path: Path) -> None:
    first, second = site(tmp_path / "a", "gamma-3.0", "alpha_one-1.0"), site(tmp_path / "b", "gamma-2.0")
    assert drift(LOCK, [str(first), str(second)]) == ()


def test_drift_is_refused_with_the_way_out_or_returned(tmp_path: Path) -> None:
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements/runtime.txt").write_text("nowhere-to-be-found==1.0\n")
    deps = ["requirements/runtime.txt", "stages/make.py"]
    with pytest.raises(UsageError, match=r"nowhere-to-be-found missing!=1\.0; install them.*--allow-drift"):
        check(tmp_path, deps, allowed=False)
    assert check(tmp_path, deps, allowed=True) == ("nowhere-to-be-found missing!=1.0",)
    assert check(tmp_path, ["stages/make.py"], allowed=False) == ()


def test_a_library_with_other_code_is_drift_though_its_version_is_the_same(tmp_path: Path) -> None:
    (tmp_path / "requirements").mkdir()
    lock = tmp_path / library.NAME
    lock.write_text(library.pin())
    assert check(tmp_path, [library.NAME], allowed=False) == ()
    version, digest = library.pinned(library.pin()) or ("", "")
    lock.write_text(library.pin().replace(digest, "0" * 64))
    with pytest.raises(UsageError, match=r"this edgebuild is not the one .*--upgrade.*--allow-drift"):
        check(tmp_path, [library.NAME], allowed=False)
    found = check(tmp_path, [library.NAME], allowed=True)
    assert found == (f"edgebuild {version}+{digest[:8]}!={version}+00000000",)


def test_the_digest_of_code_is_of_names_and_contents_and_not_of_caches(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("1")
    first = library.code_digest(tmp_path)
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__/a.pyc").write_text("2")
    assert library.code_digest(tmp_path) == first
    (tmp_path / "a.py").rename(tmp_path / "b.py")
    assert library.code_digest(tmp_path) != first
