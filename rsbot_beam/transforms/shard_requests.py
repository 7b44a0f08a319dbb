"""From a shard to its requests, and from their answers to patches. Pure functions and settings; no Beam."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from rsbot_beam.data.bands import Layout
from rsbot_beam.data.patch import Patch, stack_fetched
from rsbot_beam.data.raw_shard import ShardHeader
from rsbot_beam.data.samples import Sample
from rsbot_beam.data.shards import DeadLetter, FetchedShard, Shard
from rsbot_beam.earthengine.ahead import Admit, Request
from rsbot_beam.earthengine.endpoint import Endpoint
from rsbot_beam.earthengine.fetcher import PixelFetcher
from rsbot_beam.earthengine.pixels import Pixels, fits
from rsbot_beam.earthengine.source import PixelSource
from rsbot_beam.earthengine.tiles import FailedFetch
from rsbot_beam.geometry import TileBlock, TileKey, plan_blocks

if TYPE_CHECKING:
    from rsbot_beam.labels import Labeller


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
        labeller: Makes labels from vector features; None where the label is fetched, or there is none.
    """

    endpoint: Endpoint
    source: PixelSource
    layout: Layout
    root: str
    block_bytes: int
    resume: bool = True
    labeller: Labeller | None = None


def answer_bytes(source: PixelSource, shape: tuple[int, int]) -> int:
    """Bytes of an answer's body for (height, width) pixels, without its header."""
    return shape[0] * shape[1] * sum(band.itemsize for band in source.bands)


def missing_tiles(shard: Shard, header: ShardHeader | None) -> list[TileKey]:
    """Tiles of a shard that an earlier run neither stored nor found empty; dead ones are asked for again."""
    known = {*header.stored, *header.empty} if header else set()
    return [key for key in shard.keys if key not in known]


def request_blocks(keys: Sequence[TileKey], source: PixelSource, block_bytes: int) -> list[TileBlock]:
    """The rectangles of tiles that are asked for in one request each: tiles that lie together, up to the limits."""

    def small_enough(height: int, width: int) -> bool:
        shape = (height, width)
        return answer_bytes(source, shape) <= block_bytes and fits(shape, source)

    return plan_blocks(keys, small_enough)


def requests_for(keys: Sequence[TileKey], settings: FetchSettings, fetcher: PixelFetcher) -> list[Request]:
    """Requests that cover tiles: one for each of `request_blocks`."""
    source = settings.source

    def request(block: TileBlock) -> Request:
        def fetch(admit: Admit) -> Mapping[TileKey, Pixels | FailedFetch]:
            return fetcher.fetch_tiles(source, block, before_body=admit)

        return Request(answer_bytes(source, block.shape), fetch)

    return [request(block) for block in request_blocks(keys, source, settings.block_bytes)]


def collect(
    shard: Shard,
    answers: Sequence[Mapping[TileKey, Pixels | FailedFetch]],
    settings: FetchSettings,
    header: ShardHeader | None,
) -> FetchedShard:
    """Sort the answers for a shard into patches, empty tiles and dead letters; patches get their labels."""
    samples = {sample.key: sample for sample in shard.samples}
    patches: list[Patch] = []
    empty: list[TileKey] = []
    dead: list[DeadLetter] = []
    for key, answer in ((key, answer) for answers_of in answers for key, answer in answers_of.items()):
        if isinstance(answer, FailedFetch):
            dead.append(DeadLetter(str(key), answer.kind, answer.message, answer.attempts, answer.request))
            continue
        patch = stack_fetched(key, settings.layout, answer.values, answer.valid)
        if patch.is_empty:
            empty.append(key)
        else:
            patches.append(_labelled(_sampled(patch, samples.get(key)), settings.labeller))
    return FetchedShard(shard, tuple(patches), tuple(empty), tuple(dead), header)


def _sampled(patch: Patch, sample: Sample | None) -> Patch:
    """With what is known of its sample."""
    return patch if sample is None else replace(patch, group=sample.group, attributes=sample.attributes)


def _labelled(patch: Patch, labeller: Labeller | None) -> Patch:
    """With the label that is made here: painted, or the objects in a fetched mask."""
    layout = patch.layout
    if labeller is None:
        if not layout.objects or patch.label is None or patch.label_valid is None:
            return patch
        from rsbot_beam.labels import objects_of_mask

        known = np.where(patch.label_valid, patch.label, 0)
        return replace(patch, objects=objects_of_mask(known, patch.seen, prefix=f"{patch.key}/"))
    mask, objects = labeller.label(patch.key, patch.seen)
    labelled = replace(patch, objects=objects) if layout.objects else patch
    if layout.label is None:
        return labelled
    # Where no feature is, there is background if the recipe knows such a class, and otherwise nobody has looked.
    known = np.ones(mask.shape, bool) if any(item.code == 0 for item in layout.classes) else mask != 0
    pixels = {**patch.pixels, layout.label.name: mask.astype(layout.label.numpy)}
    return replace(labelled, pixels=pixels, valid={**patch.valid, layout.label.name: known})
