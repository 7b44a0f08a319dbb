"""A map's pixels lie where they say, in every kind of CRS: the model tells the place that it was shown."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import pytest

from tests.integration.made_models import (
    CLASSES,
    CODES,
    MODULUS,
    Raster,
    place_probabilities,
    read_rasters,
    read_run,
    units,
)

pytestmark = pytest.mark.integration
ALL = "class,probability,probabilities,entropy"
# What a step of a hundredth of a pixel changes at most; float32 holds the bands to a tenth of it.
EXACT = 2e-4


def expected(raster: Raster) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities at the raster's pixel centres, and which pixels are so far from a wrap that rounding cannot matter."""
    east, north = units(*raster.centres)
    sure = (np.minimum(east, MODULUS - east) > 0.01) & (np.minimum(north, MODULUS - north) > 0.01)
    return place_probabilities(east, north), sure


def check_block(output: Path, number: int) -> int:
    """All rasters of a block against the function; returns how many pixels were compared."""
    kinds = {name: read_rasters(output, name)[number] for name in ALL.split(",")}
    wanted, sure = expected(kinds["class"])
    there = kinds["class"].pixels[0] != kinds["class"].nodata
    for name in ("probability", "probabilities", "entropy"):
        assert np.array_equal(np.isnan(kinds[name].pixels), np.broadcast_to(~there, kinds[name].pixels.shape))
    sure &= there
    assert {raster.transform for raster in kinds.values()} == {kinds["class"].transform}
    found = np.moveaxis(kinds["probabilities"].pixels, 0, -1)
    np.testing.assert_allclose(found[sure], wanted[sure], atol=EXACT)
    np.testing.assert_allclose(kinds["probability"].pixels[0][sure], wanted.max(-1)[sure], atol=EXACT)
    entropy = -(wanted * np.log(np.maximum(wanted, 1e-30))).sum(-1) / np.log(3)
    np.testing.assert_allclose(kinds["entropy"].pixels[0][sure], entropy[sure], atol=2e-4)
    second, first = np.sort(wanted, axis=-1)[..., -2:].transpose(2, 0, 1)
    clear = sure & (first - second > 1e-4)
    np.testing.assert_array_equal(kinds["class"].pixels[0][clear], CODES[wanted.argmax(-1)][clear])
    assert clear.sum() > 0.9 * there.sum()
    return int(there.sum())


def quad_areas(raster: Raster) -> np.ndarray:
    """Square metres of each pixel, by the corners in an equal-area projection of the ellipsoid."""
    height, width = raster.pixels.shape[1:]
    columns, rows = np.meshgrid(np.arange(width + 1), np.arange(height + 1))
    t = raster.transform
    lon, lat = pyproj.Transformer.from_crs(raster.crs, "EPSG:4326", always_xy=True).transform(
        t.c + columns * t.a, t.f + rows * t.e
    )
    lon = np.where(lon < 0, lon + 360, lon) if np.ptp(lon) > 180 else lon
    # Cylindrical equal-area (EPSG:6933's), unrolled: PROJ wraps longitudes around.
    _, y = pyproj.Transformer.from_crs("EPSG:4326", "EPSG:6933", always_xy=True).transform(0 * lat, lat)
    (unit, _) = pyproj.Transformer.from_crs("EPSG:4326", "EPSG:6933", always_xy=True).transform(1.0, 0.0)
    x = lon * unit
    corners = [(x[i, j], y[i, j]) for i, j in [(slice(0, -1), slice(0, -1)), (slice(0, -1), slice(1, None)),
                                               (slice(1, None), slice(1, None)), (slice(1, None), slice(0, -1))]]  # fmt: skip
    crossed = [a[0] * b[1] - b[0] * a[1] for a, b in zip(corners, [*corners[1:], corners[0]], strict=True)]
    return np.asarray(np.abs(sum(crossed)) / 2)


