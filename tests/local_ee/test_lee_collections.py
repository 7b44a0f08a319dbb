"""Collections: filters, maps, composites against NumPy, links and joins; and that nothing is computed too early."""

from __future__ import annotations

import ee
import numpy as np
import pytest


def series(samples):
    """Values (7, 60, 70) of the red band with NaN where masked."""
    red = samples.series[:, 0].astype(float)
    red[red == 65535] = np.nan
    return red


def zeroed(values):
    return np.nan_to_num(values)


@pytest.mark.filterwarnings("ignore:All-NaN", "ignore:Mean of empty", "ignore:Degrees of freedom")
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("median", np.nanmedian),
        ("mean", np.nanmean),
        ("min", np.nanmin),
        ("max", np.nanmax),
        ("sum", np.nansum),
        ("product", np.nanprod),
    ],
)
def test_composites(earth, samples, name, expected):
    found = earth.pixels(getattr(ee.ImageCollection("TEST/SERIES"), name)())
    assert found.dtype.names == ("red", "nir")
    red = series(samples)
    wanted = np.where(np.isnan(red).all(axis=0), 0, zeroed(expected(red, axis=0)))
    np.testing.assert_allclose(found["red"], wanted, rtol=1e-9)


@pytest.mark.filterwarnings("ignore:All-NaN", "ignore:Mean of empty", "ignore:Degrees of freedom")
def test_reduce_names_and_values(earth, samples):
    reducer = ee.Reducer.percentile([5, 50]).combine(ee.Reducer.stdDev(), sharedInputs=True)
    found = earth.pixels(ee.ImageCollection("TEST/SERIES").select("red").reduce(reducer))
    assert found.dtype.names == ("red_p5", "red_p50", "red_stdDev")
    red = series(samples)
    np.testing.assert_allclose(found["red_p5"], zeroed(np.nanpercentile(red, 5, axis=0)), rtol=1e-9)
    np.testing.assert_allclose(found["red_stdDev"], zeroed(np.nanstd(red, axis=0)), rtol=1e-9)


def test_count_is_valid_where_nothing_is(earth, samples):
    found = earth.pixels(ee.ImageCollection("TEST/SERIES").select("red").count())
    np.testing.assert_array_equal(found["red"], (~np.isnan(series(samples))).sum(axis=0))


def test_min_keeps_the_type_median_does_not(earth):
    collection = ee.ImageCollection("TEST/SERIES")
    assert earth.pixels(collection.min())["red"].dtype == np.uint16
    assert earth.pixels(collection.median())["red"].dtype == np.float64
    assert earth.pixels(collection.median().toUint16())["red"].dtype == np.uint16


def test_median_info_is_a_composite(earth):
    band = ee.ImageCollection("TEST/SERIES").median().getInfo()["bands"][0]
    assert band["crs"] == "EPSG:4326"
    assert band["crs_transform"] == [1, 0, 0, 0, 1, 0]
    assert band["data_type"]["precision"] == "double"


def test_mosaic_takes_the_last_valid(earth, samples):
    red = series(samples)
    wanted = np.zeros((60, 70))
    for layer in red:
        wanted = np.where(np.isnan(layer), wanted, layer)
    np.testing.assert_array_equal(earth.pixels(ee.ImageCollection("TEST/SERIES").mosaic())["red"], wanted)


def test_quality_mosaic(earth, samples):
    red, nir = series(samples), samples.series[:, 1].astype(float)
    nir[nir == 65535] = -np.inf
    best = nir.argmax(axis=0)[None]
    wanted = np.nan_to_num(np.take_along_axis(red, best, 0)[0])
    np.testing.assert_array_equal(earth.pixels(ee.ImageCollection("TEST/SERIES").qualityMosaic("nir"))["red"], wanted)


