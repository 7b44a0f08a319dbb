"""Choosing bands, masks, footprints, constants, remapping."""

from __future__ import annotations

import io

import ee
import numpy as np
import pytest
import rasterio
from affine import Affine
from pyproj import Geod, Transformer


def test_select_by_name_pattern_and_index(earth, samples):
    image = earth.image()
    assert earth.pixels(image.select(["B3", "B1"])).dtype.names == ("B3", "B1")
    assert image.select("B[12]").bandNames().getInfo() == ["B1", "B2"]
    assert image.select([5, 0], ["last", "first"]).bandNames().getInfo() == ["last", "first"]
    np.testing.assert_array_equal(earth.pixels(image.select([5]))["B6"], samples.utm[5, :60, :70])


def test_a_band_chosen_twice_has_two_names(earth, samples):
    image = earth.image()
    assert image.select(["B2", "B2"]).bandNames().getInfo() == ["B2", "B2_1"]
    assert image.select("B2", "B[12]", 1).bandNames().getInfo() == ["B2", "B1", "B2_1", "B2_2"]
    found = earth.pixels(image.select(["B3", "B2", "B3"]))
    assert found.dtype.names == ("B3", "B2", "B3_1")
    np.testing.assert_array_equal(found["B3_1"], samples.utm[2, :60, :70])
    taken = image.select(["B2", "B3"], ["x", "x_1"])
    assert taken.select(["x", "x", "x_1"]).bandNames().getInfo() == ["x", "x_2", "x_1"]
    asked = earth.pixels(image, bandIds=["B2", "B2"])
    assert asked.dtype.names == ("B2", "B2_1")
    np.testing.assert_array_equal(asked["B2"], asked["B2_1"])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda image: image.rename(["a", "a"]), "Image.rename: Duplicate band name 'a'"),
        (lambda image: image.select(["B1", "B2"], ["b", "b"]), "Image.select: Duplicate band name 'b'"),
        (lambda image: image.regexpRename("B.", "c"), "Image.regexpRename: Duplicate band name 'c'"),
        (lambda image: image.reduce(ee.Reducer.minMax().setOutputs(["d", "d"])), "Duplicate band name 'd'"),
    ],
)
def test_two_bands_of_one_name_are_refused(earth, change, words):
    with pytest.raises(ee.EEException, match=words):
        earth.pixels(change(earth.image().select(["B1", "B2"])))


def test_a_missing_band_says_what_there_is(earth):
    with pytest.raises(ee.EEException, match=r"Band pattern 'B9' did not match any bands. Available bands: \[B1, B2"):
        earth.pixels(earth.image().select("B9"))
    with pytest.raises(ee.EEException, match="number of names"):
        earth.pixels(earth.image().select(["B1", "B2"], ["one"]))


def test_band_ids_of_a_request(earth, samples):
    found = earth.pixels(earth.image(), bandIds=["B5", "B2"])
    assert found.dtype.names == ("B5", "B2")
    np.testing.assert_array_equal(found["B2"], samples.utm[1, :60, :70])


def test_add_bands_names(earth):
    image = earth.image().select(["B1", "B2"])
    assert image.addBands(image.select("B1")).bandNames().getInfo() == ["B1", "B2", "B1_1"]
    assert image.addBands(ee.Image(3).rename("B2"), overwrite=True).bandNames().getInfo() == ["B1", "B2"]
    assert ee.Image([1, 2, 3]).bandNames().getInfo() == ["constant", "constant_1", "constant_2"]
    assert ee.Image.constant([1, 2, 3]).bandNames().getInfo() == ["constant_0", "constant_1", "constant_2"]
    assert ee.Image.constant(1).bandNames().getInfo() == ["constant"]
    assert ee.Image.cat([image, ee.Image(1).rename("x")]).bandNames().getInfo() == ["B1", "B2", "x"]


