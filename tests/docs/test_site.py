"""The documentation as a site, and the pages that are written from the code."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import DOCS

GENERATED = ("params.md", "command-line.md", "errors.md")


def test_the_reference_is_what_the_code_says(tmp_path: Path) -> None:
    script = DOCS / "reference/generate.py"
    subprocess.run(
        [sys.executable, str(script), str(tmp_path)], check=True, env={"PYTHONPATH": str(DOCS.parent / "src")}
    )
    stale = [
        name for name in GENERATED if (tmp_path / name).read_text() != (DOCS / "reference" / name).read_text()
    ]
    assert not stale, f"run `make docs`, which writes {', '.join(stale)} anew, and commit them"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `make docs` does: a warning is an error."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "--quiet", "--nitpicky", "--fail-on-warning", "--keep-going"]
    done = subprocess.run(
        [*command, "--doctree-dir", str(folder / "doctrees"), str(DOCS), str(folder / "html")],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder / "html"


def test_every_page_is_in_the_site(site: Path) -> None:
    pages = {path.relative_to(DOCS).with_suffix(".html").as_posix() for path in DOCS.rglob("*.md")}
    assert pages == {path.relative_to(site).as_posix() for path in site.rglob("*.html")} - {
        "genindex.html",
        "search.html",
    }


def test_the_site_asks_no_other_machine_for_anything(site: Path) -> None:
    page = (site / "index.html").read_text()
    assert 'src="http' not in page
    assert 'rel="stylesheet" type="text/css" href="http' not in page
