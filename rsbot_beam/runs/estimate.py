"""How long a run takes and what it costs, by what a few requests have shown. Pure numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass

HOUR = 3600.0
# A latency of nothing, on loopback: numbers stay finite.
_LEAST = 1e-6


@dataclass(frozen=True)
class Pace:
    """How fast a run may ask and compute.

    Attributes:
        latency: Mean seconds of a request.
        in_flight: Requests at a time, of all processes.
        qps: Requests started a second, of all processes.
        request_cpu: CPU seconds that a request takes here, beside the wait.
        tile_seconds: Seconds that the model takes for a tile, in one process.
        processes: That work at the same time.
    """

    latency: float
    in_flight: int
    qps: float
    request_cpu: float = 0.0
    tile_seconds: float = 0.0
    processes: int = 1

    @property
    def rate(self) -> float:
        """Requests a second that the quota allows: Little's law, in flight = rate * latency."""
        return min(self.qps, self.in_flight / max(self.latency, _LEAST))


@dataclass(frozen=True)
class Duration:
    """How long it takes, and why not less.

    Attributes:
        seconds: From the first request to the last.
        limit: "latency" (requests in flight), "qps" (requests a second) or "computing" (this machine, or the workers).
    """

    seconds: float
    limit: str


def duration(requests: int, tiles: float, pace: Pace) -> Duration:
    """Time for requests and the tiles that come of them; asking and computing go on at the same time.

    Args:
        requests: Number.
        tiles: That the model is applied to.
        pace: How fast.
    """
    if not requests:
        return Duration(0.0, "latency")
    # They come in waves, of which a last one that is not full takes as long; or one after the other, as the rate allows.
    asking = max((math.ceil(requests / pace.in_flight) - 1) * pace.latency, (requests - 1) / pace.qps) + pace.latency
    computing = (requests * pace.request_cpu + tiles * pace.tile_seconds) / pace.processes
    if computing > asking:
        return Duration(computing, "computing")
    return Duration(asking, "latency" if pace.rate < pace.qps else "qps")


def shared_in_flight(max_requests: int, processes: int) -> int:
    """Requests in flight of processes that each take a whole number of them (see `Endpoint.share`)."""
    return max_requests // processes * processes


@dataclass(frozen=True)
class Machines:
    """Workers of Dataflow.

    Attributes:
        kind: Machine type.
        number: Of machines.
        processes: On each.
    """

    kind: str
    number: int
    processes: int

    @property
    def all_processes(self) -> int:
        """On all machines."""
        return self.number * self.processes

    def hours(self, seconds: float) -> float:
        """Machine-hours, if all run from the beginning to the end."""
        return self.number * seconds / HOUR


@dataclass(frozen=True)
class Cost:
    """What Earth Engine counts.

    Attributes:
        per_request: EECU-seconds.
        hours: EECU-hours of the run.
        source: "endpoint", which told it for the requests tried, or "given".
    """

    per_request: float
    hours: float
    source: str


def cost(requests: int, told: float | None, given: float | None) -> Cost | None:
    """The cost of requests, or None where nothing is known.

    Args:
        requests: Number.
        told: EECU-seconds of a request, as the endpoint has it, or None.
        given: The same, as the user has it; goes first.
    """
    per_request = told if given is None else given
    if per_request is None:
        return None
    return Cost(per_request, requests * per_request / HOUR, "endpoint" if given is None else "given")
