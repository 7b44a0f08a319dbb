"""A map as it is planned: its blocks, what they ask for, and some tiles of them really fetched and predicted."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from rsbot_beam import storage
from rsbot_beam.data.manifest import MAP_FILE, is_claimed
from rsbot_beam.data.map_layout import covering_block
from rsbot_beam.data.padded import Piece, padded_geobox
from rsbot_beam.data.receipts import DEAD_LETTERS, FOLDER, Receipt
from rsbot_beam.data.shards import Shard
from rsbot_beam.earthengine.fetcher import PixelFetcher
from rsbot_beam.earthengine.places import requests_of
from rsbot_beam.geometry import TileBlock, TileKey
from rsbot_beam.maps.cog import overview_share
from rsbot_beam.runs.counting import Count, GridShards, Pick
from rsbot_beam.runs.map_plan import MapPlan
from rsbot_beam.runs.map_settings import map_settings
from rsbot_beam.runs.predict import intention
from rsbot_beam.runs.trial import Looked, Trial, try_places
from rsbot_beam.transforms.map_blocks import (
    FetchedBlock,
    collect_block,
    parts_of,
    pieces_of,
    requests_for_parts,
    small_enough,
)
from rsbot_beam.transforms.map_files import write_block
from rsbot_beam.transforms.predict_block import PredictedBlock, predict_block
from rsbot_beam.transforms.shard_requests import answer_bytes

# Seconds of predicting after which no further place is predicted: a large model takes minutes for a block.
PREDICT_SECONDS = 30.0


@dataclass(frozen=True)
class MapWork:
    """What the model and the files take, by the tiles that were predicted.

    Attributes:
        tiles: That were predicted.
        written: Share of the places with any pixel; others leave no file.
        tile_seconds: Of predicting, stitching and writing a tile, with all cores of this machine.
        tile_cpu: CPU seconds of it.
        block_bytes: Of the files of a block beside its tiles.
        tile_bytes: That a tile takes in addition.
    """

    tiles: int
    written: float
    tile_seconds: float
    tile_cpu: float
    block_bytes: float
    tile_bytes: float

    def files(self, count: Count, filled: float) -> int:
        """Bytes of the files of all blocks."""
        return round(count.shards * self.written * self.block_bytes + count.tiles * filled * self.tile_bytes)


class PlannedMap:
    """A map, looked at before it is made. Nothing is written to its folder.

    Args:
        plan: The map.
        folder: A temporary folder, for the files of the tiles that are tried.
    """

    command = "predict"
    is_exact = True
    counting = 0

    def __init__(self, plan: MapPlan, folder: str) -> None:
        self.plan = plan
        self.is_begun = is_claimed(plan.config.output, plan.manifest(), MAP_FILE)
        self.title = intention(plan)
        aside = replace(plan, config=replace(plan.config, output=folder))
        self._settings = map_settings(aside, processes=1, threads=0, resume=False)
        self._overlap = plan.map.seams.overlap

    @cached_property
    def shards(self) -> GridShards:
        """The blocks."""
        return GridShards(self.plan.cover, self.plan.side, self.count_of)

    @cached_property
    def whole(self) -> Count:
        """All that is to be asked for."""
        return self.shards.count()

    def count_of(self, keys: Sequence[TileKey]) -> Count:
        """What the tiles of one block cost."""
        total = Count(len(keys), 1)
        for part, piece in self._requests(keys):
            place = padded_geobox(part, self._overlap)[piece]
            total += Count(0, 0, requests_of(self.plan.source, place), math.prod(place.shape))
        return total

    def _requests(self, keys: Sequence[TileKey]) -> list[tuple[TileBlock, Piece]]:
        parts = parts_of(Shard("", tuple(keys)), self._overlap)
        return [(part, piece) for part in parts for piece in pieces_of(part, self._settings)]

    def missing(self) -> MissingBlocks:
        """What an earlier run has left to do."""
        return MissingBlocks(self.plan.config.output)

    def splits(self) -> None:
        """A map has no partitions."""

    def sample_shard(self, pick: Pick) -> Shard:
        """The tiles of a block that a request brings whole, with their overlap; one tile where it brings none."""
        requests = self._requests(pick.shard.keys)
        part, (rows, cols) = requests[min(pick.number, len(requests) - 1)]
        block = self._largest(part)
        row, col = (
            min(edge.start // part.size, n - m)
            for edge, n, m in zip((rows, cols), (part.rows, part.cols), block, strict=True)
        )
        inside = set(part.part(row, col, *block).tiles())
        keys = tuple(key for key in pick.shard.keys if key in inside)
        return Shard(pick.shard.name, keys or pick.shard.keys[:1])

    def _largest(self, part: TileBlock) -> tuple[int, int]:
        """Rows and columns of the largest part of a part whose pixels come in one request; (1, 1) if none does."""

        def fits(rows: int, cols: int) -> bool:
            around = 2 * self._overlap
            return small_enough(self._settings, rows * part.size + around, cols * part.size + around)

        sizes = [(r, c) for r in range(1, part.rows + 1) for c in range(1, part.cols + 1) if fits(r, c)]
        return max(sizes, key=lambda size: (size[0] * size[1], -abs(size[0] - size[1])), default=(1, 1))

    def sample_body(self, pick: Pick) -> TileBlock:
        """The ground of the tiles that are tried for a request."""
        return covering_block(self.sample_shard(pick).keys)

    def try_out(self, picks: Sequence[Pick]) -> tuple[Trial, MapWork | None]:
        """Fetch the tiles of some requests and predict them; returns what was seen, and what the model and files take."""

        def ask(fetcher: PixelFetcher, pick: Pick) -> tuple[Looked, FetchedBlock]:
            fetched = self._fetched(fetcher, self.sample_shard(pick))
            nbytes = fetched.fetched_pixels * answer_bytes(self.plan.source, (1, 1))
            failure = fetched.dead[0].message if fetched.dead else ""
            return Looked(len(fetched.shard.keys), len(fetched.empty), len(fetched.dead), nbytes, failure), fetched

        trial, found = try_places(picks, ask, self.plan.config.endpoint)
        filled = [fetched for fetched in found if any(fetched.keys)]
        return trial, self._predicted(filled, len(filled) / len(found)) if filled else None

    def _fetched(self, fetcher: PixelFetcher, shard: Shard) -> FetchedBlock:
        requests = requests_for_parts(parts_of(shard, self._overlap), self._settings, fetcher)
        answers = [request.fetch(lambda: None) for request in requests]
        return collect_block(shard, answers, self._settings, fetcher)

    def _predicted(self, blocks: Sequence[FetchedBlock], written: float) -> MapWork:
        """Predict and write blocks as a run does, until time is up."""
        from rsbot_beam.learning.predictor import Predictor

        predictor = Predictor(self._settings.model, self._settings.batch_size)
        bare = self._bare_bytes(predict_block(_one_tile(blocks[0]), predictor.predict, self._settings))
        start, cpu, tiles, nbytes, done = time.monotonic(), time.process_time(), 0, 0.0, 0
        for fetched in blocks:
            predicted = predict_block(fetched, predictor.predict, self._settings)
            nbytes += self._as_whole_block(predicted, write_block(predicted, self._settings)) - bare
            tiles, done = tiles + predicted.predicted, done + 1
            if time.monotonic() - start > PREDICT_SECONDS:
                break
        seconds, cpu = time.monotonic() - start, time.process_time() - cpu
        return MapWork(tiles, written, seconds / tiles, cpu / tiles, bare, max(0.0, nbytes / tiles))

    def _as_whole_block(self, predicted: PredictedBlock, receipt: Receipt) -> float:
        """Bytes of a block's files, if its rasters had the overviews of a whole block: a few tiles may have none."""
        side = self.plan.side * self.plan.map.seams.size
        grown = overview_share(side, side) / overview_share(*predicted.block.shape)
        return sum(nbytes * (grown if path.endswith(".tif") else 1) for path, nbytes in receipt.files.items())

    def _bare_bytes(self, predicted: PredictedBlock) -> int:
        """Bytes of a block's files when there is nothing to see: heads, palettes, the catalogue's item."""
        plain = {
            name: np.broadcast_to(raster.flat[0], raster.shape).copy() for name, raster in predicted.rasters.items()
        }
        receipt = write_block(replace(predicted, rasters=plain, boxes=()), self._settings)
        return sum(receipt.files.values())


def _one_tile(fetched: FetchedBlock) -> FetchedBlock:
    """The same with its first tile alone: the first call of a model takes seconds to get ready."""
    return replace(fetched, parts=fetched.parts[:1], keys=(fetched.keys[0][:1],))


class MissingBlocks:
    """The blocks that an earlier run has not finished, by the names of its receipts.

    Args:
        root: The map's folder.
    """

    def __init__(self, root: str) -> None:
        receipts = storage.list_files(storage.join(root, FOLDER), ".json")
        letters = storage.list_files(storage.join(root, DEAD_LETTERS), ".jsonl")
        done = {storage.name_of(file.path).removesuffix(".json") for file in receipts}
        self._done = done - {storage.name_of(file.path).removesuffix(".jsonl") for file in letters}

    def is_done(self, block: str) -> bool:
        """Whether a block, by its text, is finished."""
        return block in self._done

    def __call__(self, shard: Shard) -> Sequence[TileKey]:
        """Of a shard: all, or none."""
        return () if self.is_done(str(covering_block(shard.keys))) else shard.keys
