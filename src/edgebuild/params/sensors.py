"""Section ``data.sensors`` of params.yaml: how recordings of sensors become windows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from edgebuild.params.audio import problems_of_group
from edgebuild.params.kinds import Count
from edgebuild.strict import Range

__all__ = ["Channel", "Sensors"]


@dataclass(frozen=True)
class Channel:
    """One measured quantity, in its own unit: what becomes code 0 and code 255.

    Stated both, or neither: then they are the smallest and the largest value of
    the training split.
    """

    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Sensors:
    """Windows ``(window, 1, channels)`` of tables with a row per moment; ``""`` stands for a column there is not."""

    rate: Annotated[float, Range(0.0, 1e7, open_low=True)]  #: rows per second
    window: Annotated[int, Range(2, 1_000_000)]  #: rows that a network sees at once
    hop: Count  #: rows from one window to the next
    channels: Mapping[str, Channel]  #: columns of the measured quantities
    time: str  #: column of the time in seconds
    label: str  #: column of the class, or of the targets (regression), separated by commas; "" takes the folder's name
    recording: str  #: column that tells recordings apart; "" takes each file as one
    group: str  #: regular expression whose first group, found in a recording's name, says what stays together
    gaps: Literal["refuse", "split"]  #: where rows are missing: stop, or let no window reach across

    def problems(self) -> list[str]:
        """What is wrong with knobs that depend on one another, a line each."""
        found = []
        for name, channel in self.channels.items():
            if (channel.low is None) != (channel.high is None):
                found.append(
                    f"data.sensors.channels.{name}: state low and high, or neither, which measures them"
                )
            elif channel.low is not None and channel.high is not None and channel.low >= channel.high:
                found.append(
                    f"data.sensors.channels.{name}: low, {channel.low:g}, must be below high, {channel.high:g}"
                )
        if len(self.channels) > 64:
            found.append(f"data.sensors.channels: at most 64 are allowed, but there are {len(self.channels)}")
        others = [
            name.strip() for name in (self.time, self.recording, *self.label.split(",")) if name.strip()
        ]
        for name in others:
            if name in self.channels or others.count(name) > 1:
                found.append(
                    f"data.sensors: column {name} is named twice; a network must not see it where it is the answer"
                )
                break
        return found + problems_of_group(self.group, "data.sensors.group")
