"""What a user says about sampling."""

from __future__ import annotations

import math
from dataclasses import dataclass

from rsbot_beam.errors import InputError
from rsbot_beam.sampling.seeds import checked_seed

GRID = "grid"
RANDOM = "random"
STRATIFIED = "stratified"
FEATURES = "features"
POINTS = "points"
MODES = (GRID, RANDOM, STRATIFIED, FEATURES, POINTS)

CLUSTER = 1000.0
"""Metres: keeps the turbines of a wind farm together, which stand 3 to 10 rotor diameters apart."""

_FURTHEST_SHIFT = 0.5
"""Sides of a tile: shifted further, it would not hold its feature's place any more."""


@dataclass(frozen=True)
class SamplingSettings:
    """Which tiles of a region a run takes.

    Attributes:
        mode: "grid": all of them; "random": at places uniform by area; "stratified": so many for each class of the label;
            "features": around vector features, and background; "points": around the user's own points.
        count: Tiles in all ("random"), for each class ("stratified"), or around features, None for one around each
            ("features").
        seed: The same seed draws the same tiles, on any machine.
        points: Path of the file with the user's points; for "points" only, and needed there.
        background: Background tiles for each tile around a feature.
        hard: Share of the background tiles that are near places that look like features.
        shift: Greatest random shift of a tile against its feature, in sides of a tile; 0: the feature is in the middle,
            0.5: anywhere but at the very edge.
        overlap: Whether sampled tiles may overlap.
        min_share: Share of a tile's pixels that a class takes at least, where the tile counts for it ("stratified").
        link_distance: Metres: sampled tiles with less ground between them fall in one partition, and so on along chains.
            None takes `CLUSTER` for "features"; for the other modes the place of a tile decides, as on a grid, and only
            tiles that overlap are kept together.

    Raises:
        InputError: A value that cannot be used, or does not fit the mode.
    """

    mode: str = GRID
    count: int | None = None
    seed: int = 0
    points: str | None = None
    background: float = 1.0
    hard: float = 0.5
    shift: float = 0.25
    overlap: bool = False
    min_share: float = 0.05
    link_distance: float | None = None

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise InputError(f"sampling {self.mode!r} is unknown: choose from {', '.join(MODES)}")
        checked_seed(self.seed)
        self._check_count()
        self._check_points()
        self._check_range("background", 0.0, math.inf, "background tiles for each tile with a feature, such as 1")
        self._check_range("hard", 0.0, 1.0, "the share of background tiles near similar places")
        self._check_range("shift", 0.0, _FURTHEST_SHIFT, "in sides of a tile; beyond, the tile would miss its feature")
        if self.link_distance is not None:
            self._check_range("link_distance", 0.0, math.inf, "metres, such as 1000")
        if not 0 < self.min_share <= 1:
            raise InputError(f"min_share={self.min_share} must be above 0 and at most 1: a share of a tile's pixels")

    @property
    def linked_within(self) -> float | None:
        """Metres within which tiles are kept in one partition; None where their places alone decide."""
        if self.link_distance is None and self.mode == FEATURES:
            return CLUSTER
        return 0.0 if self.link_distance is None and self.overlap else self.link_distance

    @property
    def required_count(self) -> int:
        """The count of a mode that cannot do without; InputError where there is none."""
        if self.count is None:
            raise InputError(f"--sampling {self.mode} needs the number of tiles, such as --samples 500")
        return self.count

    def _check_count(self) -> None:
        if self.count is not None and (not isinstance(self.count, int) or self.count < 1):
            raise InputError(f"the number of samples {self.count!r} must be a whole number, 1 or more")
        if self.mode in (RANDOM, STRATIFIED):
            _ = self.required_count
        elif self.mode in (GRID, POINTS) and self.count is not None:
            raise InputError(
                f"--sampling {self.mode} takes all {'tiles' if self.mode == GRID else 'points'}, not {self.count}: leave "
                "--samples out, or choose --sampling random, stratified or features"
            )

    def _check_points(self) -> None:
        if self.mode == POINTS and not self.points:
            raise InputError("--sampling points needs a CSV or vector file with the points: give --points FILE")
        if self.mode != POINTS and self.points:
            raise InputError(f"--points {self.points} is not read by --sampling {self.mode}: use --sampling points")

    def _check_range(self, name: str, low: float, high: float, meaning: str) -> None:
        value = getattr(self, name)
        if not (low <= value <= high and math.isfinite(value)):
            limits = f"at least {low:g}" if high == math.inf else f"from {low:g} to {high:g}"
            raise InputError(f"{name}={value} must be {limits}: {meaning}")
