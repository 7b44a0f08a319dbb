"""Polygons of a segmentation: every pixel once, whatever the blocks."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.features import rasterize

from rsbot_beam import storage
from rsbot_beam.errors import DatasetError, InputError
from rsbot_beam.geometry import TileBlock
from rsbot_beam.geometry.crs import transformer
from rsbot_beam.maps.polygon_files import decode_polygons, encode_polygons, read_polygons, write_polygons
from rsbot_beam.maps.polygons import Polygons, centres, features_of_polygons, join_polygons, polygons_of_block

ROW, COL = -55_296, 39_168


def block_at(row: int, col: int, side: int, crs: str = "EPSG:32633", resolution: float = 10.0) -> TileBlock:
    return TileBlock(crs, resolution, side, ROW + row, COL + col)


def in_blocks(
    codes: np.ndarray, side: int, probability: np.ndarray | None = None, wanted=(1, 2), **options
) -> Polygons:
    """The polygons of each block of a square map, from the last block to the first."""
    parts = []
    for row in range(0, len(codes), side):
        for col in range(0, len(codes), side):
            window = np.s_[row : row + side, col : col + side]
            scores = None if probability is None else probability[window]
            parts.append(polygons_of_block(codes[window], block_at(row, col, side), wanted, scores, **options))
    return Polygons.concat(parts[::-1])


def noise(seed: int, side: int, share: float = 0.5) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    codes = np.where(rng.random((side, side)) < share, rng.integers(1, 3, (side, side)), 0).astype(np.uint8)
    return codes, rng.random((side, side)).astype(np.float32)


def same(a: Polygons, b: Polygons) -> bool:
    return (
        len(a) == len(b)
        and bool(shapely.equals_exact(a.geometries, b.geometries).all())
        and all(getattr(a, name).tolist() == getattr(b, name).tolist() for name in ("codes", "pixels", "score_sum"))
    )


@settings(max_examples=60)
@given(st.integers(0, 100_000), st.sampled_from([(8, 4), (16, 4), (24, 8), (12, 1)]), st.floats(0.1, 0.95))
def test_blocks_cannot_be_seen(seed: int, sides: tuple[int, int], share: float) -> None:
    codes, probability = noise(seed, sides[0], share)
    whole = join_polygons(polygons_of_block(codes, block_at(0, 0, sides[0]), (1, 2), probability))
    tiled = join_polygons(in_blocks(codes, sides[1], probability))
    assert same(whole, tiled)
    assert shapely.is_valid(tiled.geometries).all()
    assert not tiled.cut.any()


@settings(max_examples=30)
@given(st.integers(0, 100_000), st.integers(2, 9))
def test_small_objects_are_left_out_alike(seed: int, least: int) -> None:
    codes, _ = noise(seed, 16)
    whole = join_polygons(polygons_of_block(codes, block_at(0, 0, 16), (1, 2), min_pixels=least), least)
    tiled = join_polygons(in_blocks(codes, 4, min_pixels=least), least)
    assert same(whole, tiled)
    assert not len(tiled) or tiled.pixels.min() >= least


@settings(max_examples=30)
@given(st.integers(0, 100_000))
def test_painted_again_they_are_the_map(seed: int) -> None:
    codes, _ = noise(seed, 16)
    joined = join_polygons(in_blocks(codes, 8))
    painted = np.zeros_like(codes)
    if len(joined):
        moved = shapely.transform(joined.geometries, lambda corners: corners - np.array([COL, ROW]))
        rasterize(list(zip(moved, joined.codes.tolist(), strict=True)), out=painted)
    assert (painted == codes).all()
    assert joined.pixels.sum() == np.count_nonzero(codes)
    assert (shapely.area(joined.geometries) == joined.pixels).all()


def test_corners_do_not_connect() -> None:
    codes = np.array([[1, 0], [0, 1]], np.uint8)
    assert len(join_polygons(in_blocks(codes, 1))) == 2
    assert len(polygons_of_block(codes, block_at(0, 0, 2), [1])) == 2


def test_only_the_classes_asked_for_and_the_pixels_seen() -> None:
    codes = np.array([[1, 2], [2, 1]], np.uint8)
    assert polygons_of_block(codes, block_at(0, 0, 2), [2]).codes.tolist() == [2, 2]
    valid = np.array([[True, True], [False, True]])
    assert polygons_of_block(codes, block_at(0, 0, 2), [2], valid=valid).pixels.tolist() == [1]
    assert len(polygons_of_block(codes, block_at(0, 0, 2), [7])) == 0


def test_the_score_is_the_mean_of_the_pixels() -> None:
    codes = np.zeros((8, 8), np.uint8)
    codes[2:4, 2:6] = 1
    probability = np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)
    joined = join_polygons(in_blocks(codes, 4, probability))
    assert joined.scores == pytest.approx([probability[codes == 1].mean()], abs=1e-6)
    assert np.isnan(join_polygons(in_blocks(codes, 4)).scores).all()


def test_edges_that_cut_are_told() -> None:
    codes = np.zeros((8, 8), np.uint8)
    codes[1, 1], codes[3:5, 6], codes[6, 0] = 1, 1, 1
    found = polygons_of_block(codes, block_at(0, 0, 8), [1])
    assert dict(zip(found.pixels.tolist(), found.cut.tolist(), strict=True)) == {1: True, 2: False}
    assert found.cut.sum() == 1


def test_an_object_over_many_blocks_is_one() -> None:
    codes = np.zeros((32, 32), np.uint8)
    codes[3:30, 3:30] = 1
    codes[9:20, 9:20] = 0
    joined = join_polygons(in_blocks(codes, 4))
    assert len(joined) == 1
    (outline,) = joined.geometries
    # Four corners and the first again, outside and inside: no trace of the blocks.
    assert len(outline.exterior.coords) == len(outline.interiors[0].coords) == 5
    # Whole blocks of 16 pixels; the first by name of the largest.
    assert joined.block[0] in {str(block_at(row, col, 4)) for row in range(4, 28, 4) for col in range(4, 28, 4)}


def test_two_crss_stay_apart() -> None:
    codes = np.ones((4, 4), np.uint8)
    here = polygons_of_block(codes, block_at(0, 0, 4), [1])
    there = polygons_of_block(codes, block_at(0, 4, 4, "EPSG:32634"), [1])
    coarse = polygons_of_block(codes, block_at(0, 4, 4, resolution=20.0), [1])
    assert len(join_polygons(Polygons.concat([here, there, coarse]))) == 3


def test_features_lie_where_the_pixels_lie() -> None:
    codes = np.zeros((8, 8), np.uint8)
    codes[2:4, 3:7] = 1
    joined = join_polygons(in_blocks(codes, 4))
    features = features_of_polygons(joined)
    left, _, _, top = block_at(0, 0, 8).bounds
    lon, lat = transformer("EPSG:32633", "EPSG:4326").transform(
        np.array([left + 30, left + 70, left + 50]), np.array([top - 20, top - 40, top - 30])
    )
    assert np.abs(shapely.get_coordinates(features.geometries[0]) - (lon[0], lat[0])).max(axis=1).min() < 1e-12
    assert np.abs(shapely.get_coordinates(features.geometries[0]) - (lon[1], lat[1])).max(axis=1).min() < 1e-12
    assert (features.lon[0], features.lat[0]) == pytest.approx((lon[2], lat[2]), abs=1e-12)
    assert features.width_m[0] == pytest.approx(40, rel=1e-3)
    assert features.height_m[0] == pytest.approx(20, rel=1e-3)
    assert features.area_m2[0] == pytest.approx(800, rel=2e-3)
    assert shapely.is_ccw(features.geometries[0].exterior)


def test_a_centre_lies_within() -> None:
    codes = np.zeros((8, 8), np.uint8)
    codes[1:7, 1:7] = 1
    codes[2:6, 2:7] = 0
    joined = polygons_of_block(codes, block_at(0, 0, 8), [1])
    features = features_of_polygons(joined)
    lon, lat = centres(joined)
    assert shapely.contains(features.geometries[0], shapely.points(lon[0], lat[0]))
    assert (features.lon[0], features.lat[0]) == (lon[0], lat[0])


def test_polygons_across_the_antimeridian_are_cut() -> None:
    x, y = transformer("EPSG:4326", "EPSG:32601").transform(-180.0, 65.0)
    block = TileBlock("EPSG:32601", 10.0, 64, -round(y / 10), round(x / 10) - 32)
    codes = np.ones((64, 64), np.uint8)
    codes[10:20, 10:50] = 0
    features = features_of_polygons(polygons_of_block(codes, block, [1]))
    (outline,) = features.geometries
    assert outline.geom_type == "MultiPolygon"
    assert shapely.is_valid(outline)
    assert features.area_m2[0] == pytest.approx((64 * 64 - 400) * 100, rel=3e-3)


def test_arrays_of_another_shape_are_refused() -> None:
    with pytest.raises(InputError, match=r"\(3, 3\) do not fit"):
        polygons_of_block(np.ones((3, 3), np.uint8), block_at(0, 0, 4), [1])
    with pytest.raises(InputError, match=r"\(2, 2\) do not fit"):
        polygons_of_block(np.ones((4, 4), np.uint8), block_at(0, 0, 4), [1], np.ones((2, 2)))


@given(st.integers(0, 1000), st.sampled_from([0.0, 0.02, 0.5]))
def test_what_is_stored_comes_back(seed: int, share: float) -> None:
    codes, probability = noise(seed, 8, share)
    polygons = in_blocks(codes, 4, probability)
    again = decode_polygons(bytes(encode_polygons(polygons)), "a file")
    assert again.rows() == polygons.rows()
    assert Polygons.of_rows(polygons.rows()).rows() == polygons.rows()
    assert same(join_polygons(again), join_polygons(polygons))


def test_no_damage_passes_unseen() -> None:
    polygons = in_blocks(noise(3, 8)[0], 4)
    content = bytes(encode_polygons(polygons))
    for place in range(0, len(content), 11):
        broken = bytearray(content)
        broken[place] ^= 0x10
        try:
            again = decode_polygons(bytes(broken), "a file")
        except DatasetError as error:
            assert "a file" in str(error)
        else:
            assert again.rows() == polygons.rows()


def test_files(any_folder: str) -> None:
    path = storage.join(any_folder, "polygons", "block.arrow")
    polygons = in_blocks(noise(3, 8)[0], 4)
    assert write_polygons(path, polygons) == storage.size(path)
    assert read_polygons(path).rows() == polygons.rows()
    assert write_polygons(storage.join(any_folder, "empty.arrow"), Polygons.none()) == 0
    assert not storage.exists(storage.join(any_folder, "empty.arrow"))


def test_nothing_joins_to_nothing() -> None:
    assert len(join_polygons(Polygons.none())) == 0
    assert len(features_of_polygons(Polygons.none())) == 0
