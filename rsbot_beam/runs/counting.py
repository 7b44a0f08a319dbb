"""How many tiles, shards and requests a run takes, without asking for a pixel.

Counted is by the functions that the run itself asks by. What a shard costs depends on which of its tiles belong to the
region and not on where it lies: so each pattern of tiles is looked at once, and the shards of a continent are counted in
seconds, a chunk at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from rsbot_beam.data.shards import Shard
from rsbot_beam.geometry import Cover, TileBlock, TileKey
from rsbot_beam.transforms.progress import PROGRESS

# Patterns of tiles whose cost is remembered: those of a coast hardly repeat, and a full square is all that matters.
KNOWN_PATTERNS = 100_000


@dataclass(frozen=True)
class Count:
    """What has to be asked for.

    Attributes:
        tiles: Number of tiles.
        shards: Number of shards (export) or blocks (map).
        requests: Requests for pixels that an undisturbed run makes.
        pixels: Pixels of the answers, margins included, bands not counted.
    """

    tiles: int = 0
    shards: int = 0
    requests: int = 0
    pixels: int = 0

    def __add__(self, other: Count) -> Count:
        return Count(
            self.tiles + other.tiles,
            self.shards + other.shards,
            self.requests + other.requests,
            self.pixels + other.pixels,
        )


class Pick(NamedTuple):
    """A request of a run: that of a shard, by number."""

    shard: Shard
    number: int


# What the tiles of one shard cost.
CountOf = Callable[[Sequence[TileKey]], Count]


class Shards(Protocol):
    """The shards of a run."""

    def __iter__(self) -> Iterator[Shard]:
        """All of them."""

    def count(self) -> Count:
        """What they take together."""

    def pick(self, many: int) -> list[Pick]:
        """Requests from all over the region, at most `many`; the same in every process."""


class GridShards:
    """The shards of a region: aligned squares of tiles. No more than a chunk of them is ever held.

    Args:
        cover: Which tiles belong to the region.
        side: Tiles a side of a shard, a power of two, at most 256.
        count_of: What the tiles of a shard cost.
    """

    def __init__(self, cover: Cover, side: int, count_of: CountOf) -> None:
        self._cover, self._side, self._count_of = cover, side, count_of
        self._known: dict[bytes, Count] = {}
        self._chunks: list[tuple[TileBlock, Count]] | None = None

    def __iter__(self) -> Iterator[Shard]:
        for block in self._cover.blocks(self._side):
            yield Shard(str(block), tuple(self._cover.tiles(block)))

    def count(self) -> Count:
        """As in `Shards`."""
        return sum((count for _, count in self._counted()), Count())

    def pick(self, many: int) -> list[Pick]:
        """As in `Shards`: as many as there are requests, evenly along the order of the quadtree."""
        chunks = self._counted()
        ends = np.cumsum([count.requests for _, count in chunks])
        picks = []
        for number in _evenly(int(ends[-1]) if len(ends) else 0, many):
            index = int(np.searchsorted(ends, number, side="right"))
            chunk, count = chunks[index]
            picks.append(self._pick_in(chunk, number - (int(ends[index]) - count.requests)))
        return picks

    def _counted(self) -> list[tuple[TileBlock, Count]]:
        if self._chunks is None:
            self._chunks = []
            for chunk in self._cover.chunks():
                found = sum((count for _, count in self._sums(chunk)), Count())
                PROGRESS.add(tiles=found.tiles)
                self._chunks.append((chunk, found))
        return self._chunks

    def _pick_in(self, chunk: TileBlock, number: int) -> Pick:
        for square, count in self._each(chunk):
            if number < count.requests:
                block = self.square(chunk, square)
                return Pick(Shard(str(block), tuple(self._cover.tiles(block))), number)
            number -= count.requests
        raise IndexError(number)

    def chunks(self) -> Iterator[TileBlock]:
        """Large squares of the region, to be taken apart by `squares`."""
        return self._cover.chunks()

    def squares(self, chunk: TileBlock) -> tuple[np.ndarray, np.ndarray]:
        """The shards of a chunk as arrays: their numbers (n,), and which of their tiles are there, bool (n, side, side)."""
        side, mask = self._side, self._cover.mask(chunk)
        rows, cols = mask.shape[0] // side, mask.shape[1] // side
        tiles = mask.reshape(rows, side, cols, side).swapaxes(1, 2).reshape(rows * cols, side, side)
        met = np.flatnonzero(tiles.any(axis=(1, 2)))
        return met, tiles[met]

    def square(self, chunk: TileBlock, number: int) -> TileBlock:
        """The square of a shard, by its number in a chunk."""
        row, col = divmod(number, chunk.cols // self._side)
        return chunk.part(row * self._side, col * self._side, self._side, self._side)

    def _sums(self, chunk: TileBlock) -> Iterator[tuple[int, Count]]:
        """The patterns of a chunk's squares: how many squares have it, and what they cost together."""
        for squares, count in self._patterns(chunk):
            n = len(squares)
            yield n, Count(n * count.tiles, n * count.shards, n * count.requests, n * count.pixels)

    def _each(self, chunk: TileBlock) -> list[tuple[int, Count]]:
        """The chunk's squares that hold tiles, row by row, each with what it costs."""
        found = [(int(square), count) for squares, count in self._patterns(chunk) for square in squares]
        return sorted(found, key=lambda item: item[0])

    def _patterns(self, chunk: TileBlock) -> Iterator[tuple[np.ndarray, Count]]:
        met, tiles = self.squares(chunk)
        if not len(met):
            return
        packed = np.packbits(tiles.reshape(len(met), -1), axis=1)
        _, first, which = np.unique(packed, axis=0, return_index=True, return_inverse=True)
        order = np.argsort(which.ravel(), kind="stable")
        groups = np.split(met[order], np.cumsum(np.bincount(which.ravel()))[:-1])
        for start, squares in zip(first.tolist(), groups, strict=True):
            yield squares, self._cost(tiles[start].ravel(), self.square(chunk, int(met[start])))

    def _cost(self, there: np.ndarray, block: TileBlock) -> Count:
        """What a pattern of tiles costs; it is the same wherever it lies."""
        pattern = np.packbits(there).tobytes()
        if pattern not in self._known:
            if len(self._known) >= KNOWN_PATTERNS:
                self._known.clear()
            keys = tuple(key for key, is_there in zip(block.tiles(), there.tolist(), strict=True) if is_there)
            self._known[pattern] = self._count_of(keys)
        return self._known[pattern]


