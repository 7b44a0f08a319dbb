"""Flags of `rsbot export` that say which tiles are taken."""

from __future__ import annotations

import argparse

from pipelines.command_line import CommandParser
from rsbot_beam.sampling import MODES, SamplingSettings

# Flag -> field of SamplingSettings.
FIELDS = {
    "sampling": "mode",
    "samples": "count",
    "seed": "seed",
    "points": "points",
    "background": "background",
    "hard": "hard",
    "shift": "shift",
    "min_share": "min_share",
    "overlapping": "overlap",
    "link_distance": "link_distance",
}


def add_sampling_flags(parser: CommandParser) -> None:
    """Add them."""
    default, add = SamplingSettings(), parser.add_argument
    add(
        "--sampling",
        default=default.mode,
        choices=MODES,
        help="grid: all tiles; random: uniform by area; stratified: so many of each class of the label; features: around "
        "the label's vector features, and background; points: around your own (--points) (default: %(default)s)",
    )
    add("--samples", type=int, help="number of tiles: in all (random), of each class (stratified), around features")
    add("--seed", type=int, default=default.seed, help="of the draw (default: %(default)s)")
    add("--points", help="CSV or vector file with the points; its columns are carried into the examples")
    add(
        "--background",
        type=float,
        default=default.background,
        help="background tiles for each tile with a feature (default: %(default)s)",
    )
    add(
        "--hard",
        type=float,
        default=default.hard,
        help="share of them that is near settlements and similar surfaces (default: %(default)s)",
    )
    add(
        "--shift",
        type=float,
        default=default.shift,
        help="greatest random shift of a tile against its feature, in sides of a tile (default: %(default)s)",
    )
    add(
        "--min_share",
        type=float,
        default=default.min_share,
        help="share of a tile that a class takes at least, for the tile to count (stratified; default: %(default)s)",
    )
    add("--overlapping", action="store_true", help="let sampled tiles overlap")
    add(
        "--link_distance",
        type=float,
        help="metres: sampled tiles that are closer fall in one split (default: 1000 around features; otherwise places decide)",
    )


def sampling_settings(flags: argparse.Namespace) -> SamplingSettings:
    """What they say.

    Raises:
        InputError: A value cannot be used, or does not fit the mode.
    """
    return SamplingSettings(**{field: getattr(flags, flag) for flag, field in FIELDS.items()})
