"""Do deps cover imports? On small trees, and on this repository."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgebuild.build.closure import Difference, compare, imports, unread
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
        "src/lib/star/__init__.py": "__all__ = ['a']\n__all__ += ['NAME', 'b']\nNAME = 1\n",
        "src/lib/star/a.py": "A = 1\n",
        "src/lib/star/b.py": "B = 1\n",
        "src/lib/star/c.py": "C = 1\n",
        "src/lib/run/__init__.py": '"""Started by python -m."""\n',
        "src/lib/run/__main__.py": "print()\n",
        "src/lib/run/job.py": "print()\n",
        "src/lib/read.py": "from pathlib import Path\nHERE = Path(__file__).parent / 'data' / 'table.csv'\n",
        "src/lib/schema.py": "import importlib.resources\nTEXT = 'schema.fbs'\nOTHER = 'one.py'\n",
        "src/lib/schema.fbs": "table {}",
        "src/lib/side.py": '"""Registers."""\nprint("registered")\n',
        "src/lib/latin.py": "# coding: latin-1\nfrom lib import one\n",
        "src/plain/module.py": "from lib.one import ONE\n",
        "src/both.py": "WRONG = 1\n",
        "src/both/__init__.py": "RIGHT = 1\n",
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
        ("importlib.import_module(f'lib.o{n}')\n", {"src/lib/one.py"}),
        ("__import__('lib.one')\n", {"src/lib/one.py"}),
        ("import lib.sub.x as short\n", {*SUB, "src/lib/sub/x.py"}),
        ("from lib.sub import x as short, y\n", {*SUB, "src/lib/sub/x.py", "src/lib/sub/y.py"}),
        ("from lib import *\n", set()),
        ("from lib.star import *\n", {f"src/lib/star/{name}.py" for name in ("__init__", "a", "b")}),
        ("if not TYPE_CHECKING:\n    pass\nelse:\n    import lib.one\n", set()),
        ("if t.TYPE_CHECKING:\n    pass\nelif x:\n    import lib.one\n", {"src/lib/one.py"}),
        ("class A:\n    async def f(self):\n        import lib.one\n", {"src/lib/one.py"}),
        ("runpy.run_module('lib.run')\n", {"src/lib/run/__main__.py"}),
        ("subprocess.run([sys.executable, '-m', 'lib.run', 'x'])\n", {"src/lib/run/__main__.py"}),
        ("COMMAND = (sys.executable, '-m', 'lib.run.job')\n", {"src/lib/run/job.py"}),
        ("import lib.schema\n", {"src/lib/schema.py", "src/lib/schema.fbs"}),
        ("import lib.side\n", {"src/lib/side.py"}),
        ("import lib.latin\n", {"src/lib/latin.py", "src/lib/one.py"}),
        ("import plain.module\n", {"src/plain/module.py", "src/lib/one.py"}),
        ("import both\n", {"src/both/__init__.py"}),
        ("from lib import nothing_there\n", set()),
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
    ("files", "word"),
    [
        ({}, "does not exist"),
        ({"stages/a.py": "def:\n"}, "not Python"),
        ({"stages/a.py": "X = '\0'\n"}, "not Python"),
        ({"stages/a.py": "# coding: none-such\n"}, "not Python"),
        ({"stages/a.py": "from ... import lib\n"}, r":1: `from \.\.\. import lib` goes beyond"),
    ],
)
def test_a_missing_or_broken_stage_file_is_a_usage_error(
    files: dict[str, str], word: str, tmp_path: Path
) -> None:
    tree(tmp_path, {**files, "dvc.yaml": "stages: {a: {cmd: x, deps: [stages/a.py]}}"})
    with pytest.raises(UsageError, match=f"stages/a.py.*{word}"):
        compare(tmp_path)


def test_an_import_that_is_computed_is_named_with_its_line(tmp_path: Path) -> None:
    tree(
        tmp_path,
        {
            "dvc.yaml": "stages: {a: {cmd: x, deps: [stages/a.py]}}",
            "stages/a.py": "import importlib\nM = importlib.import_module(name)\n",
        },
    )
    assert unread(tmp_path) == ["stages/a.py:2: importlib.import_module(name)"]


def test_a_folder_is_named_where_all_that_is_in_it_is_missing_and_only_there(tmp_path: Path) -> None:
    tree(
        tmp_path,
        {
            "dvc.yaml": "stages: {a: {cmd: x, deps: [stages/a.py]}}",
            "stages/a.py": "import lib.all.one, lib.all.two, lib.some.one, lib.some.two\n",
            "src/lib/all/__init__.py": '"""Nothing but a docstring."""\n',
            **{f"src/lib/{name}.py": "X = 1\n" for name in ("all/one", "all/two")},
            **{f"src/lib/some/{name}.py": "X = 1\n" for name in ("one", "two", "three")},
        },
    )
    (difference,) = compare(tmp_path)
    assert difference.missing == ("src/lib/all", "src/lib/some/one.py", "src/lib/some/two.py")


def test_of_a_group_any_stages_lack_counts_and_what_one_needs_is_not_needless(tmp_path: Path) -> None:
    tree(
        tmp_path,
        {
            "dvc.yaml": "stages: {a: {foreach: [x, y], do: {cmd: z, deps: ['stages/${item}.py', one.py, two.py]}}}",
            "stages/x.py": "import one\nimport three\n",
            "stages/y.py": "import three\n",
            **{f"{name}.py": "X = 1\n" for name in ("one", "two", "three")},
        },
    )
    assert compare(tmp_path) == [Difference("a", ("three.py",), ("two.py",))]


@pytest.mark.parametrize("command", ["python train.py --fast", "nice python -m lib.job"])
def test_a_stage_of_ones_own_is_followed_from_the_files_that_its_command_names(
    command: str, tmp_path: Path
) -> None:
    tree(
        tmp_path,
        {
            "dvc.yaml": f"stages: {{a: {{cmd: {command}, deps: [train.py, lib/job.py]}}}}",
            "train.py": "import lib.job\n",
            "lib/job.py": "import train, other\n",
            "other.py": "X = 1\n",
        },
    )
    assert compare(tmp_path) == [Difference("a", ("other.py",), ())]


def test_a_stage_that_runs_no_python_is_left_alone(tmp_path: Path) -> None:
    tree(tmp_path, {"dvc.yaml": "stages: {a: {cmd: make, deps: [b.py]}}", "b.py": "import b\n"})
    assert compare(tmp_path) == []


def test_a_stage_of_edgebuild_without_a_stage_file_is_refused(tmp_path: Path) -> None:
    tree(tmp_path, {"dvc.yaml": "stages: {a: {cmd: edgebuild run a, deps: [data.csv]}}"})
    with pytest.raises(UsageError, match=r"stages\.a\.deps must name the file of stages/"):
        compare(tmp_path)


def test_this_repositorys_stages_declare_exactly_the_code_that_they_import() -> None:
    assert "\n".join(map(str, compare(ROOT))) == ""
    assert "src/edgebuild/compress/ranges.py" in imports(ROOT, ROOT / "stages/quantize.py")
