"""One place: asked for whole, else in halves of its pixels, else in halves of its bands, and put together exactly."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from rsbot_beam.earthengine.pixels import Pixels, counted_bytes, extract, fits, join, merge
from rsbot_beam.earthengine.retry import MAX_ATTEMPTS, Health, Trial
from rsbot_beam.earthengine.sizes import SizeMemory
from rsbot_beam.earthengine.source import PixelSource
from rsbot_beam.earthengine.stats import Stats
from rsbot_beam.errors import PermanentError, TooLargeError

if TYPE_CHECKING:
    from odc.geo.geobox import GeoBox

# Pixels a side below which a place is not cut further: Earth Engine computes in squares of 256, so that smaller
# requests soon cost as much as larger ones.
MIN_SIDE = 32

# Asks for the pixels of a place: a structured array (height, width). Counts its tries in the trial.
Ask = Callable[[PixelSource, "GeoBox", Trial], np.ndarray]


@dataclass(frozen=True)
class Common:
    """What all blocks of a process share.

    Attributes:
        sizes: What was too large before.
        health: What the requests together say about the service.
        stats: Counts.
        total_time: Seconds of retrying one request.
        cores: Held while pixels are unpacked. Forty threads that unpack at once spend as much time handing Python's
            lock to one another as unpacking (measured on 2 cores: 0.9 ms CPU per patch instead of 0.45).
    """

    sizes: SizeMemory
    health: Health
    stats: Stats
    total_time: float
    cores: threading.BoundedSemaphore


@dataclass(frozen=True)
class _Parts:
    """The halves of a place, and how to put their pixels together."""

    halves: tuple[tuple[PixelSource, GeoBox], tuple[PixelSource, GeoBox]]
    put: Callable[[list[Pixels]], Pixels]


class PlaceFetch:
    """Fetches places of any size, and learns which sizes can be asked for.

    Args:
        ask: Fetches the pixels of a place in one request, with retries.
        source: What to fetch.
        common: Of the process.

    Attributes:
        asked: Tries so far; set it to 0 to count those of one place.
    """

    def __init__(self, ask: Ask, source: PixelSource, common: Common) -> None:
        self._ask, self._source, self._common = ask, source, common
        self.asked = 0

    def pixels(self, geobox: GeoBox) -> tuple[Pixels, bool]:
        """The pixels of a place, and whether they came in one request.

        Raises:
            TooLargeError: Not even its smallest part can be answered.
            EarthEngineError: As of `PixelFetcher.fetch`.
        """
        return self._pixels(self._source, geobox)

    def answer(self, geobox: GeoBox, attempts: int) -> np.ndarray:
        """A place in one request: a structured array (height, width); errors as of `PixelFetcher.fetch`."""
        return self._answer(self._source, geobox, attempts)

    def may_ask(self, shape: tuple[int, int]) -> bool:
        """Whether so many pixels (height, width) can be asked for in one request, by all that is known."""
        return self._may_ask(self._source, shape)

    def refused(self, shape: tuple[int, int], whole: Sequence[bool]) -> None:
        """Learn from a request that was too large, by whether each of its parts was then answered whole.

        Where a single part fails again, and its neighbours do not, the place is heavy and not the size: learning from
        it would cut up all of the neighbourhood.
        """
        self._refused(self._source, shape, whole)

    def _pixels(self, source: PixelSource, geobox: GeoBox) -> tuple[Pixels, bool]:
        shape, refused = _shape(geobox), False
        if self._may_ask(source, shape):
            try:
                return self._extracted(source, geobox), True
            except TooLargeError:
                refused = True
                if _parts(source, geobox) is None:
                    raise
        parts = _parts(source, geobox)
        if parts is None:
            return self._extracted(source, geobox), True
        self._common.stats.add(splits=1)
        done = [self._pixels(*half) for half in parts.halves]
        if refused:
            self._refused(source, shape, [whole for _, whole in done])
        return parts.put([pixels for pixels, _ in done]), False

    def _extracted(self, source: PixelSource, geobox: GeoBox) -> Pixels:
        answer = self._answer(source, geobox, MAX_ATTEMPTS)
        with self._common.cores:
            return extract(source, answer)

    def _answer(self, source: PixelSource, geobox: GeoBox, attempts: int) -> np.ndarray:
        trial = Trial(self._common.health, self._common.total_time, attempts)
        try:
            answer = self._ask(source, geobox, trial)
        except PermanentError as error:
            self._common.health.check()
            self._common.health.refused(error)
            raise
        finally:
            self.asked += trial.asked
        self._common.sizes.answered(self._source.fingerprint, counted_bytes(_shape(geobox), source.bands))
        return answer

    def _may_ask(self, source: PixelSource, shape: tuple[int, int]) -> bool:
        nbytes = counted_bytes(shape, source.bands)
        return fits(shape, source) and self._common.sizes.allows(self._source.fingerprint, nbytes)

    def _refused(self, source: PixelSource, shape: tuple[int, int], whole: Sequence[bool]) -> None:
        if list(whole).count(False) != 1:
            self._common.sizes.refused(self._source.fingerprint, counted_bytes(shape, source.bands))


def requests_of(source: PixelSource, geobox: GeoBox) -> int:
    """Requests for a place when nothing is refused: one, or those for its parts where it is over the documented limits."""
    parts = None if fits(_shape(geobox), source) else _parts(source, geobox)
    return 1 if parts is None else sum(requests_of(*half) for half in parts.halves)


def _parts(source: PixelSource, geobox: GeoBox) -> _Parts | None:
    """A place cut across its longer side; where it is too small for that, its bands in halves; None for one band."""
    height, width = _shape(geobox)
    if max(height, width) >= 2 * MIN_SIDE:
        axis = 0 if height >= width else 1
        first, second = _cut(geobox, axis)
        return _Parts(((source, first), (source, second)), partial(join, axis=axis))
    halves = source.halves()
    return None if halves is None else _Parts(((halves[0], geobox), (halves[1], geobox)), merge)


def _cut(geobox: GeoBox, axis: int) -> tuple[GeoBox, GeoBox]:
    middle = geobox.shape[axis] // 2
    if axis == 0:
        return geobox[:middle, :], geobox[middle:, :]
    return geobox[:, :middle], geobox[:, middle:]


def _shape(geobox: GeoBox) -> tuple[int, int]:
    height, width = geobox.shape
    return int(height), int(width)
