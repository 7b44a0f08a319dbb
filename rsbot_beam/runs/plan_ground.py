"""Where the tiles of a planned export lie, and the blocks of a planned map: as arrays, a chunk at a time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from rsbot_beam.data.samples import Sample
from rsbot_beam.data.splits import SPLITS, SpatialSplit
from rsbot_beam.geometry import Cover, TileBlock, TileKey
from rsbot_beam.geometry.corners import lonlat_corners
from rsbot_beam.runs.counting import GridShards
from rsbot_beam.runs.planned_export import PlannedExport
from rsbot_beam.runs.planned_map import PlannedMap

# Kinds of ground beside the partitions.
TILES, CANDIDATES, BLOCKS, DONE = "tiles", "tiles looked at", "blocks", "blocks there already"


@dataclass(frozen=True)
class Places:
    """Rectangles of tiles on one pixel grid.

    Attributes:
        crs: "EPSG:n".
        resolution: Pixel size, units of the CRS.
        origin: Of the grid.
        size: Pixels per side of a tile.
        corners: int (n, 2), row and column of the top left pixels.
        shapes: int (n, 2), rows and columns of tiles.
        kinds: int (n,), index of `kinds_of`.
        tiles: int (n,), tiles that belong to the run.
    """

    crs: str
    resolution: float
    origin: tuple[float, float]
    size: int
    corners: np.ndarray
    shapes: np.ndarray
    kinds: np.ndarray
    tiles: np.ndarray

    def lonlat(self) -> np.ndarray:
        """Corners in degrees, float (n, 4, 2) (see `geometry.corners.lonlat_corners`)."""
        (x, y), step = self.origin, self.resolution
        (row, col), (height, width) = self.corners.T, self.shapes.T * self.size
        return lonlat_corners(
            self.crs, x + col * step, y - (row + height) * step, x + (col + width) * step, y - row * step
        )

    def names(self) -> Iterator[str]:
        """Texts of the tiles, or of the blocks where any is larger."""
        alone = bool((self.shapes == 1).all())
        for (row, col), (rows, cols) in zip(self.corners.tolist(), self.shapes.tolist(), strict=True):
            key = TileKey(self.crs, self.resolution, self.size, row, col, self.origin)
            yield str(key) if alone else str(TileBlock.of(key, rows, cols))


def kinds_of(planned: PlannedExport | PlannedMap) -> tuple[str, ...]:
    """What `places_of` tells apart."""
    if isinstance(planned, PlannedMap):
        return (BLOCKS, DONE)
    if not planned.is_exact:
        return (CANDIDATES,)
    return SPLITS if planned.splits() is not None else (TILES,)


def places_of(planned: PlannedExport | PlannedMap) -> Iterator[Places]:
    """All tiles of an export, or blocks of a map."""
    if isinstance(planned, PlannedMap):
        return _blocks(planned)
    split = planned.plan.split if kinds_of(planned) == SPLITS else None
    return _tiles(planned.plan.cover, split) if planned.samples is None else _samples(planned.samples, split)


def shards_of(planned: PlannedExport) -> Iterator[Places]:
    """The squares in which the tiles of a grid are stored together."""
    shards = GridShards(planned.plan.cover, planned.plan.shard_side, planned.count_of)
    for chunk in shards.chunks():
        numbers, there = shards.squares(chunk)
        corners = np.array([(b.row, b.col) for b in (shards.square(chunk, n) for n in numbers.tolist())])
        shapes = np.broadcast_to(there.shape[1:], corners.shape)
        yield _on_grid_of(chunk, corners, shapes, np.zeros(len(corners), int), there.sum(axis=(1, 2)))


def _tiles(cover: Cover, split: SpatialSplit | None) -> Iterator[Places]:
    for chunk in cover.chunks():
        corners = np.argwhere(cover.mask(chunk)) * chunk.size + (chunk.row, chunk.col)
        kinds = np.zeros(len(corners), int)
        if split is not None:
            kinds[:] = [SPLITS.index(split.split_of(key)) for key in cover.tiles(chunk)]
        ones = np.ones(len(corners), int)
        yield _on_grid_of(chunk, corners, np.column_stack([ones, ones]), kinds, ones)


def _samples(samples: Sequence[Sample], split: SpatialSplit | None) -> Iterator[Places]:
    of_crs: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        of_crs[sample.key.crs].append(sample)
    for found in of_crs.values():
        kinds = [0 if split is None else SPLITS.index(split.split_of(s.key, s.group)) for s in found]
        ones = np.ones(len(found), int)
        corners = np.array([(s.key.row, s.key.col) for s in found])
        yield _on_grid_of(found[0].key, corners, np.column_stack([ones, ones]), np.array(kinds, int), ones)


def _blocks(planned: PlannedMap) -> Iterator[Places]:
    shards, missing = planned.shards, planned.missing() if planned.is_begun else None
    for chunk in shards.chunks():
        numbers, there = shards.squares(chunk)
        blocks = [_covered(shards.square(chunk, n), tiles) for n, tiles in zip(numbers.tolist(), there, strict=True)]
        done = [missing is not None and missing.is_done(str(block)) for block in blocks]
        corners = np.array([(block.row, block.col) for block in blocks], int).reshape(-1, 2)
        shapes = np.array([(block.rows, block.cols) for block in blocks], int).reshape(-1, 2)
        yield _on_grid_of(chunk, corners, shapes, np.array(done, int), there.sum(axis=(1, 2)))


def _covered(square: TileBlock, there: np.ndarray) -> TileBlock:
    """The smallest block that holds the tiles that are there (rows, cols)."""
    rows, cols = np.flatnonzero(there.any(axis=1)), np.flatnonzero(there.any(axis=0))
    return square.part(int(rows[0]), int(cols[0]), int(np.ptp(rows)) + 1, int(np.ptp(cols)) + 1)


def _on_grid_of(
    place: TileKey | TileBlock, corners: np.ndarray, shapes: np.ndarray, kinds: np.ndarray, tiles: np.ndarray
) -> Places:
    return Places(place.crs, place.resolution, place.origin, place.size, corners, shapes, kinds, tiles)
