"""Faults on demand: latency, refusals, broken connections and tiles that always fail, as a real service shows them."""

from __future__ import annotations

import math
import re
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from hashlib import blake2b
from random import Random
from typing import Any

import shapely
from shapely.geometry.base import BaseGeometry

from rsbot_beam.errors import InputError
from rsbot_beam.local_ee.fault_values import check_crs, check_number, check_type, check_whole, checked_bounds
from rsbot_beam.local_ee.geometries import project
from rsbot_beam.local_ee.provider import PixelGrid
from rsbot_beam.local_ee.rasterize import grid_frame
from rsbot_beam.local_ee.values import Value

# Failing kinds in the order in which one random number is compared with their summed rates.
KINDS = ("429", "500", "503", "reset", "truncate", "hang")
_LATENCY = re.compile(r"^(\d*\.?\d+)(?:\s*(?:±|\+-|\+/-)\s*(\d*\.?\d+))?$")


@dataclass(frozen=True)
class Place:
    """A rectangle where requests fail.

    Attributes:
        bounds: (left, bottom, right, top) in `crs`.
        crs: Code of the CRS.
        status: HTTP status of the answer.
        message: Text of the answer.
        over_pixels: Only requests of more pixels fail; 0 = all.
    """

    bounds: tuple[float, float, float, float]
    crs: str = "EPSG:4326"
    status: int = 500
    message: str = "Internal error."
    over_pixels: int = 0

    def __post_init__(self) -> None:
        checked_bounds(self.bounds)
        check_crs(self.crs)
        check_whole("status", self.status, 400, 599)
        check_type("message", self.message, str, "a text")
        check_whole("over_pixels", self.over_pixels)

    def meets(self, grid: PixelGrid) -> bool:
        """Whether a request's grid shares pixels with the rectangle and is large enough."""
        if grid.shape[0] * grid.shape[1] <= self.over_pixels:
            return False
        frame: BaseGeometry = grid_frame(grid)
        if grid.crs != self.crs:
            frame = project(frame, grid.crs, self.crs)
        common = shapely.intersection(frame, shapely.box(*self.bounds))
        # A shared edge is not a shared pixel: neighbours of the place must not fail.
        is_point = shapely.box(*self.bounds).area == 0
        return bool(common.area > 1e-6 * frame.area or (is_point and not common.is_empty))


@dataclass(frozen=True)
class Faults:
    """What goes wrong, and how often. Rates are shares (0 to 1) of the requests for pixels, values and features.

    Attributes:
        latency: Seconds before every answer, or text such as `0.5±0.1` (uniform within).
        rate_429: Answered with 429 Too Many Requests.
        retry_after: Seconds in the header Retry-After of such an answer, or None for no header.
        rate_500: Answered with 500.
        rate_503: Answered with 503.
        rate_reset: Connection reset instead of an answer.
        rate_truncate: Body cut off in the middle.
        rate_hang: Never answered.
        fail_tiles: Places that always fail.
        too_large_over_pixels: Requests of more pixels answer "User memory limit exceeded."; 0 = none.
        too_large_tiles: Places where requests, or those over `over_pixels`, answer "User memory limit exceeded.".
        unauthorized: Whether every request answers 401, as with an expired token.
        required_token: Requests without this bearer token answer 401; empty = none needed.
        token_lifetime: Seconds for which tokens of `/token` are accepted, others are not at all; 0 = any or none will do.
        seed: Of the random choices; the same request body fails the same way at the same repetition.
    """

    latency: str = "0"
    rate_429: float = 0.0
    retry_after: float | None = None
    rate_500: float = 0.0
    rate_503: float = 0.0
    rate_reset: float = 0.0
    rate_truncate: float = 0.0
    rate_hang: float = 0.0
    fail_tiles: tuple[Place, ...] = ()
    too_large_over_pixels: int = 0
    too_large_tiles: tuple[Place, ...] = ()
    unauthorized: bool = False
    required_token: str = field(default="", repr=False)
    token_lifetime: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        parse_latency(self.latency)
        for kind in KINDS:
            check_number(f"rate_{kind}", getattr(self, f"rate_{kind}"), 0, 1)
        rates = {kind: getattr(self, f"rate_{kind}") for kind in KINDS}
        if sum(rates.values()) > 1:
            raise InputError(f"Fault rates must add up to at most 1, got {rates}.")
        if self.retry_after is not None:
            check_number("retry_after", self.retry_after)
        check_number("token_lifetime", self.token_lifetime)
        check_whole("too_large_over_pixels", self.too_large_over_pixels)
        check_whole("seed", self.seed, -math.inf)
        check_type("unauthorized", self.unauthorized, bool, "true or false")
        check_type("required_token", self.required_token, str, "a text")

    @staticmethod
    def from_json(given: Mapping[str, Any], base: Faults | None = None) -> Faults:
        """Faults from a control request.

        Args:
            given: Attributes by name; places as dictionaries.
            base: What holds for attributes that are left out.

        Raises:
            InputError: For unknown names and impossible values.
        """
        known = {item.name for item in fields(Faults)}
        unknown = sorted(set(given) - known)
        if unknown:
            raise InputError(f"Unknown faults {unknown}; there are: {', '.join(sorted(known))}.")
        values = {name: getattr(base or Faults(), name) for name in known} | dict(given)
        values["latency"] = str(values["latency"])
        values["fail_tiles"] = _places("fail_tiles", values, 500, "Internal error.")
        values["too_large_tiles"] = _places("too_large_tiles", values, 400, MEMORY_MESSAGE)
        return Faults(**values)


