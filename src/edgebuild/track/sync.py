"""What `edgebuild track` does: deliver all that waits, publish the build that lies here, say so."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgebuild.track import store
from edgebuild.track.delivery import Courier
from edgebuild.track.mutex import delivery_lock
from edgebuild.track.outcome import Delivered, one_line
from edgebuild.track.publish import Build, publish_build

__all__ = ["Report", "track"]


@dataclass(frozen=True)
class Report:
    """What was delivered and published; ``complete`` when nothing is left to do."""

    delivered: Delivered
    build: Build
    tracking_uri: str

    @property
    def complete(self) -> bool:
        """Whether every record arrived and the build is published."""
        return self.delivered.waiting == 0 and self.build.run_id is not None

    def lines(self) -> list[str]:
        """For the console."""
        done = self.delivered
        lines = [f"tracking: {done.finished} stage runs delivered, {done.running} still running"]
        if done.waiting:
            lines.append(f"tracking: {done.waiting} records wait in .edgebuild/outbox: {done.reason}")
        if self.build.run_id is None:
            lines.append(f"tracking: no build published: {self.build.reason}")
            return lines
        what = "published" if self.build.created else "already published"
        counts = f"{self.build.executed} stages executed, {self.build.cached} cached, {self.build.variants} variants"
        lines.append(f"tracking: build {(self.build.key or '')[:8]} {what}: {counts}")
        if self.tracking_uri.startswith("sqlite:"):
            lines.append(f"tracking: see it with `mlflow ui --backend-store-uri {self.tracking_uri}` at")
        lines += [f"  {self.build.link}", f"  all builds: {self.build.table}"]
        return lines


def track(root: Path, tracking_uri: str, project: str, *, wait_s: float = 60.0) -> Report:
    """Deliver the outbox and publish the current build; both idempotent, neither raises for a dead store.

    Waits up to ``wait_s`` seconds for another delivery's current pass to end.
    """
    delivered = Courier(root, tracking_uri, project).run(wait_s)
    return Report(
        delivered, publish_now(root, tracking_uri, project, delivered, wait_s), store.shown(tracking_uri)
    )


def publish_now(root: Path, uri: str, project: str, delivered: Delivered, wait_s: float) -> Build:
    """Publish under the delivery lock, unless records wait for the store: the build must link to their runs."""
    if delivered.waiting > delivered.refused:
        return Build(reason="its stages' records are not delivered yet: run `edgebuild track` later")
    try:
        with delivery_lock(root, wait_s) as previous:
            if previous is None:
                return Build(
                    reason=f"another process delivers (waited {wait_s:.0f} s): run `edgebuild track` later"
                )
            return publish_build(root, uri, project)
    except Exception as error:  # mlflow, sqlalchemy and requests each raise their own
        return Build(reason=f"{store.shown(uri)}: {one_line(error)}: run `edgebuild track` later")
