"""Painting, statistics of regions, samples."""

from __future__ import annotations

import ee
import numpy as np
import pytest
from rasterio.features import rasterize


def square(left, top, width, height):
    return ee.Geometry.Rectangle([left, top - height, left + width, top], ee.Projection("EPSG:32633"), False)


def test_paint_and_reduce_to_image_agree_with_rasterio(earth, samples):
    import json

    import shapely
    from pyproj import Transformer

    change = Transformer.from_crs("EPSG:4326", "EPSG:32633", always_xy=True)
    features = json.loads((samples.folder / "fields.geojson").read_text())["features"]
    shapes = []
    for feature in features:
        lonlat = shapely.segmentize(shapely.geometry.shape(feature["geometry"]), 1e-4)
        shapes.append(
            (
                shapely.transform(lonlat, lambda xy: np.column_stack(change.transform(*xy.T))),
                feature["properties"]["code"],
            )
        )
    wanted = rasterize(shapes, (60, 70), transform=earth.UTM[1], dtype="uint8")
    assert set(np.unique(wanted)) == {0, 1, 2, 3}
    fields = ee.FeatureCollection(earth.root + "fields")
    painted = ee.Image(0).byte().paint(fields, "code")
    np.testing.assert_array_equal(earth.band(painted), wanted)
    last = fields.reduceToImage(["code"], ee.Reducer.last())
    np.testing.assert_array_equal(earth.band(last), wanted)
    np.testing.assert_array_equal(earth.band(last.mask()), wanted > 0)
    first = fields.reduceToImage(["code"], ee.Reducer.first())
    assert (earth.band(first) <= wanted).all()
    sums = earth.band(fields.reduceToImage(["code"], ee.Reducer.sum()))
    overlap = rasterize(
        [(shape, 1) for shape, _ in shapes],
        (60, 70),
        transform=earth.UTM[1],
        merge_alg=__import__("rasterio").enums.MergeAlg.add,
    )
    assert sums[overlap == 2][0] == 5
    np.testing.assert_array_equal(earth.band(fields.reduceToImage(["code"], ee.Reducer.count())), overlap)
    deviation = earth.band(fields.reduceToImage(["code"], ee.Reducer.stdDev()))
    assert deviation[overlap == 2][0] == 0.5


def test_paint_unmasks_and_draws_outlines(earth):
    area = ee.FeatureCollection([ee.Feature(square(500100, 4999900, 200, 200))])
    filled = ee.Image().byte().paint(area, 7)
    found = earth.band(filled)
    assert (found == 7).sum() == 400
    assert (earth.band(filled.mask()) == (found == 7)).all()
    outline = earth.band(ee.Image().byte().paint(area, 7, 2))
    assert outline[10, 10] == 7
    assert outline[15, 15] == 0


def test_points_paint_their_pixel(earth):
    points = ee.FeatureCollection(earth.root + "points")
    found = earth.band(ee.Image(0).paint(points, "height"))
    assert found[10, 10] == 5
    assert (found > 0).sum() == 1


def test_tuples_of_a_region(earth, samples):
    area = ee.Geometry.Rectangle([500000, 4999940, 500070, 5000000], ee.Projection("EPSG:32633"), False)
    image = ee.Image("TEST/SERIES/I0")
    found = image.reduceRegion(ee.Reducer.toList(2), area, 10).getInfo()
    red, nir = samples.series[0, :, :6, :7]
    complete = (red != 65535) & (nir != 65535)
    assert 0 < complete.sum() < complete.size
    assert found == {"list": np.stack([red[complete], nir[complete]], axis=1).tolist()}
    fields = ee.FeatureCollection([ee.Feature(area)])
    each = image.reduceRegions(fields, ee.Reducer.toList(2), 10).first().get("list").getInfo()
    assert each == found["list"]
    for refused, words in ((image, "cannot become a band"), (image.select("red"), "2 inputs, the image 1 bands")):
        with pytest.raises(ee.EEException, match=words):
            earth.pixels(refused.reduce(ee.Reducer.toList(2)))


