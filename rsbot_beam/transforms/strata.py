"""Counting classes on a coarse view of the label, for stratified sampling: one small request for thousands of tiles."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import apache_beam as beam
import numpy as np

from rsbot_beam import storage
from rsbot_beam.earthengine.endpoint import Endpoint
from rsbot_beam.earthengine.fetcher import PixelFetcher, shared_fetcher
from rsbot_beam.earthengine.pixels import Pixels
from rsbot_beam.earthengine.source import PixelSource
from rsbot_beam.earthengine.tiles import FailedFetch
from rsbot_beam.geometry import Cover, TileBlock, TileKey
from rsbot_beam.sampling import StrataAccumulator
from rsbot_beam.transforms.enumerate import squares
from rsbot_beam.transforms.progress import PROGRESS

# Pixels a side of a tile's coarse view: every 80 m for tiles of 128 pixels of 10 m, which meets fields of a hectare.
CELLS = 16
# Tiles a side of what one request looks at: 1,024 x 1,024 coarse pixels.
REQUEST_SIDE = 64
# Requests a side of the squares that are handed to one worker.
REQUESTS_PER_SQUARE = 8


@dataclass(frozen=True)
class StrataSettings:
    """How strata are counted; picklable.

    Attributes:
        endpoint: Earth Engine, with this process's share of the quota.
        source: The label, as one band, as text.
        cover: Which tiles belong to the region.
        per_class: Tiles wanted of each class.
        min_share: Share of a tile's pixels that a class has at least, where the tile counts for it.
        seed: Of the draw.
    """

    endpoint: Endpoint
    source: PixelSource
    cover: Cover
    per_class: int
    min_share: float
    seed: int

    def accumulator(self) -> StrataAccumulator:
        """An empty one."""
        return StrataAccumulator(self.per_class, self.min_share, self.seed)


class CountStrata(beam.PTransform):
    """Draws, of all tiles of a region, enough of each class, and writes them to a file.

    Pipeline -> PCollection[None]. What is drawn depends on the seed and the tiles alone.

    Args:
        settings: How.
        path: File for the result.
    """

    def __init__(self, settings: StrataSettings, path: str) -> None:
        super().__init__()
        self._settings, self._path = settings, path

    def expand(self, pipeline: beam.Pipeline) -> beam.PCollection:
        """Wire squares, counts, the draw and the file."""
        cover = self._settings.cover
        return (
            pipeline
            | "Roots" >> beam.Create(cover.roots(REQUEST_SIDE))
            | "Squares" >> beam.FlatMap(squares, cover, REQUEST_SIDE * REQUESTS_PER_SQUARE).with_output_types(TileBlock)
            | "Spread" >> beam.Reshuffle()
            | "Count" >> beam.ParDo(_CountSquare(self._settings))
            | "Draw" >> beam.CombineGlobally(_Draw(self._settings))
            | "Write" >> beam.Map(_write, self._path)
        )


class _CountSquare(beam.DoFn):
    """Counts the tiles of a square, several requests at a time."""

    def __init__(self, settings: StrataSettings) -> None:
        self._settings = settings

    def setup(self) -> None:
        """Connect to what the process shares."""
        self._fetcher: PixelFetcher = shared_fetcher(self._settings.endpoint)

    def process(self, square: TileBlock) -> Iterator[StrataAccumulator]:
        """Look at all tiles of a square that belong to the region."""
        blocks = self._settings.cover.blocks(REQUEST_SIDE, within=square)
        accumulator = self._settings.accumulator()
        with ThreadPoolExecutor(max(1, self._settings.endpoint.max_requests)) as pool:
            for found in pool.map(lambda block: count_block(block, self._settings, self._fetcher), blocks):
                accumulator = accumulator.merge(found)
        yield accumulator


def count_block(block: TileBlock, settings: StrataSettings, fetcher: PixelFetcher) -> StrataAccumulator:
    """The classes of the tiles of a block. Tiles that cannot be looked at are not drawn, and counted as `unseen`."""
    accumulator = settings.accumulator()
    views = fetcher.fetch_tiles(settings.source, coarse_block(block))
    for key in settings.cover.tiles(block):
        answer = views[coarse_key(key)]
        if isinstance(answer, FailedFetch):
            accumulator.skip()
        else:
            # Of all pixels, so that a tile with little label does not count for what little it has.
            accumulator.add(str(key), class_counts(answer), min(CELLS, key.size) ** 2)
        PROGRESS.add(tiles=1)
    return accumulator


def coarse_block(block: TileBlock) -> TileBlock:
    """The same ground in coarse pixels."""
    corner = coarse_key(TileKey(block.crs, block.resolution, block.size, block.row, block.col, block.origin))
    return TileBlock(
        block.crs, corner.resolution, corner.size, corner.row, corner.col, block.rows, block.cols, block.origin
    )


def coarse_key(key: TileKey) -> TileKey:
    """A tile of the grid, seen in coarse pixels: the same ground, so the whole multiple of the tile's size stays."""
    cells = min(CELLS, key.size)
    resolution = key.resolution * key.size / cells
    return TileKey(key.crs, resolution, cells, key.row // key.size * cells, key.col // key.size * cells, key.origin)


def class_counts(pixels: Pixels) -> dict[int, int]:
    """Number of valid pixels of each code of the only band."""
    (name,) = pixels.values
    codes, counts = np.unique(pixels.values[name][pixels.valid[name]], return_counts=True)
    return dict(zip(codes.astype(int).tolist(), counts.tolist(), strict=True))


class _Draw(beam.CombineFn):
    """Merges accumulators; the order does not matter."""

    def __init__(self, settings: StrataSettings) -> None:
        self._settings = settings

    def create_accumulator(self) -> StrataAccumulator:
        """Nothing yet."""
        return self._settings.accumulator()

    def add_input(self, mutable_accumulator: StrataAccumulator, element: StrataAccumulator) -> StrataAccumulator:
        """Merge one."""
        return mutable_accumulator.merge(element)

    def merge_accumulators(self, accumulators: Iterable[StrataAccumulator]) -> StrataAccumulator:
        """Merge all."""
        merged = self.create_accumulator()
        for accumulator in accumulators:
            merged = merged.merge(accumulator)
        return merged

    def extract_output(self, accumulator: StrataAccumulator) -> StrataAccumulator:
        """As it is."""
        return accumulator


def _write(accumulator: StrataAccumulator, path: str) -> None:
    storage.write_bytes(path, json.dumps(accumulator.to_dict(), sort_keys=True))


def read_strata(path: str) -> StrataAccumulator:
    """What `CountStrata` wrote."""
    return StrataAccumulator.from_dict(json.loads(storage.read_text(path)))
