"""What answering on a server costs, and what on the device, from assumptions and measurements."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgebuild.report.arithmetic import Line, Term, missing, product, total
from edgebuild.report.numbers import usd

if TYPE_CHECKING:
    from edgebuild.params.cost import Cost

__all__ = ["Comparison", "Group", "Measured", "compare", "words"]


@dataclass(frozen=True)
class Measured:
    """What the build knows of the variant on one side; ``p50_us`` is None where it was not run."""

    id: str
    p50_us: float | None
    gzip_bytes: int


@dataclass(frozen=True)
class Group:
    """Lines that belong together."""

    title: str
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Comparison:
    """All lines, and those that the page's words are made of. Money is per month, time and energy per request."""

    groups: tuple[Group, ...]
    cloud_usd: Line
    edge_usd: Line
    cloud_ms: Line
    edge_ms: Line
    cloud_joules: Line
    edge_joules: Line
    break_even: Line  #: requests per user and day

    @property
    def saved_usd(self) -> float:
        """What the device saves per month, negative where it costs more: the difference of the cents shown."""
        return round(self.cloud_usd.amount, 2) - round(self.edge_usd.amount, 2)


def compare(cost: Cost, cloud: Measured, edge: Measured, png_bytes: float) -> Comparison:
    """Compare both sides; ``png_bytes`` is the mean size of a test image, used unless ``cost`` states one."""
    users = Term(cost.users, "users")
    daily = Term(cost.requests_per_user_day, "requests per user and day")
    days = Term(cost.days_per_month, "days")
    requests = product("Requests per month", "", [users, daily, days])
    rate = product(
        "Requests per second in active hours", "/s", [users, daily],
        over=[Term(cost.active_hours_per_day, "h"), Term(3600, "s/h")],
    )  # fmt: skip
    image = Term(cost.image_bytes, "B image")
    if not cost.image_bytes:
        image = Term(round(png_bytes), "B image (mean PNG, measured)")
    sent = total(
        "Bytes per request",
        "B",
        [image, Term(cost.overhead_bytes, "B overhead"), Term(cost.answer_bytes, "B answer")],
    )

    price, gigabyte = Term(cost.traffic_usd_per_gb, "$/GB"), Term(10**9, "B/GB")
    million = Term(10**6, "")
    inferences = product(
        "Server: inferences", "$",
        [requests.term("requests"), Term(cost.cloud_usd_per_million_inferences, "$ per million")], over=[million],
    )  # fmt: skip
    traffic = product(
        "Server: traffic", "$", [requests.term("requests"), sent.term("B"), price], over=[gigabyte]
    )
    cloud_usd = total(
        "Server, per month", "$",
        [inferences.term("$"), traffic.term("$"), Term(cost.cloud_usd_per_month, "$ whatever the use")], result=True,
    )  # fmt: skip
    delivery = product(
        "Device: downloads of the model", "$",
        [users, Term(cost.model_updates_per_year, "a year"), Term(edge.gzip_bytes, "B (gzip, measured)"), price],
        over=[Term(12, "months"), gigabyte],
    )  # fmt: skip
    edge_usd = total(
        "Device, per month",
        "$",
        [delivery.term("$"), Term(cost.edge_usd_per_month, "$ whatever the use")],
        result=True,
    )
    break_even = _break_even(cost, inferences.amount + traffic.amount, edge_usd)

    trip = Term(cost.round_trip_ms, "ms round trip")
    cloud_ms = _milliseconds("Answer from the server", cloud, trip=trip)
    edge_ms = _milliseconds(
        "Answer on the device", edge, slower=Term(cost.device_slowdown, "(slower device)")
    )
    cloud_joules = _joules("Device: waiting for the server", cost.radio_watts, cloud_ms)
    edge_joules = _joules("Device: inferring", cost.device_watts, edge_ms)
    groups = (
        Group("Load", (requests, rate, sent)),
        Group("Money", (inferences, traffic, cloud_usd, delivery, edge_usd, break_even)),
        Group("Time per request", (cloud_ms, edge_ms)),
        Group("The device's energy per request", (cloud_joules, edge_joules)),
        Group("The server", _server(cost, cloud, rate, requests)),
    )
    return Comparison(groups, cloud_usd, edge_usd, cloud_ms, edge_ms, cloud_joules, edge_joules, break_even)


def words(comparison: Comparison) -> list[str]:
    """What the lines come to, in sentences."""
    cloud, edge, saved = comparison.cloud_usd, comparison.edge_usd, comparison.saved_usd
    said = [f"Server and device both cost {edge.shown} a month."]
    if saved:
        cheaper = "device" if saved > 0 else "server"
        both = f"the server costs {cloud.shown}, the device {edge.shown}"
        said = [f"The {cheaper} is cheaper by {usd(abs(saved))} a month: {both}."]
    even = comparison.break_even
    if even.value is not None:
        said.append(f"Below {even.shown} the server would be cheaper, above it the device.")
    times, joules = (
        (comparison.cloud_ms, comparison.edge_ms),
        (comparison.cloud_joules, comparison.edge_joules),
    )
    if all(line.value is not None for line in (*times, *joules)):
        said.append(
            f"A user waits {times[0].shown} for the server and {times[1].shown} for the device, whose battery pays "
            f"{joules[0].shown} or {joules[1].shown} for it."
        )
    return said


def _break_even(cost: Cost, variable_usd: float, edge_usd: Line) -> Line:
    """Requests per user and day at which both cost the same: below it the server is cheaper."""
    what = "Both cost the same at"
    if variable_usd == 0:
        return missing(what, "a request on the server is free of charge, so use makes no difference")
    if edge_usd.amount <= cost.cloud_usd_per_month:
        return missing(
            what,
            "the device is never dearer: its costs do not exceed what the server costs whatever the use",
        )
    return product(
        what, "requests per user and day",
        [
            Term(edge_usd.amount - cost.cloud_usd_per_month, "$ device beyond the server's fixed costs"),
            Term(cost.requests_per_user_day, "requests per user and day"),
        ],
        over=[Term(variable_usd, "$ inferences and traffic")], result=True,
    )  # fmt: skip


def _milliseconds(what: str, side: Measured, trip: Term | None = None, slower: Term | None = None) -> Line:
    if side.p50_us is None:
        return missing(what, f"{side.id} was not run on this machine")
    inference = Term(side.p50_us / 1000, "ms inference (p50, measured)")
    if trip is not None:
        return total(what, "ms", [trip, inference], result=True)
    return product(what, "ms", [inference, *([] if slower is None else [slower])], result=True)


def _joules(what: str, watts: float, milliseconds: Line) -> Line:
    if milliseconds.value is None:
        return missing(what, milliseconds.formula)
    return product(what, "mJ", [Term(watts, "W"), milliseconds.term("ms")], result=True)


def _server(cost: Cost, cloud: Measured, rate: Line, requests: Line) -> tuple[Line, ...]:
    if cloud.p50_us is None:
        return (missing("Cores at work in active hours", f"{cloud.id} was not run on this machine"),)
    time = Term(cloud.p50_us, "µs inference (p50, measured)")
    cores = product(
        "Cores at work in active hours", "cores", [rate.term("/s"), time], over=[Term(10**6, "µs/s")]
    )
    energy = product(
        "Energy of inferences, per month", "kWh",
        [requests.term("requests"), time, Term(cost.server_watts, "W")],
        over=[Term(10**6, "µs/s"), Term(3.6e6, "J/kWh")],
    )  # fmt: skip
    return cores, energy
