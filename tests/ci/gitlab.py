"""GitLab's runner, as far as the pipeline needs it: which jobs it has, and their scripts in bash, in a clone."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def jobs(pipeline: Mapping[str, Any], variables: Mapping[str, str]) -> list[str]:
    """The names of the jobs that a pipeline with these predefined and own variables has; none if it does not start."""
    if not any(holds(rule["if"], variables) for rule in pipeline["workflow"]["rules"]):
        return []
    return [
        name
        for name, job in pipeline.items()
        if isinstance(job, Mapping) and "script" in job and not name.startswith(".")
        if any(holds(rule["if"], variables) for rule in job["rules"])
    ]


def holds(condition: str, variables: Mapping[str, str]) -> bool:
    """Whether a rule's condition does: comparisons for equality and bare variables, joined by ``&&``."""

    def value(term: str) -> str:
        return variables.get(term[1:], "") if term.startswith("$") else term.strip('"')

    for part in condition.split("&&"):
        left, operator, right = [*re.split(r"(==|!=)", part.strip()), "!=", ""][:3]
        if (value(left.strip()) == value(right.strip())) != (operator == "=="):
            return False
    return True


def run(
    pipeline: Mapping[str, Any],
    name: str,
    folder: Path,
    variables: Mapping[str, str],
    *,
    install: bool = True,
) -> tuple[bool, str]:
    """Whether job ``name`` succeeded, and what it printed; ``install=False`` leaves out the lines with pip."""
    job = {**pipeline.get(pipeline[name].get("extends", ""), {}), **pipeline[name]}
    lines = [*job.get("before_script", ()), *job["script"]]
    script = "\n".join(line for line in lines if install or not line.startswith("python -m pip "))
    environment = dict(variables)
    for key, text in job.get("variables", {}).items():
        environment[key] = re.sub(r"\$(\w+)", lambda found: environment.get(found[1], ""), str(text))
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script], cwd=folder, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=environment,
    )  # fmt: skip
    return done.returncode == 0, done.stdout
