"""Rasters at any grid against rasterio and pyproj; reprojections, resampling, neighbourhoods, terrain."""

from __future__ import annotations

import io
import json
import urllib.error
import urllib.request

import ee
import numpy as np
import pytest
from affine import Affine
from pyproj import Transformer


def nearest(data, source, grid, fill=0):
    """What a nearest neighbour lookup must give: (values, valid) at the centres of a request's grid."""
    crs, transform = source
    height, width = grid["dimensions"]["height"], grid["dimensions"]["width"]
    a = grid["affineTransform"]
    affine = Affine(a["scaleX"], a["shearX"], a["translateX"], a["shearY"], a["scaleY"], a["translateY"])
    columns, rows = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    x, y = affine * (columns, rows)
    if grid["crsCode"] != crs:
        x, y = Transformer.from_crs(grid["crsCode"], crs, always_xy=True).transform(x, y)
    c, r = ~transform * (x, y)
    c, r = np.floor(c).astype(int), np.floor(r).astype(int)
    inside = (c >= 0) & (c < data.shape[1]) & (r >= 0) & (r < data.shape[0])
    values = data[np.clip(r, 0, data.shape[0] - 1), np.clip(c, 0, data.shape[1] - 1)]
    return np.where(inside, values, fill), inside


GRIDS = {
    "aligned": ("EPSG:32633", Affine(10, 0, 500000, 0, -10, 5000000), 200, 180),
    "window": ("EPSG:32633", Affine(10, 0, 500370, 0, -10, 4999620), 50, 40),
    "over_the_edge": ("EPSG:32633", Affine(10, 0, 499800, 0, -10, 5000100), 80, 80),
    "shifted": ("EPSG:32633", Affine(10, 0, 500003, 0, -10, 4999996), 60, 60),
    "coarser": ("EPSG:32633", Affine(33, 0, 500001, 0, -27, 4999999), 50, 60),
    "finer": ("EPSG:32633", Affine(3, 0, 500001, 0, -3, 4999999), 120, 130),
    "south_up": ("EPSG:32633", Affine(10, 0, 500000, 0, 10, 4998200), 200, 180),
    "rotated": ("EPSG:32633", Affine(8, 3, 500300, 3, -8, 4999700), 70, 60),
    "degrees": ("EPSG:4326", Affine(0.00013, 0, 15.0, 0, -0.00009, 45.1525), 180, 170),
    "laea": ("EPSG:3035", Affine(10, 0, 4715000, 0, -10, 2465000), 300, 300),
    "zone_32": ("EPSG:32632", Affine(10, 0, 971500, 0, -10, 5017600), 200, 150),
    "far_away": ("EPSG:32655", Affine(10, 0, 500000, 0, -10, 5000000), 10, 10),
}


@pytest.mark.parametrize("name", GRIDS)
def test_utm_raster_on_any_grid(earth, samples, name):
    grid = earth.make_grid(*GRIDS[name])
    wanted, inside = nearest(samples.utm[2], earth.UTM, grid)
    found = earth.pixels(earth.image().select(["B3"]), grid)["B3"]
    assert found.dtype == np.uint16
    np.testing.assert_array_equal(found, wanted)
    assert inside.any() == (name != "far_away")


@pytest.mark.parametrize(
    "grid",
    [
        ("EPSG:4326", Affine(0.0002, 0, 15.001, 0, -0.0001, 45.152), 120, 150),
        ("EPSG:4326", Affine(0.00017, 0, 15.0, 0, -0.00017, 45.153), 140, 120),
        ("EPSG:32633", Affine(10, 0, 500000, 0, -10, 5000000), 150, 160),
        ("EPSG:3857", Affine(20, 0, 1669850, 0, -20, 5642600), 150, 150),
    ],
)
def test_float_raster_with_nan(earth, samples, grid):
    request = earth.make_grid(*grid)
    wanted, _ = nearest(samples.geo[0], earth.GEO, request, np.nan)
    found = earth.pixels(earth.image("geo"), request)["value"]
    np.testing.assert_array_equal(found, np.nan_to_num(wanted))
    np.testing.assert_array_equal(earth.band(earth.image("geo").mask(), request), ~np.isnan(wanted))


