"""Writing in other threads: how much is under way, and what becomes of errors."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from functools import partial

import pytest

from rsbot_beam.transforms import write_behind
from rsbot_beam.transforms.write_behind import WriteBehind

SECONDS = 30


class Disk:
    """Writes that wait until they are let through."""

    def __init__(self) -> None:
        self.begun: set[str] = set()
        self.open = threading.Event()
        self.changed = threading.Condition()

    def write(self, name: str) -> str:
        with self.changed:
            self.begun.add(name)
            self.changed.notify_all()
        assert self.open.wait(SECONDS)
        return f"{name} written by {threading.current_thread().name}"

    def wait_for(self, *names: str) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: self.begun >= set(names), SECONDS), self.begun


@pytest.fixture
def disk() -> Iterator[Disk]:
    found = Disk()
    yield found
    found.open.set()


def in_thread(call: Callable[[], Future[str]]) -> tuple[threading.Thread, list[Future[str]]]:
    found: list[Future[str]] = []
    thread = threading.Thread(target=lambda: found.append(call()), name="caller")
    thread.start()
    return thread, found


def test_the_caller_goes_on_while_two_files_are_written(disk: Disk) -> None:
    writers = WriteBehind(100)
    futures = [writers.submit(40, partial(disk.write, name)) for name in "ab"]
    disk.wait_for("a", "b")
    assert not any(future.done() for future in futures)
    disk.open.set()
    said = [future.result(SECONDS) for future in futures]
    assert [text.split(" written by ")[0] for text in said] == ["a", "b"]
    assert all("rsbot-write" in text for text in said)


def test_what_is_above_the_bound_waits_until_something_is_written(disk: Disk) -> None:
    writers = WriteBehind(100)
    writers.submit(60, partial(disk.write, "a"))
    thread, found = in_thread(lambda: writers.submit(60, partial(disk.write, "b")))
    disk.wait_for("a")
    thread.join(0.2)
    assert thread.is_alive()
    assert disk.begun == {"a"}
    disk.open.set()
    thread.join(SECONDS)
    assert found[0].result(SECONDS).startswith("b")


def test_what_fills_the_bound_exactly_need_not_wait(disk: Disk) -> None:
    writers = WriteBehind(100)
    futures = [writers.submit(nbytes, partial(disk.write, str(nbytes))) for nbytes in (70, 30, 0)]
    assert not any(future.done() for future in futures)


def test_what_is_larger_than_the_bound_is_written_by_the_caller(disk: Disk) -> None:
    thread, found = in_thread(lambda: WriteBehind(100).submit(101, partial(disk.write, "a")))
    disk.wait_for("a")
    assert not found
    disk.open.set()
    thread.join(SECONDS)
    assert found[0].done()
    assert found[0].result() == "a written by caller"


@pytest.mark.parametrize("nbytes", [100, 101])
def test_an_error_is_the_future_s_and_its_bytes_are_given_back(nbytes: int) -> None:
    def fail() -> str:
        raise OSError(28, "No space left on device")

    writers = WriteBehind(100)
    for _ in range(3):
        with pytest.raises(OSError, match="No space left"):
            writers.submit(nbytes, fail).result(SECONDS)
    assert writers.submit(100, lambda: "written").result(SECONDS) == "written"


def test_a_disk_that_hangs_is_told_of(
    disk: Disk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(write_behind, "PATIENCE", 0.05)
    writers = WriteBehind(100)
    future = writers.submit(60, partial(disk.write, "a"))
    told = threading.Event()
    monkeypatch.setattr(write_behind.LOGGER, "warning", lambda *words: (told.set(), disk.open.set()))
    assert write_behind.result_of(future).startswith("a")
    assert told.is_set(), "the one who waits for the result says so"
    disk.open.clear()
    told.clear()
    writers.submit(60, partial(disk.write, "b"))
    assert writers.submit(60, partial(disk.write, "c")).result(SECONDS).startswith("c")
    assert told.is_set(), "the one who waits for room says so"


def test_bundles_of_a_process_share_one_bound() -> None:
    assert WriteBehind.shared(7) is WriteBehind.shared(7)
    assert WriteBehind.shared(7) is not WriteBehind.shared(8)
