"""Which tiles to sample, where a run does not take all tiles of a region.

Pure functions of a region, a grid and a seed: the same on every run, runner and machine. Import order in this package,
each module only from those before it: seeds, selection, settings, ground, occupied, placing, uniform, points, around,
background, features, strata, groups, shards, store.
"""

from __future__ import annotations

from rsbot_beam.sampling.features import feature_samples
from rsbot_beam.sampling.groups import group_samples
from rsbot_beam.sampling.occupied import without_overlaps
from rsbot_beam.sampling.points import Points, point_samples
from rsbot_beam.sampling.selection import Selection, Shortfall
from rsbot_beam.sampling.settings import MODES, SamplingSettings
from rsbot_beam.sampling.shards import sample_shards
from rsbot_beam.sampling.store import read_samples, write_samples
from rsbot_beam.sampling.strata import StrataAccumulator, choose_stratified
from rsbot_beam.sampling.uniform import random_samples

__all__ = [
    "MODES",
    "Points",
    "SamplingSettings",
    "Selection",
    "Shortfall",
    "StrataAccumulator",
    "choose_stratified",
    "feature_samples",
    "group_samples",
    "point_samples",
    "random_samples",
    "read_samples",
    "sample_shards",
    "without_overlaps",
    "write_samples",
]
