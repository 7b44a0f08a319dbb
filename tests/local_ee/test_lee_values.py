"""Values: dates, lists, dictionaries, texts, properties, geometries, tables."""

from __future__ import annotations

import ee
import numpy as np
import pytest


def test_dates(earth):
    date = ee.Date("2023-01-31T10:20:30")
    assert date.advance(1, "month").format("YYYY-MM-dd").getInfo() == "2023-02-28"
    assert date.advance(-1, "year").format().getInfo() == "2022-01-31T10:20:30"
    assert date.advance(1.5, "day").millis().getInfo() == 1675290030000
    assert date.get("month").getInfo() == 1
    assert date.getRelative("day", "year").getInfo() == 30
    assert date.difference(ee.Date("2023-01-30"), "hour").getInfo() == pytest.approx(34.3416666)
    assert ee.Date.fromYMD(2020, 2, 29).format("D").getInfo() == "060"[1:].lstrip("0")
    assert ee.Date.parse("YYYY/MM/dd", "2021/03/04").format("MMM d, yy").getInfo() == "Mar 4, 21"
    assert date.getInfo() == {"type": "Date", "value": 1675160430000}
    assert date.getFraction("day").getInfo() == pytest.approx((10 * 3600 + 20 * 60 + 30) / 86400)
    assert date.update(2020, 5).format("YYYY-MM").getInfo() == "2020-05"


def test_date_ranges(earth):
    span = ee.DateRange("2023-01-01", "2023-02-01")
    assert span.contains("2023-01-15").getInfo() is True
    assert span.contains("2023-02-01").getInfo() is False
    assert span.intersects(ee.DateRange("2023-01-31", "2023-03-01")).getInfo() is True
    assert ee.Date("2023-05-17").getRange("month").end().format("YYYY-MM-dd").getInfo() == "2023-06-01"
    with pytest.raises(ee.EEException, match="must come after"):
        ee.DateRange("2023-02-01", "2023-01-01").getInfo()
    with pytest.raises(ee.EEException, match="Bad date/time 'yesterday'"):
        ee.Date("yesterday").getInfo()


def test_lists(earth):
    numbers = ee.List([3, 1, 2])
    assert numbers.sort().getInfo() == [1, 2, 3]
    assert numbers.map(lambda n: ee.Number(n).multiply(2)).getInfo() == [6, 2, 4]
    assert ee.List.sequence(0, 10, 5).getInfo() == [0, 5, 10]
    assert ee.List.sequence(1, None, 2, 3).getInfo() == [1, 3, 5]
    assert numbers.reduce(ee.Reducer.sum()).getInfo() == 6
    assert numbers.slice(1).cat([9]).getInfo() == [1, 2, 9]
    assert numbers.get(-1).getInfo() == 2
    assert numbers.filter(ee.Filter.gt("item", 1)).getInfo() == [3, 2]
    assert numbers.zip(ee.List(["a", "b", "c"])).getInfo() == [[3, "a"], [1, "b"], [2, "c"]]
    assert ee.List([[1], [2, [3]]]).flatten().getInfo() == [1, 2, 3]
    assert numbers.contains(3).getInfo() is True
    assert ee.List(["a", "b"]).join("-").getInfo() == "a-b"
    assert numbers.indexOf(2).getInfo() == 2
    assert ee.List([1, 1, 2]).distinct().getInfo() == [1, 2]
    assert ee.List.repeat(5, 2).add(1).reverse().getInfo() == [1, 5, 5]
    assert numbers.iterate(lambda n, total: ee.Number(n).add(total), 0).getInfo() == 6
    with pytest.raises(ee.EEException, match="List index must be between"):
        numbers.get(7).getInfo()


def test_reduced_lists(earth):
    numbers = ee.List([4, 1, 3, 3])
    assert numbers.reduce(ee.Reducer.mode()).getInfo() == 3
    assert numbers.reduce(ee.Reducer.countDistinct()).getInfo() == 3
    assert numbers.reduce(ee.Reducer.minMax()).getInfo() == {"min": 1, "max": 4}
    assert numbers.reduce(ee.Reducer.toList()).getInfo() == [4, 1, 3, 3]
    assert numbers.reduce(ee.Reducer.frequencyHistogram()).getInfo() == {"1": 1, "3": 2, "4": 1}
    assert numbers.reduce(ee.Reducer.median()).getInfo() == 3


