"""Further functions, each against what it must give: filters, geometry, kernels, casts, histograms, dictionaries."""

from __future__ import annotations

import ee
import numpy as np
import pytest


def square(lon, lat, size=1.0):
    return ee.Geometry.Rectangle([lon, lat, lon + size, lat + size], None, False)


def places():
    return ee.FeatureCollection(
        [
            ee.Feature(square(n, 0), {"n": n, "name": name, "list": [n, 10]})
            for n, name in enumerate(["ab", "bc", "cd", "abc"])
        ]
    )


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (lambda: ee.Filter.stringContains("name", "b"), [0, 1, 3]),
        (lambda: ee.Filter.stringStartsWith("name", "ab"), [0, 3]),
        (lambda: ee.Filter.stringEndsWith("name", "c"), [1, 3]),
        (lambda: ee.Filter.listContains("list", 2), [2]),
        (lambda: ee.Filter.gte("n", 2), [2, 3]),
        (lambda: ee.Filter.neq("name", "cd"), [0, 1, 3]),
        (lambda: ee.Filter.lt("name", "b"), [0, 3]),
        (lambda: ee.Filter.bounds(ee.Geometry.Point([1.5, 0.5])), [1]),
        (lambda: ee.Filter.contains(".geo", ee.Geometry.Point([2.5, 0.5])), [2]),
        (lambda: ee.Filter.isContained(".geo", square(0.5, -1, 2.6)), [1, 2]),
        (lambda: ee.Filter.disjoint(".geo", square(-1, -1, 2.5)), [2, 3]),
        (lambda: ee.Filter.withinDistance(30_000, ".geo", ee.Geometry.Point([2.2, 0.5])), [1, 2]),
        (lambda: ee.Filter.gt("nothing", 0), []),
        (lambda: ee.Filter.hasGeometry() if hasattr(ee.Filter, "hasGeometry") else ee.Filter.gte("n", 0), [0, 1, 2, 3]),
    ],
)
def test_filters(earth, condition, expected):
    assert places().filter(condition()).aggregate_array("n").getInfo() == expected


def test_filters_compare_two_fields(earth):
    made = ee.FeatureCollection([ee.Feature(None, {"a": n, "b": 4 - n}) for n in range(5)])
    assert made.filter(ee.Filter.lessThan(leftField="a", rightField="b")).aggregate_array("a").getInfo() == [0, 1]


def test_spatial_join(earth):
    points = ee.FeatureCollection([ee.Feature(ee.Geometry.Point([n + 0.5, 0.5]), {"p": n}) for n in (1, 3, 9)])
    within = ee.Filter.intersects(leftField=".geo", rightField=".geo")
    saved = ee.Join.saveAll("hits").apply(places(), points, within)
    assert saved.aggregate_array("n").getInfo() == [1, 3]
    near = ee.Join.saveAll("hits", outer=True).apply(places(), points, within)
    assert near.size().getInfo() == 4
    close = ee.Filter.maxDifference(1, "n", None, "p")
    assert ee.Join.simple().apply(places(), points, close).aggregate_array("n").getInfo() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("name", "expected"),
    [("intersects", True), ("contains", False), ("containedIn", False), ("disjoint", False)],
)
def test_predicates(earth, name, expected):
    assert getattr(square(0, 0), name)(square(0.5, 0.5), 1).getInfo() is expected


@pytest.mark.parametrize(
    ("name", "area"), [("union", 1.75), ("difference", 0.75), ("symmetricDifference", 1.5), ("intersection", 0.25)]
)
def test_overlays(earth, name, area):
    whole = square(0, 0).area(1).getInfo()
    found = getattr(square(0, 0), name)(square(0.5, 0.5), 1).area(1).getInfo()
    assert found / whole == pytest.approx(area, rel=1e-3)


def test_feature_geometry_functions(earth):
    feature = ee.Feature(square(0, 0), {"a": 1})
    assert feature.centroid(1).geometry().coordinates().getInfo() == pytest.approx([0.5, 0.5], abs=1e-3)
    assert feature.area(1).getInfo() == pytest.approx(1.2309e10, rel=1e-3)
    assert feature.buffer(-10_000).area(1).getInfo() < feature.area(1).getInfo()
    assert feature.bounds().get("a").getInfo() == 1
    assert feature.simplify(100).geometry().type().getInfo() == "Polygon"
    assert feature.distance(ee.Feature(square(2, 0))).getInfo() == pytest.approx(111319, rel=0.01)
    assert feature.setGeometry(ee.Geometry.Point([7, 8])).geometry().coordinates().getInfo() == [7, 8]
    assert feature.union(ee.Feature(square(1, 0)), 1).area(1).getInfo() == pytest.approx(2.4618e10, rel=1e-3)
    assert feature.transform("EPSG:32631", 1).geometry().projection().crs().getInfo() == "EPSG:32631"


