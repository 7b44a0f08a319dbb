"""What an export writes for the patches of a shard, counted on patches that were fetched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass

import numpy as np

from rsbot_beam.data.bands import Layout
from rsbot_beam.data.examples import encode_example, feature_table
from rsbot_beam.data.objects import Objects
from rsbot_beam.data.patch import Patch
from rsbot_beam.data.period import Period
from rsbot_beam.data.raw_shard import ShardHeader, encode_shard
from rsbot_beam.geometry import TileKey
from rsbot_beam.runs.counting import Count

# A TFRecord's length, and a checksum of it and of the record (TensorFlow, "TFRecord and tf.train.Example").
RECORD_BYTES = 16
# What the transform_fn gives; its size does not depend on what was learnt.
_TRANSFORMED = ("image", "valid", "static", "static_valid")


@dataclass(frozen=True)
class ExportBytes:
    """What an export writes, by the patches that were fetched.

    Attributes:
        shard: Bytes of a raw shard beside its tiles.
        listed: That each tile takes in its shard's list.
        patch: That a stored patch takes in addition.
        example: Of an example in a TFRecord.
    """

    shard: float
    listed: float
    patch: float
    example: float

    def raw(self, count: Count, filled: float) -> int:
        """Of all raw shards."""
        return round(count.shards * self.shard + count.tiles * (self.listed + filled * self.patch))

    def examples(self, count: Count, filled: float) -> int:
        """Of all examples."""
        return round(count.tiles * filled * self.example)


def bytes_of(patches: Sequence[Patch], period: Period) -> ExportBytes:
    """What a shard of some patches takes, as the run writes it."""
    layout, keys = patches[0].layout, tuple(patch.key for patch in patches)
    groups = tuple(patch.group for patch in patches) if any(patch.group for patch in patches) else ()
    bare = len(encode_shard(ShardHeader("shard", ()), layout, []))
    listed = len(encode_shard(ShardHeader("shard", (), keys), layout, []))
    stored = len(encode_shard(ShardHeader("shard", keys, groups=groups), layout, patches))
    n = len(patches)
    return ExportBytes(bare, (listed - bare) / n, (stored - listed) / n, _example_bytes(patches, period))


def bytes_of_full(key: TileKey, layout: Layout, period: Period) -> ExportBytes:
    """What a patch takes of which every pixel is valid, without having one."""
    shapes = {band.name: layout.shape(band, key.size) for band in layout.all_bands}
    pixels = {band.name: np.zeros(shapes[band.name], band.numpy) for band in layout.all_bands}
    objects = Objects.none() if layout.objects else None
    valid = {name: np.ones(shape, bool) for name, shape in shapes.items()}
    return bytes_of([Patch(key, layout, pixels, valid, objects)], period)


def _example_bytes(patches: Sequence[Patch], period: Period) -> float:
    table = feature_table(patches[0].layout, patches[0].key.size)
    made: dict[str, np.ndarray] = {}
    for name in _TRANSFORMED:
        if name in table:
            made[name] = np.zeros([n or 0 for n in table[name].shape], table[name].dtype)
    return float(np.mean([len(encode_example(patch, made, period, table)) + RECORD_BYTES for patch in patches]))


def mean_bytes(found: Sequence[ExportBytes]) -> ExportBytes | None:
    """The mean of shards; None of none."""
    return ExportBytes(*np.mean([astuple(item) for item in found], axis=0).tolist()) if found else None
