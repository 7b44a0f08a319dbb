"""Places of tiles on a flat map: antimeridian, poles, and what the page gets of them."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyproj import Transformer

from rsbot_beam.geometry import TileKey
from rsbot_beam.pages.footprints import UNIT, pack_footprints
from rsbot_beam.pages.lonlat import MERCATOR_END, Frame, view_of


def corners_of(packed: dict[str, Any]) -> np.ndarray:
    """What `map.js` makes of it: longitude and latitude of the four corners, (n, 4, 2)."""

    def numbers(name: str, dtype: str) -> np.ndarray:
        return np.frombuffer(base64.b64decode(packed[name]), dtype).astype(np.int64)

    first = numbers("corners", "<i4").reshape(-1, 1, 2)
    others = first + numbers("offsets", "<i2").reshape(-1, 3, 2) * packed["step"]
    return np.concatenate([first, others], axis=1) * packed["unit"]


def utm(zone: int, easting: float, northing: float, size: int = 128, resolution: float = 10.0) -> TileKey:
    return TileKey(f"EPSG:{32600 + zone}", resolution, size, round(-northing / resolution), round(easting / resolution))


def test_corners_are_those_of_the_tile() -> None:
    key = utm(33, 500_000, 5_200_000)
    found = pack_footprints([key], [2])
    left, bottom, right, top = key.bounds
    to_lonlat = Transformer.from_crs(32633, 4326, always_xy=True)
    wanted = [to_lonlat.transform(x, y) for x, y in ((left, top), (right, top), (right, bottom), (left, bottom))]
    assert np.abs(corners_of(found.packed)[0] - wanted).max() <= UNIT
    assert base64.b64decode(found.packed["groups"]) == b"\2"
    assert found.beyond == 0


def test_neighbours_share_their_corners_to_the_last_digit() -> None:
    key = utm(33, 500_000, 5_200_000)
    corners = corners_of(pack_footprints([key, key.shifted(0, 128), key.shifted(128, 0)], [0, 0, 0]).packed)
    assert np.array_equal(corners[0, 1], corners[1, 0])
    assert np.array_equal(corners[0, 2], corners[2, 1])
    assert np.array_equal(corners[0, 3], corners[2, 0])


def test_a_large_tile_is_right_to_a_part_of_itself() -> None:
    key = TileKey("EPSG:3857", 10_000.0, 256, -256, 0)
    found = pack_footprints([key], [0])
    assert found.packed["step"] > 1
    lon, lat = corners_of(found.packed)[0].T
    assert np.ptp(lon) == pytest.approx(2_560_000 / 6378137 * 180 / np.pi, rel=1e-4)
    assert np.ptp(lat) > 0


def test_tiles_across_the_antimeridian_stay_in_one_piece() -> None:
    keys = [utm(60, easting, 5_200_000) for easting in (690_000, 715_000, 724_000)]
    keys += [utm(1, easting, 5_200_000) for easting in (280_000, 300_000)]
    found = pack_footprints(keys, [0] * 5)
    lon = corners_of(found.packed)[..., 0]
    assert np.ptp(lon, axis=1).max() < 0.05
    assert lon.min() > 179
    assert lon.max() < 181
    (_, west), (_, east) = found.bounds
    assert 179 < west < east < 181


def test_a_single_tile_on_the_antimeridian() -> None:
    key = TileKey("EPSG:4326", 0.01, 100, 0, 17_950)
    lon = corners_of(pack_footprints([key], [0]).packed)[0, :, 0]
    assert sorted(np.round(lon, 6)) == [179.5, 179.5, 180.5, 180.5]


def test_tiles_around_and_beyond_the_end_of_mercator() -> None:
    at_pole = TileKey("EPSG:3413", 1000.0, 128, -64, -64)  # The pole lies in its middle.
    near_pole = TileKey("EPSG:3413", 1000.0, 128, -64, 128)  # 87 degrees north.
    further = TileKey("EPSG:3413", 1000.0, 128, -64, 900)  # 81 degrees north.
    found = pack_footprints([at_pole, near_pole, further], [0, 1, 2])
    assert found.beyond == 2
    assert found.shown.tolist() == [2]
    assert base64.b64decode(found.packed["groups"]) == b"\2"
    assert np.abs(corners_of(found.packed)[..., 1]).max() < MERCATOR_END
    assert pack_footprints([at_pole], [0]).beyond == 1


def test_a_tile_across_the_end_of_mercator_is_cut_there() -> None:
    key = TileKey("EPSG:4326", 0.01, 100, -8550, 0)  # 84.5 to 85.5 degrees north.
    lat = corners_of(pack_footprints([key], [0]).packed)[0, :, 1]
    assert lat.min() == pytest.approx(84.5)
    assert lat.max() == pytest.approx(MERCATOR_END, abs=UNIT)


@given(st.lists(st.floats(-540, 540, allow_nan=False), max_size=30))
def test_a_frame_holds_all_places_and_no_frame_is_narrower(lons: list[float]) -> None:
    frame = Frame.around(np.array(lons))
    placed = frame.place(np.array(lons))
    assert ((placed >= frame.west - 1e-9) & (placed <= frame.west + 360 + 1e-9)).all()
    assert np.allclose((placed - np.array(lons)) % 360 % 360, 0, atol=1e-6) or np.allclose(
        np.minimum((placed - np.array(lons)) % 360, 360 - (placed - np.array(lons)) % 360), 0, atol=1e-6
    )
    if lons:
        around = np.sort(placed % 360)
        narrowest = 360 - np.diff(np.append(around, around[0] + 360)).max() if len(around) > 1 else 0.0
        # Where the usual frame does as well, or the places lie all around, any will do.
        assert np.ptp(placed) <= max(narrowest, 360 - 360 / max(2, len(lons))) + 1e-6


def test_frames_of_known_places() -> None:
    assert Frame.around(np.array([-100.0, 10.0, 40.0])) == Frame()
    assert Frame.around(np.array([])) == Frame()
    pacific = Frame.around(np.array([170.0, -175.0, 178.0]))
    assert pacific.place(np.array([170.0, -175.0, 178.0])).tolist() == [170.0, 185.0, 178.0]


def test_a_view_has_an_extent_and_ends_with_mercator() -> None:
    assert view_of(0, -90, 10, 90) == [[-85.051129, 0], [85.051129, 10]]
    (south, west), (north, east) = view_of(5, 90, 5, 90)
    assert south < north <= 85.0512
    assert west < east
