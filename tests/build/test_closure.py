"""Do deps cover imports? On small trees, and on this repository."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgebuild.build.closure import Difference, compare, imports
from edgebuild.errors import UsageError

ROOT = Path(__file__).resolve().parents[2]


def tree(root: Path, files: dict[str, str]) -> Path:
    (root / "params.yaml").write_text("{}")
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def reached(root: Path, text: str) -> set[str]:
    """What ``stages/a.py`` with ``text`` imports of a small library."""
    library = {
        "src/lib/__init__.py": '"""A docstring only."""\n',
        "src/lib/one.py": "ONE = 1\n",
        "src/lib/two.py": "from lib.one import ONE\nTWO = 2 * ONE\n",
        "src/lib/sub/__init__.py": "from lib.one import ONE\n",
        "src/lib/sub/x.py": "X = 1\n",
        "src/lib/sub/y.py": "from . import x\nfrom ..one import ONE\n",
    }
    tree(root, {**library, "stages/a.py": text})
    return set(imports(root, root / "stages/a.py")) - {"stages/a.py"}


SUB = {"src/lib/sub/__init__.py", "src/lib/one.py"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("import os, numpy\n", set()),
        ("import lib.one\n", {"src/lib/one.py"}),
        ("from lib import one\n", {"src/lib/one.py"}),
        ("from lib.two import TWO\n", {"src/lib/two.py", "src/lib/one.py"}),
        ("def f():\n    from lib.one import ONE\n", {"src/lib/one.py"}),
        ("try:\n    import lib.one\nexcept ImportError:\n    raise\n", {"src/lib/one.py"}),
        ("import lib.sub.x\n", {*SUB, "src/lib/sub/x.py"}),
        ("import lib.sub.y\n", {*SUB, "src/lib/sub/x.py", "src/lib/sub/y.py"}),
        ("if TYPE_CHECKING:\n    import lib.one\n", set()),
        ("if typing.TYPE_CHECKING:\n    import lib.one\n", set()),
        ("if TYPE_CHECKING:\n    import lib.two\nelse:\n    import lib.one\n", {"src/lib/one.py"}),
        ("if not TYPE_CHECKING:\n    import lib.one\n", {"src/lib/one.py"}),
        ("import_module('lib.one')\n", {"src/lib/one.py"}),
        ("importlib.import_module(f'lib.sub.{n}')\n", {*SUB, "src/lib/sub/x.py", "src/lib/sub/y.py"}),
    ],
)
def test_imports_are_followed_wherever_they_stand(text: str, expected: set[str], tmp_path: Path) -> None:
    assert reached(tmp_path, text) == expected


def test_a_missing_and_a_needless_dep_are_found(tmp_path: Path) -> None:
    tree(
        tmp_path,
        {
            "dvc.yaml": "stages: {a: {cmd: x, deps: [data.csv, stages/a.py, src/lib/two.py, src/other]}}",
            "stages/a.py": "import lib.one\n",
            "src/lib/one.py": "ONE = 1\n",
            "src/lib/two.py": "TWO = 2\n",
            "src/other/three.py": "THREE = 3\n",
            "data.csv": "1\n",
        },
    )
    (difference,) = compare(tmp_path)
    assert difference == Difference("a", ("src/lib/one.py",), ("src/lib/two.py", "src/other"))
    assert "add    - src/lib/one.py" in str(difference)
    assert "remove - src/other" in str(difference)


def test_a_folder_covers_the_files_in_it_and_a_group_is_told_once(tmp_path: Path) -> None:
    tree(
        tmp_path,
        {
            "dvc.yaml": "stages:\n"
            "  a: {cmd: x, deps: [stages/a.py, src/lib]}\n"
            "  b: {foreach: [1, 2], do: {cmd: x, deps: [stages/a.py]}}\n",
            "stages/a.py": "import lib.one\n",
            "src/lib/one.py": "ONE = 1\n",
        },
    )
    assert compare(tmp_path) == [Difference("b", ("src/lib/one.py",), ())]


@pytest.mark.parametrize(
    ("files", "word"), [({}, "does not exist"), ({"stages/a.py": "def:\n"}, "not Python")]
)
def test_a_missing_or_broken_stage_file_is_a_usage_error(
    files: dict[str, str], word: str, tmp_path: Path
) -> None:
    tree(tmp_path, {**files, "dvc.yaml": "stages: {a: {cmd: x, deps: [stages/a.py]}}"})
    with pytest.raises(UsageError, match=f"stages/a.py.*{word}"):
        compare(tmp_path)


def test_this_repositorys_stages_declare_exactly_the_code_that_they_import() -> None:
    assert "\n".join(map(str, compare(ROOT))) == ""
    assert "src/edgebuild/compress/ranges.py" in imports(ROOT, ROOT / "stages/quantize.py")
