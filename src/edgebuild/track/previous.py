"""The builds published before this one, and what changed since the last of them."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from edgebuild.track import lock, store
from edgebuild.track.highlights import Changes, changes
from edgebuild.track.state import BuildState

__all__ = ["builds", "changes_since"]

_LOOKED_AT = 20


def builds(client: Any, experiment: str) -> list[Any]:
    """Runs of the builds seen last, the last one first.

    Seen, not made: who turns a knob back and then turns another one compares with the build gone back to.
    """
    return list(
        client.search_runs(
            [experiment],
            "attributes.status = 'FINISHED'",
            order_by=["tags.`edgebuild.last_seen` DESC", "attributes.start_time DESC"],
            max_results=_LOOKED_AT,
        )
    )


def changes_since(client: Any, run: Any, state: BuildState) -> Changes:
    """What differs between the build of ``run`` and ``state``."""
    with tempfile.TemporaryDirectory() as scratch:
        path = client.download_artifacts(run.info.run_id, "dvc.lock", scratch)
        stages = lock.read_yaml(Path(path)).get("stages") or {}
    entries = lock.read_lock(
        {name: stages[name] for name in stages if store.stage_tag(name) in run.data.tags}
    )
    names = {key.rpartition("/")[0] for key in run.data.metrics if key.endswith("/accuracy")}
    return changes(
        (run.data.params, entries),
        (
            {
                store.safe_key(key): store.cut_param(store.param_text(value))
                for key, value in state.params.items()
            },
            state.entries,
        ),
        sorted(names - {"smallest", "fastest"}),
        [variant["id"] for variant in state.variants],
    )
