"""The MLflow side of tracking: which store, how it is reached, and what it accepts.

Artifacts of a sqlite store lie in ``<root>/mlruns``. MLflow keeps absolute artifact
locations in the database and makes relative ones absolute, so a clone that was
moved or copied would go on writing into its old place; `_relocate` corrects the
stored prefix of the repository's own ``mlflow.db`` when it is opened elsewhere.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sqlite3
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from edgebuild.track import views

__all__ = [
    "connect",
    "cut_param",
    "experiment_id",
    "link",
    "log_in_batches",
    "model_page",
    "page",
    "param_text",
    "safe_key",
    "set_tags",
    "shown",
    "stage_tag",
    "tag_text",
    "tracking_uri",
]

# MLflow's own limits (mlflow.utils.validation), so that a long value is cut here, visibly, and not refused.
MAX_KEY, MAX_PARAM, MAX_TAG = 250, 6000, 8000
MAX_METRICS_PER_BATCH, MAX_PARAMS_PER_BATCH = 1000, 100

_ROOT_TAG = "edgebuild.root"
#: The UI hides tags with MLflow's own prefix; forty of these would push the description off the page of a build.
_STAGE_TAG = "mlflow.edgebuild.stage."

# For the delivery only, never in a stage. No retries inside mlflow: it would repeat a create_run whose
# answer was lost and so make two runs. The delivery repeats itself, after looking up what exists.
_ENVIRONMENT = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",  # seconds
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_ENABLE_ASYNC_LOGGING": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",  # a build tool sends nothing home on its user's behalf
    "GIT_PYTHON_REFRESH": "quiet",
}


def tracking_uri(root: Path, environ: Mapping[str, str]) -> str:
    """``MLFLOW_TRACKING_URI`` if set and not empty, else ``mlflow.db`` in the repository root.

    A relative sqlite path means the root, not the folder that a command happens to be run in.
    """
    uri = environ.get("MLFLOW_TRACKING_URI") or "sqlite:///mlflow.db"
    path = uri.removeprefix("sqlite:///")
    return uri if path in (uri, "") else f"sqlite:///{root.resolve() / path}"


@contextmanager
def connect(root: Path, uri: str) -> Iterator[Any]:
    """An ``MlflowClient`` for ``uri``; settings of this process are as before afterwards.

    Environment and mlflow's global tracking URI are set because
    ``mlflow.create_external_model`` and the artifact repositories take no client.
    Raises whatever mlflow, its database driver or its HTTP client raise.
    """
    before = {name: os.environ.get(name) for name in _ENVIRONMENT}
    os.environ.update(_ENVIRONMENT)
    if uri == tracking_uri(root, {}):
        _relocate(root.resolve())
    with warnings.catch_warnings():
        # What mlflow and sqlalchemy deprecate in each other is no business of whoever reads this log.
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", FutureWarning)
        # mlflow.pyfunc, of its own types, as it is imported
        warnings.filterwarnings("ignore", message=".*Any type hint is inferred", category=UserWarning)
        import mlflow

        for noisy in ("alembic", "mlflow.store.db.utils"):
            logging.getLogger(noisy).setLevel(logging.WARNING)
        previous = os.environ.get("MLFLOW_TRACKING_URI")  # set_tracking_uri sets it too
        mlflow.set_tracking_uri(uri)
        try:
            yield mlflow.MlflowClient(uri)
        finally:
            mlflow.set_tracking_uri(previous)  # type: ignore[arg-type]  # None unsets it
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value


def experiment_id(client: Any, root: Path, uri: str, name: str) -> str:
    """The experiment ``name``, created when missing; of a sqlite store with artifacts in ``<root>/mlruns``."""
    found = client.get_experiment_by_name(name)
    if found is not None:
        if found.lifecycle_stage == "deleted":
            client.restore_experiment(found.experiment_id)
        return str(found.experiment_id)
    if not uri.startswith("sqlite:"):
        return str(client.create_experiment(name, tags=views.kind()))
    place = root.resolve()
    location = place / "mlruns" / re.sub(r"[^\w.-]+", "-", name)
    return str(
        client.create_experiment(
            name, artifact_location=str(location), tags={**views.kind(), _ROOT_TAG: str(place)}
        )
    )


def log_in_batches(
    client: Any, run_id: str, *, metrics: Sequence[Any] = (), params: Mapping[str, object] | None = None
) -> dict[str, str]:
    """Log any number of metrics and flat params; returns the params (in full) that had to be cut."""
    from mlflow.entities import Param

    for first in range(0, len(metrics), MAX_METRICS_PER_BATCH):
        client.log_batch(run_id, metrics=metrics[first : first + MAX_METRICS_PER_BATCH])
    texts = {safe_key(key): param_text(value) for key, value in (params or {}).items()}
    entries = [Param(key, cut_param(text)) for key, text in texts.items()]
    for first in range(0, len(entries), MAX_PARAMS_PER_BATCH):
        client.log_batch(run_id, params=entries[first : first + MAX_PARAMS_PER_BATCH])
    return {key: text for key, text in texts.items() if len(text) > MAX_PARAM}


def set_tags(client: Any, run_id: str, tags: Mapping[str, str]) -> None:
    """Set tags of a run in one call, each cut to what MLflow takes."""
    from mlflow.entities import RunTag

    if tags:
        client.log_batch(run_id, tags=[RunTag(key, tag_text(value)) for key, value in tags.items()])


def safe_key(key: str) -> str:
    """A name that MLflow takes for params, metrics and tags: ``@`` becomes ``/``, other odd signs ``_``."""
    key = re.sub(r"[^\w./ :-]", "_", key.replace("@", "/"), flags=re.ASCII)
    return "/".join(part for part in key.split("/") if part not in ("", ".", ".."))[:MAX_KEY] or "_"


def stage_tag(stage: str) -> str:
    """The tag of a build that holds the id of the run of ``stage``."""
    return safe_key(f"{_STAGE_TAG}{stage}")


def param_text(value: object) -> str:
    """Strings as they are, everything else as JSON (``0.5``, ``true``, ``[1, 2]``)."""
    return value if isinstance(value, str) else json.dumps(value, default=str)


def cut_param(text: str) -> str:
    """A param's text as far as MLflow takes it."""
    return _cut(text, MAX_PARAM)