def test_dictionaries(earth):
    found = ee.Dictionary({"b": 2, "a": 1})
    assert found.keys().getInfo() == ["a", "b"]
    assert found.values().getInfo() == [1, 2]
    assert found.set("c", 3).remove(["a"]).getInfo() == {"b": 2, "c": 3}
    assert found.map(lambda key, value: ee.Number(value).add(1)).getInfo() == {"a": 2, "b": 3}
    assert found.combine({"a": 9}).get("a").getInfo() == 9
    assert found.rename(["a"], ["z"]).getInfo() == {"z": 1, "b": 2}
    assert ee.Dictionary.fromLists(["x", "y"], [1, 2]).select(["y"]).getInfo() == {"y": 2}
    assert ee.Dictionary(["k", 1]).contains("k").getInfo() is True
    assert (earth.pixels(found.toImage())["b"] == 2).all()
    assert found.get("nothing", 5).getInfo() == 5
    with pytest.raises(ee.EEException, match="does not contain key: 'nothing'"):
        found.get("nothing").getInfo()


def test_texts(earth):
    text = ee.String("Sentinel-2")
    assert text.cat("A").getInfo() == "Sentinel-2A"
    assert text.slice(0, 4).toLowerCase().getInfo() == "sent"
    assert text.replace("[0-9]", "<$0>".replace("$0", "n")).getInfo() == "Sentinel-<n>"
    assert text.split("-").getInfo() == ["Sentinel", "2"]
    assert text.match("([A-Z])(e)").getInfo() == ["Se", "S", "e"]
    assert text.length().getInfo() == 10
    assert ee.Number(3.14159).format("%.2f").getInfo() == "3.14"
    assert ee.Number(7).format("%03d").getInfo() == "007"
    assert ee.Number.parse("12").add(1).getInfo() == 13
    assert ee.String(ee.Number(5)).getInfo() == "5"
    with pytest.raises(ee.EEException, match="Cannot parse 'x'"):
        ee.Number.parse("x").getInfo()


def test_conditions(earth):
    assert ee.Algorithms.If(ee.Number(1).gt(0), "yes", "no").getInfo() == "yes"
    assert ee.Algorithms.If(0, 1, ee.Number(2)).getInfo() == 2
    assert ee.Algorithms.IsEqual(1, 1).getInfo() is True
    assert ee.Algorithms.ObjectType("a").getInfo() == "String"


def test_properties(earth):
    image = earth.image().set({"a": 1, "b": "x"})
    assert image.get("a").getInfo() == 1
    assert image.toDictionary(["a", "b"]).getInfo() == {"a": 1, "b": "x"}
    assert "tile" in image.propertyNames().getInfo()
    assert image.get("nothing").getInfo() is None
    other = ee.Image(1).copyProperties(image, exclude=["a"])
    assert other.get("b").getInfo() == "x"
    assert other.get("a").getInfo() is None
    assert image.multiply(2).get("tile").getInfo() is None  # arithmetic drops properties, as Earth Engine does
    assert image.toFloat().get("tile").getInfo() == "33"
    assert ee.Feature(None, {"q": 1}).set("r", 2).select(["r"]).toDictionary().getInfo() == {"r": 2}


def test_image_info(earth):
    info = earth.image().getInfo()
    assert info["type"] == "Image"
    assert info["id"] == earth.root + "utm"
    assert info["bands"][0] == {
        "id": "B1",
        "data_type": {"type": "PixelType", "precision": "int", "min": 0, "max": 65535},
        "dimensions": [200, 180],
        "crs": "EPSG:32633",
        "crs_transform": [10, 0, 500000, 0, -10, 5000000],
    }
    assert info["properties"]["system:time_start"] == 1590969600000


def test_collection_info(earth):
    info = ee.ImageCollection("TEST/SERIES").limit(2).getInfo()
    assert info["type"] == "ImageCollection"
    assert [image["id"] for image in info["features"]] == ["TEST/SERIES/I0", "TEST/SERIES/I1"]