def test_geometry_constructors(earth):
    kinds = {
        "Point": ee.Geometry.Point(1, 2),
        "MultiPoint": ee.Geometry.MultiPoint([1, 2, 3, 4]),
        "LineString": ee.Geometry.LineString([[0, 0], [1, 1]]),
        "MultiLineString": ee.Geometry.MultiLineString([[[0, 0], [1, 1]], [[2, 2], [3, 3]]]),
        "Polygon": ee.Geometry.Polygon([[[0, 0], [1, 0], [1, 1]]]),
        "MultiPolygon": ee.Geometry.MultiPolygon([[[[0, 0], [1, 0], [1, 1]]], [[[5, 5], [6, 5], [6, 6]]]]),
    }
    for kind, geometry in kinds.items():
        # The constructor evaluated by the server, not the client's own echo of its arguments.
        assert ee.Feature(geometry).geometry().type().getInfo() == kind
    ring = ee.Feature(ee.Geometry.LinearRing([[0, 0], [1, 0], [1, 1]])).geometry()
    assert ring.coordinates().getInfo()[0] == [0, 0]
    made = ee.Geometry.MultiPolygon([[[[0, 0], [1, 0], [1, 1]]], [[[5, 5], [6, 5], [6, 6]]]])
    assert ee.List(ee.Feature(made).geometry().geometries()).size().getInfo() == 2
    hole = ee.Geometry.Polygon([[[0, 0], [4, 0], [4, 4], [0, 4]], [[1, 1], [3, 1], [3, 3], [1, 3]]], None, False)
    assert hole.area(1).getInfo() / square(0, 0, 4).area(1).getInfo() == pytest.approx(0.75, rel=1e-2)
    assert ee.Feature(square(0, 0)).geometry().convexHull(1).area(1).getInfo() > 1e10


def test_collections_of_features_as_one(earth):
    assert places().geometry().area(1).getInfo() == pytest.approx(4 * 1.2309e10, rel=1e-3)
    assert places().union(1).size().getInfo() == 1
    assert places().bounds().coordinates().getInfo()[0][2] == [4, 1]
    nested = ee.FeatureCollection([places().limit(1), places().limit(2)])
    assert nested.flatten().size().getInfo() == 3
    assert nested.flatten().aggregate_array("system:index").getInfo() == ["0_0", "1_0", "1_1"]
    area = earth.image().geometry()
    sampled = ee.ImageCollection("TEST/SERIES").map(lambda image: image.unmask(0, False).sample(area, 10, numPixels=3))
    assert ee.FeatureCollection(sampled).flatten().size().getInfo() == 21
    assert places().remap([0, 2], [10, 20], "n").aggregate_array("n").getInfo() == [10, 20]
    assert places().distinct("n").size().getInfo() == 4


@pytest.mark.parametrize(
    ("kernel", "weights"),
    [
        (lambda: ee.Kernel.square(1), np.full((3, 3), 1 / 9)),
        (lambda: ee.Kernel.square(1, "pixels", False), np.ones((3, 3))),
        (lambda: ee.Kernel.circle(1, "pixels", False), [[0, 1, 0], [1, 1, 1], [0, 1, 0]]),
        (lambda: ee.Kernel.plus(1, "pixels", False), [[0, 1, 0], [1, 1, 1], [0, 1, 0]]),
        (lambda: ee.Kernel.cross(1, "pixels", False), [[1, 0, 1], [0, 1, 0], [1, 0, 1]]),
        (lambda: ee.Kernel.diamond(1, "pixels", False), [[0, 1, 0], [1, 1, 1], [0, 1, 0]]),
        (lambda: ee.Kernel.manhattan(1), [[0, 1, 0], [1, 0, 1], [0, 1, 0]]),
        (lambda: ee.Kernel.chebyshev(1), [[1, 1, 1], [1, 0, 1], [1, 1, 1]]),
        (lambda: ee.Kernel.laplacian8(), [[1, 1, 1], [1, -8, 1], [1, 1, 1]]),
        (lambda: ee.Kernel.sobel(2), [[-2, 0, 2], [-4, 0, 4], [-2, 0, 2]]),
        (lambda: ee.Kernel.rectangle(1, 0, "pixels", False), [[1, 1, 1]]),
        (lambda: ee.Kernel.fixed(2, 1, [[5, 7]], 0, 0), [[0, 5, 7]]),
        (
            lambda: ee.Kernel.square(1, "pixels", False).add(ee.Kernel.fixed(1, 1, [[2]])),
            [[1, 1, 1], [1, 3, 1], [1, 1, 1]],
        ),
        (lambda: ee.Kernel.fixed(3, 1, [[1, 2, 3]]).rotate(1), [[1], [2], [3]]),
        (lambda: ee.Kernel.fixed(3, 1, [[1, 2, 4]]).inverse(), [[1, 0.5, 0.25]]),
    ],
)
def test_kernels(earth, samples, kernel, weights):
    """A convolution with the kernel against the sum of shifted images."""
    weights = np.array(weights, dtype=float)
    a = samples.utm[1].astype(float)
    rows, columns = weights.shape
    wanted = np.zeros((18, 60))
    for i in range(rows):
        for j in range(columns):
            dy, dx = rows // 2 - i, columns // 2 - j
            wanted += weights[i, j] * a[1 + dy : 19 + dy, 1 + dx : 61 + dx]
    found = earth.band(earth.image().select("B2").convolve(kernel()), earth.utm_grid(1, 1, 60, 18))
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-2)


