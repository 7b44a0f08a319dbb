"""Counts are exact under threads and start again when drained."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from rsbot_beam.earthengine.stats import MAX_SAMPLES, Stats


def test_no_count_is_lost_or_taken_twice() -> None:
    stats = Stats()
    with ThreadPoolExecutor(8) as pool:
        drained = [pool.submit(stats.drain) for _ in range(50)]
        list(pool.map(lambda _: (stats.add(requests=1, tiles=2), stats.answered(0.5, 10)), range(2000)))
        counts = [future.result() for future in drained] + [stats.drain()]
    assert sum(c.counters.get("requests", 0) for c in counts) == 2000
    assert sum(c.counters.get("tiles", 0) for c in counts) == 4000
    assert sum(c.counters.get("bytes", 0) for c in counts) == 20_000
    assert sum(len(c.latencies) for c in counts) == 2000
    assert stats.drain().counters == {} and stats.drain().latencies == []


def test_latencies_are_bounded() -> None:
    stats = Stats()
    for index in range(MAX_SAMPLES + 10):
        stats.answered(float(index), 0)
    latencies = stats.drain().latencies
    assert len(latencies) == MAX_SAMPLES and latencies[-1] == MAX_SAMPLES + 9
