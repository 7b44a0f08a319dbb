"""Tiles around real features and points: plants of four sources, and fields with what is known of them."""

from __future__ import annotations

import csv
import math
import re
from collections import Counter

import numpy as np
import pyarrow.parquet as pq
import pytest
import shapely
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from rsbot_beam import SpatialSplit, TileKey, load_dataset
from rsbot_beam.sampling import read_samples

from .catalog import HARD, LAND_COVER, PERIOD, land_cover, scene
from .exports import check_raw
from .learned import check_learned
from .oracle import layer, middle
from .vector_oracle import Shapes, footprint, holds, read_shapes

pytestmark = [pytest.mark.real_data, pytest.mark.integration, pytest.mark.filterwarnings("ignore:.*repaired")]

# Metres of ground between tiles, below which they fall in one split; it may be measured a little differently here.
LINK, ROUNDING = 1000.0, 10.0
KINDS = ("feature", "hard background", "background")
SHARES = (60.0, 20.0, 20.0)


def exported(export, recipe, settings, bbox, crs, **flags):
    return export(
        f"built-in {recipe}",
        set=[*settings, "optical=B4,B8"],
        region=",".join(map(str, bbox)),
        period=PERIOD,
        crs=crs,
        patch_size=64,
        split=",".join(map(str, SHARES)),
        sampling="features",
        seed=11,
        **flags,
    )


def samples_of(found):
    samples = read_samples(str(found.folder / "samples.arrow"))
    assert {sample.key for sample in samples} == set(found.patches)
    assert len(samples) == len(found.patches)
    return samples


def within(shapes, bbox, prefix=""):
    """Features in degrees, by name, that lie in a bbox whole."""
    inside = shapes.within(shapely.within(shapes.moved("EPSG:4326"), shapely.box(*bbox)))
    return {f"{prefix}{name}": shape for name, shape in zip(inside.ids, inside.moved("EPSG:4326"), strict=True)}


def check_seen(found, plants, places=None):
    """All plants are in a tile's boxes, or so close to others' tiles that there is no room for theirs, and reported.

    Args:
        found: The export.
        plants: Geometries in degrees, by name, of those that lie in the region whole.
        places: Number of plants of which the place is in the region, or None.
    """
    seen = {name for patch in found.patches.values() for name in patch.objects.ids}
    report = re.search(r"features seen: (\d+) asked, (\d+) found: (\d+) features are so close", found.text)
    crowded = int(report[3]) if report else 0
    missing = sorted(set(plants) - seen)
    assert len(missing) <= crowded, f"{missing[:5]} are in no tile"
    ground = shapely.STRtree([footprint(key) for key in found.patches])
    for name in missing:
        # A tile has 640 m a side.
        assert len(ground.query(plants[name], predicate="dwithin", distance=0.012)), f"there was room for {name}"
    if report:
        assert int(report[1]) - int(report[2]) == crowded
        assert places in (None, int(report[1]))
    assert len(seen & set(plants)) > 20, "a region of a few plants is no test"


def check_apart(keys):
    """No two tiles share ground: exact among tiles of one CRS, to a ten-thousandth of a tile between two."""
    ground = [footprint(key) for key in keys]
    for one, other in shapely.STRtree(ground).query(ground, predicate="intersects").T:
        if one >= other:
            continue
        if keys[one].crs == keys[other].crs:
            boxes = shapely.box(*keys[one].bounds), shapely.box(*keys[other].bounds)
            assert boxes[0].intersection(boxes[1]).area == 0, (keys[one], keys[other])
        else:
            common = ground[one].intersection(ground[other]).area
            assert common < 1e-4 * ground[one].area, (keys[one], keys[other])


def check_background(found, samples, shapes, assets, ratio=0.5):
    """Background sees no plant; half of it lies where the land cover looks like plants."""
    kinds = Counter(sample.kind for sample in samples)
    assert set(kinds) == set(KINDS)
    wanted = round(kinds["feature"] * ratio)
    assert kinds["hard background"] + kinds["background"] == wanted
    assert kinds["hard background"] == round(wanted / 2)
    tree = shapely.STRtree(shapes.moved("EPSG:4326"))
    for sample in samples:
        patch = found.patches[sample.key]
        assert bool(len(patch.objects)) == (sample.kind == "feature"), sample.key
        if sample.kind != "feature":
            assert not len(tree.query(footprint(sample.key), predicate="intersects")), sample.key
            assert patch.label is None or not patch.label.any()
        if sample.kind == "hard background":
            assert np.isin(layer(land_cover(assets), "Map", sample.key).values, HARD).any(), sample.key


def clusters(keys, distance):
    """The number of the cluster of each tile: chains of tiles closer than a distance."""
    lon, lat = np.array([middle(key) for key in keys]).mean(axis=0)
    ground = np.array([footprint(key, f"+proj=laea +lon_0={lon} +lat_0={lat} +datum=WGS84") for key in keys])
    one, other = shapely.STRtree(ground).query(ground, predicate="dwithin", distance=distance)
    links = coo_matrix((np.ones(len(one)), (one, other)), (len(keys), len(keys)))
    return connected_components(links)[1]


