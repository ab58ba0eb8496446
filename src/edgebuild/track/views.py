"""Views that the MLflow UI offers in its menu *Views*: the table of builds with the columns that answer a question.

The UI shows no metrics and no params until somebody picks them. It keeps a view as a tag
of the experiment, ``mlflow.sharedViewState.<id>``, whose value is an envelope with the
state of the page (names as in mlflow/server/js: selectedColumns, columnOrder, columnWidths); the
same id in the address, ``viewStateShareKey``, opens it. Without an order the UI puts metrics before params
before tags, each by name, and ignores the widths: what a build is about would be out of sight at the right.
The tag is written again with every build, because which params are worth a column depends on what has been
changed lately.
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
#: Columns in their order, with their widths in pixels: a page of 1440 shows them up to the fastest one's time.
_FIRST = {
    "attributes.`Run Name`": 225,
    "runDateAndNestInfo": 135,  # "Created"
    "tags.`changed`": 185,
    "tags.`smallest`": 135,
    "metrics.`smallest/size_bytes`": 140,
    "tags.`fastest`": 135,
    "metrics.`fastest/latency_p50_us`": 165,
    "metrics.`smallest/accuracy`": 140,
    "metrics.`fastest/accuracy`": 130,
}
_PARAM_WIDTH = 120


def tags(params: Sequence[Mapping[str, str]], now_ms: int) -> dict[str, str]:
    """The tags of the experiment of builds; ``params`` are those of its builds, latest first."""
    widths = _FIRST | {f"params.`{key}`": _PARAM_WIDTH for key in _varying(params)} | {"duration": 80}
    picked = [column for column in widths if column.startswith(("tags.", "metrics.", "params."))]
    state = {"selectedColumns": picked, "columnOrder": list(widths), "columnWidths": widths}
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
