"""From a shard to its requests and back to a predicted block, without Beam and without Earth Engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest

from rsbot_beam.data.bands import Band, LabelClass, Layout
from rsbot_beam.data.map_layout import SAID, MapLayout, covering_block
from rsbot_beam.data.padded import PaddedBlock, padded_geobox
from rsbot_beam.data.shards import Shard
from rsbot_beam.data.stitching import Seams
from rsbot_beam.earthengine.endpoint import Endpoint
from rsbot_beam.earthengine.pixels import Pixels
from rsbot_beam.earthengine.source import FetchBand, PixelSource
from rsbot_beam.earthengine.tiles import FailedFetch
from rsbot_beam.geometry import TileBlock, TileKey
from rsbot_beam.learning.serving_inputs import MAX_BATCH, RawPixels
from rsbot_beam.transforms.map_blocks import (
    FetchedBlock,
    MapSettings,
    collect_block,
    parts_of,
    pieces_of,
    requests_for_parts,
)
from rsbot_beam.transforms.predict_block import predict_block

SIZE = 8
CLASSES = (LabelClass(1, "one", "#ff0000"), LabelClass(4, "four", "#00ff00"))
LAYOUT = Layout((Band("a", "float32"),))
SOURCE = PixelSource((FetchBand("a", "float32"),), expression="{}")


def settings(overlap: int = 2, block_bytes: int = 10**6, **changes: Any) -> MapSettings:
    made = MapLayout("segmentation", CLASSES, Seams.of(SIZE, overlap, overlap), SAID)
    told: dict[str, Any] = {"layout": LAYOUT, "map": made, "batch_size": 0, **changes}
    return MapSettings(
        Endpoint("http://localhost:1", credentials="none"), SOURCE, told["layout"], told["map"], "/nowhere", "/nowhere",
        {}, "2023-01-01/2024-01-01", "made", {}, block_bytes, 10**8, told["batch_size"],
    )  # fmt: skip


def tile(row: int, col: int) -> TileKey:
    return TileKey("EPSG:32633", 10.0, SIZE, row * SIZE, col * SIZE)


def field(geobox: Any) -> np.ndarray:
    """The band at any place: a function of row and column."""
    row, col = round(-geobox.transform.f / 10), round(geobox.transform.c / 10)
    rows, cols = np.mgrid[row : row + geobox.shape[0], col : col + geobox.shape[1]]
    return (rows * 1000.0 + cols).astype(np.float32)


class Ground:
    """A fetcher that answers with `field`; nothing is valid at `empty` tiles, and what meets `broken` ones fails."""

    def __init__(self, empty: Sequence[TileKey] = (), broken: Sequence[TileKey] = (), kind: str = "transient") -> None:
        self.empty, self.broken, self.kind, self.asked = empty, broken, kind, []

    def fetch_place(self, source: PixelSource, geobox: Any, before_body: Any = None) -> Pixels | FailedFetch:
        self.asked.append(geobox.shape)
        row, col = round(-geobox.transform.f / 10), round(geobox.transform.c / 10)
        height, width = geobox.shape
        valid = np.ones((height, width), bool)
        for key in self.broken:
            if row < key.row + SIZE and key.row < row + height and col < key.col + SIZE and key.col < col + width:
                return FailedFetch(self.kind, "no luck", 8, {"grid": [row, col]})
        rows, cols = np.mgrid[row : row + height, col : col + width]
        for key in self.empty:
            inside = (rows >= key.row) & (rows < key.row + SIZE) & (cols >= key.col) & (cols < key.col + SIZE)
            valid &= ~inside
        return Pixels({"a": np.where(valid, field(geobox), 0).astype(np.float32)}, {"a": valid})


def fetched(shard: Shard, what: MapSettings, ground: Ground) -> FetchedBlock:
    parts = parts_of(shard, what.map.seams.overlap)
    requests = requests_for_parts(parts, what, ground)  # type: ignore[arg-type]
    return collect_block(shard, [request.fetch(None) for request in requests], what, ground)  # type: ignore[arg-type]


def odd_rows(patches: Sequence[RawPixels], most: int) -> Iterator[dict[str, np.ndarray]]:
    """A model: the second class in odd rows of the grid, with a probability that follows from the column."""
    for patch in patches:
        rows, cols = np.divmod(patch.pixels["a"], 1000)
        sure = 0.6 + cols / 1000 * 0.3
        four = np.where(rows % 2 == 1, sure, 1 - sure)
        yield {"probabilities": np.stack([1 - four, four], -1).astype(np.float32)}


FULL = Shard("full", tuple(tile(row, col) for row in range(4) for col in range(4)))
CORNERS = Shard("corners", (tile(0, 0), tile(3, 3)))
ELL = Shard("ell", tuple(tile(row, col) for row in range(4) for col in range(4) if row > 1 or col > 1))


def test_a_whole_square_is_one_part() -> None:
    assert parts_of(FULL, 2) == [covering_block(FULL.keys)]


def test_scattered_tiles_are_fetched_apart() -> None:
    assert [(part.row, part.col, part.rows, part.cols) for part in parts_of(CORNERS, 2)] == [
        (0, 0, 1, 1),
        (24, 24, 1, 1),
    ]


def test_where_margins_are_wide_the_whole_costs_less_than_its_parts() -> None:
    assert len(parts_of(ELL, 0)) > 1
    assert parts_of(ELL, 30) == [covering_block(ELL.keys)]


@pytest.mark.parametrize("shard", [FULL, CORNERS, ELL], ids=lambda shard: shard.name)
@pytest.mark.parametrize("overlap", [0, 3, 30])
@pytest.mark.parametrize("block_bytes", [10**6, 900])
@pytest.mark.parametrize("batch_size", [0, 1, 5])
def test_each_tile_is_predicted_at_its_place(shard: Shard, overlap: int, block_bytes: int, batch_size: int) -> None:
    what = settings(overlap, block_bytes, batch_size=batch_size)
    found = fetched(shard, what, Ground())
    block = predict_block(found, odd_rows, what)
    assert (block.predicted, block.empty, block.dead) == (len(shard.keys), 0, ())
    assert block.block == covering_block(shard.keys)
    place = padded_geobox(block.block, 0)
    rows, cols = np.divmod(field(place), 1000)
    asked = {(key.row // SIZE, key.col // SIZE) for key in shard.keys}
    there = np.vectorize(lambda r, c: (r // SIZE, c // SIZE) in asked)(rows, cols)
    wanted = np.where(rows % 2 == 1, 4, 1)
    # Where all is fetched in one part, tiles between those asked for are seen, and not predicted.
    assert np.array_equal(block.rasters["class"][0][there], wanted[there])
    np.testing.assert_allclose(block.rasters["probability"][0][there], (0.6 + cols / 1000 * 0.3)[there], atol=1e-6)
    assert (block.rasters["class"][0][~there] == 255).all()
    assert np.isnan(block.rasters["entropy"][0][~there]).all()


def test_pieces_stay_below_what_may_be_asked_for() -> None:
    what = settings(3, 900)
    (part,) = parts_of(FULL, 3)
    shapes = [(rows.stop - rows.start, cols.stop - cols.start) for rows, cols in pieces_of(part, what)]
    assert sum(height * width for height, width in shapes) == 38 * 38
    requests = requests_for_parts([part], what, Ground())  # type: ignore[arg-type]
    assert len(requests) == len(shapes) > 4
    assert max(request.nbytes for request in requests) <= 900


def test_empty_tiles_are_not_predicted() -> None:
    gone = (tile(0, 1), tile(2, 2))
    seen: list[TileKey] = []

    def model(windows: Sequence[Any], most: int) -> Iterator[dict[str, np.ndarray]]:
        seen.extend(key for window in windows for key in window.block.tiles())
        return odd_rows(windows, most)

    what = settings(2)
    found = fetched(FULL, what, Ground(gone))
    assert set(found.empty) == set(gone)
    block = predict_block(found, model, what)
    assert (block.predicted, block.empty) == (14, 2)
    assert sorted(seen) == sorted(set(FULL.keys) - set(gone))
    for key in gone:
        assert (block.rasters["class"][0, key.row : key.row + SIZE, key.col : key.col + SIZE] == 255).all()
    assert (block.rasters["class"] != 255).sum() == 14 * SIZE * SIZE


@pytest.mark.parametrize(
    ("batch_size", "radius", "shapes"),
    [(0, 2, {(36, 36)}), (1, 2, {(12, 12)}), (3, 2, {(20, 20)}), (0, None, {(12, 12)}), (0, 4, {(36, 36)})],
)
def test_tiles_are_predicted_as_one_where_that_changes_nothing(
    batch_size: int, radius: int | None, shapes: set[tuple[int, int]]
) -> None:
    """Not where all of a patch has a say, whose size then matters; and within what a batch of tiles takes."""
    seen: list[tuple[int, ...]] = []

    def model(windows: Sequence[Any], most: int) -> Iterator[dict[str, np.ndarray]]:
        seen.extend(window.pixels["a"].shape for window in windows)
        assert most == (batch_size or MAX_BATCH) * 12 * 12
        return odd_rows(windows, most)

    seams = Seams.of(SIZE, 2, radius)
    what = settings(2, batch_size=batch_size, map=MapLayout("segmentation", CLASSES, seams, SAID))
    predict_block(fetched(FULL, what, Ground()), model, what)
    assert set(seen) == shapes


def by_place(patches: Sequence[Any], most: int) -> Iterator[dict[str, np.ndarray]]:
    """A model that says the same of all of a patch, and another thing of each patch."""
    for patch in patches:
        sure = 0.5 + (patch.block.row + patch.block.col) / 100
        shape = patch.pixels["a"].shape
        yield {"probabilities": np.stack([np.full(shape, sure), np.full(shape, 1 - sure)], -1).astype(np.float32)}


@pytest.mark.parametrize("radius", [4, None])
@pytest.mark.parametrize(
    ("shard", "broken"), [(ELL, ()), (FULL, (tile(0, 3),))], ids=["fetched in two parts", "fetched tile by tile"]
)
def test_parts_of_a_block_are_faded_into_each_other(
    shard: Shard, broken: tuple[TileKey, ...], radius: int | None
) -> None:
    """What is fetched apart meets as other patches do: no step between two pixels is as large as that of the patches."""
    what = settings(map=MapLayout("segmentation", CLASSES, Seams.of(SIZE, 2, radius), SAID), batch_size=1)
    found = fetched(shard, what, Ground(broken=broken))
    assert len(found.parts) > 1
    said = predict_block(found, by_place, what).rasters["probabilities"][0]
    steps = np.concatenate([np.abs(np.diff(said, axis=axis)).ravel() for axis in (0, 1)])
    assert np.nanmax(steps) < SIZE / 100 / 2


def test_a_block_of_empty_tiles_has_no_rasters() -> None:
    what = settings(2)
    found = fetched(CORNERS, what, Ground(CORNERS.keys))
    block = predict_block(found, odd_rows, what)
    assert (found.parts, block.rasters, block.predicted, block.empty) == ((), {}, 0, 2)


@pytest.mark.parametrize("zoned", [False, True])
def test_pixels_of_another_zone_are_left_to_it_where_the_grid_is_one_of_zones(zoned: bool) -> None:
    """Tiles beyond the western edge of zone 33 are predicted, and counted, but say nothing."""
    made = MapLayout("segmentation", CLASSES, Seams.of(SIZE, 2, 2), SAID, zoned=zoned)
    what = settings(map=made)
    block = predict_block(fetched(FULL, what, Ground()), odd_rows, what)
    assert (block.predicted, block.empty) == (16, 0)
    assert (block.rasters["class"] == made.nodata).all() == zoned
    for name in ("probability", "probabilities", "entropy"):
        assert np.isnan(block.rasters[name]).all() == zoned


def test_where_a_place_fails_only_the_tiles_that_need_it_are_lost() -> None:
    what, ground = settings(2), Ground(broken=(tile(0, 0),))
    block = predict_block(fetched(FULL, what, ground), odd_rows, what)
    needing = {str(tile(row, col)) for row in (0, 1) for col in (0, 1)}
    assert {letter.tile for letter in block.dead} == needing
    assert (block.predicted, block.empty) == (12, 0)
    assert {(letter.kind, letter.attempts) for letter in block.dead} == {("transient", 8)}
    assert len(ground.asked) == 1 + 16


def test_who_is_told_to_ask_less_does_not_ask_tile_by_tile() -> None:
    what, ground = settings(2), Ground(broken=(tile(0, 0),), kind="throttled")
    found = fetched(FULL, what, ground)
    assert len(found.dead) == 16
    assert len(ground.asked) == 1


def build(name: str, parameters: dict[str, str], layout: Layout) -> tuple[Callable[..., Any], int | None, int]:
    """A built-in network with new weights as a function of patches, how far it looks, and the size of its cells."""
    import keras

    from rsbot_beam.learning.serving_inputs import serving_inputs
    from rsbot_beam.models.definition import InputShape, build_model
    from rsbot_beam.models.receptive_field import receptive_field
    from rsbot_beam.models.registry import load_model_definition

    keras.utils.set_random_seed(3)
    definition = load_model_definition(name, parameters)
    shape = InputShape.of(layout)
    network = build_model(definition, shape, 2)
    found = receptive_field(definition, shape, 2)

    def predict(windows: Sequence[Any], most: int) -> Iterator[dict[str, np.ndarray]]:
        for window in windows:
            inputs = serving_inputs([window])
            valid = inputs["valid"].all(axis=-1).astype(np.uint8)
            yield {"probabilities": np.asarray(network({"image": inputs["image"], "valid": valid}))[0]}

    return predict, found.radius, found.multiple


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "parameters", "steps"),
    [("unet", {"width": "4", "depth": "2"}, 0), ("utae", {"width": "8", "depth": "1", "heads": "2"}, 3)],
)
def test_networks_leave_no_seams(name: str, parameters: dict[str, str], steps: int) -> None:
    """In one piece, in tiles, and in windows of tiles, with the overlap that the network was measured to need."""
    layout = Layout((Band("a", "float32"), Band("b", "float32")), steps)
    predict, radius, multiple = build(name, parameters, layout)
    assert radius is not None
    overlap = -(-radius // multiple) * multiple
    size, tiles = 16, 3
    side = size * tiles + 2 * overlap
    rng = np.random.default_rng(0)
    shape = (steps, side, side) if steps else (side, side)
    pixels = {band.name: rng.normal(0, 1, shape).astype(np.float32) for band in layout.bands}
    valid = {band.name: np.ones(shape, bool) for band in layout.bands}

    def made(block: TileBlock, batch_size: int = 1) -> np.ndarray:
        part = PaddedBlock(block, overlap, layout, pixels, valid)
        keys = tuple(block.tiles())
        seams = Seams.of(block.size, overlap, radius)
        what = settings(map=MapLayout("segmentation", CLASSES, seams, SAID), layout=layout, batch_size=batch_size)
        found = FetchedBlock(Shard("block", keys), (part,), (keys,))
        return predict_block(found, predict, what).rasters["probabilities"]

    one = made(TileBlock("EPSG:32633", 10.0, size * tiles, 0, 0, 1, 1))
    assert one.std() > 1e-4, "it says different things of different pixels"
    for batch_size in (1, 3, 4):
        tiled = made(TileBlock("EPSG:32633", 10.0, size, 0, 0, tiles, tiles), batch_size)
        np.testing.assert_allclose(tiled, one, atol=1e-4)
