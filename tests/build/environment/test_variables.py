"""The pinned environment: the command starts itself again until it has it."""

from __future__ import annotations

import os
import sys
from typing import Any

import pytest

from edgebuild.build.environment import variables as environment


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What would have replaced this process."""
    calls: list[tuple[Any, ...]] = []
    monkeypatch.setattr(os, "execve", lambda *arguments: calls.append(arguments))
    for name, value in environment.PINNED.items():
        monkeypatch.setenv(name, value)
    return calls


def test_a_pinned_process_goes_on(started: list[tuple[Any, ...]]) -> None:
    environment.pin(["run", "prepare"])
    assert started == []


@pytest.mark.parametrize("name", environment.PINNED)
@pytest.mark.parametrize("value", [None, "other"])
def test_any_other_value_starts_the_same_command_again_with_all_pins(
    name: str, value: str | None, started: list[tuple[Any, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNRELATED", "kept")
    monkeypatch.delenv(name) if value is None else monkeypatch.setenv(name, value)
    environment.pin(["run", "export@x"])
    ((program, command, environ),) = started
    assert program == sys.executable
    assert command == [sys.executable, "-m", "edgebuild", "run", "export@x"]
    assert {key: environ[key] for key in environment.PINNED} == environment.PINNED
    assert environ["UNRELATED"] == "kept"
