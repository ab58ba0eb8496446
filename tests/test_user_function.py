"""Functions that params.yaml names."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgebuild.errors import UsageError
from edgebuild.user_function import find

MODULES = {
    "users_good": "import math\n\ndef load(x):\n    return x + 1\n\ndef other():\n    pass\n\nNUMBER = 3\n",
    "users_broken": "import math\n\nvalue = {}['missing']\n",
    "users_syntax": "def load(:\n    pass\n",
    "users_needs": "import a_package_that_is_not_installed\n",
    "users_leaves": "import sys\n\nsys.exit('enough')\n",
    "users_package/inner": "def load():\n    return 'inner'\n",
}


@pytest.fixture(autouse=True)
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, text in MODULES.items():
        path = tmp_path / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield
    for name in [name for name in sys.modules if name.startswith("users_")]:
        del sys.modules[name]
    importlib.invalidate_caches()


def test_a_function_beside_dvc_yaml_is_found() -> None:
    assert find("users_good:load", "data.function")(1) == 2


def test_a_function_of_a_package_is_found() -> None:
    assert find("users_package.inner:load", "data.function")() == "inner"


def test_a_function_of_an_installed_package_is_found() -> None:
    assert find("json:dumps", "data.function")([1]) == "[1]"


@pytest.mark.parametrize("name", ["", "users_good", "users_good:", ":load", "users_good.py:load", "a b:load"])
def test_what_names_no_function_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match=r"data\.function: a function is named as module:function, but"):
        find(name, "data.function")


def test_a_module_that_is_not_there_is_named_with_the_file_to_write_and_the_dep_to_add() -> None:
    with pytest.raises(UsageError, match=r"there is no module users_none.inner: users_none/inner\.py beside"):
        find("users_none.inner:load", "data.function")
    with pytest.raises(UsageError, match=r"users_package/missing.py beside dvc.yaml .* add `- users_pack"):
        find("users_package.missing:load", "data.function")


def test_a_function_that_is_not_there_is_answered_with_those_that_are() -> None:
    with pytest.raises(UsageError, match=r"users_good.py has no function laod; it has load, other"):
        find("users_good:laod", "data.function")


def test_what_cannot_be_called_is_refused() -> None:
    with pytest.raises(UsageError, match="must be a function, but is of type int"):
        find("users_good:NUMBER", "data.function")


@pytest.mark.parametrize(
    ("module", "message"),
    [
        ("users_broken", r"failed with KeyError: 'missing' \(users_broken.py:3\)"),
        ("users_syntax", r"failed with SyntaxError: .*\(users_syntax.py:1\)"),
        ("users_needs", r"ModuleNotFoundError: No module named 'a_package_that.*\(users_needs.py:1\)"),
        ("users_leaves", r"failed with SystemExit: enough \(users_leaves.py:3\)"),
    ],
)
def test_a_module_that_fails_while_it_is_imported_is_named_with_the_line(module: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        find(f"{module}:load", "data.function")


def test_the_sandboxs_refusal_is_passed_on(tmp_path: Path) -> None:
    (tmp_path / "users_refused.py").write_text(
        "from edgebuild.errors import DeclarationError\nraise DeclarationError('add it to the deps')\n"
    )
    with pytest.raises(UsageError, match=r"^add it to the deps$"):
        find("users_refused:load", "data.function")
