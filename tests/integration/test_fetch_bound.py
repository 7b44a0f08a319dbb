"""What a process may have fetched and not stored, which is what a kill costs."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rsbot_beam.earthengine.stats import Stats
from rsbot_beam.transforms.fetch import RECEIVE_BYTES

pytestmark = [pytest.mark.integration, pytest.mark.slow]

# What the README promises, in bytes.
MOST = 64_000_000
QUIET = 6.0  # seconds without an answer, after which no more are expected


class DeadDisk:
    """A disk that takes no file until it is given up, and how much was received in the meantime."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.given_up, self.lock = threading.Event(), threading.Lock()
        self.received, self.last = 0, time.monotonic()
        real = Stats.answered

        def answered(stats: Stats, seconds: float, nbytes: int) -> None:
            real(stats, seconds, nbytes)
            with self.lock:
                self.received, self.last = self.received + nbytes, time.monotonic()

        patch.setattr(Stats, "answered", answered)
        patch.setattr(os, "fsync", self.flush)

    def flush(self, descriptor: int) -> None:
        del descriptor
        if threading.current_thread().name.startswith("rsbot-write"):
            self.given_up.wait()
            raise OSError(28, "No space left on device")

    def wait_until_nothing_comes(self) -> None:
        deadline = time.monotonic() + 120
        while self.received == 0 or time.monotonic() < self.last + QUIET:
            assert time.monotonic() < deadline, "the fetch does not stop"
            time.sleep(0.05)


def test_a_disk_that_hangs_stops_the_fetch_below_64_mb(
    tmp_path: Path, fetch: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    disk, outcomes = DeadDisk(monkeypatch), []
    region = "10.0,50.0,10.4,50.28"  # 95 MB
    run = threading.Thread(
        target=lambda: outcomes.append(fetch(tmp_path / "out", region=region, patch_size=256, block_mib=None))
    )
    run.start()
    try:
        disk.wait_until_nothing_comes()
        received = disk.received
    finally:
        disk.given_up.set()
        run.join(120)
    assert RECEIVE_BYTES < received < MOST, "the writers hold something as well"
    assert "No space left on device" in outcomes[0].error
    assert not list((tmp_path / "out" / "raw").glob("*")), "what is not flushed is not kept"
