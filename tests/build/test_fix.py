"""dvc.yaml is mended by the smallest change, and means what was asked for."""

from __future__ import annotations

import difflib
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from edgebuild.build import fix as module
from edgebuild.build.closure import Difference, compare
from edgebuild.build.fix import edit, fix, position
from edgebuild.cli import main
from edgebuild.errors import UsageError

BLOCK = """\
# the pipeline
stages:
  a: # first
    cmd: x
    deps:
    - data.csv   # the data
    # the code
    - stages/a.py
    - 'src/b.py' # quoted
    # the last
    - src/d.py
    outs: [o]
"""
FLOW = """\
stages:
  a: {cmd: x, deps: [data.csv, stages/a.py, "src/b.py", src/d.py], outs: [o]} # why
  other: {cmd: y}
"""
LINES = """\
stages:
  a:
    foreach: [1, 2]
    do:
      cmd: x
      deps: [data.csv, # the data
        stages/a.py,
        src/b.py, # the code
        src/d.py]
      outs: ["o${item}"]
"""


def is_code(path: str) -> bool:
    return path.endswith(".py")


def changed(before: str, missing: tuple[str, ...], needless: tuple[str, ...]) -> list[str]:
    """The lines of the diff."""
    after = edit(before, [Difference("a", missing, needless)], is_code)
    lines = difflib.ndiff(before.splitlines(), after.splitlines())
    return [line for line in lines if not line.startswith((" ", "?"))]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (BLOCK, ["+     - src/c.py"]),
        (LINES, ["-         src/d.py]", "+         src/c.py, src/d.py]"]),
    ],
)
def test_an_added_path_is_one_line_of_the_diff(text: str, expected: list[str]) -> None:
    assert changed(text, ("src/c.py",), ()) == expected


@pytest.mark.parametrize(
    ("text", "path", "expected"),
    [
        (BLOCK, "src/b.py", ["-     - 'src/b.py' # quoted"]),
        (BLOCK, "src/d.py", ["-     - src/d.py"]),
        (LINES, "stages/a.py", ["-         stages/a.py,"]),
        (LINES, "src/b.py", ["-         src/b.py, # the code", "+ # the code"]),
        (LINES, "data.csv", ["-       deps: [data.csv, # the data", "+       deps: [ # the data"]),
    ],
)
def test_a_removed_path_is_one_line_of_the_diff(text: str, path: str, expected: list[str]) -> None:
    found = changed(text, (), (path,))
    assert [line.split() for line in found] == [line.split() for line in expected]


def test_a_list_in_one_line_keeps_what_stands_around_it() -> None:
    after = edit(FLOW, [Difference("a", ("src/c.py",), ("src/b.py",))], is_code)
    assert after == FLOW.replace('"src/b.py", src/d.py', "src/c.py, src/d.py")


def test_the_first_and_the_last_of_a_list_in_brackets_can_go() -> None:
    after = edit(FLOW, [Difference("a", (), ("data.csv", "src/d.py"))], is_code)
    assert after == FLOW.replace("data.csv, ", "").replace(", src/d.py", "")


def test_a_line_that_becomes_too_long_is_broken_and_others_are_not() -> None:
    long = ", ".join(f"src/package/module_{number}.py" for number in range(1, 8, 2))
    text = f"stages:\n  a:\n    cmd: x\n    deps: [{long},\n      src/z.py]\n    outs: [{'o' * 120}]\n"
    after = edit(text, [Difference("a", ("src/package/module_2.py",), ())], is_code)
    numbers = ", ".join(f"src/package/module_{number}.py" for number in (1, 2, 3, 5))
    assert after.splitlines()[3:5] == [f"    deps: [{numbers},", "      src/package/module_7.py, src/z.py]"]
    assert after.splitlines()[-1] == text.splitlines()[-1]


def test_windows_line_ends_stay() -> None:
    after = edit(BLOCK.replace("\n", "\r\n"), [Difference("a", ("src/c.py",), ("src/b.py",))], is_code)
    assert after.count("\n") == after.count("\r\n") == BLOCK.count("\n")


def test_a_path_that_is_no_plain_yaml_is_quoted() -> None:
    assert '- "src/c, d.py"' in edit(BLOCK, [Difference("a", ("src/c, d.py",), ())], is_code)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("x: &x [stages/a.py, b.py]\nstages:\n  a: {cmd: x, deps: *x}\n  b: {cmd: y, deps: *x}\n", "shared"),
        ("stages:\n  a: &a {cmd: x, deps: [stages/a.py, b.py]}\n  b: *a\n", "shared stage"),
        ("x: &x {deps: [b.py]}\nstages:\n  a: {<<: *x, cmd: y}\n", "merged"),
        ("stages:\n  a: {cmd: x, deps: [stages/a.py, '${file}']}\n", "template"),
    ],
)
def test_a_list_that_is_not_the_stages_own_is_left_to_a_person(text: str, why: str) -> None:
    with pytest.raises(UsageError, match=r"(?s)stages\.a must be a list.*by hand.*remove - b\.py"):
        edit(text, [Difference("a", (), ("b.py",))], is_code)


