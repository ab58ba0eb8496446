"""The template is this repository's own files: from the checkout here, from the wheel elsewhere."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from edgebuild.build.closure import STAGES
from edgebuild.errors import UsageError
from edgebuild.init import template

ROOT = Path(__file__).parents[2]


def packed() -> tuple[str, ...]:
    """The patterns of setup.py, which is not imported: it would build."""
    for node in ast.parse((ROOT / "setup.py").read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "TEMPLATE":
            return tuple(ast.literal_eval(node.value))
    raise AssertionError


def test_the_wheel_carries_every_file_that_is_read() -> None:
    files = {path.relative_to(ROOT).as_posix() for pattern in packed() for path in ROOT.glob(pattern)}
    needed = {"dvc.yaml", ".gitignore", ".dvcignore", "requirements/runtime.txt"}
    assert needed | set(template.EXAMPLES.values()) | set(template.stage_files()) <= files
    assert all(template.read(name) for name in files)


def test_a_source_distribution_carries_them_too() -> None:
    manifest = (ROOT / "MANIFEST.in").read_text()
    for pattern in packed():
        folder, _, name = pattern.partition("/") if "*" in pattern else ("", "", pattern)
        stated = (
            rf"recursive-include {folder} {re.escape(name.rpartition('/')[2])}" if folder else re.escape(name)
        )
        assert re.search(rf"(^|\s){stated}(\s|$)", manifest), pattern


def test_the_stages_are_those_of_dvc_yaml() -> None:
    used = set(re.findall(rf"{STAGES}/\w+\.py", template.read("dvc.yaml")))
    assert used == set(template.stage_files())


@pytest.mark.parametrize("kind", ["github", "gitlab"])
def test_there_is_a_workflow_for_each_kind_of_ci(kind: str) -> None:
    target, text = template.ci(kind)
    assert target == template.CI[kind][1]
    assert "edgebuild check" in text


def test_an_installation_without_template_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(template, "PACKED", tmp_path)
    with pytest.raises(UsageError, match=r"has no dvc\.yaml in its template .*install it from its wheel"):
        template.read("dvc.yaml")
