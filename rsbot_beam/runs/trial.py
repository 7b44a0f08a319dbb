"""A few requests of a run, really made: how long they take, what they bring and what they cost."""

from __future__ import annotations

import statistics
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from rsbot_beam.earthengine.endpoint import Endpoint
from rsbot_beam.earthengine.fetcher import PixelFetcher
from rsbot_beam.earthengine.profiles import Profiles
from rsbot_beam.earthengine.stats import Counts

Unit = TypeVar("Unit")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Looked:
    """What came of the tiles of one place.

    Attributes:
        tiles: Asked for.
        empty: Without a valid pixel.
        dead: Not answered.
        nbytes: Bytes of their pixels in the answers.
        failure: What Earth Engine said of one that was not answered; empty where all were.
    """

    tiles: int
    empty: int = 0
    dead: int = 0
    nbytes: int = 0
    failure: str = ""


@dataclass(frozen=True)
class Trial:
    """What was seen.

    Attributes:
        places: That were asked for.
        requests: That were answered with pixels.
        in_flight: Requests at a time, at most.
        latencies: Seconds of the requests, without the first, which also connects and wakes caches.
        request_cpu: CPU seconds of this process for a request: parsing, labelling, encoding.
        tiles: That the places hold.
        empty: Of them without a valid pixel.
        dead: Of them not answered.
        head_bytes: Of an answer beside its pixels.
        retries: Requests that had to be repeated.
        splits: Requests that were too large, and were cut up.
        eecu: EECU-seconds of a request, or None where the endpoint does not tell.
        restricted: Whether the project is in restricted mode.
        failure: What Earth Engine said of a place that was not answered.
    """

    places: int
    requests: int
    in_flight: int
    latencies: tuple[float, ...]
    request_cpu: float
    tiles: int
    empty: int
    dead: int
    head_bytes: float
    retries: int
    splits: int
    eecu: float | None
    restricted: bool
    failure: str

    @property
    def latency(self) -> float | None:
        """Mean seconds of a request: what is in flight follows from the mean."""
        return statistics.fmean(self.latencies) if self.latencies else None

    @property
    def filled(self) -> float:
        """Share of the tiles that have pixels, of those that were answered; 1 where none was."""
        answered = self.tiles - self.dead
        return 1 - self.empty / answered if answered else 1.0


def try_places(
    units: Sequence[Unit], ask: Callable[[PixelFetcher, Unit], tuple[Looked, Result]], endpoint: Endpoint
) -> tuple[Trial, list[Result]]:
    """Ask for places as a run does: many at a time, with its quota, deadlines and retries.

    Args:
        units: Places, one or more.
        ask: Fetches one, and does with it what a run does.
        endpoint: Earth Engine, with the budget of the whole job.

    Returns:
        What was seen, and the results in the order of the units.

    Raises:
        EarthEngineError: What would stop a run, such as no permission.
    """
    profiles = Profiles()
    fetcher = PixelFetcher(endpoint, profiles)
    try:
        found = [ask(fetcher, units[0])]
        first = fetcher.stats.drain()
        workers = min(len(units) - 1, endpoint.max_requests)
        cpu = time.process_time()
        if workers:
            with ThreadPoolExecutor(workers) as pool:
                found += pool.map(lambda unit: ask(fetcher, unit), units[1:])
        cpu = time.process_time() - cpu
        rest = fetcher.stats.drain()
    finally:
        fetcher.close()
    return _seen([looked for looked, _ in found], first, rest, cpu, max(1, workers), profiles), [r for _, r in found]


def _seen(
    looked: Sequence[Looked], first: Counts, rest: Counts, cpu: float, in_flight: int, profiles: Profiles
) -> Trial:
    from rsbot_beam.earthengine.costs import eecu_of

    counters = Counter(first.counters) + Counter(rest.counters)
    answers = len(first.latencies) + len(rest.latencies)
    told = eecu_of(profiles.ids)
    pixels = sum(item.nbytes for item in looked if not item.dead)
    whole = answers and not any(item.dead for item in looked)
    return Trial(
        places=len(looked),
        requests=answers,
        in_flight=in_flight,
        latencies=tuple(rest.latencies or first.latencies),
        request_cpu=cpu / len(rest.latencies) if rest.latencies else 0.0,
        tiles=sum(item.tiles for item in looked),
        empty=sum(item.empty for item in looked),
        dead=sum(item.dead for item in looked),
        head_bytes=max(0.0, (counters["bytes"] - pixels) / answers) if whole else 0.0,
        retries=sum(number for name, number in counters.items() if name.startswith("retries_")),
        splits=counters["splits"],
        eecu=None if told is None or not answers else told / len(profiles.ids),
        restricted=profiles.restricted,
        failure=next((item.failure for item in looked if item.failure), ""),
    )