class SampledShards:
    """The shards of tiles that were drawn.

    Args:
        shards: All of them.
        count_of: What the tiles of a shard cost.
    """

    def __init__(self, shards: Sequence[Shard], count_of: CountOf) -> None:
        self._shards = shards
        self._counts = [count_of(shard.keys) for shard in shards]

    def __iter__(self) -> Iterator[Shard]:
        return iter(self._shards)

    def count(self) -> Count:
        """As in `Shards`."""
        return sum(self._counts, Count())

    def pick(self, many: int) -> list[Pick]:
        """As in `Shards`: evenly along the curve that orders the samples."""
        ends = np.cumsum([count.requests for count in self._counts])
        picks = []
        for number in _evenly(int(ends[-1]) if len(ends) else 0, many):
            index = int(np.searchsorted(ends, number, side="right"))
            picks.append(Pick(self._shards[index], number - int(ends[index]) + self._counts[index].requests))
        return picks


def count_left(shards: Iterable[Shard], missing: Callable[[Shard], Sequence[TileKey]], count_of: CountOf) -> Count:
    """What is left to do of a run.

    Args:
        shards: Of the run.
        missing: The tiles of a shard that are still to be asked for.
        count_of: What tiles of a shard cost.
    """
    total = Count()
    for shard in shards:
        keys = missing(shard)
        if keys:
            total += count_of(keys)
        PROGRESS.add(tiles=len(shard.keys))
    return total


def _evenly(total: int, many: int) -> list[int]:
    """At most `many` of the numbers below a total, each from the middle of its share."""
    number = min(many, total)
    return [(2 * i + 1) * total // (2 * number) for i in range(number)]
