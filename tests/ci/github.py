"""GitHub's runner, as far as the workflow needs it: jobs with their steps in order, in bash, in a clone.

What GitHub does itself is done in its place: expressions are evaluated, artifacts are copied, a cache is always
missed. An action, a function or a key that is not known here fails the test.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgebuild.build.digest import md5

TOKEN = re.compile(r"'[^']*'|[A-Za-z_][\w.]*(?=\()|[A-Za-z_][\w.]*|&&|\|\||!(?!=)")
OPERATORS = {"&&": " and ", "||": " or ", "!": " not "}
STATUS = re.compile(r"\b(?:always|cancelled|failure|success)\(")
STEP_KEYS = {"name", "id", "if", "env", "run", "uses", "with", "continue-on-error"}


@dataclass
class Run:
    """One run of the workflow for an event, in ``root``, a clone at the event's commit.

    ``github`` and ``secrets`` are the contexts of those names; ``variables`` the
    environment that the machine gives to every step.
    """

    workflow: Mapping[str, Any]
    root: Path
    github: Mapping[str, Any]
    secrets: Mapping[str, str]
    variables: Mapping[str, str]
    skipped: frozenset[str] = frozenset()  #: names of steps that do nothing new on this machine
    outcomes: dict[str, str] = field(default_factory=dict)  #: by the step's name: success, failure or skipped
    said: str = ""  #: what all steps have printed

    @property
    def artifacts(self) -> Path:
        return self.root.with_name(f"{self.root.name}-artifacts")

    @property
    def summary(self) -> str:
        """What stands on the run's page."""
        file = self.root.with_name(f"{self.root.name}-summary.md")
        return file.read_text() if file.exists() else ""

    def job(self, name: str, folder: Path | None = None) -> bool | None:
        """Whether the job succeeded; None if it does not run for this event."""
        job = self.workflow["jobs"][name]
        if not self._wanted(job.get("if", ""), failed=False, steps={}):
            return None
        failed, steps = False, dict[str, Any]()
        for step in job["steps"]:
            assert step.keys() <= STEP_KEYS, step
            title = step.get("name", step.get("uses"))
            if title in self.skipped:
                continue
            if not self._wanted(step.get("if", ""), failed, steps):
                outcome = "skipped"
            else:
                done = self._step(step, folder or self.root)
                outcome = "success" if done else "failure"
                failed = failed or not (done or step.get("continue-on-error", False))
            self.outcomes[title] = outcome
            if "id" in step:
                steps[step["id"]] = {"outcome": outcome}
        return not failed

    def _step(self, step: Mapping[str, Any], folder: Path) -> bool:
        if "uses" in step:
            action, _, version = step["uses"].partition("@")
            assert version, f"{action} is not pinned"
            return ACTIONS[action](self, step.get("with", {}), folder)
        written = {name: self._text(str(value)) for name, value in step.get("env", {}).items()}
        summary = self.root.with_name(f"{self.root.name}-summary.md")
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]], cwd=folder, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
            env={**self.variables, "GITHUB_STEP_SUMMARY": str(summary), **written},
        )  # fmt: skip
        self.said += done.stdout
        return done.returncode == 0

    def _wanted(self, condition: str, failed: bool, steps: Mapping[str, Any]) -> bool:
        if not STATUS.search(condition) and failed:
            return False
        return not condition or bool(self.evaluate(condition, steps))

    def _text(self, template: str) -> str:
        return re.sub(r"\$\{\{(.*?)\}\}", lambda found: str(self.evaluate(found[1])), template)

    def evaluate(self, expression: str, steps: Mapping[str, Any] | None = None) -> Any:
        """The value of a GitHub expression; a name that leads nowhere is the empty text, as it is there."""
        contexts = {"github": self.github, "secrets": self.secrets, "steps": steps or {}}
        contexts["runner"] = {"os": "Linux"}

        def value(path: str) -> Any:
            found: Any = contexts
            for part in path.split("."):
                found = found.get(part, "") if isinstance(found, Mapping) else ""
            return found

        def swap(token: re.Match[str]) -> str:
            text = token[0]
            if text.startswith("'") or token.string[token.end() : token.end() + 1] == "(":
                return text
            return OPERATORS.get(text, f"value({text!r})")

        functions = {"value": value, "cancelled": lambda: False, "hashFiles": self._hash}
        code = TOKEN.sub(swap, re.sub(r"^\s*\$\{\{(.*)\}\}\s*$", r"\1", expression)).strip()
        return eval(code, {"__builtins__": {}}, functions)

    def _hash(self, name: str) -> str:
        return md5(self.root / name) if (self.root / name).exists() else ""


def _nothing(run: Run, given: Mapping[str, Any], folder: Path) -> bool:
    return True


def _save(run: Run, given: Mapping[str, Any], folder: Path) -> bool:
    assert (folder / given["path"]).is_dir()
    assert run._text(given["key"]).removeprefix("edgebuild-Linux-") == md5(folder / "dvc.lock")
    return True


def _upload(run: Run, given: Mapping[str, Any], folder: Path) -> bool:
    for pattern in given["path"].split():
        found = list(folder.glob(pattern))
        assert found, f"nothing is called {pattern}"
        for file in found:
            target = run.artifacts / given["name"] / file.relative_to(folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)
    return True


def _download(run: Run, given: Mapping[str, Any], folder: Path) -> bool:
    if not (run.artifacts / given["name"]).is_dir():
        return False
    shutil.copytree(run.artifacts / given["name"], folder, dirs_exist_ok=True)
    return True


ACTIONS: dict[str, Callable[[Run, Mapping[str, Any], Path], bool]] = {
    "actions/checkout": _nothing,
    "actions/setup-python": _nothing,
    "actions/cache/restore": _nothing,
    "actions/cache/save": _save,
    "actions/upload-artifact": _upload,
    "actions/download-artifact": _download,
}
