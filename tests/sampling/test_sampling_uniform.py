"""Tiles at random: uniform by area, in the region, not overlapping, the same for the same seed."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
import shapely
from shapely.geometry import box

from rsbot_beam.errors import GridError, InputError
from rsbot_beam.geometry import Cover, Region, TileKey, read_region, resolve_grid
from rsbot_beam.sampling import SamplingSettings, random_samples
from rsbot_beam.sampling.ground import Ground
from rsbot_beam.sampling.uniform import AreaDraw

GRIDS = ["utm", "EPSG:4326", "EPSG:3857", "EPSG:6933"]
# A country of three parts: a frame with a hole, an island, and land across the antimeridian.
FRAME = shapely.union_all([box(10, 40, 14, 46).difference(box(11, 41, 13, 45)), box(16, 41, 16.5, 44)])


def drawn(cover: Cover, count: int, seed: int = 7, overlap: bool = False) -> list[TileKey]:
    found, short = random_samples(cover, SamplingSettings("random", count, seed, overlap=overlap))
    assert not short
    assert {sample.kind for sample in found} == {"random"}
    return [sample.key for sample in found]


def chi_square(found: np.ndarray, areas: np.ndarray) -> float:
    wanted = areas / areas.sum() * found.sum()
    return float(((found - wanted) ** 2 / wanted).sum())


@pytest.mark.parametrize("crs", GRIDS)
def test_latitudes_are_as_frequent_as_their_area(make_cover: Callable[..., Cover], crs: str) -> None:
    """In Mercator 75 degrees north weigh fifteen times what they should; on the ellipsoid's area they do not."""
    keys = drawn(make_cover("-40,0,40,75", crs, size=32), 3000)
    ground = Ground.of(keys).centres
    lat = np.degrees(np.arctan2(ground[:, 2], np.hypot(ground[:, 0], ground[:, 1]) * (1 - 0.00669438)))
    edges = np.linspace(0, 75, 11)
    areas = np.array([read_region(f"-40,{low},40,{high}").area_m2 for low, high in itertools.pairwise(edges)])
    # The 99.9 % quantile of chi-square with 9 degrees of freedom is 27.9.
    assert chi_square(np.histogram(lat, edges)[0], areas) < 27.9


def test_longitudes_and_parts_are_as_frequent_as_their_area() -> None:
    region = Region.from_geometry(FRAME)
    lon, lat = AreaDraw(region, 5, "x").take(20_000)
    assert shapely.contains_xy(FRAME, lon, lat).all()
    squares = [box(w, s, w + 1, s + 1) for w in range(10, 17) for s in range(40, 46)]
    parts = [part for square in squares if not (part := square.intersection(FRAME)).is_empty and part.area > 0]
    found = np.array([int(shapely.contains_xy(part, lon, lat).sum()) for part in parts])
    areas = np.array([Region.from_geometry(part).area_m2 for part in parts])
    assert found.sum() == len(lon)
    # 99.9 % of chi-square with up to 24 degrees of freedom: 51.2.
    assert len(parts) <= 25
    assert chi_square(found, areas) < 51.2


def test_places_do_not_depend_on_how_many_are_tried_at_once() -> None:
    region = Region.from_geometry(FRAME)
    one, many = AreaDraw(region, 5, "x"), AreaDraw(region, 5, "x")
    pieces = [one.take(size) for size in (1, 10, 100, 889)]
    assert np.array_equal(np.concatenate(pieces, axis=1), np.array(many.take(1000)))


@pytest.mark.parametrize("crs", [*GRIDS, "EPSG:3035"])
def test_tiles_have_their_centres_in_the_region_and_do_not_overlap(
    crs: str, pairs_sharing_ground: Callable[..., list]
) -> None:
    region = Region.from_geometry(FRAME)
    grid = resolve_grid(region, crs=crs, resolution=5e-4 if crs == "EPSG:4326" else 50.0, patch_size=64)
    keys = drawn(Cover(region, grid), 500)
    assert all(key in Cover(region, grid, "centre") for key in keys)
    assert all((k.size, k.resolution, k.origin) == (64, grid.resolution, grid.origin) for k in keys)
    assert not pairs_sharing_ground(keys)
    assert sum(key.aligned for key in keys) < 5
    assert (len({key.crs for key in keys}) > 1) == (crs == "utm")