def geodesic_area(raster: Raster) -> float:
    """Square metres within a raster's outline, by pyproj.Geod, an independent computation."""
    height, width = raster.pixels.shape[1:]
    t = raster.transform
    across, down = np.linspace(0, width, 50), np.linspace(0, height, 50)
    ring = [(c, 0.0) for c in across] + [(width, r) for r in down] + [(c, height) for c in across[::-1]]
    ring += [(0.0, r) for r in down[::-1]]
    x, y = (np.array(values) for values in zip(*[(t.c + c * t.a, t.f + r * t.e) for c, r in ring], strict=True))
    lon, lat = pyproj.Transformer.from_crs(raster.crs, "EPSG:4326", always_xy=True).transform(x, y)
    return abs(float(pyproj.Geod(ellps="WGS84").polygon_area_perimeter(lon, lat)[0]))


PLACES = [
    pytest.param("10.0,50.0,10.02,50.01", "EPSG:4326", {"EPSG:4326"}, id="degrees"),
    pytest.param("-58.31,-25.02,-58.29,-25.0", "auto", {"EPSG:32721"}, id="south"),
    pytest.param("-100.01,40.0,-99.99,40.012", "EPSG:5070", {"EPSG:5070"}, id="albers"),
    pytest.param("30.0,-1.005,30.02,-0.995", "EPSG:6933", {"EPSG:6933"}, id="equal area"),
    pytest.param("11.0,46.4,11.02,46.41", "EPSG:3035", {"EPSG:3035"}, id="laea"),
    pytest.param("179.99,-17.02,-179.99,-17.0", "utm", {"EPSG:32701", "EPSG:32760"}, id="antimeridian utm"),
    pytest.param("179.99,-17.02,-179.99,-17.0", "EPSG:3832", {"EPSG:3832"}, id="antimeridian"),
]


@pytest.mark.parametrize(("region", "crs", "found"), PLACES)
def test_pixels_are_those_of_their_centres(
    predict: Callable[..., Any], earth: Any, tmp_path: Path, region: str, crs: str, found: set[str]
) -> None:
    done = predict(tmp_path, region=region, crs=crs, bands=ALL, overlap=4)
    assert done.code == 0, done.text
    rasters = read_rasters(tmp_path)
    assert {raster.crs for raster in rasters} == found
    compared = sum(check_block(tmp_path, number) for number in range(len(rasters)))
    pixels = 32 * 32 * read_run(tmp_path)["tiles"]["asked"]
    # Where zones meet, pixels beyond the border are the other zone's.
    assert 0.6 * pixels < compared < pixels if crs == "utm" else compared == pixels
    check_files(rasters)
    check_areas(tmp_path, rasters)


def check_files(rasters: list[Raster]) -> None:
    for raster in rasters:
        assert raster.nodata == 255
        assert raster.pixels.dtype == np.uint8
        assert {code: raster.colours[code][:3] for code in (1, 2, 7)} == {
            1: (255, 0, 0), 2: (0, 255, 0), 7: (0, 0, 255)}  # fmt: skip
        assert {raster.tags[f"class_{item.code}"] for item in CLASSES} == {"first", "second", "third"}


def check_areas(output: Path, rasters: list[Raster]) -> None:
    """Hectares of `run.json` are those of the pixels, on the ellipsoid."""
    run = read_run(output)
    assert run["tiles"]["predicted"] == run["tiles"]["asked"] > 10
    areas = [quad_areas(raster) for raster in rasters]
    for raster, area in zip(rasters, areas, strict=True):
        if raster.pixels.max() < 255:
            assert area.sum() == pytest.approx(geodesic_area(raster), rel=1e-5)
    for item in run["classes"]:
        seen = sum(area[raster.pixels[0] == item["code"]].sum() for raster, area in zip(rasters, areas, strict=True))
        assert item["hectares"] == pytest.approx(seen / 10_000, rel=1e-4, abs=1e-3)
