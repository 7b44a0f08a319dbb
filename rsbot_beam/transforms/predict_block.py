"""From the pixels of a shard to what a model says of its tiles. Pure functions; no Beam."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from rsbot_beam.data.composite import NAME as COMPOSITE
from rsbot_beam.data.map_layout import covering_block, map_bands
from rsbot_beam.data.padded import PaddedBlock, windows
from rsbot_beam.data.receipts import Receipt
from rsbot_beam.data.shards import DeadLetter, Shard
from rsbot_beam.data.stitching import Stitcher
from rsbot_beam.geometry import TileBlock, TileKey
from rsbot_beam.learning.serving_inputs import RawPixels, batch_size_for, values_of
from rsbot_beam.transforms.map_blocks import FetchedBlock, MapSettings

Predict = Callable[[Sequence[RawPixels], int], Iterator[dict[str, np.ndarray]]]
MakeRasters = Callable[[PaddedBlock, Sequence[TileKey], MapSettings], dict[str, np.ndarray]]


@dataclass(frozen=True, eq=False)
class PredictedBlock:
    """What a model says of a shard; without the pixels that it saw.

    Attributes:
        shard: What was asked for.
        block: The smallest block that holds the shard's tiles: the place of the rasters.
        rasters: By name of `map_layout.MAP_BANDS`, (bands, height, width), those that are written or that polygons are made
            of.
        boxes: Of a detection: for each tile what the model found, its arrays without the filling behind the last box.
        predicted: Tiles.
        empty: Tiles without a valid pixel.
        dead: Failed for good.
        fetched_pixels: Pixels received.
        done: The receipt of an earlier run, where nothing was done now.
    """

    shard: Shard
    block: TileBlock
    rasters: dict[str, np.ndarray]
    boxes: tuple[tuple[TileKey, dict[str, np.ndarray]], ...] = ()
    predicted: int = 0
    empty: int = 0
    dead: tuple[DeadLetter, ...] = ()
    fetched_pixels: int = 0
    done: Receipt | None = None


def predict_block(fetched: FetchedBlock, predict: Predict, settings: MapSettings) -> PredictedBlock:
    """What the model says of a shard's tiles, put together.

    Args:
        fetched: Its pixels.
        predict: What the model says of patches, in their order, with so many numbers in a call at most.
        settings: How patches are put together.
    """
    block = covering_block(fetched.shard.keys)
    common = PredictedBlock(
        fetched.shard,
        block,
        {},
        (),
        sum(map(len, fetched.keys)),
        len(fetched.empty),
        fetched.dead,
        fetched.fetched_pixels,
        fetched.done,
    )
    if not common.predicted:
        return common
    if settings.map.task == "detection":
        boxes = [found for part, keys in _filled(fetched) for found in _boxes(part, keys, predict)]
        return replace(common, rasters=_rasters(fetched, block, _pictured, settings), boxes=tuple(boxes))
    return replace(common, rasters=_rasters(fetched, block, partial(_stitched, predict), settings))


def _filled(fetched: FetchedBlock) -> Iterator[tuple[PaddedBlock, tuple[TileKey, ...]]]:
    return zip(fetched.parts, fetched.keys, strict=True)


def _rasters(
    fetched: FetchedBlock, block: TileBlock, make: MakeRasters, settings: MapSettings
) -> dict[str, np.ndarray]:
    """Each part by itself, in the block's rasters."""
    whole: dict[str, np.ndarray] = {}
    for part, keys in _filled(fetched):
        found = make(part, keys, settings)
        top, left = part.block.row - block.row, part.block.col - block.col
        rows, cols = (slice(start, start + n) for start, n in zip((top, left), part.block.shape, strict=True))
        for name, raster in found.items():
            if name not in whole:
                nothing = {"class": settings.map.nodata, COMPOSITE: 0}.get(name, np.nan)
                whole[name] = np.full((len(raster), *block.shape), nothing, raster.dtype)
            whole[name][:, rows, cols] = raster
    return whole


def _stitched(
    predict: Predict, part: PaddedBlock, keys: Sequence[TileKey], settings: MapSettings
) -> dict[str, np.ndarray]:
    stitcher = Stitcher(part.block, settings.map.seams, len(settings.map.classes))
    cut, most = _windows(keys, part, settings)
    found = predict([part.window(window) for window in cut], most)
    stitcher.add_all((window, outputs["probabilities"]) for window, outputs in zip(cut, found, strict=True))
    seen = _seen_of_tiles(part, keys)
    return {**map_bands(stitcher.result(), seen, settings.map), **_picture(part, seen, settings)}


def _windows(keys: Sequence[TileKey], part: PaddedBlock, settings: MapSettings) -> tuple[list[TileBlock], int]:
    """What is predicted as one, and how many numbers a call of the model may take: those of a batch of tiles.

    Tiles are apart where what a model says depends on how large its patch is.
    """
    seams, side = settings.map.seams, keys[0].size + 2 * part.overlap
    values = values_of(part.window(TileBlock.of(keys[0])))
    most = batch_size_for(values, settings.batch_size) * values

    def fits(height: int, width: int) -> bool:
        padded = (height + 2 * part.overlap) * (width + 2 * part.overlap)
        return seams.is_local and values * padded <= most * side * side

    return windows(keys, fits), most


def _pictured(part: PaddedBlock, keys: Sequence[TileKey], settings: MapSettings) -> dict[str, np.ndarray]:
    """What a detection has of rasters."""
    return _picture(part, _seen_of_tiles(part, keys), settings)


def _picture(part: PaddedBlock, seen: np.ndarray, settings: MapSettings) -> dict[str, np.ndarray]:
    """The picture of the inputs, (3, height, width), of the pixels that have a prediction."""
    composite = settings.map.composite
    if composite is None or COMPOSITE not in settings.map.bands:
        return {}
    pixels, valid = part.inner(composite.bands)
    picture = composite.draw(pixels, valid)
    return {COMPOSITE: picture if seen.all() else np.where(seen, picture, np.uint8(0))}


def _seen_of_tiles(part: PaddedBlock, keys: Sequence[TileKey]) -> np.ndarray:
    """Pixels with a prediction: seen, and of a tile that was asked for; others only came along between those."""
    seen = np.zeros(part.block.shape, bool)
    for key in keys:
        top, left = key.row - part.block.row, key.col - part.block.col
        seen[top : top + key.size, left : left + key.size] = part.seen_of(key)
    return seen


def _boxes(
    part: PaddedBlock, keys: Sequence[TileKey], predict: Predict
) -> Iterator[tuple[TileKey, dict[str, np.ndarray]]]:
    # Tile by tile: a network finds no more than a number of objects in a patch.
    found = predict([part.window(TileBlock.of(key)) for key in keys], 0)
    for key, outputs in zip(keys, found, strict=True):
        count = int(outputs["count"])
        yield key, {name: outputs[name][:count] for name in ("boxes", "scores", "classes")}
