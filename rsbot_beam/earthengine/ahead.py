"""Fetching ahead: many requests in flight for a consumer that takes one finished unit of work at a time.

A unit of work (the tiles of a shard, a block to predict) takes one or more requests. Units are finished in whatever
order the answers come. What was received but not yet released by the consumer is bounded in bytes, which bounds the
memory of the process and what a killed one has fetched in vain.
"""

from __future__ import annotations

import itertools
import queue
import threading
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Generic, TypeVar

T = TypeVar("T")
# Called by a request after the answer's status line and before its body is read; may block.
Admit = Callable[[], None]


@dataclass(frozen=True)
class Request:
    """One request of a unit of work.

    Attributes:
        nbytes: Bytes of the answer's body.
        fetch: Fetches it; calls its argument before the body is read.
    """

    nbytes: int
    fetch: Callable[[Admit], Any]


class ReceiveBudget:
    """Bounds the bytes that were received and not yet released, for all units of a process.

    Where no finished unit is there to be released, the oldest one that waits for answers is let in above the limit: so
    units of several requests cannot starve one another, and the bound can be exceeded by the bytes of one unit. Units
    are numbered in the order in which their requests are queued: the oldest one never stands in the queue behind
    requests that wait for it.

    Args:
        limit: Bytes.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held: dict[int, int] = {}
        self._waiting: set[int] = set()
        self._changed = threading.Condition()
        self._numbers = itertools.count()

    def open(self, enqueue: Callable[[int], None]) -> None:
        """Number a unit, and queue its requests before those of any later one: `enqueue` is called with the number."""
        with self._changed:
            number = next(self._numbers)
            self._held[number] = 0
            self._waiting.add(number)
            enqueue(number)

    def admit(self, number: int, nbytes: int) -> None:
        """Block until `nbytes` more may be received for the unit; what comes for a released one is not counted."""
        with self._changed:
            self._changed.wait_for(lambda: self._may_receive(number, nbytes))
            if number in self._held:
                self._held[number] += nbytes

    def _may_receive(self, number: int, nbytes: int) -> bool:
        if number not in self._held or sum(self._held.values()) + nbytes <= self._limit:
            return True
        is_oldest = number == min(self._waiting, default=number)
        return is_oldest and all(other in self._waiting for other, held in self._held.items() if held)

    def complete(self, number: int) -> None:
        """All answers of the unit are here; it still holds their bytes."""
        with self._changed:
            self._waiting.discard(number)
            self._changed.notify_all()

    def release(self, number: int) -> None:
        """The unit's pixels are written or dropped."""
        with self._changed:
            self._held.pop(number, None)
            self._waiting.discard(number)
            self._changed.notify_all()


@dataclass
class Finished(Generic[T]):
    """A unit of work with its answers.

    Attributes:
        item: What was submitted.
        answers: In the order of the unit's requests.
        number: For `FetchAhead.release`.
    """

    item: T
    answers: list[Any]
    number: int


@dataclass
class _Unit(Generic[T]):
    item: T
    number: int = -1
    answers: list[Any] = field(default_factory=list)
    missing: int = 0


class FetchAhead(Generic[T]):
    """Submits units of work to a thread pool and hands back finished ones. Used by one thread.

    Args:
        pool: Threads for the requests, as many as may be in flight; may be shared.
        budget: Bytes received and not released; may be shared.
        plan: Lists the requests of a unit; runs in the pool, may read files. No requests is fine.
        in_flight: Requests that may be queued or running before `is_full` holds.
    """

    def __init__(
        self, pool: ThreadPoolExecutor, budget: ReceiveBudget, plan: Callable[[T], Sequence[Request]], in_flight: int
    ) -> None:
        self._pool, self._budget, self._plan, self._in_flight = pool, budget, plan, in_flight
        self._finished: queue.SimpleQueue[_Unit[T] | BaseException] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._requests = 0
        self._open: set[int] = set()
        self._stopped = False
        self.units = 0

    @property
    def is_full(self) -> bool:
        """Whether enough requests wait to keep the pool busy."""
        with self._lock:
            return self._requests >= self._in_flight

    def submit(self, item: T) -> None:
        """Start a unit of work."""
        self.units += 1
        with self._lock:
            self._requests += 1  # the plan counts as a request until it is known how many there are
        self._pool.submit(self._start, _Unit(item))

    def take(self) -> Finished[T]:
        """Wait for the next finished unit; raises what its requests raised."""
        unit = self._finished.get()
        if isinstance(unit, BaseException):
            raise unit
        self.units -= 1
        return Finished(unit.item, unit.answers, unit.number)

    def has_finished(self) -> bool:
        """Whether `take` would return at once."""
        return not self._finished.empty()

    def release(self, finished: Finished[T]) -> None:
        """Say that the unit's pixels are written or dropped."""
        self._release(finished.number)

    def close(self) -> None:
        """Give up: nothing more is asked for, what was received is dropped, and the budget is free for others."""
        with self._lock:
            self._stopped = True
            numbers = tuple(self._open)
        for number in numbers:
            self._release(number)

    def _release(self, number: int) -> None:
        with self._lock:
            self._open.discard(number)
        self._budget.release(number)

    def _start(self, unit: _Unit[T]) -> None:
        try:
            requests = [] if self._stopped else list(self._plan(unit.item))
            self._budget.open(partial(self._enqueue, unit, requests))
        except BaseException as error:
            self._fail(error)
            return
        if not requests:
            self._finish(unit)

    def _enqueue(self, unit: _Unit[T], requests: list[Request], number: int) -> None:
        unit.number, unit.answers, unit.missing = number, [None] * len(requests), len(requests)
        with self._lock:
            self._requests += len(requests) - 1
            self._open.add(number)
        for index, request in enumerate(requests):
            self._pool.submit(self._run, unit, index, request)

    def _run(self, unit: _Unit[T], index: int, request: Request) -> None:
        admitted: list[Hashable] = []

        def admit() -> None:
            if not admitted:  # a retry has been let in before
                admitted.append(True)
                self._budget.admit(unit.number, request.nbytes)

        try:
            if not self._stopped:
                unit.answers[index] = request.fetch(admit)
        except BaseException as error:
            self._fail(error)
            return
        with self._lock:
            self._requests -= 1
            unit.missing -= 1
            complete = unit.missing == 0
        if complete:
            self._finish(unit)

    def _finish(self, unit: _Unit[T]) -> None:
        self._budget.complete(unit.number)
        if self._stopped:
            self._release(unit.number)
        self._finished.put(unit)

    def _fail(self, error: BaseException) -> None:
        # The error goes first: units that are given up lack answers, and must not be taken before it.
        self._finished.put(error)
        self.close()
