"""The template: this repository's own dvc.yaml, params.yaml, stages and lock, from a checkout or from the wheel."""

from __future__ import annotations

from pathlib import Path

import edgebuild
from edgebuild.errors import UsageError

__all__ = ["CI", "EXAMPLES", "ci", "read", "stage_files"]

PACKAGE = Path(edgebuild.__file__).resolve().parent
#: Where setup.py packs them.
PACKED = PACKAGE / "template" / "repository"
#: Name → its params.yaml in the template.
EXAMPLES = {"digits": "params.yaml", "fashion_mnist": "examples/fashion_mnist/params.yaml"}
#: Kind of CI → (file of the package, where it belongs in a repository).
CI = {
    "github": ("template/ci/github.yml", ".github/workflows/edgebuild.yml"),
    "gitlab": ("template/ci/gitlab.yml", ".gitlab-ci.yml"),
}


def read(name: str) -> str:
    """The text of a file of the template, such as ``stages/prune.py``.

    Raises:
        UsageError: this edgebuild was installed without its template.
    """
    path = _folder() / name
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UsageError(
            f"this edgebuild has no {name} in its template ({_folder()}); install it from its wheel, or from a "
            f"checkout with `pip install --editable`"
        ) from None


def stage_files() -> list[str]:
    """The names of the stage files, such as ``stages/prune.py``."""
    return sorted(f"stages/{path.name}" for path in (_folder() / "stages").glob("*.py"))


def ci(kind: str) -> tuple[str, str]:
    """Where the workflow file of a kind of CI belongs, and its text.

    Raises:
        UsageError: this edgebuild has no such file.
    """
    packed, target = CI[kind]
    if not (PACKAGE / packed).is_file():
        raise UsageError(
            f"this edgebuild has no workflow file for {kind}; write --ci none, or install its wheel"
        )
    return target, (PACKAGE / packed).read_text(encoding="utf-8")


def _folder() -> Path:
    """The packed template, or the top of the checkout that this package lies in."""
    return PACKED if PACKED.is_dir() else PACKAGE.parents[1]
