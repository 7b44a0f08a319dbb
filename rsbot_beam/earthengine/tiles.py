"""The tiles of a block: fetched together, and cut up where Earth Engine cannot answer them together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rsbot_beam.earthengine.pixels import Pixels, extract, grid_json
from rsbot_beam.earthengine.places import Ask, Common, PlaceFetch
from rsbot_beam.earthengine.retry import MAX_BLOCK_ATTEMPTS
from rsbot_beam.earthengine.source import PixelSource
from rsbot_beam.errors import EarthEngineError, PermanentError, ThrottledError, TooLargeError, TransientError
from rsbot_beam.geometry.tile import TileBlock, TileKey

if TYPE_CHECKING:
    from odc.geo.geobox import GeoBox


@dataclass(frozen=True)
class FailedFetch:
    """A tile that failed for good.

    Attributes:
        kind: Kind of the error, as in `rsbot_beam.errors`.
        message: What Earth Engine said.
        attempts: Times that it was asked for, the requests for its parts included.
        request: The grid that was asked for, as in the request, and the names of the bands.
    """

    kind: str
    message: str
    attempts: int
    request: dict[str, Any]


@dataclass(frozen=True)
class _Piece:
    """Tiles of a piece of a block, and whether they came in one request."""

    found: dict[TileKey, Pixels | FailedFetch]
    whole: bool


class BlockFetch:
    """The tiles of one block.

    Args:
        ask: Fetches the pixels of a place in one request, with retries.
        source: What to fetch.
        common: Of the process.
    """

    def __init__(self, ask: Ask, source: PixelSource, common: Common) -> None:
        self._source, self._common = source, common
        self._places = PlaceFetch(ask, source, common)

    def run(self, block: TileBlock) -> dict[TileKey, Pixels | FailedFetch]:
        """Pixels or failure of every tile, in the order of `block.tiles()`.

        Raises:
            AuthenticationError: No permission; stops the run.
            OutageError: The service does not answer; stops the run.
            PermanentError: Too many refusals in a row; stops the run.
        """
        found = self._piece(block).found
        self._common.stats.add(tiles=len(found))
        return {key: found[key] for key in block.tiles()}

    def run_place(self, geobox: GeoBox) -> Pixels | FailedFetch:
        """Pixels or failure of one place of any shape; errors as of `run`."""
        self._places.asked = 0
        return self._place(geobox)[0]

    def _piece(self, piece: TileBlock) -> _Piece:
        self._places.asked = 0
        if len(piece) == 1:
            return self._tile(next(piece.tiles()))
        refused = False
        if self._places.may_ask(piece.shape):
            try:
                return self._together(piece)
            except ThrottledError as error:  # Cutting would only ask more.
                return _Piece({key: self._failed(key.geobox, error) for key in piece.tiles()}, whole=False)
            except (TooLargeError, TransientError, PermanentError) as error:
                self._common.health.check()
                refused = isinstance(error, TooLargeError)
        self._common.stats.add(splits=1)
        halves = [self._piece(half) for half in piece.halves()]
        if refused:
            self._places.refused(piece.shape, [half.whole for half in halves])
        return _Piece({key: tile for half in halves for key, tile in half.found.items()}, whole=False)

    def _together(self, piece: TileBlock) -> _Piece:
        answer = self._places.answer(piece.geobox, MAX_BLOCK_ATTEMPTS)
        with self._common.cores:
            return _Piece({key: extract(self._source, part) for key, part in piece.cut(answer)}, whole=True)

    def _tile(self, key: TileKey) -> _Piece:
        found, whole = self._place(key.geobox)
        return _Piece({key: found}, whole)

    def _place(self, geobox: GeoBox) -> tuple[Pixels | FailedFetch, bool]:
        try:
            return self._places.pixels(geobox)
        except (ThrottledError, TooLargeError, TransientError, PermanentError) as error:
            return self._failed(geobox, error), False

    def _failed(self, geobox: GeoBox, error: EarthEngineError) -> FailedFetch:
        self._common.health.check()
        self._common.stats.add(**{f"failures_{error.kind}": 1})
        request = {**grid_json(geobox), "bands": [band.name for band in self._source.data_bands]}
        return FailedFetch(error.kind, str(error), self._places.asked, request)