def test_gaussian_weights_add_up(earth):
    found = earth.band(ee.Image(8).convolve(ee.Kernel.gaussian(3, 1.5)))
    np.testing.assert_allclose(found, 8, rtol=1e-6)


def test_kernels_that_are_too_large_are_refused(earth):
    with pytest.raises(ee.EEException, match="Kernel is too large"):
        earth.band(ee.Image(1).convolve(ee.Kernel.square(5000, "meters")))


def test_neighbours_as_bands(earth, samples):
    image = earth.image().select("B2").neighborhoodToBands(ee.Kernel.square(1))
    found = earth.pixels(image, earth.utm_grid(1, 1, 10, 10))
    assert len(found.dtype.names) == 9
    np.testing.assert_array_equal(found["B2_-1_0"], samples.utm[1, 1:11, 0:10])
    np.testing.assert_array_equal(found["B2_1_1"], samples.utm[1, 2:12, 2:12])


def test_iterated_focal_operations(earth):
    point = ee.Image.pixelCoordinates(ee.Projection("EPSG:32633"))
    spot = point.select("x").eq(500305).And(point.select("y").eq(4999705))
    assert earth.band(spot.focalMax(1, "square", "pixels", 3)).sum() == 49
    assert earth.band(spot.focal_max(1, "circle")).sum() == 5
    assert earth.band(spot.focalMin(1, "square")).sum() == 0
    assert earth.band(spot.focalMode(1, "square")).sum() == 0


def test_cast_by_name(earth):
    image = earth.image().select(["B1", "B2"]).cast({"B1": "int8", "B2": "double"})
    found = earth.pixels(image)
    assert [found.dtype[name].name for name in ("B1", "B2")] == ["int8", "float64"]
    assert found["B1"].max() == 127
    types = image.bandTypes().getInfo()
    assert types["B1"] == {"type": "PixelType", "precision": "int", "min": -128, "max": 127}
    with pytest.raises(ee.EEException, match="Unknown pixel type 'complex'"):
        earth.pixels(image.cast({"B1": "complex"}))


def test_histograms(earth, samples):
    area = earth.image().geometry()
    values = samples.utm[1][samples.utm[1] > 0]
    image = earth.image().select("B2")
    found = image.reduceRegion(ee.Reducer.histogram(16), area, 10).getInfo()["B2"]
    assert found["bucketWidth"] == 1024
    assert sum(found["histogram"]) == len(values)
    assert found["histogram"][0] == (values < 1024).sum()
    auto = image.reduceRegion(ee.Reducer.autoHistogram(16), area, 10).getInfo()["B2"]
    assert [row[1] for row in auto] == found["histogram"]
    for name, wanted in (
        ("skew", None),
        ("countDistinct", len(np.unique(values))),
        ("sampleVariance", values.var(ddof=1)),
    ):
        result = image.reduceRegion(getattr(ee.Reducer, name)(), area, 10).getInfo()["B2"]
        assert wanted is None or result == pytest.approx(wanted)