def test_the_best_image_of_a_quality_mosaic_may_lack_a_band(earth):
    first = ee.Image.constant([1, 10]).rename(["red", "nir"])
    better = ee.Image.constant([20]).rename(["nir"])
    found = earth.pixels(ee.ImageCollection([first, better]).qualityMosaic("nir").unmask(-1).toInt16())
    assert set(np.unique(found["nir"])) == {20}
    assert set(np.unique(found["red"])) == {-1}


def test_filters(earth):
    collection = ee.ImageCollection("TEST/SERIES")
    indices = lambda found: found.aggregate_array("system:index").getInfo()  # noqa: E731
    assert collection.size().getInfo() == 7
    assert indices(collection.filterDate("2023-02-01", "2023-04-05")) == ["I1", "I2"]
    assert indices(collection.filterDate("2023-04-05")) == ["I3"]
    assert indices(collection.filter(ee.Filter.lt("cloud", 25))) == ["I0", "I1", "I2"]
    assert indices(collection.filter(ee.Filter.inList("cloud", [10, 50]))) == ["I1", "I5"]
    assert indices(collection.filter(ee.Filter.calendarRange(5, 6, "month"))) == ["I4", "I5"]
    assert indices(collection.filter(ee.Filter.calendarRange(12, 1, "month"))) == ["I0"]
    both = ee.Filter.And(ee.Filter.gt("cloud", 5), ee.Filter.Not(ee.Filter.eq("cloud", 30)))
    assert indices(collection.filter(both)) == ["I1", "I2", "I4", "I5", "I6"]
    either = ee.Filter.Or(ee.Filter.date("2023-01-01", "2023-02-01"), ee.Filter.eq("cloud", 60))
    assert indices(collection.filter(either)) == ["I0", "I6"]
    assert indices(collection.filterMetadata("system:index", "ends_with", "4")) == ["I4"]
    assert indices(collection.limit(2, "cloud", False)) == ["I6", "I5"]
    assert indices(collection.sort("cloud", False).limit(1)) == ["I6"]
    assert indices(collection.filter(ee.Filter.rangeContains("cloud", 20, 40))) == ["I2", "I3", "I4"]
    assert indices(collection.filter(ee.Filter.notNull(["nothing"]))) == []


def test_filter_bounds(earth):
    collection = ee.ImageCollection("TEST/SERIES")
    near = ee.Geometry.Point([15.002, 45.152])
    assert collection.filterBounds(near).size().getInfo() == 7
    assert collection.filterBounds(ee.Geometry.Point([16, 45])).size().getInfo() == 0
    assert collection.filterBounds(earth.image().geometry()).size().getInfo() == 7


def test_first_get_date_and_properties(earth):
    first = ee.ImageCollection("TEST/SERIES").first()
    assert first.get("cloud").getInfo() == 0
    assert first.date().format("YYYY-MM-dd").getInfo() == "2023-01-05"
    assert first.getInfo()["id"] == "TEST/SERIES/I0"
    assert ee.ImageCollection("TEST/SERIES").get("title").getInfo() == "series"
    assert ee.Image("TEST/SERIES/I3").get("cloud").getInfo() == 30


def test_map_keeps_the_index_and_uses_arguments(earth, samples):
    def scale(image):
        factor = ee.Number(image.get("cloud")).add(1)
        return image.select("red").multiply(factor).copyProperties(image, ["cloud"]).set("twice", factor.multiply(2))

    mapped = ee.ImageCollection("TEST/SERIES").map(scale)
    assert mapped.aggregate_array("system:index").getInfo()[6] == "I6"
    assert mapped.aggregate_array("twice").getInfo() == [2, 22, 42, 62, 82, 102, 122]
    red = series(samples) * (10 * np.arange(7) + 1)[:, None, None]
    found = earth.band(ee.ImageCollection(mapped).sum())
    np.testing.assert_allclose(found, np.nansum(red, axis=0))


def test_nested_maps_see_outer_arguments(earth):
    numbers = ee.List([1, 2, 3]).map(lambda a: ee.List([10, 20]).map(lambda b: ee.Number(a).multiply(b)))
    assert numbers.getInfo() == [[10, 20], [20, 40], [30, 60]]


