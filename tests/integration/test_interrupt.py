"""Ctrl-C once: the run ends soon, in one sentence, and the same command continues it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rsbot_beam.data.receipts import ReceiptStore
from rsbot_beam.runs.launch import _interruptible

pytestmark = [pytest.mark.integration, pytest.mark.slow]
# Seconds that a run may take to end: requests in flight are not waited for.
SOON = 30


def interrupt(child: Any, begun: Callable[[], object]) -> Any:
    """Send Ctrl-C to the process and all of its children, as a terminal does, once the run has begun to store."""
    deadline = time.monotonic() + 120
    while not begun():
        assert time.monotonic() < deadline, "it did not begin in time"
        assert child.process.poll() is None, child.log.read_text()
        time.sleep(0.02)
    os.killpg(child.process.pid, signal.SIGINT)
    return child.wait(SOON)


@pytest.mark.parametrize("mode", ["in_memory", "multi_threading"])
def test_an_export(
    mode: str, earth: Any, start: Callable[..., Any], fetch: Callable[..., Any], headers: Callable, tmp_path: Path
) -> None:
    output, flags = (
        tmp_path / "out",
        {"direct_running_mode": mode, "direct_num_workers": 1 if mode == "in_memory" else 2},
    )
    earth.faults(latency="0.5")
    done = interrupt(start(output, steps="fetch", max_requests=4, cold=True, **flags), lambda: bool(headers(output)))
    assert done.code == 130, done.text
    assert done.text.rstrip().endswith("rsbot: stopped; the same command continues where it was")
    assert "Traceback" not in done.text
    stored = headers(output)
    earth.settle()
    again = fetch(output)
    assert again.code == 0, again.text
    assert len(headers(output)) > len(stored)


def test_a_map(earth: Any, start_predict: Callable[..., Any], tmp_path: Path) -> None:
    output = tmp_path / "out"
    earth.faults(latency="0.5")
    done = interrupt(start_predict(output, max_requests=2, block_side=1), ReceiptStore(str(output)).files)
    assert done.code == 130, done.text
    assert done.text.rstrip().endswith("rsbot: stopped; the same command continues where it was")
    assert "Traceback" not in done.text


@pytest.mark.parametrize(
    "text",
    [
        "KeyboardInterrupt [while running 'Fetch/FetchShards']",
        "Traceback (most recent call last):\n  File ...\nKeyboardInterrupt\n\nDuring handling of the above exception ...",
    ],
)
def test_an_interrupt_in_the_words_of_a_worker(text: str) -> None:
    with pytest.raises(KeyboardInterrupt), _interruptible():
        raise RuntimeError(text)


def test_another_error_stays_what_it_is() -> None:
    with pytest.raises(RuntimeError, match="no KeyboardInterrupt"), _interruptible():
        raise RuntimeError("no KeyboardInterrupt at all")
