"""Concurrency and rate of one process."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from rsbot_beam.earthengine.quota import BURST, DECREASE, Quota
from rsbot_beam.errors import AuthenticationError


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_never_more_in_flight_than_the_share() -> None:
    quota, seen, lock = Quota(5, 1e6), [], threading.Lock()

    def work(_: int) -> None:
        with quota.place():
            with lock:
                seen.append(quota.in_flight)
            time.sleep(0.002)

    with ThreadPoolExecutor(30) as pool:
        list(pool.map(work, range(150)))
    assert max(seen) == 5
    assert quota.in_flight == 0


def test_the_rate_holds_and_bursts_stay_small() -> None:
    quota, started, lock = Quota(40, 200.0), [], threading.Lock()

    def work(_: int) -> None:
        with quota.place() as at, lock:
            started.append(at)

    with ThreadPoolExecutor(40) as pool:
        list(pool.map(work, range(120)))
    started.sort()
    for i in range(len(started)):
        within = sum(1 for at in started if started[i] <= at < started[i] + 0.2)
        assert within <= 200 * 0.2 + 200 * BURST + 1
    assert started[-1] - started[0] < 1.5 * (120 / 200), "and the budget is used"


def test_an_exception_gives_the_place_back() -> None:
    quota = Quota(1, 1e6)
    with pytest.raises(KeyError), quota.place():
        raise KeyError
    with quota.place():
        assert quota.in_flight == 1


def test_a_429_decreases_once_per_round_trip() -> None:
    clock = Clock()
    quota = Quota(40, 100.0, clock=clock)
    clock.now = 101.0
    for _ in range(40):
        quota.throttled(started=100.5)
    assert quota.limit == pytest.approx(40 * DECREASE)
    clock.now = 102.0
    quota.throttled(started=101.5)
    assert quota.limit == pytest.approx(40 * DECREASE**2)


def test_the_limit_stays_between_one_and_the_share() -> None:
    clock = Clock()
    quota = Quota(8, 100.0, clock=clock)
    for _ in range(50):
        clock.now += 1
        quota.throttled(started=clock.now)
    assert quota.limit == 1.0
    for _ in range(200):
        quota.succeeded()
    assert quota.limit == 8.0


def test_a_window_of_successes_adds_one() -> None:
    clock = Clock()
    quota = Quota(40, 100.0, clock=clock)
    for _ in range(4):
        clock.now += 1
        quota.throttled(started=clock.now)
    before = quota.limit
    for _ in range(int(before) + 1):
        quota.succeeded()
    assert before + 0.9 < quota.limit < before + 1.2


def test_retry_after_pauses_everybody() -> None:
    quota = Quota(4, 1e6)
    quota.throttled(time.monotonic(), retry_after=0.3)
    start = time.monotonic()
    with ThreadPoolExecutor(4) as pool:
        waited = list(pool.map(lambda _: _start(quota) - start, range(4)))
    assert min(waited) >= 0.29


def test_a_stopped_run_frees_who_waits() -> None:
    stop = threading.Event()

    def check() -> None:
        if stop.is_set():
            raise AuthenticationError("stopped")

    quota = Quota(1, 1e6, check)
    held = quota.place()
    held.__enter__()
    with ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(_start, quota) for _ in range(4)]
        time.sleep(0.05)
        stop.set()
        for future in waiting:
            with pytest.raises(AuthenticationError):
                future.result(timeout=5)


def _start(quota: Quota) -> float:
    with quota.place() as started:
        return started