def test_iterate(earth):
    total = ee.ImageCollection("TEST/SERIES").iterate(
        lambda image, sum_: ee.Number(sum_).add(ee.Image(image).getNumber("cloud")), 0
    )
    assert total.getInfo() == 210


def test_to_bands_and_to_list(earth, samples):
    collection = ee.ImageCollection("TEST/SERIES").filter(ee.Filter.lt("cloud", 15))
    stacked = earth.pixels(collection.toBands())
    assert stacked.dtype.names == ("I0_red", "I0_nir", "I1_red", "I1_nir")
    np.testing.assert_array_equal(
        stacked["I1_nir"], zeroed(np.where(samples.series[1, 1] == 65535, 0, samples.series[1, 1]))
    )
    third = ee.Image(ee.ImageCollection("TEST/SERIES").toList(10).get(2))
    assert third.get("cloud").getInfo() == 20


def test_images_of_a_list_are_numbered(earth, samples):
    image = ee.Image("TEST/SERIES/I1")
    twice = ee.ImageCollection([image, image.add(1), image])
    assert twice.aggregate_array("system:index").getInfo() == ["0", "1", "2"]
    assert twice.aggregate_array("cloud").getInfo() == [10, 10]  # what is computed keeps no properties
    stacked = earth.pixels(twice.toBands())
    assert stacked.dtype.names == ("0_red", "0_nir", "1_red", "1_nir", "2_red", "2_nir")
    red = samples.series[1, 0]
    np.testing.assert_array_equal(stacked["0_red"], np.where(red == 65535, 0, red))
    np.testing.assert_array_equal(stacked["1_red"], np.where(red == 65535, 0, red + 1.0))
    np.testing.assert_array_equal(stacked["2_red"], stacked["0_red"])


def test_bands_of_images_with_one_index_have_different_names(earth):
    first, second = ee.Image(1).rename("1_a"), ee.Image(2).rename("a")
    collection = ee.ImageCollection([first]).merge(ee.ImageCollection([second]))
    same = ee.ImageCollection(ee.List([first, second])).map(lambda image: image.rename("a"))
    assert same.toBands().bandNames().getInfo() == ["0_a", "1_a"]
    crossed = ee.FeatureCollection([first.set("system:index", "0"), second.set("system:index", "0_1")])
    found = earth.pixels(ee.ImageCollection(crossed).toBands())
    assert found.dtype.names == ("0_1_a", "0_1_a_1")
    assert (found["0_1_a"][0, 0], found["0_1_a_1"][0, 0]) == (1, 2)
    assert collection.toBands().bandNames().getInfo() == ["1_0_1_a", "2_0_a"]


def test_from_images_merge_and_distinct(earth):
    made = ee.ImageCollection.fromImages([ee.Image(1), ee.Image(2)])
    assert made.aggregate_array("system:index").getInfo() == ["0", "1"]
    merged = made.merge(ee.ImageCollection("TEST/SERIES"))
    assert merged.size().getInfo() == 9
    assert merged.aggregate_array("system:index").getInfo()[:3] == ["1_0", "1_1", "2_I0"]
    assert merged.distinct("cloud").size().getInfo() == 8
    assert earth.band(made.sum())[0, 0] == 3


def test_link_collection(earth, samples):
    linked = ee.ImageCollection("TEST/SERIES").linkCollection(ee.ImageCollection("TEST/SCORES"), ["cs"])
    assert linked.first().bandNames().getInfo() == ["red", "nir", "cs"]
    clear = linked.map(lambda image: image.updateMask(image.select("cs").gte(0.5)))
    red = series(samples)
    red[samples.scores[:, 0] < 0.5] = np.nan
    red[3] = np.nan  # has no score: the linked band is masked
    found = earth.pixels(clear.select("red").count())["red"]
    np.testing.assert_array_equal(found, (~np.isnan(red)).sum(axis=0))


