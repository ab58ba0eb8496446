"""The quick reader of dvc.lock against a YAML parser."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgebuild.build.recorded import recorded
from edgebuild.strict import read_yaml

ROOT = Path(__file__).resolve().parents[2]
LOCK = """\
schema: '2.0'
stages:
  export@a.b-c:
    cmd: edgebuild run export@a.b-c
    deps:
    - path: outs
      hash: md5
      md5: 11111111111111111111111111111111
    params:
      params.yaml:
        export:
          outs:
          - path: not an output
            md5: 22222222222222222222222222222222
    outs:
    - path: models/a b.tflite
      hash: md5
      md5: '33333333333333333333333333333333'
      size: 3
    - path: models/c.mlpackage
      hash: md5
      md5: abcdefabcdefabcdefabcdefabcdefab.dir
      size: 3
      nfiles: 2
  nothing:
    cmd: 'true'
"""


def test_it_reads_of_this_repositorys_lock_what_a_yaml_parser_reads() -> None:
    document = read_yaml(ROOT / "dvc.lock")
    assert isinstance(document, dict)
    expected = {
        name: {out["path"]: out["md5"] for out in entry.get("outs", ())}
        for name, entry in document["stages"].items()
    }
    assert recorded(ROOT) == expected


def test_deps_and_params_are_no_outputs(tmp_path: Path) -> None:
    (tmp_path / "dvc.lock").write_text(LOCK)
    assert recorded(tmp_path) == {
        "export@a.b-c": {"models/a b.tflite": "3" * 32, "models/c.mlpackage": "abcdef" * 5 + "ab.dir"},
        "nothing": {},
    }


def test_without_dvc_lock_nothing_is_recorded(tmp_path: Path) -> None:
    assert recorded(tmp_path) == {}


@pytest.mark.parametrize("end", range(0, len(LOCK), 37))
def test_a_lock_that_was_cut_off_gives_what_it_has_left(tmp_path: Path, end: int) -> None:
    (tmp_path / "dvc.lock").write_text(LOCK)
    whole = {item for outs in recorded(tmp_path).values() for item in outs.items()}
    (tmp_path / "dvc.lock").write_text(LOCK[:end])
    assert {item for outs in recorded(tmp_path).values() for item in outs.items()} <= whole
