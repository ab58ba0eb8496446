"""MLflow plugin: a run that is started in a DVC repository says what it belongs to.

``mlflow.start_run()`` in a stage, a script or a notebook then has the tags

======================  =========================================================================
edgebuild.pipeline      ``project`` of params.yaml, else the name of the folder that holds dvc.yaml
edgebuild.stage         the stage that DVC runs, such as ``export@litert-int8``; absent outside of one
edgebuild.revision      the git commit, ``-dirty`` where tracked files differ from it
edgebuild.lock          SHA-256 of dvc.lock as the run found it, which builds have as a tag too
======================  =========================================================================

Outside of a DVC repository it adds nothing. MLflow imports this module whenever it is
imported itself, so what is needed inside a repository only is imported there.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from mlflow.tracking.context.abstract_context import RunContextProvider

__all__ = ["DVCRunContext"]


class DVCRunContext(RunContextProvider):
    """Entry point ``edgebuild`` of the group ``mlflow.run_context_provider``."""

    def in_context(self) -> bool:
        """Is the working directory in a DVC repository? A few look-ups in folders, 0.1 ms."""
        return _root() is not None

    def tags(self) -> dict[str, str]:
        """The tags that have a value. Takes two git processes, about 10 ms."""
        from edgebuild.track.revision import revision

        root = _root()
        if root is None:
            return {}
        folder = _pipeline(root)
        tags = {
            "edgebuild.pipeline": _name(folder),
            "edgebuild.stage": os.environ.get("DVC_STAGE", ""),
            "edgebuild.revision": revision(folder),
            "edgebuild.lock": _digest(folder / "dvc.lock"),
        }
        return {key: value for key, value in tags.items() if value}


def _root() -> Path | None:
    """The DVC repository around the working directory; in a stage DVC names it (its ``.dvc`` may be out of sight)."""
    try:
        here = Path.cwd()
    except FileNotFoundError:  # it was deleted
        return None
    named = os.environ.get("DVC_ROOT")
    if named and here.is_relative_to(named):
        return Path(named)
    return next((folder for folder in (here, *here.parents) if (folder / ".dvc").is_dir()), None)


def _pipeline(root: Path) -> Path:
    """The folder of the nearest dvc.yaml, up to the repository's root."""
    here = Path.cwd()
    inside = [folder for folder in (here, *here.parents) if folder.is_relative_to(root)]
    return next((folder for folder in inside if (folder / "dvc.yaml").is_file()), root)


def _name(folder: Path) -> str:
    import yaml  # mlflow has imported it

    try:
        params = yaml.safe_load((folder / "params.yaml").read_bytes())
    except (OSError, yaml.YAMLError):
        return folder.name
    project = params.get("project") if isinstance(params, dict) else None
    return project if isinstance(project, str) and project else folder.name


def _digest(lock: Path) -> str:
    try:
        return hashlib.sha256(lock.read_bytes()).hexdigest()
    except OSError:  # nothing has been built yet
        return ""