def test_negative_northings_and_long_pixels(earth, samples):
    grid = earth.make_grid(earth.SOUTH[0], earth.SOUTH[1] * Affine.translation(-5, 3), 110, 60)
    found = earth.pixels(earth.image("south"), grid)
    assert found.dtype.names == ("height", "raw")
    wanted, _ = nearest(samples.south[0], earth.SOUTH, grid)
    np.testing.assert_array_equal(found["height"], np.where(wanted == -9999, 0, wanted))
    raw, inside = nearest(samples.south[1], earth.SOUTH, grid)
    np.testing.assert_array_equal(found["raw"], np.where(inside, raw, 0))
    zone = earth.make_grid("EPSG:32622", Affine(50, 0, 90000, 0, -50, 7190000), 40, 40)
    wanted, _ = nearest(samples.south[1], earth.SOUTH, zone)
    np.testing.assert_array_equal(earth.pixels(earth.image("south").select("raw"), zone)["raw"], wanted)


def test_bands_of_different_projections_in_one_request(earth, samples):
    grid = earth.utm_grid()
    found = earth.pixels(earth.image("mixed"), grid)
    assert found.dtype.names == ("green", "value")
    np.testing.assert_array_equal(found["green"], samples.utm[2, :60, :70])
    wanted, _ = nearest(samples.geo[0], earth.GEO, grid, np.nan)
    np.testing.assert_array_equal(found["value"], np.nan_to_num(wanted))


def test_get_pixels(earth, samples):
    found = ee.data.getPixels(
        {"assetId": earth.root + "utm", "fileFormat": "NUMPY_NDARRAY", "grid": earth.utm_grid(5, 6, 9, 8)}
    )
    np.testing.assert_array_equal(found["B6"], samples.utm[5, 6:14, 5:14])
    whole = ee.data.getPixels({"assetId": earth.root + "utm", "fileFormat": "NUMPY_NDARRAY", "bandIds": ["B2"]})
    np.testing.assert_array_equal(whole["B2"], samples.utm[1])
    member = ee.data.getPixels({"assetId": "TEST/SERIES/I2", "fileFormat": "NUMPY_NDARRAY", "bandIds": ["red"]})
    np.testing.assert_array_equal(member["red"], np.where(samples.series[2, 0] == 65535, 0, samples.series[2, 0]))


def test_large_requests_are_worked_through_in_blocks(earth, samples):
    grid = earth.make_grid("EPSG:32633", Affine(2, 0, 499900, 0, -2, 5000100), 1100, 1000)
    wanted, _ = nearest(samples.utm[0], earth.UTM, grid)
    np.testing.assert_array_equal(earth.pixels(earth.image().select("B1"), grid)["B1"], wanted)
    blurred = earth.image().select("B1").unmask(0, False).focalMean(3, "square")
    whole = earth.band(blurred, grid)
    part = earth.band(
        blurred, earth.make_grid("EPSG:32633", Affine(2, 0, 499900 + 800, 0, -2, 5000100 - 400), 300, 200)
    )
    np.testing.assert_allclose(whole[200:400, 400:700], part, rtol=1e-6)


def test_reproject_fixes_the_pixels(earth, samples):
    image = earth.image().select("B2").reproject("EPSG:32633", [40, 0, 500000, 0, -40, 5000000])
    found = earth.band(image, earth.utm_grid())
    wanted = np.repeat(np.repeat(samples.utm[1, 2:62:4, 2:72:4], 4, axis=0), 4, axis=1)[:60, :70]
    np.testing.assert_array_equal(found, wanted)
    assert image.getInfo()["bands"][0]["crs_transform"] == [40, 0, 500000, 0, -40, 5000000]
    with pytest.raises(ee.EEException, match="Reprojection output too large"):
        earth.band(earth.image().reproject("EPSG:32633", None, 0.001), earth.utm_grid())


def test_bilinear(earth, samples):
    shifted = earth.make_grid("EPSG:32633", Affine(10, 0, 500002.5, 0, -10, 4999995), 60, 18)
    a = samples.utm[1, :20, :62].astype(float)
    rows = (a[:-1] + a[1:]) / 2
    wanted = 0.75 * rows[:18, :60] + 0.25 * rows[:18, 1:61]
    found = earth.band(earth.image().select("B2").resample("bilinear"), shifted)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, wanted, rtol=1e-5)
    same = earth.band(earth.image().select("B2").resample("bicubic"), earth.utm_grid(1, 1, 20, 15))
    np.testing.assert_allclose(same, samples.utm[1, 1:16, 1:21])