def test_overwritten_band_has_the_new_pixels(earth):
    image = earth.image().select(["B1", "B2"]).addBands(ee.Image(3).rename("B2"), overwrite=True)
    assert (earth.pixels(image)["B2"] == 3).all()


def test_rename_and_metadata(earth):
    image = earth.image()
    renamed = image.select(["B1", "B2"]).rename(["x", "y"])
    assert renamed.bandNames().getInfo() == ["x", "y"]
    time = earth.pixels(image.metadata("system:time_start"))
    assert time.dtype.names == ("system:time_start",)
    assert time["system:time_start"].max() == 1590969600000
    assert image.regexpRename("B(\\d)", "band$1").bandNames().getInfo()[0] == "band1"


def test_masked_pixels_are_zero_and_mask_says_where(earth, samples):
    nothing = samples.utm[0, :60, :70] == 0
    assert nothing.any()
    image = earth.image().select("B1")
    assert (earth.band(image)[nothing] == 0).all()
    np.testing.assert_array_equal(earth.band(image.mask()), (~nothing).astype(np.float32))
    assert earth.band(image.mask().gt(0)).dtype == np.uint8


def test_unmask_keeps_the_footprint_unless_told_otherwise(earth, samples):
    image = earth.image().select("B1")
    over_the_edge = earth.utm_grid(-20, -10, 60, 50)
    inside = earth.band(image.unmask(7), over_the_edge)
    assert (inside[:10] == 0).all()
    assert (inside[:, :20] == 0).all()
    assert inside[10 + 25, 20 + 35] == 7
    everywhere = earth.band(image.unmask(7, False), over_the_edge)
    assert (everywhere[:10] == 7).all()
    np.testing.assert_array_equal(
        everywhere[10:, 20:], np.where(samples.utm[0, :40, :40] == 0, 7, samples.utm[0, :40, :40])
    )


def test_update_mask_and_self_mask(earth, samples):
    a = samples.utm[0, :60, :70]
    image = earth.image().select("B1")
    kept = image.updateMask(image.gt(5000))
    np.testing.assert_array_equal(earth.band(kept), np.where(a > 5000, a, 0))
    np.testing.assert_array_equal(earth.band(kept.mask()), a > 5000)
    zeros = image.gt(5000).selfMask()
    np.testing.assert_array_equal(earth.band(zeros.mask()), a > 5000)


def test_mask_of_several_bands(earth, samples):
    image = earth.image().select(["B1", "B2"])
    found = earth.pixels(image.updateMask(image.gt(5000)))
    np.testing.assert_array_equal(found["B2"], np.where(samples.utm[1, :60, :70] > 5000, samples.utm[1, :60, :70], 0))
    with pytest.raises(ee.EEException, match="mask must have one band"):
        earth.pixels(image.updateMask(earth.image()))


def test_partial_masks_are_kept(earth):
    half = ee.Image(10).updateMask(ee.Image(0.25))
    assert earth.band(half)[0, 0] == 10
    assert earth.band(half.mask())[0, 0] == np.float32(0.25)
    assert earth.band(half.updateMask(ee.Image(0)).mask())[0, 0] == 0


def test_where_never_unmasks(earth, samples):
    a = samples.utm[0, :60, :70]
    image = earth.image().select("B1")
    found = earth.band(image.where(image.gt(5000), 1).unmask(9))
    np.testing.assert_array_equal(found, np.where(a == 0, 9, np.where(a > 5000, 1, a)))
    assert (earth.band(image.where(ee.Image(1), 3).unmask(9))[a == 0] == 9).all()


def test_blend_puts_the_valid_pixels_on_top(earth, samples):
    a, b = samples.utm[0, :60, :70], samples.utm[1, :60, :70]
    top = earth.image().select("B1").updateMask(earth.image().select("B1").gt(5000))
    np.testing.assert_array_equal(earth.band(earth.image().select("B2").blend(top)), np.where(a > 5000, a, b))


def test_empty_image_is_masked_everywhere(earth):
    assert (earth.band(ee.Image().unmask(4)) == 4).all()


