"""From a shard to its requests, and from their answers to patches. Pure functions and settings; no Beam."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rsbot_beam.data.bands import Layout
from rsbot_beam.data.patch import Patch, stack_fetched
from rsbot_beam.data.raw_shard import ShardHeader
from rsbot_beam.data.shards import DeadLetter, FetchedShard, Shard
from rsbot_beam.earthengine.ahead import Admit, Request
from rsbot_beam.earthengine.endpoint import Endpoint
from rsbot_beam.earthengine.fetcher import PixelFetcher
from rsbot_beam.earthengine.pixels import Pixels, fits
from rsbot_beam.earthengine.source import PixelSource
from rsbot_beam.earthengine.tiles import FailedFetch
from rsbot_beam.geometry import TileBlock, TileKey, plan_blocks


@dataclass(frozen=True)
class FetchSettings:
    """What a worker needs to fetch; picklable, holds no secret.

    Attributes:
        endpoint: Earth Engine, with this process's share of the quota.
        source: What to fetch, as text.
        layout: The shape of the patches.
        root: Folder of the dataset: shards that are there are not fetched again.
        block_bytes: Largest answer to ask for in one request; larger rectangles of tiles are fetched in pieces.
        resume: Whether there may be shards of an earlier run.
    """

    endpoint: Endpoint
    source: PixelSource
    layout: Layout
    root: str
    block_bytes: int
    resume: bool = True


def answer_bytes(source: PixelSource, shape: tuple[int, int]) -> int:
    """Bytes of an answer's body for (height, width) pixels, without its header."""
    return shape[0] * shape[1] * sum(band.itemsize for band in source.bands)


def missing_tiles(shard: Shard, header: ShardHeader | None) -> list[TileKey]:
    """Tiles of a shard that an earlier run neither stored nor found empty; dead ones are asked for again."""
    known = {*header.stored, *header.empty} if header else set()
    return [key for key in shard.keys if key not in known]


def requests_for(keys: Sequence[TileKey], settings: FetchSettings, fetcher: PixelFetcher) -> list[Request]:
    """Requests that cover tiles: those that lie together in one, up to the limits."""
    source = settings.source

    def small_enough(height: int, width: int) -> bool:
        shape = (height, width)
        return answer_bytes(source, shape) <= settings.block_bytes and fits(shape, source)

    def request(block: TileBlock) -> Request:
        def fetch(admit: Admit) -> Mapping[TileKey, Pixels | FailedFetch]:
            return fetcher.fetch_tiles(source, block, before_body=admit)

        return Request(answer_bytes(source, block.shape), fetch)

    return [request(block) for block in plan_blocks(keys, small_enough)]


def collect(
    shard: Shard,
    answers: Sequence[Mapping[TileKey, Pixels | FailedFetch]],
    layout: Layout,
    header: ShardHeader | None,
) -> FetchedShard:
    """Sort the answers for a shard into patches, empty tiles and dead letters."""
    patches: list[Patch] = []
    empty: list[TileKey] = []
    dead: list[DeadLetter] = []
    for key, answer in ((key, answer) for answers_of in answers for key, answer in answers_of.items()):
        if isinstance(answer, FailedFetch):
            dead.append(DeadLetter(str(key), answer.kind, answer.message, answer.attempts, answer.request))
            continue
        patch = stack_fetched(key, layout, answer.values, answer.valid)
        if patch.is_empty:
            empty.append(key)
        else:
            patches.append(patch)
    return FetchedShard(shard, tuple(patches), tuple(empty), tuple(dead), header)
