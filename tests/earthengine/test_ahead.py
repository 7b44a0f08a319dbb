"""Fetching ahead: order, bounds, errors, and several consumers of one budget."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from rsbot_beam.earthengine.ahead import Admit, FetchAhead, ReceiveBudget, Request

# Seconds after which a test that hangs has failed.
PATIENCE = 20


class Meter:
    """Counts bytes that were received and not released, and requests at work."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.received = self.most_received = self.working = self.most_working = 0

    def add(self, nbytes: int) -> None:
        with self.lock:
            self.received += nbytes
            self.most_received = max(self.most_received, self.received)

    def request(self, nbytes: int, answer: Any = None, seconds: float = 0.001) -> Request:
        def fetch(admit: Admit) -> Any:
            with self.lock:
                self.working += 1
                self.most_working = max(self.most_working, self.working)
            admit()
            self.add(nbytes)
            time.sleep(seconds)
            with self.lock:
                self.working -= 1
            return answer

        return Request(nbytes, fetch)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    pool = ThreadPoolExecutor(4)
    yield pool
    pool.shutdown(wait=False, cancel_futures=True)


def within_patience(work: Callable[[], Any]) -> Any:
    """The result of `work`; fails where it does not come."""
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(work()), daemon=True)
    thread.start()
    thread.join(PATIENCE)
    assert results, "hangs, or has failed"
    return results[0]


def drain(ahead: FetchAhead, items: Sequence[Any], release: Callable[[Any], None] = lambda finished: None) -> list[Any]:
    """Submit items as a bundle does, and return the finished ones in the order in which they came."""
    done = []

    def take() -> None:
        finished = ahead.take()
        done.append((finished.item, list(finished.answers)))
        release(finished)
        ahead.release(finished)

    for item in items:
        ahead.submit(item)
        while ahead.has_finished() or ahead.is_full:
            take()
    while ahead.units:
        take()
    return done


def test_every_unit_comes_back_once_with_its_answers_in_order(pool: ThreadPoolExecutor) -> None:
    meter = Meter()
    ahead: FetchAhead[int] = FetchAhead(
        pool, ReceiveBudget(1000), lambda n: [meter.request(1, (n, part)) for part in range(n % 4)], 6
    )
    done = within_patience(lambda: drain(ahead, range(50)))
    assert sorted(done) == [(n, [(n, part) for part in range(n % 4)]) for n in range(50)]


def test_units_come_in_the_order_of_completion(pool: ThreadPoolExecutor) -> None:
    slow = threading.Event()

    def fetch(item: str) -> Any:
        if item == "slow":
            slow.wait(PATIENCE)
        return item

    ahead: FetchAhead[str] = FetchAhead(
        pool, ReceiveBudget(10), lambda item: [Request(1, lambda admit: fetch(item))], 10
    )
    ahead.submit("slow")
    ahead.submit("quick")
    assert within_patience(ahead.take).item == "quick"
    assert not ahead.has_finished()
    slow.set()
    assert within_patience(ahead.take).item == "slow"
    assert ahead.units == 0


def test_received_bytes_are_bounded(pool: ThreadPoolExecutor) -> None:
    meter, limit, nbytes = Meter(), 100, 30
    ahead: FetchAhead[int] = FetchAhead(pool, ReceiveBudget(limit), lambda n: [meter.request(nbytes)], 8)

    def release(finished: Any) -> None:
        time.sleep(0.003)
        meter.add(-nbytes)

    within_patience(lambda: drain(ahead, range(60), release))
    # The oldest unit that waits is let in above the limit.
    assert nbytes < meter.most_received <= limit + nbytes
    assert meter.received == 0


def test_a_consumer_that_stops_taking_stops_the_fetching(pool: ThreadPoolExecutor) -> None:
    meter = Meter()
    ahead: FetchAhead[int] = FetchAhead(pool, ReceiveBudget(100), lambda n: [meter.request(30)], 100)
    for n in range(30):
        ahead.submit(n)
    time.sleep(0.3)
    assert meter.most_received <= 130
    assert len(within_patience(lambda: drain(ahead, []))) == 30


