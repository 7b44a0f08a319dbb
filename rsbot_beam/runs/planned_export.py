"""An export as it is planned: its shards, what they ask for, and a few of them really fetched."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

from apache_beam.options.pipeline_options import PipelineOptions

from rsbot_beam import storage
from rsbot_beam.data.manifest import is_claimed
from rsbot_beam.data.raw_shard import SUFFIX
from rsbot_beam.data.raw_store import DEAD_LETTERS
from rsbot_beam.data.samples import Sample
from rsbot_beam.data.shards import FetchedShard, Shard
from rsbot_beam.earthengine.fetcher import PixelFetcher
from rsbot_beam.earthengine.places import requests_of
from rsbot_beam.geometry import TileBlock, TileKey
from rsbot_beam.runs.counting import Count, GridShards, Pick, SampledShards, Shards
from rsbot_beam.runs.export import intention
from rsbot_beam.runs.export_bytes import ExportBytes, bytes_of, bytes_of_full, mean_bytes
from rsbot_beam.runs.plan import ExportPlan, block_bytes
from rsbot_beam.runs.sampling import draw, drawn_before, grouped, samples_path, strata_path
from rsbot_beam.runs.steps import fetch_settings
from rsbot_beam.runs.trial import Looked, Trial, try_places
from rsbot_beam.sampling import SamplingSettings, random_samples
from rsbot_beam.sampling.shards import PER_SHARD
from rsbot_beam.transforms.enumerate import shards_of_samples
from rsbot_beam.transforms.shard_requests import FetchSettings, answer_bytes, collect, missing_tiles, request_blocks
from rsbot_beam.transforms.strata import REQUEST_SIDE, coarse_block

# Tiles whose partitions are told one by one, which takes some seconds; of more, the shares say enough.
MOST_SPLIT = 500_000


class PlannedExport:
    """An export, looked at before it is made. Nothing is written to its folder.

    Args:
        plan: The export.
        folder: A temporary folder, for what the draw of tiles has to write.
        options: Beam's.
    """

    command = "export"

    def __init__(self, plan: ExportPlan, folder: str, options: PipelineOptions) -> None:
        self.plan, self._options = plan, options
        self.is_begun = is_claimed(plan.config.output, plan.manifest())
        self._aside = replace(plan, config=replace(plan.config, output=folder))
        self.title = intention(plan)

    @cached_property
    def samples(self) -> tuple[Sample, ...] | None:
        """The tiles that are drawn; None where all of a grid are taken, or where classes would have to be counted first."""
        if not self.plan.is_sampled:
            return None
        if storage.exists(samples_path(self.plan)):
            return drawn_before(self.plan)
        if self.plan.sampling.mode != "stratified":
            return tuple(grouped(self._aside, draw(self._aside, self._options)))
        if storage.exists(strata_path(self.plan)):
            return tuple(grouped(self.plan, draw(self.plan, self._options)))
        return None

    @property
    def is_exact(self) -> bool:
        """Whether it is known which tiles are taken."""
        return self.samples is not None or not self.plan.is_sampled

    @cached_property
    def shards(self) -> Shards:
        """The shards; where the tiles are not known yet, some at random to be tried."""
        if not self.plan.is_sampled:
            return GridShards(self.plan.cover, self.plan.shard_side, self.count_of)
        samples = self.samples
        if samples is None:
            settings = SamplingSettings(mode="random", count=PER_SHARD, seed=self.plan.sampling.seed)
            samples = tuple(random_samples(self.plan.cover, settings).samples)
        return SampledShards(shards_of_samples(samples), self.count_of)

    def count_of(self, keys: Sequence[TileKey]) -> Count:
        """What the tiles of one shard cost."""
        blocks = self._blocks(keys)
        requests = sum(requests_of(self.plan.source, block.geobox) for block in blocks)
        return Count(len(keys), 1, requests, sum(block.shape[0] * block.shape[1] for block in blocks))

    def _blocks(self, keys: Sequence[TileKey]) -> list[TileBlock]:
        return request_blocks(keys, self.plan.source, block_bytes(self.plan.config))

    @cached_property
    def whole(self) -> Count:
        """All that is to be asked for; at most that, where it is not exact."""
        if self.is_exact:
            return self.shards.count()
        most, classes = self.plan.cover.count(), len(self.plan.layout.classes)
        tiles = min(most, self.plan.sampling.required_count * classes) if classes else most
        one = self.count_of([next(iter(self.plan.cover.tiles()))])
        return Count(tiles, -(-tiles // PER_SHARD), tiles * one.requests, tiles * one.pixels)

    @cached_property
    def counting(self) -> int:
        """Requests that look for classes before tiles are drawn."""
        if self.is_exact:
            return 0
        from rsbot_beam.recipes.sources import build_stratum

        plan = self.plan
        source = build_stratum(plan.recipe, plan.layout, plan.region, plan.period)
        return sum(requests_of(source, coarse_block(block).geobox) for block in plan.cover.blocks(REQUEST_SIDE))

    def missing(self) -> Missing:
        """What an earlier run has left to do."""
        return Missing(self.plan)

    def splits(self) -> dict[str, int] | None:
        """Number of tiles by partition; None where they are not known, or too many to be told one by one."""
        if not self.is_exact or self.whole.tiles > MOST_SPLIT:
            return None
        places = (
            ((sample.key, sample.group) for sample in self.samples)
            if self.samples is not None
            else ((key, "") for key in self.plan.cover.tiles())
        )
        return dict(Counter(self.plan.split.split_of(key, group) for key, group in places))

    def sample_body(self, pick: Pick) -> TileBlock:
        """The place of a request."""
        blocks = self._blocks(pick.shard.keys)
        return blocks[min(pick.number, len(blocks) - 1)]

    def try_out(self, picks: Sequence[Pick]) -> tuple[Trial, ExportBytes | None]:
        """Fetch some requests; returns what was seen, and what it makes of bytes where any tile had pixels."""
        settings = fetch_settings(self._aside, 1, resume=False)

        def ask(fetcher: PixelFetcher, pick: Pick) -> tuple[Looked, ExportBytes | None]:
            fetched = self._fetched(fetcher, pick, settings)
            block = fetched.shard
            nbytes = answer_bytes(self.plan.source, self.sample_body(pick).shape)
            failure = fetched.dead[0].message if fetched.dead else ""
            looked = Looked(len(block.keys), len(fetched.empty), len(fetched.dead), nbytes, failure)
            return looked, bytes_of(fetched.patches, self.plan.period) if fetched.patches else None

        trial, found = try_places(picks, ask, self.plan.config.endpoint)
        return trial, mean_bytes([item for item in found if item is not None])

    def full_bytes(self) -> ExportBytes:
        """What it makes of bytes where nothing was tried: as if every pixel were valid."""
        return bytes_of_full(next(iter(self.plan.cover.tiles())), self.plan.layout, self.plan.period)

    def _fetched(self, fetcher: PixelFetcher, pick: Pick, settings: FetchSettings) -> FetchedShard:
        block = self.sample_body(pick)
        answers = fetcher.fetch_tiles(self.plan.source, block)
        samples = tuple(sample for sample in pick.shard.samples if sample.key in answers)
        return collect(Shard(pick.shard.name, tuple(answers), samples), [answers], settings, None)


class Missing:
    """The tiles that an earlier run has neither stored nor found empty, by the names of its files.

    Args:
        plan: The export.
    """

    def __init__(self, plan: ExportPlan) -> None:
        self._store = plan.store
        self._there = {storage.name_of(file.path).removesuffix(SUFFIX) for file in self._store.files()}
        letters = storage.list_files(storage.join(plan.config.output, DEAD_LETTERS), ".jsonl")
        self._dead = {storage.name_of(file.path).removesuffix(".jsonl") for file in letters}

    def __call__(self, shard: Shard) -> Sequence[TileKey]:
        """Of a shard; only those with dead letters are opened, as all others are finished."""
        if shard.name not in self._there:
            return shard.keys
        if shard.name not in self._dead:
            return ()
        return missing_tiles(shard, self._store.header(shard.name))