def test_reduce_region(earth, samples):
    area = square(500100, 4999900, 300, 200)
    values = samples.utm[:2, 10:30, 10:40].astype(float)
    image = earth.image().select(["B1", "B2"])
    mean = image.reduceRegion(ee.Reducer.mean(), area, 10).getInfo()
    assert mean["B1"] == pytest.approx(values[0][values[0] > 0].mean())
    both = image.reduceRegion(ee.Reducer.minMax().combine(ee.Reducer.count(), sharedInputs=True), area, 10).getInfo()
    assert both["B2_max"] == values[1].max()
    assert both["B1_count"] == (values[0] > 0).sum()
    histogram = image.select("B1").mod(3).reduceRegion(ee.Reducer.frequencyHistogram(), area, 10).getInfo()["B1"]
    rest = samples.utm[0, 10:30, 10:40] % 3
    good = samples.utm[0, 10:30, 10:40] > 0
    assert histogram == {str(n): int((rest[good] == n).sum()) for n in range(3)}
    fixed = image.select("B1").reduceRegion(ee.Reducer.fixedHistogram(0, 10000, 4), area, 10).getInfo()["B1"]
    np.testing.assert_array_equal([row[1] for row in fixed], np.histogram(values[0][values[0] > 0], 4, (0, 10000))[0])


def test_reduce_region_by_group(earth, samples):
    area = square(500100, 4999900, 300, 200)
    classes = earth.image().select("B1").mod(3)
    image = earth.image().select("B2").addBands(classes.rename("class"))
    groups = image.reduceRegion(ee.Reducer.sum().group(1, "class"), area, 10).getInfo()["groups"]
    one, two = samples.utm[0, 10:30, 10:40], samples.utm[1, 10:30, 10:40].astype(int)
    assert {group["class"]: group["sum"] for group in groups} == {
        n: two[(one % 3 == n) & (one > 0)].sum() for n in range(3)
    }


def test_reduce_region_of_a_point_and_too_many_pixels(earth, samples):
    point = ee.Geometry.Point([500105, 4999895], ee.Projection("EPSG:32633"))
    assert earth.image().reduceRegion(ee.Reducer.first(), point, 10).getInfo()["B3"] == samples.utm[2, 10, 10]
    area = square(500000, 5000000, 2000, 1800)
    with pytest.raises(
        ee.EEException, match=r"Too many pixels in the region\. Found 36000, but maxPixels allows only 100"
    ):
        earth.image().reduceRegion(ee.Reducer.mean(), area, 10, maxPixels=100).getInfo()
    rough = earth.image().reduceRegion(ee.Reducer.count(), area, 10, maxPixels=100, bestEffort=True).getInfo()
    assert 0 < rough["B1"] <= 100


def test_reduce_regions(earth, samples):
    fields = ee.FeatureCollection(earth.root + "fields")
    found = earth.image().select("B2").reduceRegions(fields, ee.Reducer.count(), 10).aggregate_array("count").getInfo()
    assert found[0] == pytest.approx(400, abs=45)
    assert found[1] == pytest.approx(500, abs=65)  # 400 of its pixels are masked


def test_sample(earth, samples):
    area = square(500100, 4999900, 300, 200)
    everything = earth.image().select("B1").sample(area, 10, geometries=True)
    valid = samples.utm[0, 10:30, 10:40] > 0
    assert everything.size().getInfo() == valid.sum()
    some = earth.image().select("B1").sample(area, 10, numPixels=25, seed=3, dropNulls=False)
    values = some.aggregate_array("B1").getInfo()
    assert (
        values
        == earth.image()
        .select("B1")
        .sample(area, 10, numPixels=25, seed=3, dropNulls=False)
        .aggregate_array("B1")
        .getInfo()
    )
    assert some.size().getInfo() == 25
    half = earth.image().select("B2").sample(area, 10, factor=0.5).size().getInfo()
    assert 220 < half < 330


def test_sampled_points_lie_on_their_pixels(earth, samples):
    from pyproj import Transformer

    area = square(500100, 4999900, 300, 200)
    features = earth.image().select("B2").sample(area, 10, numPixels=20, geometries=True).getInfo()["features"]
    change = Transformer.from_crs("EPSG:4326", "EPSG:32633", always_xy=True)
    for feature in features:
        x, y = change.transform(*feature["geometry"]["coordinates"])
        row, column = round((5000000 - y) / 10 - 0.5), round((x - 500000) / 10 - 0.5)
        assert feature["properties"]["B2"] == samples.utm[1, row, column]