@pytest.mark.parametrize("parts", [3, 10])
def test_units_larger_than_the_budget_do_not_starve(pool: ThreadPoolExecutor, parts: int) -> None:
    meter = Meter()
    ahead: FetchAhead[int] = FetchAhead(
        pool, ReceiveBudget(20), lambda n: [meter.request(9, part) for part in range(parts)], 12
    )
    done = within_patience(lambda: drain(ahead, range(12), lambda finished: meter.add(-9 * parts)))
    assert {tuple(answers) for _, answers in done} == {tuple(range(parts))}
    assert meter.most_received <= 20 + 9 * parts


def test_a_unit_whose_plan_is_slow_is_not_locked_out(pool: ThreadPoolExecutor) -> None:
    """Requests of units that were planned meanwhile fill the budget and all threads; the oldest must still get through."""
    meter, others_are_planned = Meter(), threading.Semaphore(0)

    def plan(n: int) -> list[Request]:
        if n == 0:
            for _ in range(4):
                others_are_planned.acquire(timeout=PATIENCE)
            time.sleep(0.2)
        others_are_planned.release()
        return [meter.request(4, seconds=0.01) for _ in range(3)]

    ahead: FetchAhead[int] = FetchAhead(pool, ReceiveBudget(10), plan, 100)
    done = within_patience(lambda: drain(ahead, range(8), lambda finished: meter.add(-12)))
    assert sorted(item for item, _ in done) == list(range(8))


def test_queued_requests_are_bounded(pool: ThreadPoolExecutor) -> None:
    meter = Meter()
    ahead: FetchAhead[int] = FetchAhead(pool, ReceiveBudget(10**9), lambda n: [meter.request(1)], 3)
    submitted = 0
    while not ahead.is_full:
        ahead.submit(submitted)
        submitted += 1
        assert submitted < 1000
    assert submitted >= 3
    within_patience(lambda: drain(ahead, []))
    assert not ahead.is_full


def test_a_retried_request_is_admitted_once(pool: ThreadPoolExecutor) -> None:
    def fetch(admit: Admit) -> str:
        for _ in range(5):
            admit()
        return "done"

    ahead: FetchAhead[int] = FetchAhead(pool, ReceiveBudget(10), lambda n: [Request(4, fetch)] * 2, 4)
    assert len(within_patience(lambda: drain(ahead, range(20)))) == 20


def failing(error: Exception) -> Request:
    def fetch(admit: Admit) -> Any:
        admit()
        raise error

    return Request(5, fetch)


@pytest.mark.parametrize("where", ["request", "plan"])
def test_errors_reach_the_consumer(pool: ThreadPoolExecutor, where: str) -> None:
    def plan(n: int) -> list[Request]:
        if n == 3 and where == "plan":
            raise KeyError("plan")
        return [failing(KeyError("request")) if n == 3 and where == "request" else Meter().request(1)]

    ahead: FetchAhead[int] = FetchAhead(pool, ReceiveBudget(10), plan, 2)
    caught = within_patience(lambda: error_of(lambda: drain(ahead, range(10))))
    assert isinstance(caught, KeyError)
    assert caught.args == (where,)


def error_of(work: Callable[[], Any]) -> Exception | None:
    try:
        work()
    except Exception as error:
        return error
    return None


def test_after_an_error_nothing_more_is_asked_for(pool: ThreadPoolExecutor) -> None:
    asked = []

    def request(n: int) -> Request:
        def fetch(admit: Admit) -> None:
            asked.append(n)
            raise ValueError(n)

        return Request(1, fetch)

    ahead: FetchAhead[int] = FetchAhead(ThreadPoolExecutor(1), ReceiveBudget(10), lambda n: [request(n)], 100)
    for n in range(20):
        ahead.submit(n)
    assert isinstance(within_patience(lambda: error_of(ahead.take)), ValueError)
    time.sleep(0.1)
    assert asked == [0]