NAMES = st.sampled_from([f"src/{folder}/{name}.py" for folder in "pqr" for name in "abcde"])


@st.composite
def documents(draw: st.DrawFn) -> tuple[str, list[str]]:
    """A dvc.yaml with a list of deps in some layout, and the list."""
    deps = ["stages/a.py", *draw(st.lists(NAMES, unique=True, min_size=1, max_size=12))]
    quoted = [f'"{path}"' if draw(st.booleans()) else path for path in deps]
    if draw(st.booleans()):
        lines = [f"    - {path}{draw(st.sampled_from(['', ' # why']))}\n" for path in quoted]
        listed = "\n" + "".join(f"    # about the next\n{line}" if len(line) % 3 else line for line in lines)
    else:
        gaps = [draw(st.sampled_from([", ", ",\n      ", ", # why\n      "])) for _ in quoted[1:]]
        pairs = zip(quoted, [*gaps, ""], strict=True)
        listed = " [" + "".join(path + gap for path, gap in pairs) + "]\n"
    return f"stages:\n  a: # first\n    cmd: x\n    deps:{listed}    outs: [o]\n  b: {{cmd: y}} # end\n", deps


@settings(max_examples=150, deadline=None)
@given(documents(), st.sets(NAMES, max_size=4), st.data())
def test_the_meaning_changes_as_asked_and_no_comment_of_another_line_is_lost(
    document: tuple[str, list[str]], added: set[str], data: st.DataObject
) -> None:
    text, deps = document
    needless = data.draw(st.lists(st.sampled_from(deps[1:]), unique=True))
    missing = sorted(added - set(deps))
    after = edit(text, [Difference("a", tuple(missing), tuple(needless))], is_code)
    parsed = YAML(typ="safe").load(after)
    assert sorted(parsed["stages"]["a"]["deps"]) == sorted({*deps, *missing} - {*needless})
    kept = [path for path in deps if path not in needless]
    assert [path for path in parsed["stages"]["a"]["deps"] if path in kept] == kept
    assert after.count("# about the next") == text.count("# about the next")
    assert after.endswith("    outs: [o]\n  b: {cmd: y} # end\n")
    assert edit(after, [], is_code) == after


def test_a_new_path_stands_beside_its_siblings_in_order() -> None:
    deps = ["data.csv", "stages/a.py", "src/x/a.py", "src/x/c.py", "src/y/a.py", "src/z.py", "lock.txt"]
    assert position(deps, "src/x/b.py", is_code) == 3
    assert position(deps, "src/y/b.py", is_code) == 5
    assert position(deps, "src/zz.py", is_code) == 6
    assert position(["data.csv", "stages/a.py", "lock.txt"], "src/x.py", is_code) == 2


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "params.yaml").write_text("{}")
    (tmp_path / "src").mkdir()
    (tmp_path / "stages").mkdir()
    (tmp_path / "stages/a.py").write_text("import b, c\n")
    for name in "bcd":
        (tmp_path / f"src/{name}.py").write_text("X = 1\n")
    (tmp_path / "dvc.yaml").write_text(BLOCK)
    return tmp_path


def test_after_a_fix_nothing_is_left_to_fix(root: Path) -> None:
    (root / "dvc.yaml").chmod(0o640)
    assert fix(root) == [Difference("a", ("src/c.py",), ("src/d.py",))]
    assert compare(root) == [] == fix(root)
    assert (root / "dvc.yaml").stat().st_mode & 0o777 == 0o640
    assert sorted(path.name for path in root.iterdir()) == ["dvc.yaml", "params.yaml", "src", "stages"]


def test_a_file_that_somebody_changes_meanwhile_is_left_alone(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(folder: Path) -> list[Difference]:
        found = compare(folder)
        (folder / "dvc.yaml").write_text(BLOCK + "# theirs\n")
        return found

    monkeypatch.setattr(module, "compare", slow)
    with pytest.raises(UsageError, match="changed by somebody else"):
        fix(root)
    assert (root / "dvc.yaml").read_text() == BLOCK + "# theirs\n"
    assert sorted(path.name for path in root.iterdir()) == ["dvc.yaml", "params.yaml", "src", "stages"]


def test_the_command_tells_what_it_changed_and_succeeds(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(root)
    assert main(["deps"]) == 1
    assert "`edgebuild deps --fix`" in capsys.readouterr().out
    assert main(["deps", "--fix", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [
        {"stage": "a", "missing": ["src/c.py"], "needless": ["src/d.py"]}
    ]
    assert main(["deps", "--fix"]) == 0
    assert "every stage declares" in capsys.readouterr().out
