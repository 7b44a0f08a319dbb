"""Estimates of time beside what a run took, on machines that others use too."""

from __future__ import annotations

from collections.abc import Callable

import pytest

TIMES = 3


def close_once(estimate_and_measure: Callable[[str], tuple[float, float]], rel: float = 0.2) -> None:
    """Estimate and run up to three times: somebody else's work may slow one run down, but does not make one right.

    Args:
        estimate_and_measure: Given the name of a new folder; returns seconds estimated and seconds taken.
        rel: How far apart they may be.
    """
    seen = []
    for time in range(TIMES):
        estimated, taken = estimate_and_measure(f"run-{time}")
        if estimated == pytest.approx(taken, rel=rel):
            return
        seen.append(f"{estimated:.1f} s estimated, {taken:.1f} s taken")
    pytest.fail("; ".join(seen))
