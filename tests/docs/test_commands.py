"""Every command of the documentation's console blocks, run in order, with what it prints held against the page."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.build.worker.workshop import Workshop
from tests.docs.pages import DOCS, Command, Shell, after, agrees, commands, with_commands

SOURCE = DOCS.parent / "src"


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Where each page that was run has left its work; the first entry is the folder of them all."""
    return {"": tmp_path_factory.mktemp("pages")}


@pytest.fixture(scope="module")
def place() -> Iterator[Workshop]:
    folder = Path(tempfile.mkdtemp(prefix="w-"))
    workshop = Workshop(folder, folder, folder)
    yield workshop
    workshop.close()
    shutil.rmtree(folder)


def environment(place: Workshop) -> dict[str, str]:
    """A user's, with this edgebuild installed, git's identity known, and no index of packages."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "DVC_"))}
    person = {
        f"GIT_{who}_{what}": "me@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
    }
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    worker = {"EDGEBUILD_WORKER": "1", "XDG_RUNTIME_DIR": str(place.run_folder)}
    return {**kept, **person, **quiet, **worker, "PATH": path, "PYTHONPATH": str(SOURCE)}


def run(page: str, folders: dict[str, Path], place: Workshop) -> None:
    """Run a page's commands, after those of the page that it goes on from."""
    text = (DOCS / page).read_text()
    work = folders[""] / page.replace("/", "-").removesuffix(".md") / "project"
    if before := after(text):
        if before not in folders:
            run(before, folders, place)
        shutil.copytree(folders[before], work, symlinks=True)
    else:
        work.mkdir(parents=True)
    shell = Shell(work, environment(place))
    for command in commands(text):
        status, printed = shell.run(command.text)
        assert status == command.status, f"{page}: {command.text}\nended with {status}:\n{printed}"
        assert agrees(command.output, printed), f"{page}: {command.text}\nprinted:\n{printed}"
    folders[page] = work


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("page", with_commands())
def test_the_commands_of_a_page_do_what_it_shows(
    page: str, folders: dict[str, Path], place: Workshop
) -> None:
    if page not in folders:
        run(page, folders, place)
    assert page in folders


def test_a_block_is_read_as_it_would_be_typed() -> None:
    text = "x\n```console\n$ cat > a <<'EOF'\n$ no command\nEOF\n$ false\nout …\n[exit status 1]\n```\n"
    assert commands(text) == [
        Command("cat > a <<'EOF'\n$ no command\nEOF", (), 0),
        Command("false", ("out …",), 1),
    ]


@pytest.mark.parametrize(
    ("expected", "printed", "same"),
    [
        ((), "anything", True),
        (("a", "…", "z"), "a\nb\nc\nz\n", True),
        (("a", "…", "z"), "a\nz\n", True),
        (("a … z",), "a b z\n", True),
        (("a … z",), "a b\nz\n", False),
        (("a",), "a\nb\n", False),
        (("1+1 (a)",), "1+1 (a)  \n\n", True),
    ],
)
def test_three_dots_stand_for_anything(expected: tuple[str, ...], printed: str, same: bool) -> None:
    assert agrees(expected, printed) is same