def test_geometry_measures(earth):
    square = ee.Geometry.Rectangle([500000, 4999000, 501000, 5000000], ee.Projection("EPSG:32633"), False)
    assert square.area(1).getInfo() == pytest.approx(1e6, rel=0.002)
    assert square.perimeter(1).getInfo() == pytest.approx(4000, rel=0.001)
    point = ee.Geometry.Point([15, 45])
    circle = point.buffer(1000)
    assert circle.area(1).getInfo() == pytest.approx(np.pi * 1e6, rel=0.01)
    assert point.distance(ee.Geometry.Point([15, 46])).getInfo() == pytest.approx(111140, rel=0.001)
    assert circle.contains(point, 1).getInfo() is True
    assert circle.bounds().coordinates().getInfo()[0][0] == pytest.approx([14.98731, 44.991], abs=1e-3)
    assert circle.centroid(1).coordinates().getInfo() == pytest.approx([15, 45], abs=1e-6)
    assert circle.intersection(point.buffer(500), 1).area(1).getInfo() == pytest.approx(np.pi * 250000, rel=0.01)
    assert square.transform("EPSG:4326", 1).coordinates().getInfo()[0][0][0] == pytest.approx(15, abs=0.02)
    assert ee.Geometry.LineString([[0, 0], [0, 1]]).length().getInfo() == pytest.approx(110574, rel=0.001)


def test_geometries_across_the_antimeridian(earth):
    box = ee.Geometry.BBox(179, -17, -179, -16)
    assert box.area(1).getInfo() == pytest.approx(2 * 111000 * np.cos(np.radians(16.5)) * 110600, rel=0.01)
    assert box.contains(ee.Geometry.Point([-179.5, -16.5]), 1).getInfo() is True
    assert box.contains(ee.Geometry.Point([0, -16.5]), 1).getInfo() is False


def test_broken_geometries_are_refused(earth):
    with pytest.raises(ee.EEException):
        ee.Geometry({"type": "Polygon", "coordinates": [[[0, 0], [1, 1]]]}).area(1).getInfo()
    with pytest.raises(ee.EEException, match="could not be parsed: 'EPSG:123456'"):
        ee.Geometry.Point([0, 0], "EPSG:123456").getInfo()


def test_tables(earth):
    fields = ee.FeatureCollection(earth.root + "fields")
    assert fields.size().getInfo() == 3
    assert fields.aggregate_array("crop").getInfo() == ["maize", "wheat", "maize"]
    assert fields.aggregate_histogram("crop").getInfo() == {"maize": 2, "wheat": 1}
    assert fields.aggregate_sum("code").getInfo() == 6
    assert fields.filter(ee.Filter.eq("crop", "wheat")).first().get("code").getInfo() == 2
    near = fields.geometry().bounds()
    assert fields.filterBounds(near).size().getInfo() == 3
    assert fields.filterBounds(ee.Geometry.Point([15.0026, 45.1508])).aggregate_array("code").getInfo() == [1]
    info = fields.getInfo()
    assert info["type"] == "FeatureCollection"
    assert info["features"][0]["geometry"]["type"] == "Polygon"
    assert info["columns"]["crop"] == "String"
    points = ee.FeatureCollection(earth.root + "points").getInfo()["features"]
    assert points[0]["geometry"]["coordinates"] == pytest.approx([15.00134, 45.1525], abs=1e-4)
    assert points[1]["properties"] == {"height": 6, "name": "b"}


def test_inline_features(earth):
    made = ee.FeatureCollection([ee.Feature(ee.Geometry.Point([n, n]), {"n": n}) for n in range(5)])
    grown = made.map(lambda f: f.buffer(1000).set("m", ee.Number(f.get("n")).multiply(2)))
    assert grown.aggregate_max("m").getInfo() == 8
    assert made.limit(2, "n", False).aggregate_array("n").getInfo() == [4, 3]
    columns = made.reduceColumns(ee.Reducer.mean(), ["n"]).getInfo()
    assert columns == {"mean": 2}
    grouped = made.map(lambda f: f.set("odd", ee.Number(f.get("n")).mod(2)))
    by = grouped.reduceColumns(ee.Reducer.sum().group(1, "odd"), ["n", "odd"]).getInfo()
    assert by == {"groups": [{"odd": 0, "sum": 6}, {"odd": 1, "sum": 4}]}
    lists = made.reduceColumns(ee.Reducer.toList().repeat(2), ["n", "n"]).getInfo()
    assert lists == {"list": [[0, 1, 2, 3, 4], [0, 1, 2, 3, 4]]}
    each = made.reduceColumns(ee.Reducer.sum().forEach(["a", "b"]), ["n", "n"]).getInfo()
    assert each == {"a": 10, "b": 10}