MEMORY_MESSAGE = "User memory limit exceeded."


def _places(name: str, values: Mapping[str, Any], status: int, message: str) -> tuple[Place, ...]:
    check_type(name, values[name], (list, tuple), "a list of places")
    return tuple(_place(item, status, message) for item in values[name])


def _place(given: Value, status: int, message: str) -> Place:
    if isinstance(given, Place):
        return given
    known = [item.name for item in fields(Place)]
    if not isinstance(given, dict) or "bounds" not in given or not set(given) <= set(known):
        raise InputError(
            f"A failing place is an object with bounds, and perhaps {', '.join(known[1:])}, got {given!r}."
        )
    return Place(**{"status": status, "message": message, **given, "bounds": checked_bounds(given["bounds"])})


def parse_latency(text: str) -> tuple[float, float]:
    """(seconds, spread) of a latency such as `0.5` or `0.5±0.1`.

    Raises:
        InputError: When it is none.
    """
    found = _LATENCY.match(str(text).strip())
    if found is None:
        raise InputError(f"Latency '{text}' is not understood: give seconds such as 0.5, or 0.5±0.1.")
    return float(found.group(1)), float(found.group(2) or 0)


@dataclass(frozen=True)
class Fate:
    """What happens to one request.

    Attributes:
        kind: One of `KINDS`, or None for nothing.
        latency: Seconds to wait first.
    """

    kind: str | None
    latency: float


class FaultPlan:
    """Decides the fate of requests, reproducibly: by seed, body, and how often the same body came before."""

    def __init__(self, faults: Faults) -> None:
        self.faults = faults
        self._seen: Counter[bytes] = Counter()
        self._lock = threading.Lock()

    def fate(self, body: bytes) -> Fate:
        """The fate of a request with this body."""
        digest = blake2b(body, digest_size=16).digest()
        with self._lock:
            self._seen[digest] += 1
            repetition = self._seen[digest]
        generator = Random(f"{self.faults.seed}:{digest.hex()}:{repetition}")  # noqa: S311 - reproducible on purpose
        seconds, spread = parse_latency(self.faults.latency)
        latency = max(0.0, seconds + generator.uniform(-spread, spread)) if spread else seconds
        draw = generator.random()
        for kind in KINDS:
            draw -= getattr(self.faults, f"rate_{kind}")
            if draw < 0:
                return Fate(kind, latency)
        return Fate(None, latency)

    def refusal(self, grid: PixelGrid) -> tuple[int, str] | None:
        """(status, message) where this grid always fails, or None."""
        for place in (*self.faults.fail_tiles, *self.faults.too_large_tiles):
            if place.meets(grid):
                return place.status, place.message
        most = self.faults.too_large_over_pixels
        if most and grid.shape[0] * grid.shape[1] > most:
            return 400, MEMORY_MESSAGE
        return None