def test_reduce_regions_with_several_outputs(earth):
    fields = ee.FeatureCollection(earth.root + "fields")
    reducer = ee.Reducer.mean().combine(ee.Reducer.max(), sharedInputs=True)
    one = earth.image().select("B2").reduceRegions(fields, reducer, 10).first().getInfo()["properties"]
    assert set(one) == {"code", "crop", "mean", "max"}
    two = (
        earth.image().select(["B2", "B3"]).reduceRegions(fields, ee.Reducer.mean(), 10).first().getInfo()["properties"]
    )
    assert {"B2", "B3"} <= set(two)


def test_reducer_names(earth):
    reducer = (
        ee.Reducer.mean().combine(ee.Reducer.stdDev(), "x_", True).combine(ee.Reducer.percentile([10, 90]), "", True)
    )
    assert reducer.getOutputs().getInfo() == ["mean", "x_stdDev", "p10", "p90"]
    assert ee.Reducer.percentile([10], ["low"]).getOutputs().getInfo() == ["low"]
    assert ee.Reducer.minMax().setOutputs(["a", "b"]).getOutputs().getInfo() == ["a", "b"]
    with pytest.raises(ee.EEException, match="outputs cannot take the names"):
        ee.Reducer.minMax().setOutputs(["a"]).getOutputs().getInfo()
    with pytest.raises(ee.EEException, match="numInputs"):
        ee.Reducer.max(2).getOutputs().getInfo()


def test_list_extras(earth):
    numbers = ee.List([1, 2, 3, 4])
    assert numbers.rotate(1).getInfo() == [2, 3, 4, 1]
    assert numbers.swap(0, 3).getInfo() == [4, 2, 3, 1]
    assert numbers.insert(1, 9).remove(3).getInfo() == [1, 9, 2, 4]
    assert numbers.set(0, 7).replace(2, 8).getInfo() == [7, 8, 3, 4]
    assert numbers.splice(1, 2, [0]).getInfo() == [1, 0, 4]
    assert numbers.removeAll([1, 4]).getInfo() == [2, 3]
    assert numbers.frequency(2).getInfo() == 1
    assert ee.List([[1, 2], [3, 4]]).unzip().getInfo() == [[1, 3], [2, 4]]
    assert numbers.shuffle(3).sort().getInfo() == [1, 2, 3, 4]
    assert numbers.shuffle(3).getInfo() == numbers.shuffle(3).getInfo()
    assert numbers.containsAll([1, 2]).getInfo() is True
    with pytest.raises(ee.EEException, match=r"List\.set"):
        numbers.set(9, 1).getInfo()


def test_statistics_of_a_property(earth):
    made = ee.FeatureCollection([ee.Feature(None, {"v": value}) for value in (1, 2, 2, 5)])
    assert made.aggregate_mean("v").getInfo() == 2.5
    assert made.aggregate_count_distinct("v").getInfo() == 3
    assert made.aggregate_total_sd("v").getInfo() == pytest.approx(1.5)
    assert made.aggregate_product("v").getInfo() == 20
    stats = made.aggregate_stats("v").getInfo()
    assert (stats["min"], stats["max"], stats["sum"], stats["sum_sq"]) == (1, 5, 10, 34)
    assert made.aggregate_first("v").getInfo() == 1
    assert made.aggregate_max("nothing").getInfo() is None


def test_texts_of_values(earth):
    assert ee.String.encodeJSON({"a": [1, 2.5, None]}).getInfo() == '{"a": [1, 2.5, null]}'
    assert ee.String('{"b": [1]}').decodeJSON().getInfo() == {"b": [1]}
    assert ee.String("a,b").split(",").getInfo() == ["a", "b"]
    assert ee.String("abcabc").rindex("b").getInfo() == 4
    assert ee.String(" x ").trim().toUpperCase().getInfo() == "X"
    assert ee.String("a").compareTo("b").getInfo() == -1
    assert ee.Number(1234.5).format("%,.1f").getInfo() == "1,234.5"
    assert ee.Number(255).format("%x").getInfo() == "ff"
    with pytest.raises(ee.EEException, match="Invalid JSON"):
        ee.String("{").decodeJSON().getInfo()


def test_projection_extras(earth):
    projection = ee.Projection("EPSG:32633", [10, 0, 0, 0, -10, 0])
    assert projection.scale(3, 3).nominalScale().getInfo() == pytest.approx(30)
    assert projection.translate(2, 0).getInfo()["transform"][2] == 20
    assert "PROJCS" in projection.wkt().getInfo()
    assert projection.transform().getInfo().startswith("PARAM_MT")
    moved = earth.image().setDefaultProjection("EPSG:4326", None, 1000)
    assert moved.projection().nominalScale().getInfo() == pytest.approx(1000)
