"""The template's dvc.yaml for a repository in which the library is an installed package."""

from __future__ import annotations

from typing import Any

from ruamel.yaml import YAML

from edgebuild.init import declare, template

TEXT = template.read("dvc.yaml")


def loaded(text: str) -> Any:
    return YAML(typ="safe", pure=True).load(text)


def entries(document: Any) -> dict[str, Any]:
    return {name: entry.get("do", entry) for name, entry in document["stages"].items()}


def test_only_the_deps_change_and_the_library_is_one_of_them() -> None:
    before, after = loaded(TEXT), loaded(declare.adapt(TEXT, {}))
    for name, entry in entries(before).items():
        wanted = [dep for dep in entry["deps"] if not dep.startswith("src/edgebuild")]
        wanted.insert(wanted.index("requirements/runtime.txt") + 1, "requirements/edgebuild.txt")
        entry["deps"] = wanted
        assert entries(after)[name] == entry
    assert after == before


def test_what_the_user_reads_comes_first() -> None:
    text = declare.adapt(TEXT, {"prepare": ["${data.folder}", "own.py"]})
    assert '    deps: ["${data.folder}", own.py, stages/prepare.py,' in text
    assert loaded(text)["stages"]["prepare"]["deps"][:2] == ["${data.folder}", "own.py"]


def test_comments_and_layout_stay() -> None:
    text = declare.adapt(TEXT, {})
    assert "  prune: # the same network with fewer channels or weights\n" in text
    assert max(map(len, text.splitlines())) <= max(map(len, TEXT.splitlines()))
    assert "src/edgebuild" not in text
