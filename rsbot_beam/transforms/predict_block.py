"""From the pixels of a shard to what a model says of its tiles. Pure functions; no Beam."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from rsbot_beam.data.composite import NAME as COMPOSITE
from rsbot_beam.data.map_layout import covering_block, map_bands
from rsbot_beam.data.padded import PaddedBlock, windows
from rsbot_beam.data.receipts import Receipt
from rsbot_beam.data.shards import DeadLetter, Shard
from rsbot_beam.data.stitching import Stitcher
from rsbot_beam.geometry import TileBlock, TileKey, pixels_in_zone
from rsbot_beam.learning.serving_inputs import RawPixels, batch_size_for, values_of
from rsbot_beam.transforms.map_blocks import FetchedBlock, MapSettings

Predict = Callable[[Sequence[RawPixels], int], Iterator[dict[str, np.ndarray]]]


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
    seen = _seen(fetched, block, settings)
    picture = _picture(fetched, block, seen, settings)
    if settings.map.task == "detection":
        boxes = [found for part, keys in _filled(fetched) for found in _boxes(part, keys, predict)]
        return replace(common, rasters=picture, boxes=tuple(boxes))
    said = map_bands(_stitched(fetched, block, predict, settings), seen, settings.map)
    return replace(common, rasters={**said, **picture})


def _filled(fetched: FetchedBlock) -> Iterator[tuple[PaddedBlock, tuple[TileKey, ...]]]:
    return zip(fetched.parts, fetched.keys, strict=True)


def _stitched(fetched: FetchedBlock, block: TileBlock, predict: Predict, settings: MapSettings) -> np.ndarray:
    """Probabilities, (height, width, classes): windows of all parts as one, which fade into those of other parts too."""
    stitcher = Stitcher(block, settings.map.seams, len(settings.map.classes))
    for part, keys in _filled(fetched):
        cut, most = _windows(keys, part, settings)
        found = predict([part.window(window) for window in cut], most)
        stitcher.add_all((window, outputs["probabilities"]) for window, outputs in zip(cut, found, strict=True))
    return stitcher.result()


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


def _picture(fetched: FetchedBlock, block: TileBlock, seen: np.ndarray, settings: MapSettings) -> dict[str, np.ndarray]:
    """The picture of the inputs, (3, height, width), of the pixels that have a prediction."""
    composite = settings.map.composite
    if composite is None or COMPOSITE not in settings.map.bands:
        return {}
    picture = np.zeros((3, *block.shape), np.uint8)
    for part in fetched.parts:
        rows, cols = _place(part.block, block)
        picture[:, rows, cols] = composite.draw(*part.inner(composite.bands))
    return {COMPOSITE: picture if seen.all() else np.where(seen, picture, np.uint8(0))}


def _seen(fetched: FetchedBlock, block: TileBlock, settings: MapSettings) -> np.ndarray:
    """Pixels with a prediction: seen, and of a tile that was asked for; others only came along between those.

    What lies in another zone is left to the tiles there; here it was input, as margins are.
    """
    seen = np.zeros(block.shape, bool)
    for part, keys in _filled(fetched):
        for key in keys:
            ours = pixels_in_zone(key) if settings.map.zoned else True
            seen[_place(TileBlock.of(key), block)] = part.seen_of(key) & ours
    return seen


def _place(part: TileBlock, block: TileBlock) -> tuple[slice, slice]:
    """(rows, columns) of a block's pixels at which some of its tiles lie."""
    top, left = part.row - block.row, part.col - block.col
    height, width = part.shape
    return slice(top, top + height), slice(left, left + width)


def _boxes(
    part: PaddedBlock, keys: Sequence[TileKey], predict: Predict
) -> Iterator[tuple[TileKey, dict[str, np.ndarray]]]:
    # Tile by tile: a network finds no more than a number of objects in a patch.
    found = predict([part.window(TileBlock.of(key)) for key in keys], 0)
    for key, outputs in zip(keys, found, strict=True):
        count = int(outputs["count"])
        yield key, {name: outputs[name][:count] for name in ("boxes", "scores", "classes")}