def test_remap(earth, samples):
    a = samples.utm[0, :60, :70]
    classes = earth.image().select("B1").mod(4)
    found = earth.band(classes.remap([1, 2], [10, 20], 5))
    np.testing.assert_array_equal(found, np.where(a == 0, 0, np.select([a % 4 == 1, a % 4 == 2], [10, 20], 5)))
    masked = earth.band(classes.remap([1, 2], [10, 20]).mask())
    np.testing.assert_array_equal(masked, (a > 0) & np.isin(a % 4, [1, 2]))


def test_interpolate(earth, samples):
    a = samples.utm[0, :60, :70].astype(float)
    found = earth.band(earth.image().select("B1").interpolate([0, 5000, 10000], [0, 1, 5], "clamp"))
    np.testing.assert_allclose(found, np.where(a > 0, np.interp(a, [0, 5000, 10000], [0, 1, 5]), 0))


def test_constants_have_their_own_range(earth):
    types = [band["data_type"] for band in ee.Image([5, 2.5]).getInfo()["bands"]]
    assert types[0] == {"type": "PixelType", "precision": "int", "min": 5, "max": 5}
    assert types[1]["precision"] == "double"


def test_pixel_lon_lat_and_coordinates(earth):
    found = earth.pixels(ee.Image.pixelLonLat(), earth.make_grid(*earth.GEO, 30, 20))
    np.testing.assert_allclose(found["longitude"][0], 15.001 + 0.0002 * (np.arange(30) + 0.5))
    np.testing.assert_allclose(found["latitude"][:, 0], 45.152 - 0.0001 * (np.arange(20) + 0.5))
    place = earth.pixels(ee.Image.pixelCoordinates(ee.Projection("EPSG:32633")))
    np.testing.assert_allclose(place["x"][0, :3], [500005, 500015, 500025])


AREA_GRIDS = {
    "degrees, 0": ("EPSG:4326", 0.001, 10.0, 0.0),
    "degrees, 25 south": ("EPSG:4326", 0.01, 20.0, -25.0),
    "degrees, 45": ("EPSG:4326", 0.0002, 15.0, 45.0),
    "degrees, 60": ("EPSG:4326", 0.25, -30.0, 60.0),
    "degrees, 80": ("EPSG:4326", 0.001, 100.0, 80.0),
    "NAD 83 degrees, 45": ("EPSG:4269", 0.001, -100.0, 45.0),
    "UTM, 0": ("EPSG:32631", 10.0, 500_000.0, 0.0),
    "UTM, 25 south": ("EPSG:32736", 30.0, 300_000.0, 7_230_000.0),
    "UTM, 45, edge of the zone": ("EPSG:32633", 10.0, 740_000.0, 4_985_000.0),
    "UTM, 60, across the antimeridian": ("EPSG:32660", 10.0, 666_700.0, 6_655_000.0),
    "UTM, 80, across the antimeridian": ("EPSG:32601", 100.0, 440_000.0, 8_885_000.0),
    "Mercator, 60, across the antimeridian": ("EPSG:3857", 30.0, 20_037_000.0, 8_400_000.0),
    "Albers, 45": ("EPSG:5070", 30.0, 100_000.0, 2_400_000.0),
    "Lambert, 50": ("EPSG:3035", 10.0, 4_500_000.0, 3_000_000.0),
    "polar, 80": ("EPSG:3413", 50.0, 800_000.0, -700_000.0),
    "equal area, 25, coarse": ("EPSG:6933", 100_000.0, 2_000_000.0, 3_100_000.0),
    "UTM, 45, coarse": ("EPSG:32633", 50_000.0, 400_000.0, 5_100_000.0),
}


