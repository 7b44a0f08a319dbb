"""Beam counters and distributions of a run, and the progress line's counts."""

from __future__ import annotations

from apache_beam.metrics import Metrics

from rsbot_beam.data.shards import FetchedShard
from rsbot_beam.earthengine.stats import Counts
from rsbot_beam.transforms.progress import PROGRESS

NAMESPACE = "rsbot"


def count_fetched(fetched: FetchedShard) -> None:
    """Count the tiles of a shard by what became of them: `tiles_fetched`, `tiles_empty`, `tiles_dead`, `tiles_kept`."""
    kept = len(fetched.stored.stored) + len(fetched.stored.empty) if fetched.stored else 0
    numbers = {
        "tiles_fetched": len(fetched.patches),
        "tiles_empty": len(fetched.empty),
        "tiles_dead": len(fetched.dead),
        "tiles_kept": kept,
        "shards": 1,
    }
    for name, number in numbers.items():
        if number:
            Metrics.counter(NAMESPACE, name).inc(number)


def count_requests(counts: Counts) -> None:
    """Count what the process's fetcher did since the last time: requests, bytes, splits, retries and failures by kind.

    Runs in Beam's own thread: the counters of other threads are lost.
    """
    for name, number in counts.counters.items():
        Metrics.counter(NAMESPACE, name).inc(number)
    latency = Metrics.distribution(NAMESPACE, "latency_ms")
    for seconds in counts.latencies:
        latency.update(round(1000 * seconds))
    retries = sum(number for name, number in counts.counters.items() if name.startswith("retries_"))
    PROGRESS.add(retries=retries, requests=counts.counters.get("requests", 0), bytes=counts.counters.get("bytes", 0))