def test_a_failed_consumer_gives_its_budget_back(pool: ThreadPoolExecutor) -> None:
    """A bundle that fails is tried again in the same process, with the same budget: nothing may stay taken."""
    budget, is_admitted, may_fail, may_go_on = ReceiveBudget(100), *(threading.Event() for _ in range(3))

    def late(admit: Admit) -> None:
        is_admitted.set()
        may_go_on.wait(PATIENCE)
        admit()

    def bad(admit: Admit) -> None:
        may_fail.wait(PATIENCE)
        raise ValueError("bad")

    plans = {0: [Request(40, lambda admit: admit())], 1: [Request(60, bad), Request(60, late)]}
    failed: FetchAhead[int] = FetchAhead(pool, budget, plans.__getitem__, 100)
    failed.submit(0)
    failed.submit(1)
    assert is_admitted.wait(PATIENCE)
    may_fail.set()
    # Unit 0 is finished and never released, unit 1 fails, and its other request goes on after that.
    caught = within_patience(lambda: error_of(lambda: [failed.take(), failed.take()]))
    assert isinstance(caught, ValueError)
    may_go_on.set()
    meter = Meter()
    after: FetchAhead[int] = FetchAhead(pool, budget, lambda n: [meter.request(25, seconds=0.1)], 100)
    for n in range(4):
        after.submit(n)
    within_patience(lambda: [after.take() for _ in range(4)])
    assert meter.most_received == 100
    assert meter.most_working >= 3


def test_a_closed_consumer_gives_its_budget_back(pool: ThreadPoolExecutor) -> None:
    budget, meter = ReceiveBudget(10), Meter()
    given_up: FetchAhead[int] = FetchAhead(pool, budget, lambda n: [meter.request(10)], 100)
    for n in range(3):
        given_up.submit(n)
    within_patience(given_up.take)
    given_up.close()
    after: FetchAhead[int] = FetchAhead(pool, budget, lambda n: [meter.request(5)] * 2, 100)
    assert len(within_patience(lambda: drain(after, range(5)))) == 5


@pytest.mark.parametrize("parts", [1, 3])
def test_several_consumers_share_one_budget(parts: int) -> None:
    meter, budget, pool = Meter(), ReceiveBudget(100), ThreadPoolExecutor(8)
    results: dict[int, list[Any]] = {}

    def consume(number: int) -> None:
        ahead: FetchAhead[int] = FetchAhead(pool, budget, lambda n: [meter.request(20, n) for _ in range(parts)], 12)
        results[number] = drain(ahead, range(40), lambda finished: meter.add(-20 * parts))

    threads = [threading.Thread(target=consume, args=(n,), daemon=True) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    pool.shutdown(wait=False, cancel_futures=True)
    assert {number: len(done) for number, done in results.items()} == {0: 40, 1: 40, 2: 40}
    assert meter.most_received <= 100 + 20 * parts
    assert meter.received == 0


def test_after_a_failure_no_unit_without_its_answers_is_handed_out(pool: ThreadPoolExecutor) -> None:
    """The error comes before the units that were given up because of it."""

    class SlowToRelease(ReceiveBudget):
        def release(self, number: int) -> None:
            time.sleep(0.02)
            super().release(number)

    def failing(admit: Admit) -> None:
        raise ValueError("refused")

    ahead: FetchAhead[int] = FetchAhead(
        pool, SlowToRelease(10_000), lambda n: [Request(1, failing if n == 3 else lambda admit: n)], 100
    )
    for n in range(40):
        ahead.submit(n)
    answers: list[Any] = []

    def take_all() -> None:
        while True:
            answers.extend(ahead.take().answers)

    assert isinstance(within_patience(lambda: error_of(take_all)), ValueError)
    assert None not in answers
