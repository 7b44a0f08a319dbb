"""Tiles around features, and background tiles without any."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
import pytest
from pyproj import Transformer
from shapely.geometry import Point, box

from rsbot_beam.data.feature_index import Places
from rsbot_beam.errors import InputError
from rsbot_beam.geometry import Cover, TileKey
from rsbot_beam.sampling import SamplingSettings, Selection, feature_samples
from rsbot_beam.sampling.around import sees
from rsbot_beam.sampling.background import Clearings
from rsbot_beam.sampling.ground import outlines_lonlat

REGION = "10,45,12,47"
RNG = np.random.default_rng(0)
SCATTERED = RNG.uniform((10.05, 45.05), (11.95, 46.95), (150, 2))


def settings(**changes: object) -> SamplingSettings:
    return SamplingSettings("features", **{"seed": 3, **changes})  # type: ignore[arg-type]


def keys(found: Selection, kind: str) -> list[TileKey]:
    return [sample.key for sample in found.samples if sample.kind == kind]


@functools.cache
def to_crs(crs: str) -> Transformer:
    return Transformer.from_crs(4326, crs, always_xy=True)


def offsets(key: TileKey, lonlat: np.ndarray) -> np.ndarray:
    """(n, 2) rows and columns of places in a tile, in pixels from its top left corner."""
    x, y = to_crs(key.crs).transform(*np.asarray(lonlat).T)
    left, _, _, top = key.bounds
    return np.column_stack([top - np.asarray(y), np.asarray(x) - left]) / key.resolution


def clear_of(places: Places, found: list[TileKey]) -> bool:
    """Whether no tile's bbox meets a feature's bbox, each compared with each."""
    outlines = [outline[:-1] for outline in outlines_lonlat(found)]
    tiles = [box(*o.min(axis=0), *o.max(axis=0)) for o in outlines]
    return not any(tile.intersects(box(*bbox)) for tile in tiles for bbox in places.bboxes.tolist())


@pytest.mark.parametrize("crs", ["utm", "EPSG:4326", "EPSG:3035"])
def test_each_feature_is_seen_away_from_the_edge(
    make_cover: Callable[..., Cover], make_places: Callable[..., Places], pairs_sharing_ground: Callable, crs: str
) -> None:
    places = make_places(SCATTERED)
    found = feature_samples(make_cover(REGION, crs), places, settings(shift=0.5))
    tiles = keys(found, "feature")
    seen = [any(sees(key, lon, lat) for key in tiles) for lon, lat in SCATTERED]
    crowded = sum(short.wanted - short.found for short in found.shortfalls if short.what == "features seen")
    assert seen.count(False) == crowded <= 3
    assert all(any(sees(key, lon, lat) for lon, lat in SCATTERED) for key in tiles)
    assert not pairs_sharing_ground([sample.key for sample in found.samples])


def test_shifts_fill_the_tile_but_its_edge(
    make_cover: Callable[..., Cover], make_places: Callable[..., Places]
) -> None:
    lonlat = [(lon, lat) for lon in np.linspace(10.1, 11.9, 30) for lat in np.linspace(45.1, 46.9, 30)]
    found = feature_samples(make_cover(REGION), make_places(lonlat), settings(shift=0.5, background=0.0))
    inside = []
    for key in keys(found, "feature"):
        places = offsets(key, np.array(lonlat))
        inside.append(places[np.abs(places - 32).max(axis=1).argmin()])
    rows_cols = np.array(inside)
    assert rows_cols.min() >= 4 and rows_cols.max() < 60
    assert (np.histogram(rows_cols, 4, (4, 60))[0] > len(inside) / 4).all()


@pytest.mark.parametrize(("shift", "most"), [(0.0, 0), (0.1, 6), (0.25, 16)])
def test_shifts_are_as_large_as_asked(
    make_cover: Callable[..., Cover], make_places: Callable[..., Places], shift: float, most: int
) -> None:
    found = feature_samples(make_cover(REGION), make_places(SCATTERED[:1]), settings(shift=shift, overlap=True))
    row, col = offsets(keys(found, "feature")[0], SCATTERED[:1])[0]
    assert max(abs(int(row) - 32), abs(int(col) - 32)) <= most


def test_a_feature_that_a_tile_sees_has_none_of_its_own(
    make_cover: Callable[..., Cover], make_places: Callable[..., Places]
) -> None:
    """A wind farm: nine turbines in 200 m."""
    farm = [(11 + dx * 0.001, 46 + dy * 0.001) for dx in range(3) for dy in range(3)]
    for overlap in (False, True):
        found = feature_samples(make_cover(REGION), make_places(farm), settings(shift=0.0, overlap=overlap))
        assert len(keys(found, "feature")) == 1
        assert not found.shortfalls or found.shortfalls[0].what == "hard background tiles"


def test_features_without_room_are_counted(
    make_cover: Callable[..., Cover], make_places: Callable[..., Places]
) -> None:
    """Features 37 pixels apart: what the first tile does not see, 30 pixels from its middle, has no room for another."""
    row = [(11 + 0.0048 * n, 46.0) for n in range(2)]
    found = feature_samples(make_cover(REGION), make_places(row), settings(shift=0.0, hard=0.0))
    assert len(keys(found, "feature")) == 1
    assert [(s.what, s.wanted, s.found) for s in found.shortfalls] == [("features seen", 2, 1)]
    assert "let tiles overlap" in found.shortfalls[0].why
    apart = feature_samples(make_cover(REGION), make_places(row), settings(shift=0.0, hard=0.0, overlap=True))
    assert (len(keys(apart, "feature")), apart.shortfalls) == (2, [])


def test_the_number_of_tiles_around_features(
    make_cover: Callable[..., Cover], make_places: Callable[..., Places]
) -> None:
    cover, places = make_cover(REGION), make_places(SCATTERED)
    some = feature_samples(cover, places, settings(count=20, hard=0.0))
    everything = feature_samples(cover, places, settings(hard=0.0))
    assert keys(some, "feature") == keys(everything, "feature")[:20]
    assert (len(keys(some, "background")), some.shortfalls) == (20, [])
    few = feature_samples(cover, places, settings(count=1000, hard=0.0))
    assert few.shortfalls[-1].what == "tiles around features"
    assert (few.shortfalls[-1].wanted, few.shortfalls[-1].found) == (1000, len(keys(few, "feature")))


@pytest.mark.parametrize(("background", "hard"), [(1.0, 0.5), (2.0, 0.25), (0.5, 1.0), (0.0, 0.5)])
def test_background_has_the_ratio_asked(
    make_cover: Callable[..., Cover],
    make_places: Callable[..., Places],
    pairs_sharing_ground: Callable,
    background: float,
    hard: float,
) -> None:
    places = make_places(SCATTERED[:60])
    towns = RNG.uniform((10, 45), (12, 47), (500, 2))
    found = feature_samples(make_cover(REGION), places, settings(background=background, hard=hard), towns)
    wanted = round(len(keys(found, "feature")) * background)
    easy_tiles, hard_tiles = keys(found, "background"), keys(found, "hard background")
    assert len(hard_tiles) == round(wanted * hard)
    assert len(easy_tiles) + len(hard_tiles) == wanted
    assert clear_of(places, easy_tiles + hard_tiles)
    assert all(any(sees(key, lon, lat) for lon, lat in towns) for key in hard_tiles)
    assert not pairs_sharing_ground([sample.key for sample in found.samples])


def test_too_few_hard_places_are_made_up_for(
    make_cover: Callable[..., Cover], make_places: Callable[..., Places]
) -> None:
    places, towns = make_places(SCATTERED[:40]), np.array([(11.0, 46.0), (11.0, 46.0), (20.0, 46.0), SCATTERED[0]])
    found = feature_samples(make_cover(REGION), places, settings(hard=0.5), towns)
    many = len(keys(found, "feature"))
    assert len(keys(found, "hard background")) == 1
    assert len(keys(found, "background")) == many - 1
    assert [(s.what, s.wanted, s.found) for s in found.shortfalls] == [("hard background tiles", round(many / 2), 1)]


def test_a_region_full_of_features_has_no_background(
    make_cover: Callable[..., Cover], make_places: Callable[..., Places]
) -> None:
    places = make_places([(11.0, 46.0)], side=1.0)
    found = feature_samples(make_cover("10.9,45.9,11.1,46.1"), places, settings(hard=0.0))
    assert [sample.kind for sample in found.samples] == ["feature"]
    assert [(s.what, s.wanted, s.found) for s in found.shortfalls] == [("background tiles", 1, 0)]


def test_features_outside_the_region_have_no_tile_but_are_no_background(
    make_cover: Callable[..., Cover], make_places: Callable[..., Places]
) -> None:
    """A feature just beyond the border: tiles of the region may see it."""
    border = [(12.001, lat) for lat in np.arange(45, 47, 0.005)]
    places = make_places([(11.0, 46.0), *border])
    found = feature_samples(make_cover("11.98,45,12,47"), places, settings(background=20.0, hard=0.0))
    assert not keys(found, "feature")
    found = feature_samples(make_cover("10.9,45,12,47"), places, settings(background=200.0, hard=0.0))
    assert len(keys(found, "feature")) == 1
    assert clear_of(places, keys(found, "background"))


def test_seeds_and_other_features(make_cover: Callable[..., Cover], make_places: Callable[..., Places]) -> None:
    """What a lone feature's tile is does not depend on the features elsewhere."""
    cover, names = make_cover(REGION), [f"n{n}" for n in range(len(SCATTERED))]
    everything = feature_samples(cover, make_places(SCATTERED, ids=names), settings())
    assert everything == feature_samples(cover, make_places(SCATTERED, ids=names), settings())
    assert set(keys(everything, "feature")).isdisjoint(
        keys(feature_samples(cover, make_places(SCATTERED, ids=names), settings(seed=4)), "feature")
    )
    half = feature_samples(cover, make_places(SCATTERED[::2], ids=names[::2]), settings())
    same = set(keys(half, "feature")) & set(keys(everything, "feature"))
    assert len(same) >= 0.9 * len(keys(half, "feature"))


