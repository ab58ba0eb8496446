"""Packs into the wheel what `edgebuild init` puts into a user's repository, and states the extras.

The repository is the template, so the files are not kept twice in git. A wheel carries them as
``edgebuild/template/repository``; from a checkout, which has them at its top, they are read there.
The extra ``pinned`` is the lock that `edgebuild init` writes, so that what it writes builds at once. It is
read off the lock, and extras that are not all static are stated here, all of them (the core metadata's rule
for ``dynamic``). Everything else about the distribution stands in pyproject.toml.
"""

from __future__ import annotations

import re
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
#: A line of the lock: requirement, and marker if there is one; the hashes follow on lines of their own.
PIN = re.compile(r"^([A-Za-z0-9][\w.\[\],-]*==[^\s;]+)(?: ; ([^\\\n]+?))? \\$", re.MULTILINE)


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


def pinned() -> list[str]:
    """The requirements of the lock, with their markers."""
    pins = PIN.findall((TOP / "requirements/runtime.txt").read_text(encoding="utf-8"))
    return [f"{requirement}; {marker}" if marker else requirement for requirement, marker in pins]


setup(
    cmdclass={"build_py": BuildWithTemplate},
    extras_require={
        "pinned": pinned(),
        # Signs and checks provenance; no stage needs it, so no lock of stages has it.
        "provenance": ["securesystemslib[crypto]>=1.6"],
        # data.source: tfds
        "tfds": ["tensorflow-datasets>=4.9.10"],
    },
)
