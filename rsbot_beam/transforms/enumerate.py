"""Enumerating the tiles of a run in Beam: those of a region, without a list of them anywhere, or sampled ones."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence

import apache_beam as beam

from rsbot_beam.data.samples import Sample
from rsbot_beam.data.shards import Shard
from rsbot_beam.geometry import Cover, TileBlock
from rsbot_beam.sampling import read_samples, sample_shards

# Shards a side of the squares that are handed to one worker to enumerate: 64 x 64 shards take it 10-50 ms, and a
# continent makes a few hundred of them.
SHARDS_PER_SQUARE = 64


class EnumerateShards(beam.PTransform):
    """Lists the shards of a region: aligned squares of tiles, of which those that belong to the region are in the shard.

    Pipeline -> PCollection[Shard], spread over workers. The work fans out along the quadtree: a few roots, their parts
    that meet the region, then each part's shards.

    Args:
        cover: Which tiles belong to the region.
        side: Tiles a side of a shard, a power of two.
    """

    def __init__(self, cover: Cover, side: int) -> None:
        super().__init__()
        self._cover = cover
        self._side = side

    def expand(self, pipeline: beam.Pipeline) -> beam.PCollection:
        """Wire roots, squares and shards; a Reshuffle of keys after each spreads them over workers."""
        return (
            pipeline
            | "Roots" >> beam.Create(self._cover.roots(self._side))
            | "Squares"
            >> beam.FlatMap(squares, self._cover, self._side * SHARDS_PER_SQUARE).with_output_types(TileBlock)
            | "SpreadSquares" >> beam.Reshuffle()
            | "Shards" >> beam.FlatMap(shards, self._cover, self._side).with_output_types(Shard)
            | "SpreadShards" >> beam.Reshuffle()
        )


def squares(root: TileBlock, cover: Cover, side: int) -> Iterator[TileBlock]:
    """The parts of a root of at most `side` tiles a side that meet the region."""
    if root.rows <= side:
        yield root
        return
    for quarter in cover.split(root):
        yield from squares(quarter, cover, side)


def shards(square: TileBlock, cover: Cover, side: int) -> Iterator[Shard]:
    """The shards of a square; each has at least one tile."""
    for block in cover.blocks(side, within=square):
        yield Shard(str(block), tuple(cover.tiles(block)))


class EnumerateSamples(beam.PTransform):
    """Lists the shards of sampled tiles: neighbours that are stored together.

    Pipeline -> PCollection[Shard], spread over workers, which read the samples from their file.

    Args:
        path: The file of the samples, local or `gs://`.
        shards: Number of shards.
    """

    def __init__(self, path: str, shards: int) -> None:
        super().__init__()
        self._path, self._shards = path, shards

    def expand(self, pipeline: beam.Pipeline) -> beam.PCollection:
        """Wire numbers and shards."""
        return (
            pipeline
            | "Numbers" >> beam.Create(range(self._shards))
            | "Spread" >> beam.Reshuffle()
            | "Shards" >> beam.Map(sampled_shard, self._path).with_output_types(Shard)
        )


def sampled_shard(number: int, path: str) -> Shard:
    """One shard of the samples of a file."""
    return sampled_shards(path)[number]


@functools.lru_cache(maxsize=1)  # A worker takes many shards of one file.
def sampled_shards(path: str) -> tuple[Shard, ...]:
    """The shards of the samples of a file, the same in every process."""
    return shards_of_samples(read_samples(path))


def shards_of_samples(samples: Sequence[Sample]) -> tuple[Shard, ...]:
    """The shards of samples: neighbours together."""
    shards = []
    for name, indices in sample_shards(samples):
        members = tuple(samples[index] for index in indices)
        shards.append(Shard(name, tuple(sample.key for sample in members), members))
    return tuple(shards)
