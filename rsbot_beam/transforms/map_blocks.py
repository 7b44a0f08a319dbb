"""From a shard to the requests for its padded pixels, and from these to a predicted block. Pure functions; no Beam."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from functools import partial

import numpy as np

from rsbot_beam.data.bands import Layout
from rsbot_beam.data.map_layout import MapLayout, covering_block
from rsbot_beam.data.padded import PaddedBlock, Piece, padded_geobox, pieces
from rsbot_beam.data.patch import stack_bands
from rsbot_beam.data.receipts import Receipt
from rsbot_beam.data.shards import DeadLetter, Shard
from rsbot_beam.earthengine.ahead import Admit, Request
from rsbot_beam.earthengine.endpoint import Endpoint
from rsbot_beam.earthengine.fetcher import PixelFetcher
from rsbot_beam.earthengine.pixels import Pixels, fits
from rsbot_beam.earthengine.source import PixelSource
from rsbot_beam.earthengine.tiles import FailedFetch
from rsbot_beam.geometry import TileBlock, TileKey, plan_blocks
from rsbot_beam.maps.styles import RasterStyle
from rsbot_beam.transforms.shard_requests import answer_bytes


@dataclass(frozen=True)
class MapSettings:
    """What a worker needs to predict a block; picklable, holds no secret.

    Attributes:
        endpoint: Earth Engine, with this process's share of the quota.
        source: The inputs to fetch, as text.
        layout: The shape of patches, without a label.
        map: What is made of them.
        root: The map's folder: blocks with a receipt are not predicted again.
        model: Folder of the SavedModel, local or `gs://`.
        styles: The rasters to write, by name.
        period: Days that the inputs are of, start/end.
        collection: Id of the map's STAC collection.
        tags: What each raster says of itself, such as the model.
        block_bytes: Largest answer to ask for in one request.
        receive_bytes: What a process may have received and not yet predicted.
        batch_size: Tiles in a call of the model; 0 chooses.
        threads: Threads of one operation of the model; 0 leaves it to TensorFlow.
        resume: Whether there may be blocks of an earlier run.
    """

    endpoint: Endpoint
    source: PixelSource
    layout: Layout
    map: MapLayout
    root: str
    model: str
    styles: Mapping[str, RasterStyle]
    period: str
    collection: str
    tags: Mapping[str, str]
    block_bytes: int
    receive_bytes: int
    batch_size: int = 0
    threads: int = 0
    resume: bool = True


@dataclass(frozen=True, eq=False)
class FetchedBlock:
    """The pixels of a shard, ready to be predicted.

    Attributes:
        shard: What was asked for.
        parts: Rectangles of tiles with their margins; together all tiles that have pixels.
        keys: Tiles of each part that are to be predicted.
        empty: Tiles without a valid pixel.
        dead: Failed for good.
        fetched_pixels: Pixels received.
        done: The receipt of an earlier run, where nothing was fetched now.
    """

    shard: Shard
    parts: tuple[PaddedBlock, ...] = ()
    keys: tuple[tuple[TileKey, ...], ...] = ()
    empty: tuple[TileKey, ...] = ()
    dead: tuple[DeadLetter, ...] = ()
    fetched_pixels: int = 0
    done: Receipt | None = None


def small_enough(settings: MapSettings, height: int, width: int) -> bool:
    """Whether so many pixels may be asked for in one request."""
    shape = (height, width)
    return answer_bytes(settings.source, shape) <= settings.block_bytes and fits(shape, settings.source)


def parts_of(shard: Shard, overlap: int) -> list[TileBlock]:
    """The rectangles of tiles that are fetched with one margin around each: all in one where that is no more pixels."""
    apart, together = plan_blocks(shard.keys), covering_block(shard.keys)
    needed = sum(math.prod(padded_geobox(part, overlap).shape) for part in apart)
    return apart if needed < math.prod(padded_geobox(together, overlap).shape) else [together]


def pieces_of(part: TileBlock, settings: MapSettings) -> list[Piece]:
    """What of a padded part is asked for in each request."""
    shape = padded_geobox(part, settings.map.seams.overlap).shape
    return pieces((int(shape[0]), int(shape[1])), partial(small_enough, settings))


def requests_for_parts(parts: Sequence[TileBlock], settings: MapSettings, fetcher: PixelFetcher) -> list[Request]:
    """Requests for the padded pixels of parts, each pixel of a part in one of them."""
    requests = []
    for part in parts:
        place = padded_geobox(part, settings.map.seams.overlap)
        for piece in pieces_of(part, settings):
            requests.append(_request(place[piece], settings, fetcher))
    return requests


def _request(geobox: object, settings: MapSettings, fetcher: PixelFetcher) -> Request:
    height, width = (int(n) for n in geobox.shape)  # type: ignore[attr-defined]

    def fetch(admit: Admit) -> Pixels | FailedFetch:
        return fetcher.fetch_place(settings.source, geobox, before_body=admit)  # type: ignore[arg-type]

    return Request(answer_bytes(settings.source, (height, width)), fetch)


def collect_block(
    shard: Shard, answers: Sequence[Pixels | FailedFetch], settings: MapSettings, fetcher: PixelFetcher
) -> FetchedBlock:
    """Put the answers for a shard together: what can be predicted, what is empty, and what failed.

    Where a piece of a part failed, its tiles are asked for one by one, each with its margin: only those that need the
    pixels that cannot be had are lost.
    """
    waiting = iter(answers)
    parts: list[PaddedBlock] = []
    dead: list[DeadLetter] = []
    for part in parts_of(shard, settings.map.seams.overlap):
        cut = pieces_of(part, settings)
        found = [next(waiting) for _ in cut]
        if any(isinstance(answer, FailedFetch) for answer in found):
            alone, lost = _tile_by_tile(part, set(shard.keys), found, settings, fetcher)
            parts += alone
            dead += lost
        else:
            parts.append(_joined(part, cut, found, settings))  # type: ignore[arg-type]
    return _sorted_out(shard, parts, dead, settings)


def _sorted_out(
    shard: Shard, parts: Sequence[PaddedBlock], dead: Sequence[DeadLetter], settings: MapSettings
) -> FetchedBlock:
    keys: list[tuple[TileKey, ...]] = []
    empty: list[TileKey] = []
    asked = set(shard.keys)
    for part in parts:
        tiles = [key for key in part.block.tiles() if key in asked]
        seen = [bool(part.seen_of(key).any()) for key in tiles]
        keys.append(tuple(key for key, has in zip(tiles, seen, strict=True) if has))
        empty += [key for key, has in zip(tiles, seen, strict=True) if not has]
    pixels = sum(math.prod(padded_geobox(part.block, settings.map.seams.overlap).shape) for part in parts)
    filled = [(part, of_part) for part, of_part in zip(parts, keys, strict=True) if of_part]
    return FetchedBlock(
        shard,
        tuple(part for part, _ in filled),
        tuple(of_part for _, of_part in filled),
        tuple(empty),
        tuple(dead),
        pixels,
    )


def _joined(part: TileBlock, cut: Sequence[Piece], found: Sequence[Pixels], settings: MapSettings) -> PaddedBlock:
    if len(cut) == 1:
        return _padded(part, found[0], settings)
    height, width = padded_geobox(part, settings.map.seams.overlap).shape
    values = {name: np.empty((height, width), array.dtype) for name, array in found[0].values.items()}
    valid = {name: np.empty((height, width), bool) for name in found[0].valid}
    for piece, pixels in zip(cut, found, strict=True):
        for name, array in pixels.values.items():
            values[name][piece] = array
            valid[name][piece] = pixels.valid[name]
    return _padded(part, Pixels(values, valid), settings)


def _padded(part: TileBlock, pixels: Pixels, settings: MapSettings) -> PaddedBlock:
    stacked = stack_bands(settings.layout, pixels.values, pixels.valid)
    return PaddedBlock(part, settings.map.seams.overlap, settings.layout, *stacked)


def _tile_by_tile(
    part: TileBlock,
    asked: Set[TileKey],
    found: Sequence[Pixels | FailedFetch],
    settings: MapSettings,
    fetcher: PixelFetcher,
) -> tuple[list[PaddedBlock], list[DeadLetter]]:
    """The tiles of a part of which a piece failed, each with a margin of its own."""
    failed = [answer for answer in found if isinstance(answer, FailedFetch)]
    throttled = next((answer for answer in failed if answer.kind == "throttled"), None)
    whole: list[PaddedBlock] = []
    dead: list[DeadLetter] = []
    for key in (key for key in part.tiles() if key in asked):
        tile = TileBlock.of(key)
        answer: Pixels | FailedFetch
        # Who is told that they ask too much does not ask again for less.
        answer = throttled or fetcher.fetch_place(settings.source, padded_geobox(tile, settings.map.seams.overlap))
        if isinstance(answer, FailedFetch):
            dead.append(DeadLetter(str(key), answer.kind, answer.message, answer.attempts, answer.request))
        else:
            whole.append(_padded(tile, answer, settings))
    return whole, dead
