"""Fetching patches in Beam: shards of tile keys in, fetched shards out, many requests in flight."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import apache_beam as beam

from rsbot_beam.data.raw_shard import ShardHeader
from rsbot_beam.data.raw_store import RawStore
from rsbot_beam.data.shards import FetchedShard, Shard
from rsbot_beam.earthengine.ahead import Request
from rsbot_beam.earthengine.pixels import Pixels
from rsbot_beam.earthengine.tiles import FailedFetch
from rsbot_beam.geometry import TileKey
from rsbot_beam.transforms.ahead import FetchAheadFn
from rsbot_beam.transforms.counters import count_fetched
from rsbot_beam.transforms.shard_requests import FetchSettings, collect, missing_tiles, requests_for

# What one process may have received and not yet handed to its writers, in bytes. With the largest shard that is let in
# above it, and what the writers hold (`raw.WRITE_BEHIND_BYTES`), a killed process has fetched less than 64 MB in vain.
RECEIVE_BYTES = 32_000_000


class FetchPatches(beam.PTransform):
    """Fetches the patches of shards.

    PCollection[Shard] -> PCollection[FetchedShard]. What comes next must be fused to it: pixels are not to be shuffled.

    Args:
        settings: What to fetch and from where.
    """

    def __init__(self, settings: FetchSettings) -> None:
        super().__init__()
        self._settings = settings

    def expand(self, shards: beam.PCollection) -> beam.PCollection:
        """Wire the one step."""
        return shards | "FetchShards" >> beam.ParDo(_FetchShards(self._settings)).with_output_types(FetchedShard)


class _FetchShards(FetchAheadFn[Shard, FetchedShard]):
    """Fetches what is missing of shards."""

    def __init__(self, settings: FetchSettings) -> None:
        super().__init__(settings.endpoint, RECEIVE_BYTES)
        self._settings = settings

    def setup(self) -> None:
        """Once per worker thread."""
        super().setup()
        self._store = RawStore(self._settings.root, self._settings.layout)

    def start_bundle(self) -> None:
        """Forget the last bundle's shards."""
        self._headers: dict[str, ShardHeader | None] = {}
        super().start_bundle()

    def plan(self, element: Shard) -> list[Request]:
        """Requests for the tiles that an earlier run has not stored."""
        header = self._store.header(element.name) if self._settings.resume else None
        self._headers[element.name] = header
        return requests_for(missing_tiles(element, header), self._settings, self.fetcher)

    def complete(self, element: Shard, answers: Sequence[Mapping[TileKey, Pixels | FailedFetch]]) -> FetchedShard:
        """Sort the answers."""
        fetched = collect(element, answers, self._settings, self._headers.pop(element.name))
        count_fetched(fetched)
        return fetched