def test_across_the_antimeridian(make_cover: Callable[..., Cover], pairs_sharing_ground: Callable[..., list]) -> None:
    for crs in ("utm", "EPSG:4326"):
        keys = drawn(make_cover("179.5,-18,-179.5,-17", crs), 300)
        lon = np.array([Ground.of([key]).centres[0, 1] for key in keys])
        # y of Earth-centred coordinates is positive west of the antimeridian, negative east of it.
        assert 100 < (lon > 0).sum() < 200
        assert not pairs_sharing_ground(keys)


@pytest.mark.parametrize("crs", ["EPSG:3413", "utm"])
def test_around_the_pole(make_cover: Callable[..., Cover], pairs_sharing_ground: Callable[..., list], crs: str) -> None:
    keys = drawn(make_cover("-180,83,180,90", crs, resolution=100.0), 200)
    assert not pairs_sharing_ground(keys)
    centres = Ground.of(keys).centres
    assert {(x > 0, y > 0) for x, y, _ in centres.tolist()} == {(a, b) for a in (True, False) for b in (True, False)}


def test_seeds(make_cover: Callable[..., Cover]) -> None:
    cover = make_cover("10,45,12,47")
    assert drawn(cover, 50, seed=1) == drawn(cover, 50, seed=1)
    assert not set(drawn(cover, 50, seed=1)) & set(drawn(cover, 50, seed=2))


# Written down once: a run that is continued must not draw other tiles.
KNOWN = ["EPSG32632_10_64_r-514180_c63788", "EPSG32632_10_64_r-505943_c63707", "EPSG32632_10_64_r-513525_c59760"]


def test_known_tiles_stay_where_they_are(make_cover: Callable[..., Cover]) -> None:
    assert [str(key) for key in drawn(make_cover("10,45,12,47"), 3)] == KNOWN


def test_fewer_are_the_first_of_more(make_cover: Callable[..., Cover]) -> None:
    cover = make_cover("10,45,11,46")
    more = drawn(cover, 400)
    for count in (1, 2, 63, 200):
        assert drawn(cover, count) == more[:count]


def test_a_grid_of_another_origin_keeps_to_its_pixels(make_cover: Callable[..., Cover]) -> None:
    region = read_region("10,45,11,46")
    grid = resolve_grid(region, crs="EPSG:32632", resolution=30.0, patch_size=63, origin=(15.0, 15.0))
    keys = drawn(Cover(region, grid), 20)
    assert {key.origin for key in keys} == {(15.0, 15.0)}
    assert all((key.bounds[0] - 15) % 30 == 0 for key in keys)


def test_a_region_that_is_too_small_says_how_many_fit(make_cover: Callable[..., Cover]) -> None:
    cover = make_cover("11,46,11.05,46.05")
    found, short = random_samples(cover, SamplingSettings("random", 500))
    assert 20 < len(found) < 53
    assert (short[0].what, short[0].wanted, short[0].found) == ("random tiles", 500, len(found))
    assert "500 asked" in str(short[0]) and "let them overlap" in str(short[0])
    assert len(drawn(cover, 500, overlap=True)) == 500


def test_a_region_smaller_than_a_tile_has_one(make_cover: Callable[..., Cover]) -> None:
    found, short = random_samples(make_cover("11,46,11.001,46.001"), SamplingSettings("random", 5))
    assert (len(found), short[0].found) == (1, 1)


def test_overlapping_tiles_are_never_the_same(make_cover: Callable[..., Cover]) -> None:
    """A region of some 30 pixels a side has no more than about 900 places."""
    found, short = random_samples(make_cover("11,46,11.004,46.0027"), SamplingSettings("random", 2000, overlap=True))
    assert len({sample.key for sample in found}) == len(found) < 1000
    assert short[0].found == len(found)


def test_random_needs_a_number() -> None:
    with pytest.raises(InputError, match="needs the number of tiles, such as --samples 500"):
        SamplingSettings("random")


def test_a_crs_that_cannot_hold_the_region(make_cover: Callable[..., Cover]) -> None:
    with pytest.raises(GridError, match="EPSG:3413 has no coordinates for longitude"):
        random_samples(make_cover("-180,-90,180,90", "EPSG:3413"), SamplingSettings("random", 5))
