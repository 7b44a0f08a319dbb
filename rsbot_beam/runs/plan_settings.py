"""What a plan is asked to look at, and against what it is held."""

from __future__ import annotations

from dataclasses import dataclass

from rsbot_beam.errors import InputError

# EECU-hours a month of noncommercial projects by tier, since 27 April 2026 (Earth Engine, "Noncommercial tiers"). Beyond
# them a project is in restricted mode: it computes, but slowly.
TIERS = {"community": 150, "contributor": 1_000, "partner": 100_000}
SAMPLE_TILES = 8


@dataclass(frozen=True, kw_only=True)
class PlanSettings:
    """How a run is planned.

    Attributes:
        sample_tiles: Places that are really asked for, to learn latency, bytes and cost; 0 asks for none.
        latency: Seconds of a request to reckon with; None measures it.
        tier: One of `TIERS` that the run is held against, or None.
        budget: EECU-hours that the run may cost, or None.
        eecu_per_request: EECU-seconds of a request to reckon with; None takes what the endpoint tells.
        workers: Machines of Dataflow; None takes as many as autoscaling may start.

    Raises:
        InputError: A value that cannot be used, or a limit to which nothing can be compared.
    """

    sample_tiles: int = SAMPLE_TILES
    latency: float | None = None
    tier: str | None = None
    budget: float | None = None
    eecu_per_request: float | None = None
    workers: int | None = None

    def __post_init__(self) -> None:
        if self.sample_tiles < 0:
            raise InputError(f"sample_tiles={self.sample_tiles} must be 0 or more")
        if self.tier is not None and self.tier not in TIERS:
            raise InputError(f"tier {self.tier!r} is unknown: choose from {', '.join(TIERS)}")
        if self.workers is not None and self.workers < 1:
            raise InputError(f"workers={self.workers} must be 1 or more")
        for name in ("latency", "budget", "eecu_per_request"):
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise InputError(f"{name}={value} must be a number above 0")
        limited = self.tier is not None or self.budget is not None
        if limited and not self.sample_tiles and self.eecu_per_request is None:
            raise InputError(
                "nothing can be held against --tier or --budget, as no tile is tried: give --sample_tiles 8, or "
                "--eecu_per_request"
            )
