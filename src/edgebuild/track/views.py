"""Views that the MLflow UI offers in its menu *Views*: the table of builds with the columns that answer a question.

The UI shows no metrics and no params until somebody picks them. It keeps a view as a tag
of the experiment, ``mlflow.sharedViewState.<id>``, whose value is an envelope with the
state of the page (names as in mlflow/server/js: selectedColumns, columnWidths); the same
id in the address, ``viewStateShareKey``, opens it. The tag is written again with every
build, because which params are worth a column depends on what has been changed lately.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence

__all__ = ["KEY", "kind", "tags"]

#: of the view that links open
KEY = "edgebuild"
_PREFIX = "mlflow.sharedViewState."
#: The UI's switch between GenAI and model training, so that the experiment opens on its runs.
_KIND = ("mlflow.experimentKind", "custom_model_development")
_PARAMS = 6  # columns
_BEST = (
    "tags.`smallest`",
    "metrics.`smallest/size_bytes`",
    "metrics.`smallest/accuracy`",
    "tags.`fastest`",
    "metrics.`fastest/latency_p50_us`",
    "metrics.`fastest/accuracy`",
)


def tags(params: Sequence[Mapping[str, str]], now_ms: int) -> dict[str, str]:
    """The tags of the experiment of builds; ``params`` are those of its builds, latest first."""
    columns = ["tags.`changed`", *(f"params.`{key}`" for key in _varying(params)), *_BEST]
    widths = {"run-name": 260}
    state = {"selectedColumns": columns, "columnOrder": [], "columnWidths": widths}
    envelope = {"name": "What changed, what is best", "createdAt": now_ms, "updatedAt": now_ms}
    return {
        _KIND[0]: _KIND[1],
        f"{_PREFIX}{KEY}": json.dumps({**envelope, "state": json.dumps(state)}, ensure_ascii=False),
    }


def _varying(params: Sequence[Mapping[str, str]]) -> list[str]:
    """Params in which these builds differ, those of the latest change first."""
    found: list[str] = []
    for later, earlier in itertools.pairwise(params):
        found += [
            key
            for key in later
            if later[key] != earlier.get(key) and key not in found and not key.startswith("variants.")
        ]
    return found[:_PARAMS]


def kind() -> dict[str, str]:
    """The tag that opens an experiment in the mode for models."""
    return dict([_KIND])
