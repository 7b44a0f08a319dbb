"""Rates, times, worker-hours and costs."""

from __future__ import annotations

import heapq
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsbot_beam.runs.estimate import Machines, Pace, cost, duration, shared_in_flight


def simulated(requests: int, latency: float, in_flight: int, qps: float) -> float:
    """Seconds until the last answer, one request started after the other, as soon as both limits allow."""
    places = [0.0] * in_flight
    start = end = 0.0
    for number in range(requests):
        free = heapq.heappop(places)
        start = max(free, start + 1 / qps if number else 0.0)
        end = max(end, start + latency)
        heapq.heappush(places, start + latency)
    return end


@given(st.integers(1, 400), st.floats(0.01, 5), st.integers(1, 40), st.floats(0.5, 200))
def test_the_time_of_requests_is_that_of_making_them(requests: int, latency: float, in_flight: int, qps: float) -> None:
    found = duration(requests, 0, Pace(latency, in_flight, qps)).seconds
    truth = simulated(requests, latency, in_flight, qps)
    # The first wave also starts one after the other.
    assert found <= truth + 1e-6
    assert truth <= found + min(requests, in_flight) / qps + 1e-6


def test_jitter_does_not_change_the_mean() -> None:
    rng = random.Random(3)
    places, end = [0.0] * 20, 0.0
    for _ in range(4000):
        done = heapq.heappop(places) + rng.uniform(0.1, 0.9)
        heapq.heappush(places, done)
        end = max(end, done)
    assert duration(4000, 0, Pace(0.5, 20, 1e6)).seconds == pytest.approx(end, rel=0.02)


@pytest.mark.parametrize(
    ("pace", "seconds", "limit"),
    [
        (Pace(0.5, 40, 100), 12.5, "latency"),  # 80 a second
        (Pace(0.2, 40, 100), 10.19, "qps"),  # 200 a second were possible
        (Pace(0.5, 40, 100, request_cpu=0.05), 50.0, "computing"),
        (Pace(0.5, 40, 100, request_cpu=0.05, processes=5), 12.5, "latency"),
        (Pace(0.5, 40, 100, tile_seconds=0.1), 400.0, "computing"),
        (Pace(0.5, 40, 100, tile_seconds=0.1, processes=4), 100.0, "computing"),
    ],
)
def test_what_limits_a_run(pace: Pace, seconds: float, limit: str) -> None:
    found = duration(1000, 4000, pace)
    assert (found.seconds, found.limit) == (pytest.approx(seconds), limit)


def test_a_last_wave_takes_as_long_as_a_full_one() -> None:
    assert duration(41, 0, Pace(2.0, 40, 1e9)).seconds == pytest.approx(4.0)
    assert duration(40, 0, Pace(2.0, 40, 1e9)).seconds == pytest.approx(2.0)


def test_nothing_takes_no_time() -> None:
    assert duration(0, 0, Pace(1.0, 40, 100)).seconds == 0


def test_the_rate_follows_little_s_law() -> None:
    assert Pace(0.5, 40, 100).rate == 80
    assert Pace(0.1, 40, 100).rate == 100
    assert Pace(0.0, 40, 100).rate == 100


@pytest.mark.parametrize(("most", "processes", "shared"), [(40, 1, 40), (40, 3, 39), (40, 16, 32), (5, 5, 5)])
def test_processes_share_whole_requests(most: int, processes: int, shared: int) -> None:
    assert shared_in_flight(most, processes) == shared


def test_worker_hours_are_those_of_all_machines() -> None:
    machines = Machines("n1-standard-2", 5, 2)
    assert machines.all_processes == 10
    assert machines.hours(1800) == 2.5


def test_what_the_user_says_of_costs_goes_first() -> None:
    assert cost(3600, None, None) is None
    told, given_ = cost(3600, 0.5, None), cost(3600, 0.5, 2.0)
    assert told is not None
    assert (told.hours, told.source) == (0.5, "endpoint")
    assert given_ is not None
    assert (given_.hours, given_.source) == (2.0, "given")
