"""A variant of the present build as a version in MLflow's registry, under an alias that others load it by.

A version is found by its tags, the variant's id and the key of the build, so promoting twice
makes one version. The version is made with its tags in one call and the
alias moves last: whoever loads the alias gets the old model or the whole new one.
"""

from __future__ import annotations

import difflib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgebuild.errors import UsageError
from edgebuild.track import store
from edgebuild.track.checks import Problem, checks
from edgebuild.track.outcome import one_line
from edgebuild.track.revision import revision
from edgebuild.track.standing import committed, drifted, up_to_date
from edgebuild.track.state import BuildState, read_state
from edgebuild.track.surroundings import facts
from edgebuild.track.variants import BARE_TAG, KEY_TAG, STORED_TAG, variant_key

__all__ = ["Promotion", "promote"]

FORCED, REFUSED, PASSED = "edgebuild.forced", "edgebuild.refused", "edgebuild.passed"
#: numbers of the variant that the registry's page shows as tags
SHOWN = ("accuracy", "accuracy_drop", "size_bytes")


@dataclass(frozen=True)
class Promotion:
    """What was promoted, or why nothing was.

    Attributes:
        variant: its id.
        name: of the registered model.
        alias: that points to it now.
        version: of the registered model; None when refused.
        created: False when this build's variant had been registered before.
        replaced: the version that the alias pointed to before, if another.
        forced: the reason given for overriding ``problems``, "" where nothing was overridden.
        problems: everything that speaks against it, overridden or not.
    """

    variant: str
    name: str
    alias: str
    version: str | None = None
    created: bool = False
    replaced: str | None = None
    forced: str = ""
    problems: tuple[Problem, ...] = ()

    @property
    def uri(self) -> str:
        """What MLflow loads it by."""
        return f"models:/{self.name}@{self.alias}"

    def lines(self) -> list[str]:
        """For the console."""
        against = [f"  - {problem}" for problem in self.problems]
        if self.version is None:
            able = any(problem.final for problem in self.problems)
            hint = "" if able else ' (--force "REASON" overrides and records it)'
            return [f"promote: {self.variant} is refused{hint}:", *against]
        done = "registered as" if self.created else "already registered as"
        was = f" (was version {self.replaced})" if self.replaced else ""
        lines = [
            f"promote: {self.variant} {done} version {self.version} of {self.name}, alias {self.alias}{was}",
            f"  {self.uri}",
        ]
        if self.forced:
            lines += [
                f"promote: forced ({self.forced}), which is recorded with the version, against:",
                *against,
            ]
        return lines


def promote(
    root: Path,
    tracking_uri: str,
    project: str,
    variant: str,
    environ: Mapping[str, str],
    *,
    name: str = "",
    alias: str = "champion",
    force: str = "",
    further: Sequence[Problem] = (),
) -> Promotion:
    """Register ``variant`` of the build in ``root`` and point ``alias`` to it, unless something speaks against it.

    ``name`` is that of the registered model, by default the project's; ``force`` the reason for
    overriding what speaks against, to which the caller may add ``further`` problems. A refusal is a result and
    no exception, a store that does not answer, too.

    Raises:
        UsageError: the build has no such variant, or the repository's files cannot be understood.
    """
    name = name or project
    state = read_state(root)
    if isinstance(state, str):
        what, _, remedy = state.rpartition(": ")
        return Promotion(variant, name, alias, problems=(Problem(what, remedy, final=True),))
    chosen = _chosen(state, variant)
    against = [*committed(root), *up_to_date(root, environ), *drifted(root, state), *checks(state), *further]
    try:
        with store.connect(root, tracking_uri) as client:
            model = _published(client, f"{project}/builds", state, chosen)
            if isinstance(model, Problem):
                return Promotion(variant, name, alias, problems=(model, *against))
            against += _servable(model)
            if any(problem.final for problem in against) or (against and not force):
                return Promotion(variant, name, alias, problems=tuple(against))
            tags = _tags(root, state, chosen, against, force)
            version, created = _version(client, name, model, state, tags)
            replaced = dict(client.get_registered_model(name).aliases).get(alias)
            if replaced != version:
                client.set_registered_model_alias(name, alias, version)
    except Exception as error:  # mlflow, sqlalchemy and requests each raise their own
        problem = Problem(
            f"{store.shown(tracking_uri)} does not take it ({one_line(error)})",
            "promote again when it does; nothing is half done",
            final=True,
        )
        return Promotion(variant, name, alias, problems=(problem, *against))
    return Promotion(
        variant,
        name,
        alias,
        version,
        created,
        None if replaced is None or str(replaced) == version else str(replaced),
        force if against else "",
        tuple(against),
    )