def test_combine_and_join(earth):
    series_, scores = ee.ImageCollection("TEST/SERIES"), ee.ImageCollection("TEST/SCORES")
    assert series_.combine(scores).size().getInfo() == 6
    same = ee.Filter.equals(leftField="system:index", rightField="system:index")
    assert ee.Join.simple().apply(series_, scores, same).size().getInfo() == 6
    assert ee.Join.inverted().apply(series_, scores, same).size().getInfo() == 1
    saved = ee.ImageCollection(ee.Join.saveFirst("other").apply(series_, scores, same))
    assert ee.Image(saved.first().get("other")).bandNames().getInfo() == ["cs"]
    inner = ee.Join.inner().apply(series_, scores, same)
    assert ee.Image(inner.first().get("secondary")).bandNames().getInfo() == ["cs"]


def test_an_empty_collection_has_no_bands(earth):
    empty = ee.ImageCollection("TEST/SERIES").filterDate("2000-01-01", "2000-02-01")
    assert empty.median().bandNames().getInfo() == []
    with pytest.raises(ee.EEException, match="no bands"):
        earth.pixels(empty.median())
    with pytest.raises(ee.EEException, match="did not match any bands"):
        earth.pixels(empty.median().select("red"))


def test_mapped_functions_must_return_elements(earth):
    broken = ee.ImageCollection("TEST/SERIES").map(lambda image: ee.Image(image).get("cloud"))
    with pytest.raises(ee.EEException, match="must return a Feature or Image"):
        broken.size().getInfo()


def test_image_reduce(earth, samples):
    image = earth.image()
    values = samples.utm[:, :60, :70].astype(float)
    valid = samples.utm[0, :60, :70] > 0
    found = earth.pixels(image.reduce(ee.Reducer.max().combine(ee.Reducer.mean(), sharedInputs=True)))
    assert found.dtype.names == ("max", "mean")
    np.testing.assert_array_equal(found["max"], np.where(valid, values.max(axis=0), 0))
    np.testing.assert_allclose(found["mean"], np.where(valid, values.mean(axis=0), 0))
    assert earth.pixels(image.reduce(ee.Reducer.anyNonZero())).dtype.names == ("any",)


def test_reducers_that_give_lists_make_no_image(earth):
    with pytest.raises(ee.EEException, match="cannot become a band"):
        earth.pixels(ee.ImageCollection("TEST/SERIES").reduce(ee.Reducer.toList()))


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("cloud < 20", "I0 I1"),
        ("cloud <= 20", "I0 I1 I2"),
        ("20 <= cloud", "I2 I3 I4 I5 I6"),
        ("cloud >= 10 and cloud != 30 && cloud < 50", "I1 I2 I4"),
        ("cloud = 0 or cloud == 60 || cloud > 1e9", "I0 I6"),
        ("not (cloud > 5) or cloud > 5.5e1", "I0 I6"),
        ("!(cloud > 5 or cloud <> 0)", "I0"),
        ("system:index == 'I3'", "I3"),
        ('system:index == "I3" or "I4" = system:index', "I3 I4"),
        ("cloud == cloud and cloud > -1", "I0 I1 I2 I3 I4 I5 I6"),
        ("nothing < 3", ""),
        ("system:time_start < 1675468800000", "I0"),
    ],
)
def test_filters_as_text(earth, text, wanted):
    found = ee.ImageCollection("TEST/SERIES").filter(text).aggregate_array("system:index").getInfo()
    assert found == wanted.split()


@pytest.mark.parametrize(
    "text", ["cloud <", "cloud < 20)", "(cloud < 20", "1 < 2", "cloud # 3", "cloud", "cloud < < 3"]
)
def test_a_filter_that_cannot_be_read(earth, text):
    with pytest.raises(ee.EEException, match="cannot be read"):
        ee.ImageCollection("TEST/SERIES").filter(text).size().getInfo()