def check_clusters(found, samples, split_of):
    """Tiles of a cluster are in one split; clusters are not larger than they must be."""
    keys = [sample.key for sample in samples]
    sure, most = clusters(keys, LINK - ROUNDING), clusters(keys, LINK + ROUNDING)
    splits: dict[int, set[str]] = {}
    for sample, number in zip(samples, sure.tolist(), strict=True):
        assert found.patches[sample.key].group == sample.group
        splits.setdefault(number, set()).add(split_of(sample.key))
    assert all(len(names) == 1 for names in splits.values())
    groups = len({sample.group for sample in samples})
    assert most.max() + 1 <= groups <= sure.max() + 1
    assert groups < len(samples), "no cluster at all is no test"
    assert len(set.union(*splits.values())) > 1, "all in one split is no test"


def check_all(found, plants, shapes, assets, places=None):
    samples = samples_of(found)
    check_seen(found, plants, places)
    check_apart([sample.key for sample in samples])
    check_background(found, samples, shapes, assets)
    groups = {sample.key: sample.group for sample in samples}
    split = SpatialSplit(SHARES)
    check_clusters(found, samples, lambda key: split.split_of(key, groups[key]))
    return samples


def test_sites_of_the_united_kingdom_in_the_national_grid(export, data, assets):
    bbox = (-5.7, 49.9, -4.4, 50.7)  # Cornwall
    path = data / "energy" / "vectors" / "uk_repd_2020_operational.gpkg"
    shapes = read_shapes(path, "Technology Type")
    codes = {"Solar Photovoltaics": 1, "Wind Onshore": 2, "Wind Offshore": 2}
    settings = [f"labels={path}", "column=Technology Type", "codes=" + ",".join(f"{k}:{v}" for k, v in codes.items())]
    found = exported(export, "power_plants", settings, bbox, "EPSG:27700", steps="fetch", background=0.5)
    inside = within(shapes, bbox)
    check_all(found, inside, shapes, assets, places=len(inside))
    kinds = dict(zip(shapes.ids, shapes.values, strict=True))
    for patch in found.patches.values():
        for name, code in zip(patch.objects.ids, patch.objects.classes.tolist(), strict=True):
            assert code == codes[kinds[name]]


def test_plants_of_the_world_in_three_zones(export, data, assets):
    bbox = (-9.6, 38.6, 0.4, 43.9)  # The north of Portugal and Spain
    path = data / "energy" / "vectors" / "wri_solar_wind_plants.geojson"
    shapes = read_shapes(path, "fuel")
    found = exported(
        export,
        "wind",
        [f"labels={path}", "column=fuel", "codes=wind:2,*:0"],
        bbox,
        "utm",
        steps="fetch",
        samples=150,
        background=0.5,
    )
    wind = shapes.within(np.array([fuel.lower() == "wind" for fuel in shapes.values]))
    samples = samples_of(found)
    assert Counter(sample.kind for sample in samples)["feature"] == 150
    assert len({sample.key.crs for sample in samples}) > 1
    seen = {name for patch in found.patches.values() for name in patch.objects.ids}
    assert seen <= set(wind.ids)
    check_apart([sample.key for sample in samples])
    check_background(found, samples, wind, assets)


def test_solar_farms_of_india_in_two_zones(export, data, assets):
    bbox = (70.9, 21.5, 73.6, 24.4)  # Gujarat, on both sides of 72 E
    path = data / "energy" / "vectors" / "india_solar_farms_2021.geojson"
    shapes = read_shapes(path, "State")
    found = exported(export, "solar", [f"labels={path}", "id_column=fid"], bbox, "utm", steps="fetch", background=0.5)
    numbers = read_shapes(path, "fid")
    named = Shapes(numbers.crs, numbers.geometries, shapes.values, numbers.values)
    samples = check_all(found, within(named, bbox), shapes, assets)
    assert {sample.key.crs for sample in samples} == {"EPSG:32642", "EPSG:32643"}
    for key, patch in found.patches.items():
        near = shapes.within(shapely.intersects(shapes.geometries, footprint(key).buffer(0.01)))
        expected = near.painted(key, dict.fromkeys(near.values, 1)) if near.ids else np.zeros(key.shape)
        np.testing.assert_array_equal(patch.label, expected, err_msg=str(key))
        assert patch.label_valid.all()


