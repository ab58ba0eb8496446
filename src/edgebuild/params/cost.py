"""Section ``cost`` of params.yaml: what the report assumes where nothing can be measured."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from edgebuild.strict import Range

__all__ = ["Cost"]

Users = Annotated[int, Range(1, 10_000_000_000)]
Bytes = Annotated[int, Range(0, 1_000_000_000)]
Amount = Annotated[float, Range(0.0, 1e12)]
Positive = Annotated[float, Range(0.0, 1e12, open_low=True)]


@dataclass(frozen=True)
class Cost:
    """What the report assumes where it compares answering on a server with answering on the device.

    Sizes, latencies and bytes are as measured and not among these.
    """

    cloud: str  #: id of the variant that a server would run
    edge: str  #: id of the variant that the device runs
    tolerated_drop: Annotated[
        float, Range(0.0, 1.0)
    ]  #: accuracy that a recommended file may lose, a fraction
    users: Users
    requests_per_user_day: Positive
    active_hours_per_day: Annotated[float, Range(0.0, 24.0, open_low=True)]  #: in which a day's requests come
    days_per_month: Annotated[float, Range(0.0, 31.0, open_low=True)]
    cloud_usd_per_million_inferences: Amount  #: US dollars
    cloud_usd_per_month: Amount  #: US dollars, whatever does not grow with use
    edge_usd_per_month: Amount  #: as above, of the device's part
    traffic_usd_per_gb: Amount  #: US dollars per 10^9 bytes
    image_bytes: Bytes  #: of one request's image; 0 takes the mean PNG of the test images
    overhead_bytes: Bytes  #: of one request and its answer, beside both: headers, TLS records
    answer_bytes: Bytes
    model_updates_per_year: Amount  #: downloads of the model per user
    round_trip_ms: Amount  #: milliseconds from device to server and back, without computing
    device_slowdown: Positive  #: device's time / measured time
    device_watts: Amount  #: watts of the device while it infers
    radio_watts: Amount  #: watts of the device while it waits for an answer
    server_watts: Amount  #: watts of the server's core while it infers

    def problems(self, known: Sequence[str]) -> list[str]:
        """What is wrong with the two variants, of which ``known`` are built; a line each."""
        found = []
        for name, value in (("cloud", self.cloud), ("edge", self.edge)):
            if value not in known:
                near = difflib.get_close_matches(value, known, n=1)
                hint = f" (did you mean {near[0]}?)" if near else ""
                found.append(f"cost.{name}: {value!r} is not built; choose {' or '.join(known)}{hint}")
        return found