def test_lists_of_tuples(earth):
    rows = [{"n": 1, "cls": "a"}, {"n": 2, "cls": "b"}, {"n": None, "cls": "c"}, {"cls": "d"}, {"n": 2.5, "cls": "a"}]
    made = ee.FeatureCollection([ee.Feature(None, row) for row in rows])
    assert made.reduceColumns(ee.Reducer.toList(2), ["n", "cls"]).getInfo() == {
        "list": [[1, "a"], [2, "b"], [2.5, "a"]]
    }
    assert made.reduceColumns(ee.Reducer.toList(3), ["cls", "n", "cls"]).getInfo()["list"][1] == ["b", 2, "b"]
    assert made.reduceColumns(ee.Reducer.toList(1), ["n"]).getInfo() == {"list": [[1], [2], [2.5]]}
    assert made.reduceColumns(ee.Reducer.toList(), ["cls"]).getInfo() == {"list": ["a", "b", "c", "d", "a"]}
    nothing = made.filter(ee.Filter.gt("n", 9)).reduceColumns(ee.Reducer.toList(2), ["n", "cls"])
    assert nothing.getInfo() == {"list": []}
    groups = made.reduceColumns(ee.Reducer.toList(2).group(2, "cls"), ["n", "n", "cls"]).getInfo()["groups"]
    assert groups == [{"cls": "a", "list": [[1, 1], [2.5, 2.5]]}, {"cls": "b", "list": [[2, 2]]}]
    both = ee.Reducer.toList(2).combine(ee.Reducer.sum())
    assert made.limit(2).reduceColumns(both, ["n", "cls", "n"]).getInfo() == {"list": [[1, "a"], [2, "b"]], "sum": 3}
    twice = made.limit(2).reduceColumns(ee.Reducer.toList(2).repeat(2), ["n", "n", "cls", "cls"]).getInfo()
    assert twice == {"list": [[[1, 1], [2, 2]], [["a", "a"], ["b", "b"]]]}
    assert ee.List([[1, "a"], [2, "b"]]).reduce(ee.Reducer.toList(2)).getInfo() == [[1, "a"], [2, "b"]]


def test_tuples_that_cannot_be(earth):
    made = ee.FeatureCollection([ee.Feature(None, {"n": 1})])
    for reducer, words in (
        (ee.Reducer.toList(2, 1), "numOptional is not served"),
        (ee.Reducer.toList(0), "'tupleSize' must be at least 1, got 0"),
        (ee.Reducer.toList(2), "has 2 inputs but 1 selectors"),
    ):
        with pytest.raises(ee.EEException, match=words):
            made.reduceColumns(reducer, ["n"]).getInfo()
    for rows in ([[1, 2], [3]], [1, 2]):
        with pytest.raises(ee.EEException, match="each element must be a list of so many"):
            ee.List(rows).reduce(ee.Reducer.toList(2)).getInfo()


def test_random_column_is_reproducible(earth):
    fields = ee.FeatureCollection(earth.root + "fields")
    one = fields.randomColumn("r", 5).aggregate_array("r").getInfo()
    assert one == fields.randomColumn("r", 5).aggregate_array("r").getInfo()
    assert one != fields.randomColumn("r", 6).aggregate_array("r").getInfo()
    assert all(0 <= value < 1 for value in one)


def test_projections(earth):
    projection = earth.image().select(0).projection()
    assert projection.nominalScale().getInfo() == 10
    assert projection.crs().getInfo() == "EPSG:32633"
    assert projection.atScale(30).getInfo()["transform"][0] == 30
    assert ee.Projection("EPSG:4326").nominalScale().getInfo() == pytest.approx(111319.49)
    mixed = ee.Image(earth.root + "mixed")
    with pytest.raises(ee.EEException, match="different projections"):
        mixed.projection().getInfo()


def test_numbers_keep_their_kind(earth):
    assert ee.Number(2**53 + 1).getInfo() == 2**53 + 1
    assert isinstance(ee.Number(4).divide(2).getInfo(), int)
    assert ee.Number(1e-7).getInfo() == 1e-7
