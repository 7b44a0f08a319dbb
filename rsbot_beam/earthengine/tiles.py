"""The tiles of a block: fetched together, and cut up where Earth Engine cannot answer them together."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from rsbot_beam.earthengine.pixels import Pixels, counted_bytes, extract, fits, grid_json, join, merge
from rsbot_beam.earthengine.retry import MAX_ATTEMPTS, MAX_BLOCK_ATTEMPTS, Health, Trial
from rsbot_beam.earthengine.sizes import SizeMemory
from rsbot_beam.earthengine.source import PixelSource
from rsbot_beam.earthengine.stats import Stats
from rsbot_beam.errors import EarthEngineError, PermanentError, ThrottledError, TooLargeError, TransientError
from rsbot_beam.geometry.tile import TileBlock, TileKey

if TYPE_CHECKING:
    from odc.geo.geobox import GeoBox

# Pixels a side below which a place is not cut further: Earth Engine computes in squares of 256, so that smaller
# requests soon cost as much as larger ones.
MIN_SIDE = 32


@dataclass(frozen=True)
class FailedFetch:
    """A tile that failed for good.

    Attributes:
        kind: Kind of the error, as in `rsbot_beam.errors`.
        message: What Earth Engine said.
        attempts: Times that it was asked for.
        request: The grid that was asked for, as in the request, and the names of the bands.
    """

    kind: str
    message: str
    attempts: int
    request: dict[str, Any]


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


class BlockFetch:
    """The tiles of one block.

    Args:
        ask: Fetches the pixels of a place, with retries.
        source: What to fetch.
        common: Of the process.
    """

    def __init__(self, ask: Ask, source: PixelSource, common: Common) -> None:
        self._ask_once, self._source, self._common = ask, source, common
        self._asked = 0

    def run(self, block: TileBlock) -> dict[TileKey, Pixels | FailedFetch]:
        """Pixels or failure of every tile, in the order of `block.tiles()`.

        Raises:
            AuthenticationError: No permission; stops the run.
            OutageError: The service does not answer; stops the run.
            PermanentError: Too many refusals in a row; stops the run.
        """
        found: dict[TileKey, Pixels | FailedFetch] = {}
        pieces = [block]
        while pieces:
            piece = pieces.pop()
            answers = self._piece(piece)
            if answers is None:
                self._common.stats.add(splits=1)
                pieces += reversed(piece.halves())
            else:
                found.update(answers)
        self._common.stats.add(tiles=len(found))
        return {key: found[key] for key in block.tiles()}

    def _piece(self, piece: TileBlock) -> dict[TileKey, Pixels | FailedFetch] | None:
        """The tiles of a piece, or None if it must be cut."""
        self._asked = 0
        if len(piece) == 1:
            return {key: self._tile(key) for key in piece.tiles()}
        if not self._may_ask(self._source, piece.shape):
            return None
        try:
            answer = self._ask(self._source, piece.geobox, MAX_BLOCK_ATTEMPTS)
        except ThrottledError as error:  # Cutting would only ask more.
            return {key: self._failed(key, error) for key in piece.tiles()}
        except (TooLargeError, TransientError, PermanentError):
            self._common.health.check()
            return None
        with self._common.cores:
            return {key: extract(self._source, part) for key, part in piece.cut(answer)}

    def _tile(self, key: TileKey) -> Pixels | FailedFetch:
        try:
            return self._pixels(self._source, key.geobox)
        except (ThrottledError, TooLargeError, TransientError, PermanentError) as error:
            return self._failed(key, error)

    def _pixels(self, source: PixelSource, geobox: GeoBox) -> Pixels:
        """A place smaller than a block: whole, else in halves of its pixels, else in halves of its bands."""
        halves = _halves(geobox)
        parts = None if halves else source.halves()
        if self._may_ask(source, _shape(geobox)) or not (halves or parts):
            try:
                answer = self._ask(source, geobox, MAX_ATTEMPTS)
                with self._common.cores:
                    return extract(source, answer)
            except TooLargeError:
                if not (halves or parts):
                    raise
        self._common.stats.add(splits=1)
        if halves:
            axis, boxes = halves
            return join([self._pixels(source, box) for box in boxes], axis)
        return merge([self._pixels(part, geobox) for part in parts or ()])

    def _may_ask(self, source: PixelSource, shape: tuple[int, int]) -> bool:
        return fits(shape, source) and self._common.sizes.allows(
            self._source.fingerprint, counted_bytes(shape, source.bands)
        )

    def _ask(self, source: PixelSource, geobox: GeoBox, attempts: int) -> np.ndarray:
        trial = Trial(self._common.health, self._common.total_time, attempts)
        nbytes = counted_bytes(_shape(geobox), source.bands)
        try:
            answer = self._ask_once(source, geobox, trial)
        except TooLargeError:
            self._common.sizes.refused(self._source.fingerprint, nbytes)
            raise
        except PermanentError as error:
            self._common.health.check()
            self._common.health.refused(error)
            raise
        finally:
            self._asked += trial.asked
        self._common.sizes.answered(self._source.fingerprint, nbytes)
        return answer

    def _failed(self, key: TileKey, error: EarthEngineError) -> FailedFetch:
        self._common.health.check()
        self._common.stats.add(**{f"failures_{error.kind}": 1})
        request = {**grid_json(key.geobox), "bands": [band.name for band in self._source.data_bands]}
        return FailedFetch(error.kind, str(error), self._asked, request)


def _shape(geobox: GeoBox) -> tuple[int, int]:
    height, width = geobox.shape
    return int(height), int(width)


def _halves(geobox: GeoBox) -> tuple[int, tuple[GeoBox, GeoBox]] | None:
    """The place cut across its longer side: the axis and both parts, or None if it is too small."""
    height, width = _shape(geobox)
    if max(height, width) < 2 * MIN_SIDE:
        return None
    if height >= width:
        return 0, (geobox[: height // 2, :], geobox[height // 2 :, :])
    return 1, (geobox[:, : width // 2], geobox[:, width // 2 :])
