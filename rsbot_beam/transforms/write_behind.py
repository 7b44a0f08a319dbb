"""Writing files in other threads, so that a pipeline does not stand still while a disk or a bucket takes its time."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import ClassVar, TypeVar

LOGGER = logging.getLogger(__name__)
T = TypeVar("T")
# Two files keep a disk busy; the encoding of one goes on while the other is flushed.
_THREADS = 2
# Seconds of waiting for one file, after which it is said: a disk or a bucket that hangs shows by nothing else.
PATIENCE = 30.0


class WriteBehind:
    """Some threads that write, with a bound on the bytes that are handed over and not yet written.

    Args:
        limit: Bytes.
    """

    _lock = threading.Lock()
    _by_limit: ClassVar[dict[int, WriteBehind]] = {}

    def __init__(self, limit: int) -> None:
        self._limit, self._held = limit, 0
        self._changed = threading.Condition()
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="rsbot-write")

    @classmethod
    def shared(cls, limit: int) -> WriteBehind:
        """The one of this process: all its bundles are under the same bound."""
        with cls._lock:
            if limit not in cls._by_limit:
                cls._by_limit[limit] = cls(limit)
            return cls._by_limit[limit]

    def submit(self, nbytes: int, write: Callable[[], T]) -> Future[T]:
        """Write as soon as the bound allows; blocks until then.

        What alone is larger than the bound is written by the caller's own thread, before this returns.

        Args:
            nbytes: What the caller gives up, in bytes.
            write: Called once. What it returns or raises is the future's.
        """
        if nbytes > self._limit:
            return _written_now(write)
        with self._changed:
            while not self._changed.wait_for(lambda: self._held + nbytes <= self._limit, PATIENCE):
                _say_that_it_takes_long()
            self._held += nbytes
        future = self._pool.submit(write)
        future.add_done_callback(lambda _: self._release(nbytes))
        return future

    def _release(self, nbytes: int) -> None:
        with self._changed:
            self._held -= nbytes
            self._changed.notify_all()


def result_of(future: Future[T]) -> T:
    """What a write returned, or raises what it raised; waits for it."""
    while not wait([future], PATIENCE).done:
        _say_that_it_takes_long()
    return future.result()


def _say_that_it_takes_long() -> None:
    LOGGER.warning("waiting for %g s to store: the output's disk or bucket is slow, or does not answer", PATIENCE)


def _written_now(write: Callable[[], T]) -> Future[T]:
    future: Future[T] = Future()
    try:
        future.set_result(write())
    except BaseException as error:
        future.set_exception(error)
    return future