def tag_text(value: str) -> str:
    """A tag's value, cut to what MLflow takes."""
    return _cut(value, MAX_TAG)


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def link(uri: str, experiment: str, run_id: str | None = None) -> str:
    """The page of an experiment's runs, or of one run, in the UI's mode for models rather than GenAI.

    A store without a server is shown by ``mlflow ui``, whose default address is assumed.
    """
    base = uri.rstrip("/") if uri.startswith(("http://", "https://")) else "http://127.0.0.1:5000"
    return f"{shown(base)}/{page(experiment, run_id)}"


def page(experiment: str, run_id: str | None = None) -> str:
    """The address of that page within the UI: an experiment's runs in edgebuild's view, or one run."""
    if run_id is None:
        return f"#/experiments/{experiment}/runs?workflowType=machine_learning&viewStateShareKey={views.KEY}"
    return f"#/experiments/{experiment}/runs/{run_id}?workflowType=machine_learning"


def model_page(experiment: str, model_id: str) -> str:
    """The address of a logged model's page within the UI."""
    return f"#/experiments/{experiment}/models/{model_id}?workflowType=machine_learning"


def shown(uri: str) -> str:
    """A tracking URI fit for printing: without ``user:password@``."""
    return re.sub(r"//[^/@]*@", "//", uri)


def _relocate(root: Path) -> None:
    """Point the artifact locations in ``<root>/mlflow.db`` at this place if the clone was moved or copied."""
    database = root / "mlflow.db"
    if not database.exists():
        return
    # The columns that hold locations (mlflow/store/tracking/dbmodels/models.py).
    columns = (
        ("runs", "artifact_uri"),
        ("logged_models", "artifact_location"),
        ("model_versions", "storage_location"),
        ("experiments", "artifact_location"),
    )
    with closing(sqlite3.connect(database, timeout=5)) as connection, connection:
        tables = {
            name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        }
        if not tables.issuperset(table for table, _ in columns):
            return  # a database that MLflow has yet to fill
        roots = connection.execute("SELECT DISTINCT value FROM experiment_tags WHERE key = ?", (_ROOT_TAG,))
        for old in {value for (value,) in roots} - {str(root)}:
            for table, column in columns:
                connection.execute(
                    f"UPDATE {table} SET {column} = ? || substr({column}, ?) "  # noqa: S608  # names from above
                    f"WHERE substr({column}, 1, ?) = ?",
                    (f"{root}/mlruns/", len(old) + 9, len(old) + 8, f"{old}/mlruns/"),
                )
        connection.execute("UPDATE experiment_tags SET value = ? WHERE key = ?", (str(root), _ROOT_TAG))