def test_both_layers_of_brandenburg_are_learnt(export, data, assets):
    bbox = (13.0, 52.0, 13.5, 52.4)
    path = data / "energy" / "vectors" / "de_brandenburg_pv_wind_2015.gpkg"
    layers = {"solar": "pv_open_field", "wind": "wind_turbines"}
    settings = [
        f"{kind}_{name}={value}" for kind, of in layers.items() for name, value in (("labels", path), ("layer", of))
    ]
    found = exported(export, "power_plants", settings, bbox, "EPSG:3035", background=0.5)
    parts = [read_shapes(path, "Technology", of) for of in layers.values()]
    samples = samples_of(found)
    check_seen(found, {**within(parts[0], bbox, "0/"), **within(parts[1], bbox, "1/")})
    check_apart([sample.key for sample in samples])
    for part in parts:
        tree = shapely.STRtree(part.moved("EPSG:4326"))
        for sample in samples:
            if sample.kind != "feature":
                assert not len(tree.query(footprint(sample.key), predicate="intersects"))
    splits = check_learned(found)
    of_tile = {key: name for name, keys in splits.items() for key in keys}
    check_clusters(found, samples, of_tile.__getitem__)
    total: Counter[int] = Counter()
    for patch in found.patches.values():
        total.update(patch.objects.classes.tolist())
        whole = ~patch.objects.truncated & (patch.objects.classes == 2)
        sides = patch.objects.boxes[whole, 2:] - patch.objects.boxes[whole, :2]
        # 130 m on the ground, in pixels of 10 m of an equal-area projection.
        np.testing.assert_allclose(sides.prod(axis=1), 13.0**2, rtol=0.01)
    assert {item["code"]: sum(item["objects"].values()) for item in found.dataset["classes"] if item["code"]} == total


# Fields with what is known of them ------------------------------------------------------------------------------------

COLUMNS = ("sample_id", "sampling_label", "irrigation_status", "ewoc_code", "quality_score_ct", "DEM-alt-20m")
NUMBERS = ("irrigation_status", "ewoc_code", "quality_score_ct", "DEM-alt-20m")


@pytest.fixture(scope="module")
def fields(data, tmp_path_factory):
    """(CSV file, its rows): 500 fields, of one of which the height is not known."""
    table = pq.read_table(
        data / "crops" / "worldcereal_pixel_timeseries_2017.parquet", columns=["lon", "lat", *COLUMNS]
    )
    rows = table.to_pylist()
    rows[7]["DEM-alt-20m"] = None
    path = tmp_path_factory.mktemp("points") / "fields.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, table.column_names)
        writer.writeheader()
        writer.writerows(rows)
    return path, rows


def test_what_is_known_of_a_field_arrives_in_its_example(export, fields, assets):
    path, rows = fields
    lon, lat = (np.array([row[name] for row in rows]) for name in ("lon", "lat"))
    bbox = (lon.min() - 0.01, lat.min() - 0.01, lon.max() + 0.01, float(np.quantile(lat, 0.3)))
    found = export(
        "built-in landcover",
        region=",".join(map(str, bbox)),
        period=PERIOD,
        crs="utm",
        patch_size=8,
        sampling="points",
        points=path,
        split="60,20,20",
    )
    there = {row["sample_id"]: row for row in rows if row["lat"] <= bbox[3]}
    assert len(there) >= 100
    carried: dict[str, dict] = {}
    for split in ("train", "validation", "test"):
        for batch in load_dataset(found.folder, split, 64).as_numpy_iterator():
            for i, name in enumerate(batch["attribute_sample_id"]):
                carried[name.decode()] = {column: batch[column][i] for column in batch}
    assert set(carried) <= set(there)
    assert len(carried) == len(found.patches)
    for name, example in carried.items():
        row = there[name]
        for column in COLUMNS:
            value, wanted = example[f"attribute_{column}"], row[column]
            if column in NUMBERS:
                assert value.dtype == np.float64
                assert value == wanted if wanted is not None else math.isnan(value)
            else:
                assert value.decode() == wanted
        assert holds(TileKey.parse(example["tile"].decode()), row["lon"], row["lat"])
    check_reported(found, rows, there, carried)
    check_apart(list(found.patches))
    check_raw(found, lambda key: expected_cover(key, assets), inputs=6)
    check_learned(found)


def check_reported(found, rows, there, carried):
    """Points outside the region are counted, and those whose tiles would overlap others'."""
    assert f"points in the region: {len(rows)} asked, {len(there)} found" in found.text
    missing = set(there) - set(carried)
    assert bool(missing) == ("would overlap those of others" in found.text)
    if missing:
        assert f"tiles around points: {len(there)} asked, {len(carried)} found" in found.text
    taken = shapely.STRtree([footprint(key) for key in found.patches])
    for name in missing:
        # 8 pixels of 10 m are 0.0007 degrees.
        near = shapely.Point(there[name]["lon"], there[name]["lat"]).buffer(0.0015)
        assert len(taken.query(near, predicate="intersects")), f"{name} had room"


def expected_cover(key, assets):
    bands = {}
    for band in ("B2", "B3", "B4", "B8", "B11", "B12"):
        # Of two clear dates, the median is their mean, cut to a whole number.
        dates = [layer(scene(assets, date), band, key) for date in ("20160510", "20160705")]
        bands[band] = dates[0].where(dates[1].valid)
        bands[band].values[...] = (dates[0].values.astype(int) + dates[1].values) // 2
    cover = layer(land_cover(assets), "Map", key)
    assert set(np.unique(cover.values)) <= set(LAND_COVER)
    return bands | {"landcover": cover}
