"""The stage functions of a build, called in order in one process: what no build tool can be faster than.

    python -m bench.bare ROOT [STAGE...]

A stage may be a group, such as export. No DVC, digests, sandbox, records or worker; outputs lie in ROOT when it ends.
"""

from __future__ import annotations

import importlib.util
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from edgebuild.build.declaration import Declaration, declarations
from edgebuild.build.stage import Stage
from edgebuild.params import read

__all__ = ["main"]


def main(root: Path, stages: Sequence[str] = ()) -> None:
    """Call the stage functions of ``stages``, or all."""
    params = read(root / "params.yaml")
    for declared in declarations(root).values():
        if stages and declared.name not in stages and declared.base not in stages:
            continue
        with tempfile.TemporaryDirectory(dir=root) as folder:
            staging, kept = Path(folder, "out"), Path(folder, "kept")
            staging.mkdir()
            kept.mkdir()
            stage = Stage(
                declared,
                root,
                staging,
                kept,
                params,
                on_metrics=lambda step, values: None,
                on_progress=lambda done, total, text: None,
                on_say=lambda text: None,
                on_warn=lambda text: None,
            )
            _load(root, declared).main(stage)
            for path in declared.outs:
                _remove(root / path)
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                shutil.move(staging / path, root / path)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _load(root: Path, declared: Declaration) -> ModuleType:
    (file,) = (root / dep for dep in declared.deps if dep.startswith("stages/"))
    spec = importlib.util.spec_from_file_location(f"stages.{file.stem}", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), sys.argv[2:])