def test_stratified_sample(earth, samples):
    area = square(500100, 4999900, 300, 200)
    classes = earth.image().select("B1").mod(4).toByte().rename("class")
    image = classes.addBands(earth.image().select("B2"))
    drawn = image.stratifiedSample(
        20, "class", area, 10, seed=1, classValues=[0, 3], classPoints=[5, 0], geometries=True
    )
    counts = drawn.aggregate_histogram("class").getInfo()
    assert counts == {"0": 5, "1": 20, "2": 20}
    first = drawn.first().getInfo()
    assert first["geometry"]["type"] == "Point"
    again = image.stratifiedSample(20, "class", area, 10, seed=1, classValues=[0, 3], classPoints=[5, 0])
    assert again.aggregate_array("B2").getInfo() == drawn.aggregate_array("B2").getInfo()
    other = image.stratifiedSample(20, "class", area, 10, seed=2)
    assert other.aggregate_array("B2").getInfo() != drawn.aggregate_array("B2").getInfo()
    with pytest.raises(ee.EEException, match="No band named 'nothing'"):
        image.stratifiedSample(20, "nothing", area, 10).size().getInfo()


def test_rare_classes_come_short(earth, samples):
    area = square(500000, 5000000, 2000, 1800)
    rare = earth.image().select("B1").eq(int(samples.utm[0, 0, 0])).toByte()
    counts = rare.stratifiedSample(50, region=area, scale=10).aggregate_histogram("B1").getInfo()
    assert counts["1"] == (samples.utm[0] == samples.utm[0, 0, 0]).sum()
    assert counts["0"] == 50


def test_sample_regions(earth, samples):
    points = ee.FeatureCollection(earth.root + "points")
    found = earth.image().select(["B1", "B2"]).sampleRegions(points, ["height"], 10).getInfo()["features"]
    assert [feature["properties"] for feature in found] == [
        {"height": 5, "B1": samples.utm[0, 10, 10], "B2": samples.utm[1, 10, 10]},
        {"height": 6, "B1": samples.utm[0, 89, 100], "B2": samples.utm[1, 89, 100]},
    ]
    fields = ee.FeatureCollection(earth.root + "fields")
    sampled = earth.image().select("B2").sampleRegions(fields, None, 10)
    assert sampled.size().getInfo() == pytest.approx(1700, rel=0.1)
    assert set(sampled.aggregate_histogram("crop").getInfo()) == {"maize", "wheat"}


def test_get_region_and_rectangle(earth, samples):
    point = ee.Geometry.Point([500105, 4999895], ee.Projection("EPSG:32633"))
    table = ee.ImageCollection("TEST/SERIES").getRegion(point, 10, "EPSG:32633").getInfo()
    assert table[0] == ["id", "longitude", "latitude", "time", "red", "nir"]
    wanted = [None if value == 65535 else int(value) for value in samples.series[:, 0, 10, 10]]
    assert [row[4] for row in table[1:]] == wanted
    area = square(500100, 4999900, 30, 20)
    rows = earth.image().select("B2").sampleRectangle(area, defaultValue=0).get("B2").getInfo()
    np.testing.assert_array_equal(rows, samples.utm[1, 10:12, 10:13])


def test_compute_features_pages(earth):
    made = ee.FeatureCollection.randomPoints(ee.Geometry.Rectangle(15, 45, 16, 46), 25, 1)
    page = ee.data.computeFeatures({"expression": made, "pageSize": 10})
    assert len(page["features"]) == 10
    rest = ee.data.computeFeatures({"expression": made, "pageSize": 20, "pageToken": page["nextPageToken"]})
    assert len(rest["features"]) == 15
    assert "nextPageToken" not in rest
    listed = ee.data.listFeatures({"assetId": earth.root + "fields"})
    assert len(listed["features"]) == 3


def test_unbounded_regions_are_refused(earth):
    with pytest.raises(ee.EEException, match="specify a region"):
        ee.Image(1).reduceRegion(ee.Reducer.mean(), scale=1000).getInfo()


def test_random_points_are_in_the_region(earth):
    area = ee.Geometry.Polygon([[[15, 45], [16, 45], [15, 46]]])
    points = ee.FeatureCollection.randomPoints(area, 50, 3)
    assert points.size().getInfo() == 50
    assert points.filterBounds(area).size().getInfo() == 50