def ellipsoid_area(crs: str, left: float, top: float, width: float, height: float) -> float:
    """Square metres of a rectangle of a CRS as a geodesic polygon, its sides cut into pieces."""
    t, ones, zeros = np.arange(256) / 256, np.ones(256), np.zeros(256)
    x = left + width * np.concatenate([t, ones, 1 - t, zeros])
    y = top - height * np.concatenate([zeros, t, ones, 1 - t])
    lonlat = Transformer.from_crs(crs, "EPSG:4326", always_xy=True).transform(x, y)
    return abs(Geod(ellps="WGS84").polygon_area_perimeter(*lonlat)[0])


@pytest.mark.parametrize("name", AREA_GRIDS)
def test_pixel_area_is_that_of_the_ellipsoid(earth, name):
    crs, size, left, top = AREA_GRIDS[name]
    found = earth.band(ee.Image.pixelArea(), earth.make_grid(crs, Affine(size, 0, left, 0, -size, top), 60, 40))
    assert found.shape == (40, 60)
    for row, column in ((0, 0), (0, 59), (20, 30), (39, 0), (39, 59)):
        wanted = ellipsoid_area(crs, left + column * size, top - row * size, size, size)
        assert found[row, column] == pytest.approx(wanted, rel=1e-5), (row, column)
    whole = ellipsoid_area(crs, left, top, 60 * size, 40 * size)
    assert found.sum() == pytest.approx(whole, rel=1e-5)


def test_pixel_areas_add_up_to_the_area_of_a_geometry(earth):
    for crs, left, top in (("EPSG:32633", 500_000, 5_000_000), ("EPSG:32660", 666_700, 6_655_000)):
        field = ee.Geometry.Rectangle([left, top - 2000, left + 3000, top], ee.Projection(crs), False)
        summed = ee.Image.pixelArea().reduceRegion(ee.Reducer.sum(), field, 10, crs).getInfo()["area"]
        assert summed == pytest.approx(field.area().getInfo(), rel=1e-6)
        assert summed == pytest.approx(ellipsoid_area(crs, left, top, 3000, 2000), rel=1e-6)


def test_pixel_area_off_the_globe_is_masked(earth):
    grid = earth.make_grid("EPSG:6933", Affine(10, 0, 0, 0, -10, 9_000_000), 8, 8)
    assert (earth.band(ee.Image.pixelArea().mask(), grid) == 0).all()


def test_random_depends_on_place_and_seed_only(earth):
    whole = earth.band(ee.Image.random(3), earth.utm_grid(0, 0, 40, 40))
    part = earth.band(ee.Image.random(3), earth.utm_grid(10, 5, 20, 20))
    np.testing.assert_array_equal(whole[5:25, 10:30], part)
    assert not (whole == earth.band(ee.Image.random(4), earth.utm_grid(0, 0, 40, 40))).any()
    assert 0 <= whole.min() < 0.1
    assert 0.9 < whole.max() < 1
    assert abs(whole.mean() - 0.5) < 0.05


def test_clip_takes_pixel_centres(earth, samples):
    square = ee.Geometry.Rectangle([500100, 4999800, 500300, 4999900], ee.Projection("EPSG:32633"), False)
    found = earth.band(earth.image().select("B2").clip(square))
    wanted = np.zeros((60, 70))
    wanted[10:20, 10:30] = samples.utm[1, 10:20, 10:30]
    np.testing.assert_array_equal(found, wanted)


def test_geotiff_of_masked_pixels(earth, samples):
    image = earth.image().select("B1")
    for build, fill in ((image, 0), (image.toInt16(), -32768), (image.toFloat(), -np.inf)):
        body = ee.data.computePixels({"expression": build, "fileFormat": "GEO_TIFF", "grid": earth.utm_grid()})
        with rasterio.open(io.BytesIO(body)) as source:
            values = source.read(1)
            assert source.crs.to_epsg() == 32633
            assert source.transform == earth.UTM[1]
            assert source.descriptions == ("B1",)
        valid = samples.utm[0, :60, :70] > 0
        np.testing.assert_array_equal(values[valid], samples.utm[0, :60, :70][valid])
        assert (values[~valid] == fill).all()
