"""Packs into the wheel what `edgebuild init` puts into a user's repository: this repository's own files.

The repository is the template, so the files are not kept twice in git. A wheel carries them as
``edgebuild/template/repository``; from a checkout, which has them at its top, they are read there.
Everything else about the distribution stands in pyproject.toml.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

TOP = Path(__file__).resolve().parent
#: Patterns of the files, as MANIFEST.in names them for a source distribution.
TEMPLATE = (
    "dvc.yaml",
    "params.yaml",
    ".gitignore",
    ".dvcignore",
    "stages/*.py",
    "requirements/runtime.txt",
    "examples/*/params.yaml",
)


class BuildWithTemplate(build_py):
    """`build_py`, and then the template; not for an editable install, which reads the checkout."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        target = Path(self.build_lib) / "edgebuild" / "template" / "repository"
        for pattern in TEMPLATE:
            files = sorted(TOP.glob(pattern))
            if not files:
                raise FileNotFoundError(
                    f"{TOP} has no {pattern}, which belongs to the template of edgebuild init"
                )
            for file in files:
                copy = target / file.relative_to(TOP)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, copy)


setup(cmdclass={"build_py": BuildWithTemplate})
