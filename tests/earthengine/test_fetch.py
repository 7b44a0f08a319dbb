"""One request at a time against a server on loopback that answers, fails, drips and hangs."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from rsbot_beam.earthengine import PixelFetcher, PixelSource, retry, shared_fetcher
from rsbot_beam.earthengine.endpoint import Endpoint
from rsbot_beam.earthengine.source import FetchBand, plain_asset
from rsbot_beam.errors import (
    AuthenticationError,
    InputError,
    OutageError,
    PermanentError,
    TooLargeError,
    TransientError,
)
from rsbot_beam.geometry.tile import TileBlock, TileKey

KEY = TileKey("EPSG:32633", 10.0, 64, -400_000, 50_000)
BLOCK = TileBlock.of(KEY, 4, 4)


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "FIRST_BACKOFF", 0.001)
    monkeypatch.setattr(retry, "MAX_BACKOFF", 0.05)


def test_values_and_validity_are_exact(earth: Any, source: PixelSource, expected: Callable[..., Any]) -> None:
    pixels = PixelFetcher(earth.endpoint()).fetch(source, KEY.geobox)
    assert list(pixels.values) == [band.name for band in source.data_bands]
    for index, band in enumerate(source.data_bands):
        values, valid = expected(index, band.dtype, KEY.geobox)
        np.testing.assert_array_equal(pixels.values[band.name], values)
        np.testing.assert_array_equal(pixels.valid[band.name], valid)
        assert not valid.all() and valid.any()


def test_the_request_is_as_earth_engine_wants_it(earth: Any, source: PixelSource) -> None:
    PixelFetcher(earth.endpoint(project="my-project", workload_tag="crops")).fetch(source, KEY.geobox)
    asked = earth.asked[0]
    assert asked.path == "/v1/projects/my-project/image:computePixels"
    assert asked.headers["X-Goog-User-Project"] == "my-project"
    assert asked.body["workloadTag"] == "crops"
    assert "Authorization" not in asked.headers


def test_plain_assets_go_the_other_road(earth: Any) -> None:
    source = plain_asset("USGS/SRTMGL1_003", [FetchBand("elevation", "int16")])
    pixels = PixelFetcher(earth.endpoint()).fetch(source, KEY.geobox)
    assert earth.asked[0].path == "/v1/projects/earthengine-public/assets/USGS/SRTMGL1_003:getPixels"
    assert earth.asked[0].body["bandIds"] == ["elevation"] and pixels.valid["elevation"].all()


def test_connections_are_pooled_and_concurrency_is_the_share(earth: Any, source: PixelSource, say: Any) -> None:
    earth.behave = lambda asked: say(latency=0.01)
    fetcher = PixelFetcher(earth.endpoint(max_requests=6))
    with ThreadPoolExecutor(20) as pool:
        list(pool.map(lambda key: fetcher.fetch(source, key.geobox), list(BLOCK.tiles()) * 6))
    assert earth.connections == earth.most_in_flight == 6
    counts = fetcher.stats.drain()
    assert counts.counters["requests"] == len(counts.latencies) == 96
    assert min(counts.latencies) >= 0.01


def test_before_body_is_called_between_status_and_body(earth: Any, source: PixelSource) -> None:
    seen: list[int] = []
    fetcher = PixelFetcher(earth.endpoint(deadline=0.3))

    def admit() -> None:
        seen.append(len(earth.asked))
        time.sleep(0.5)  # longer than the deadline: the wait is not the server's

    fetcher.fetch(source, KEY.geobox, admit)
    assert seen == [1]
    assert fetcher.stats.drain().latencies[0] < 0.4


def test_what_before_body_raises_ends_the_fetch(earth: Any, source: PixelSource) -> None:
    fetcher = PixelFetcher(earth.endpoint(max_requests=1))

    def admit() -> None:
        raise KeyError("consumer is gone")

    with pytest.raises(KeyError, match="consumer"):
        fetcher.fetch(source, KEY.geobox, admit)
    assert fetcher.fetch(source, KEY.geobox).values, "and its place and connection are free again"


@pytest.mark.parametrize("fault", ["reset", "truncate", "garbage"])
def test_broken_answers_are_asked_for_again(earth: Any, source: PixelSource, say: Any, fault: str) -> None:
    seen: list[int] = []
    earth.behave = lambda asked: say(fault=fault) if asked.number < 3 else None
    fetcher = PixelFetcher(earth.endpoint())
    pixels = fetcher.fetch(source, KEY.geobox, lambda: seen.append(1))
    assert pixels.values["B2"].any()
    assert fetcher.stats.drain().counters["retries_transient"] == 3
    assert len(seen) == (1 if fault == "reset" else 4)


@pytest.mark.parametrize("status", [408, 500, 502, 503, 504])
def test_5xx_is_asked_again_and_given_up(earth: Any, source: PixelSource, say: Any, status: int) -> None:
    earth.behave = lambda asked: say(status, "An internal error has occurred")
    with pytest.raises(TransientError, match="internal error") as caught:
        PixelFetcher(earth.endpoint()).fetch(source, KEY.geobox)
    assert caught.value.status == status and len(earth.asked) == retry.MAX_ATTEMPTS


def test_429_is_asked_again_and_slows_everybody_down(earth: Any, source: PixelSource, say: Any) -> None:
    earth.behave = lambda asked: say(429, "Too many concurrent aggregations.") if asked.number < 30 else None
    fetcher = PixelFetcher(earth.endpoint())
    assert fetcher.fetch(source, KEY.geobox).values
    assert len(earth.asked) == 31, "far more than attempts of the other kind"
    assert fetcher.limit <= 2
    assert fetcher.stats.drain().counters["retries_throttled"] == 30


def test_retry_after_stops_all_requests_for_that_long(earth: Any, source: PixelSource, say: Any) -> None:
    earth.behave = lambda asked: say(429, "slow down", {"Retry-After": "0.5"}) if asked.number == 0 else None
    fetcher = PixelFetcher(earth.endpoint(max_requests=4))
    first = threading.Thread(target=fetcher.fetch, args=(source, KEY.geobox))
    first.start()
    while fetcher.limit == 4:
        time.sleep(0.005)
    fetcher.fetch(source, KEY.geobox)
    first.join()
    times = [asked.time for asked in earth.asked]
    assert times[1] - times[0] >= 0.45


def test_concurrency_finds_what_the_server_bears(earth: Any, source: PixelSource, say: Any) -> None:
    bears = 5

    def behave(asked: Any) -> Any:
        too_many = earth.in_flight > bears
        return say(429, "Too many concurrent aggregations.") if too_many else say(latency=0.02)

    earth.behave = behave
    fetcher = PixelFetcher(earth.endpoint(max_requests=20))
    with ThreadPoolExecutor(20) as pool:
        list(pool.map(lambda key: fetcher.fetch(source, key.geobox), list(BLOCK.tiles()) * 12))
    throttled = fetcher.stats.drain().counters["retries_throttled"]
    assert throttled < 192 / 2, "most requests must not be thrown away"
    assert 2 <= fetcher.limit <= 2 * bears


def test_the_budget_of_requests_per_second_holds(earth: Any, source: PixelSource) -> None:
    fetcher = PixelFetcher(earth.endpoint(max_qps=50.0))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: fetcher.fetch(source, key.geobox), list(BLOCK.tiles()) * 2))
    times = sorted(asked.time for asked in earth.asked)
    assert 0.9 * 27 / 50 <= times[-1] - times[0] < 2.0, "all but a burst of 5 are paced"


@pytest.mark.parametrize("fault", ["hang", "drip"])
def test_a_server_that_never_finishes_meets_the_deadline(earth: Any, source: PixelSource, say: Any, fault: str) -> None:
    earth.behave = lambda asked: say(fault=fault) if asked.number == 0 else None
    fetcher = PixelFetcher(earth.endpoint(deadline=0.4))
    start = time.monotonic()
    assert fetcher.fetch(source, KEY.geobox).values
    assert 0.4 <= time.monotonic() - start < 2.0


def test_a_deadline_that_was_missed_doubles(
    earth: Any, source: PixelSource, say: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "LEAST_DEADLINE", 0.1)
    monkeypatch.setattr(retry, "UNKNOWN_DEADLINE", 0.1)
    earth.behave = lambda asked: say(latency=0.3)
    fetcher = PixelFetcher(earth.endpoint())
    assert fetcher.fetch(source, KEY.geobox).values
    assert len(earth.asked) == 3, "0.1 and 0.2 s are too short, 0.4 s are not"
    fetcher.fetch(source, KEY.geobox)
    assert len(earth.asked) == 4, "what is typical is learned"


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (400, "Image.select: Band pattern 'B99' did not match any bands.", PermanentError),
        (404, "Asset not found", PermanentError),
        (400, "User memory limit exceeded.", TooLargeError),
        (413, "Too large", TooLargeError),
    ],
)
def test_what_asking_again_cannot_cure_is_raised_at_once(
    earth: Any, source: PixelSource, say: Any, status: int, message: str, kind: type[Exception]
) -> None:
    earth.behave = lambda asked: say(status, message)
    with pytest.raises(kind, match=message[:20]):
        PixelFetcher(earth.endpoint()).fetch(source, KEY.geobox)
    assert len(earth.asked) == 1


@pytest.mark.parametrize("status", [401, 403])
def test_no_permission_is_found_out_once(earth: Any, source: PixelSource, say: Any, status: int) -> None:
    earth.behave = lambda asked: say(status, "Caller does not have permission", latency=0.05)
    fetcher = PixelFetcher(earth.endpoint(max_requests=4))
    with ThreadPoolExecutor(4) as pool:
        futures = [pool.submit(fetcher.fetch, source, key.geobox) for key in list(BLOCK.tiles()) * 5]
        errors = [future.exception() for future in futures]
    assert all(isinstance(error, AuthenticationError) for error in errors)
    assert len(earth.asked) <= 4, "only what was in flight was asked"
    assert len({id(error) for error in errors}) == len(errors)
    assert fetcher.stopped


def test_an_outage_waits_and_then_stops_the_run(
    earth: Any, source: PixelSource, say: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "OUTAGE_AFTER", 0.0)
    earth.behave = lambda asked: say(503, "The service is currently unavailable.")
    fetcher = PixelFetcher(earth.endpoint(total_time=0.6))
    with pytest.raises(OutageError, match=r"currently unavailable.*Start"):
        fetcher.fetch(source, KEY.geobox)
    assert len(earth.asked) > retry.MAX_ATTEMPTS
    before = len(earth.asked)
    with pytest.raises(OutageError):
        fetcher.fetch(source, KEY.geobox)
    assert len(earth.asked) == before


def test_nobody_listens(source: PixelSource, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TransientError, match="connection failed"):
        PixelFetcher(Endpoint(url="http://127.0.0.1:9")).fetch(source, KEY.geobox)


def test_a_poisoned_place_that_is_left_alone_is_no_outage(
    earth: Any, source: PixelSource, say: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetcher = PixelFetcher(earth.endpoint(total_time=30.0))
    fetcher.fetch(source, KEY.geobox)
    monkeypatch.setattr(retry, "OUTAGE_AFTER", 0.05)
    poisoned = KEY.shifted(64, 0)
    earth.behave = lambda asked: say(500, "boom", latency=0.02) if asked.holds(*_centre(poisoned)) else None
    with pytest.raises(TransientError, match="boom"):
        fetcher.fetch(source, poisoned.geobox)
    counters = fetcher.stats.drain().counters
    assert counters["probes"] == 1
    assert not fetcher.stopped


def test_no_project_is_said_before_asking(earth: Any, source: PixelSource) -> None:
    endpoint = Endpoint("https://earthengine.example.com", credentials="none")
    with pytest.raises(InputError, match="--ee_project"):
        PixelFetcher(endpoint).fetch(source, KEY.geobox)


def test_one_fetcher_for_a_process(earth: Any, source: PixelSource, say: Any) -> None:
    endpoint = earth.endpoint()
    with ThreadPoolExecutor(8) as pool:
        fetchers = list(pool.map(lambda _: shared_fetcher(pickle.loads(pickle.dumps(endpoint))), range(16)))
    assert len({id(fetcher) for fetcher in fetchers}) == 1
    assert pickle.loads(pickle.dumps(fetchers[0])) is fetchers[0]
    assert shared_fetcher(earth.endpoint(max_requests=2)) is not fetchers[0]


def test_a_stopped_fetcher_is_replaced_for_the_next_run(earth: Any, source: PixelSource, say: Any) -> None:
    earth.behave = lambda asked: say(403, "no")
    stopped = shared_fetcher(earth.endpoint())
    with pytest.raises(AuthenticationError):
        stopped.fetch(source, KEY.geobox)
    earth.behave = lambda asked: None
    assert shared_fetcher(earth.endpoint()).fetch(source, KEY.geobox).values


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_gets_a_fetcher_of_its_own(earth: Any, source: PixelSource) -> None:
    code = """
