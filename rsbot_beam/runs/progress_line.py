"""A live line on a terminal, plain log lines elsewhere."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from tqdm import tqdm

from rsbot_beam.transforms.progress import PROGRESS

LOGGER = logging.getLogger("rsbot_beam")
# Seconds between two looks at the counts, on a terminal and in a log.
_LIVE, _LOGGED = 0.25, 15.0
# Counts that are told beside the main one, when they are not 0.
_BESIDE = ("retries", "empty", "dead")


@contextmanager
def progress_line(step: str, total: int | None, unit: str) -> Iterator[None]:
    """Show how far a step is while the block runs.

    Args:
        step: Name of the step.
        total: How many there are, or None if that is not known.
        unit: What is counted: the name of a count of `PROGRESS`.
    """
    PROGRESS.reset()
    stop = threading.Event()
    bar = tqdm(total=total, desc=step, unit=f" {unit}", file=sys.stderr, disable=not sys.stderr.isatty(), smoothing=0.1)
    thread = threading.Thread(target=_watch, args=(bar, step, total, unit, stop), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        _show(bar, PROGRESS.snapshot(), unit)
        bar.close()
        LOGGER.info("%s: %s", step, _text(PROGRESS.snapshot(), total, unit, None))


def _watch(bar: tqdm, step: str, total: int | None, unit: str, stop: threading.Event) -> None:
    start, logged = time.monotonic(), time.monotonic()
    while not stop.wait(_LIVE):
        counts = PROGRESS.snapshot()
        _show(bar, counts, unit)
        if bar.disable and time.monotonic() - logged >= _LOGGED:
            logged = time.monotonic()
            LOGGER.info("%s: %s", step, _text(counts, total, unit, logged - start))


def _show(bar: tqdm, counts: Counter[str], unit: str) -> None:
    bar.n = counts[unit]
    beside = {name: counts[name] for name in _BESIDE if counts[name]}
    if beside:
        bar.set_postfix(beside, refresh=False)
    bar.refresh()


def _text(counts: Counter[str], total: int | None, unit: str, seconds: float | None) -> str:
    done = counts[unit]
    text = f"{done:,} of {total:,} {unit}" if total is not None else f"{done:,} {unit}"
    if seconds and done:
        text += f", {done / seconds:.1f}/s"
        if total:
            text += f", {(total - done) * seconds / done:.0f} s left"
    return text + "".join(f", {counts[name]:,} {name}" for name in _BESIDE if counts[name])