def test_bicubic_reproduces_a_plane(earth):
    plane = ee.Image.pixelCoordinates(ee.Projection("EPSG:32633")).select("x").reproject("EPSG:32633", None, 30)
    grid = earth.make_grid("EPSG:32633", Affine(7, 0, 500003, 0, -7, 4999992), 30, 30)
    found = earth.band(plane.resample("bicubic"), grid)
    np.testing.assert_allclose(found[0], 500003 + 7 * (np.arange(30) + 0.5), rtol=1e-9)


def test_resample_masks_what_touches_masked_pixels(earth, samples):
    shifted = earth.make_grid("EPSG:32633", Affine(10, 0, 500005, 0, -10, 5000000), 60, 50)
    found = earth.band(earth.image().select("B1").resample("bilinear").mask(), shifted)
    valid = samples.utm[0, :50, :61] > 0
    np.testing.assert_array_equal(found, valid[:, :-1] & valid[:, 1:])


def test_composites_have_no_pixels_to_resample(earth):
    median = ee.ImageCollection("TEST/SERIES").median()
    np.testing.assert_array_equal(earth.band(median), earth.band(median.resample("bilinear")))


def test_reduce_resolution(earth, samples):
    coarse = earth.make_grid("EPSG:32633", Affine(50, 0, 500000, 0, -50, 5000000), 12, 4)
    found = earth.band(earth.image().select("B2").reduceResolution(ee.Reducer.mean(), False, 100), coarse)
    wanted = samples.utm[1, :20, :60].reshape(4, 5, 12, 5).mean(axis=(1, 3))
    np.testing.assert_allclose(found, wanted)
    with pytest.raises(ee.EEException, match="Too many input pixels per output pixel"):
        earth.band(earth.image().select("B2").reduceResolution(ee.Reducer.mean(), False, 10), coarse)


def test_neighbourhoods(earth, samples):
    a = samples.utm[1, :20, :62].astype(float)
    windows = np.lib.stride_tricks.sliding_window_view(a, (3, 3))
    grid = earth.utm_grid(1, 1, 60, 18)
    image = earth.image().select("B2")
    np.testing.assert_array_equal(earth.band(image.focalMax(1, "square"), grid), windows.max(axis=(2, 3)))
    np.testing.assert_allclose(earth.band(image.focal_mean(1, "square"), grid), windows.mean(axis=(2, 3)))
    np.testing.assert_array_equal(earth.band(image.focalMedian(1, "square"), grid), np.median(windows, axis=(2, 3)))
    plus = earth.pixels(image.reduceNeighborhood(ee.Reducer.max(), ee.Kernel.circle(1)), grid)
    assert plus.dtype.names == ("B2_max",)
    cross = np.stack(
        [windows[..., 1, 1], windows[..., 0, 1], windows[..., 2, 1], windows[..., 1, 0], windows[..., 1, 2]]
    )
    np.testing.assert_array_equal(plus["B2_max"], cross.max(axis=0))
    np.testing.assert_allclose(
        earth.band(image.convolve(ee.Kernel.square(1)), grid), windows.mean(axis=(2, 3)), rtol=1e-6
    )
    weights = ee.Kernel.fixed(3, 3, [[1, 0, 0], [0, 0, 0], [0, 0, 0]])
    np.testing.assert_allclose(earth.band(image.convolve(weights), grid), windows[..., 2, 2])
    metres = earth.band(image.focalMax(10, "square", "meters"), grid)
    np.testing.assert_array_equal(metres, windows.max(axis=(2, 3)))


def test_masked_neighbours_are_left_out(earth, samples):
    a = samples.utm[0].astype(float)
    a[a == 0] = np.nan
    windows = np.lib.stride_tricks.sliding_window_view(a[:62, :72], (3, 3))
    found = earth.band(
        earth.image().select("B1").reduceNeighborhood(ee.Reducer.mean(), ee.Kernel.square(1)),
        earth.utm_grid(1, 1, 70, 60),
    )
    with np.errstate(all="ignore"), pytest.warns(RuntimeWarning):
        wanted = np.where(np.isnan(a[1:61, 1:71]), 0, np.nan_to_num(np.nanmean(windows, axis=(2, 3))))
    np.testing.assert_allclose(found, wanted, rtol=1e-6)