import os, sys, pickle
from rsbot_beam.earthengine import shared_fetcher
endpoint, source, geobox = pickle.loads(bytes.fromhex(sys.argv[1]))
mine = shared_fetcher(endpoint)
mine.fetch(source, geobox)
child = os.fork()
if child == 0:
    other = shared_fetcher(endpoint)
    os._exit(0 if other is not mine and other.fetch(source, geobox).values else 1)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    data = pickle.dumps((earth.endpoint(), source, KEY.geobox)).hex()
    done = subprocess.run([sys.executable, "-c", code, data], cwd=_root(), timeout=60, check=False)
    assert done.returncode == 0 and len(earth.asked) == 2


def test_workers_do_not_import_ee() -> None:
    heavy = ("ee", "tensorflow", "apache_beam", "requests", "googleapiclient")
    code = f"import sys, rsbot_beam.earthengine.fetcher; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=_root(), capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_threads_share_all_and_lose_nothing(
    earth: Any, source: PixelSource, say: Any, expected: Callable[..., Any]
) -> None:
    faults = {3: "reset", 5: "truncate", 7: "garbage"}

    def behave(asked: Any) -> Any:
        if asked.number % 11 == 0:
            return say(429, "Too Many Requests")
        return say(fault=faults[asked.number % 11]) if asked.number % 11 in faults else None

    earth.behave = behave
    fetcher = PixelFetcher(earth.endpoint())
    keys = list(TileBlock.of(KEY, 10, 10).tiles())
    with ThreadPoolExecutor(16) as pool:
        found = dict(zip(keys, pool.map(lambda key: fetcher.fetch(source, key.geobox), keys), strict=True))
    for key, pixels in found.items():
        np.testing.assert_array_equal(pixels.values["B8"], expected(3, "uint16", key.geobox)[0])
    counters = fetcher.stats.drain().counters
    assert counters["requests"] == len(earth.asked)
    retries = counters["retries_throttled"] + counters["retries_transient"]
    assert counters["requests"] == 100 + retries


def _centre(key: TileKey) -> tuple[float, float]:
    left, bottom, right, top = key.bounds
    return (left + right) / 2, (bottom + top) / 2


def _root() -> str:
    from pathlib import Path

    return str(Path(__file__).parents[2])