def _chosen(state: BuildState, identity: str) -> Mapping[str, Any]:
    known = {str(variant["id"]): variant for variant in state.variants}
    if identity in known:
        return known[identity]
    near = difflib.get_close_matches(identity, known, n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else f"it has {', '.join(known)}"
    raise UsageError(f"VARIANT must be one of this build's variants, found {identity!r}; {hint}")


def _published(client: Any, experiment: str, state: BuildState, variant: Mapping[str, Any]) -> Any:
    """The variant's LoggedModel, or the problem that there is none."""
    found = client.get_experiment_by_name(experiment)
    runs = models = []
    if found is not None:
        builds = found.experiment_id
        query = f"tags.`edgebuild.build` = '{state.key}' AND attributes.status = 'FINISHED'"
        runs = client.search_runs([builds], query)
        models = client.search_logged_models([builds], f"tags.`{KEY_TAG}` = '{variant_key(variant)}'")
    ready = [model for model in models if str(model.status) == "READY"]
    if runs and ready:
        return ready[0]
    return Problem(f"build {state.key[:8]} is not published", "run `edgebuild track`", final=True)


def _servable(model: Any) -> list[Problem]:
    """The store must have the file, and as a model that MLflow loads."""
    if model.tags.get(STORED_TAG) != "yes":
        what = (
            "the store has no file of this variant, because it did not lie here when the build was published"
        )
        return [Problem(what, "run `dvc pull` (or `dvc checkout`), then `edgebuild track`", final=True)]
    if BARE_TAG in model.tags:
        return [
            Problem(
                f"MLflow cannot load it ({model.tags[BARE_TAG]})",
                "mend the export, or promote another variant",
            )
        ]
    return []


def _tags(
    root: Path, state: BuildState, variant: Mapping[str, Any], against: list[Problem], force: str
) -> dict[str, str]:
    timing = state.latency.get(variant["id"], {}).get("latency_us") or {}
    numbers = {name: variant.get(name) for name in SHOWN} | {"latency_p50_us": timing.get("p50")}
    tags = {
        "edgebuild.variant": str(variant["id"]),
        "edgebuild.sha256": str(variant.get("sha256", "")),
        "edgebuild.build": state.key,
        "edgebuild.lock": state.lock_digest,
        "edgebuild.revision": revision(root),
        **facts(root, state),
        **{name: store.param_text(value) for name, value in numbers.items() if value is not None},
    }
    if against:
        tags |= {FORCED: force, REFUSED: "\n".join(str(problem) for problem in against)}
    else:
        tags[PASSED] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return {key: store.tag_text(value) for key, value in tags.items() if value}


def _version(
    client: Any, name: str, model: Any, state: BuildState, tags: Mapping[str, str]
) -> tuple[str, bool]:
    """The registered version of this variant of this build, and whether it is new.

    What was once forced stays recorded on a version that passes later.
    """
    from mlflow.exceptions import MlflowException

    try:
        client.get_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        client.create_registered_model(name)
    for version in client.search_model_versions(f"name = '{name}'"):
        if all(version.tags.get(key) == tags[key] for key in ("edgebuild.build", "edgebuild.variant")):
            for key, value in tags.items():
                if version.tags.get(key) != value:
                    client.set_model_version_tag(name, version.version, key, value)
            return str(version.version), False
    made = client.create_model_version(
        name,
        source=f"models:/{model.model_id}",
        run_id=model.source_run_id,
        model_id=model.model_id,
        tags=dict(tags),
        description=f"{model.name} of build {state.key[:8]}",
    )
    return str(made.version), True