def test_terrain(earth, samples):
    a = samples.south[1].astype(float)
    grid = earth.make_grid(earth.SOUTH[0], earth.SOUTH[1] * Affine.translation(1, 1), 98, 88)
    east = (a[1:-1, 2:] - a[1:-1, :-2]) / 120
    north = (a[:-2, 1:-1] - a[2:, 1:-1]) / 60
    height = earth.image("south").select("raw")
    np.testing.assert_allclose(
        earth.band(ee.Terrain.slope(height), grid), np.degrees(np.arctan(np.hypot(east, north))), rtol=1e-5
    )
    aspect = earth.band(ee.Terrain.aspect(height), grid)
    np.testing.assert_allclose(aspect, np.degrees(np.arctan2(-east, -north)) % 360, rtol=1e-4, atol=1e-3)
    products = ee.Terrain.products(height)
    assert products.bandNames().getInfo() == ["raw", "slope", "aspect", "hillshade"]


def test_aspect_is_the_way_down(earth):
    x = ee.Image.pixelCoordinates(ee.Projection("EPSG:32633")).select("x")
    assert earth.band(ee.Terrain.aspect(x))[5, 5] == 270
    assert earth.band(ee.Terrain.slope(x))[5, 5] == 45


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        ({"crsCode": "EPSG:999999", "dimensions": {"width": 1, "height": 1}}, "Unable to parse"),
        ({"dimensions": {"width": 0, "height": 5}}, "must be positive"),
        ({"crsCode": "EPSG:4326"}, "dimensions must be given"),
        ({"dimensions": {"width": 1, "height": 1}, "affineTransform": {"scaleX": 0, "scaleY": 1}}, "without an area"),
        ({"crsCode": "EPSG:5773", "dimensions": {"width": 1, "height": 1}}, "Unable to parse"),  # heights
        ({"crsCode": "EPSG:4978", "dimensions": {"width": 1, "height": 1}}, "Unable to parse"),  # geocentric
        ({"crsCode": ["EPSG:4326"]}, "Unable to parse"),
        ("x", "Invalid value at 'grid': an object is expected, got 'x'"),
        ([1], "Invalid value at 'grid'"),
        ({"dimensions": "x"}, "Invalid value at 'grid.dimensions': an object"),
        ({"dimensions": {"width": "a", "height": 1}}, "Invalid value at 'grid.dimensions.width': a number"),
        ({"dimensions": {"width": 2.5, "height": 1}}, "'grid.dimensions.width': a whole number is expected, got 2.5"),
        ({"dimensions": {"width": 1, "height": [2]}}, "Invalid value at 'grid.dimensions.height'"),
        ({"dimensions": {"width": True, "height": 1}}, "Invalid value at 'grid.dimensions.width'"),
        ({"dimensions": {"width": "inf", "height": 1}}, "'grid.dimensions.width': a whole number"),
        ({"dimensions": {"width": 1, "height": 1}, "affineTransform": [1]}, "'grid.affineTransform': an object"),
        (
            {"dimensions": {"width": 1, "height": 1}, "affineTransform": {"scaleX": "wide"}},
            "'grid.affineTransform.scaleX': a number is expected, got 'wide'",
        ),
        (
            {"dimensions": {"width": 1, "height": 1}, "affineTransform": {"scaleX": "nan", "scaleY": 1}},
            "is not finite",
        ),
    ],
)
def test_impossible_grids_are_refused(earth, grid, message):
    status, found = posted(earth, grid=grid)
    assert status == 400
    assert found["error"]["status"] == "INVALID_ARGUMENT"
    assert message in found["error"]["message"]


def posted(earth, **members):
    """Status and JSON of a request for pixels whose members nobody has looked at before."""
    body = {"expression": ee.serializer.encode(earth.image(), for_cloud_api=True), "fileFormat": "NPY", **members}
    request = urllib.request.Request(f"{earth.url}/v1/projects/p/image:computePixels", json.dumps(body).encode())
    try:
        with urllib.request.urlopen(request) as response:
            return response.status, np.load(io.BytesIO(response.read()))
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_numbers_of_a_grid_may_be_texts(earth, samples):
    affine = {"scaleX": "10", "translateX": "500000", "scaleY": -10, "translateY": 5e6}
    grid = {"crsCode": "EPSG:32633", "dimensions": {"width": "3", "height": 2.0}, "affineTransform": affine}
    status, found = posted(earth, grid=grid, bandIds=["B2"])
    assert status == 200
    np.testing.assert_array_equal(found["B2"], samples.utm[1, :2, :3])


def test_band_ids_are_a_list(earth):
    for given in ("B2", 5):
        status, found = posted(earth, grid=earth.utm_grid(), bandIds=given)
        assert status == 400
        assert "Invalid value at 'bandIds': a list of texts is expected" in found["error"]["message"]