def test_features_across_the_antimeridian(
    make_cover: Callable[..., Cover], make_places: Callable[..., Places], pairs_sharing_ground: Callable
) -> None:
    lonlat = np.array([(179.9, -17.5), (-179.9, -17.5), (179.9995, -17.2), (-179.9995, -17.2)])
    places = make_places(lonlat, side=0.05)
    for crs in ("utm", "EPSG:4326"):
        found = feature_samples(make_cover("179.5,-18,-179.5,-17", crs), places, settings(background=20.0, hard=0.0))
        assert len(keys(found, "feature")) == 3
        assert not pairs_sharing_ground([sample.key for sample in found.samples])
        for key in keys(found, "background"):
            outline = outlines_lonlat([key])[0, :-1]
            lon = outline[:, 0] % 360
            assert not any(
                box(lon.min(), outline[:, 1].min(), lon.max(), outline[:, 1].max()).intersects(
                    Point(place[0] % 360, place[1]).buffer(0.02)
                )
                for place in lonlat
            )


def test_clearings_at_the_pole_and_across_the_antimeridian() -> None:
    clearings = Clearings(np.array([(179.99, 10.0, 180.01, 10.01), (90.0, 89.9, 91.0, 89.95)]))
    on_it = TileKey("EPSG:4326", 1e-4, 64, -100_100, -1_800_050)
    beside = TileKey("EPSG:4326", 1e-4, 64, -100_100, -1_799_000)
    pole = TileKey("EPSG:3413", 100.0, 512, -256, -256)
    south = TileKey("EPSG:3031", 100.0, 512, -256, -256)
    assert clearings([on_it, beside, pole, south]).tolist() == [False, True, False, True]
    assert clearings([]).tolist() == []


def test_no_features(make_cover: Callable[..., Cover], make_places: Callable[..., Places]) -> None:
    assert feature_samples(make_cover(REGION), make_places([]), settings()) == ([], [])


def test_places_off_the_globe(make_cover: Callable[..., Cover], make_places: Callable[..., Places]) -> None:
    with pytest.raises(InputError, match="feature 0 at longitude 46, latitude 110 is not on the globe"):
        feature_samples(make_cover(REGION), make_places([(46, 110)]), settings())
    with pytest.raises(InputError, match="hard place 0 at longitude 1000"):
        feature_samples(make_cover(REGION), make_places(SCATTERED[:1]), settings(), np.array([(1000.0, 0.0)]))
