"""Nothing is listed or computed before it is known where: a provider that counts what it is asked."""

from __future__ import annotations

from collections import Counter

import ee
import numpy as np
import pytest
from affine import Affine
from google.auth.credentials import AnonymousCredentials
from shapely.geometry import box

from rsbot_beam.local_ee.provider import AssetNotFoundError, BandInfo, ImageInfo
from rsbot_beam.local_ee.run import serving
from rsbot_beam.local_ee.server import LocalEarthEngine, Settings

DAY = 86_400_000


class Counting:
    """A daily image for every degree of the globe, in all time: far too many to list."""

    def __init__(self):
        self.asked = Counter()
        self.bboxes = []

    def asset_ids(self):
        return ["HUGE"]

    def info(self, asset_id):
        if asset_id == "HUGE":
            return {"type": "IMAGE_COLLECTION", "properties": {}}
        self.image(asset_id)
        return {"type": "IMAGE", "properties": {}}

    def image(self, asset_id):
        try:
            name, index = asset_id.split("/")
            day, lon, lat = (int(part) for part in index.split("_"))
        except ValueError as error:
            raise AssetNotFoundError(asset_id) from error
        if name != "HUGE":
            raise AssetNotFoundError(asset_id)
        band = Affine(0.001, 0, lon, 0, -0.001, lat + 1)
        return ImageInfo(
            asset_id,
            tuple(BandInfo(name, np.dtype("uint16"), "EPSG:4326", band) for name in ("a", "b", "c")),
            {"system:index": index, "system:time_start": day * DAY, "day": day},
            box(lon, lat, lon + 1, lat + 1),
        )

    def images(self, asset_id, start, end, bbox):
        self.bboxes.append(bbox)
        west, south, east, north = (-180, -90, 179, 89) if bbox is None else bbox
        first = 0 if start is None else -(-start // DAY)
        last = 20_000 if end is None else -(-end // DAY)
        for day in range(int(first), int(last)):
            for lon in range(int(np.floor(west)), int(np.floor(east)) + 1):
                for lat in range(int(np.floor(south)), int(np.floor(north)) + 1):
                    self.asked["listed"] += 1
                    yield self.image(f"HUGE/{day}_{lon}_{lat}")

    def features(self, asset_id, bbox):
        raise AssetNotFoundError(asset_id)

    def pixels(self, image_id, bands, grid):
        self.asked["pixels"] += 1
        for band in bands:
            self.asked[f"band {band}"] += 1
        day = int(image_id.split("/")[1].split("_")[0])
        inside = self.image(image_id).footprint.contains(box(*grid.bbox()))
        values = np.full(grid.shape, day, np.uint16)
        return {band: (values, np.full(grid.shape, inside)) for band in bands}


@pytest.fixture(scope="module")
def running():
    provider = Counting()
    engine = LocalEarthEngine([provider], Settings(max_qps=0))
    with serving(engine) as url:
        ee.Reset()
        ee.Initialize(credentials=AnonymousCredentials(), project="local", url=url)
        yield provider
    ee.Reset()


@pytest.fixture
def provider(running):
    running.asked.clear()
    running.bboxes.clear()
    return running


def pixels(image, lon=10.2, lat=50.8, size=16):
    affine = {"scaleX": 1e-4, "translateX": lon, "scaleY": -1e-4, "translateY": lat}
    grid = {"crsCode": "EPSG:4326", "affineTransform": affine, "dimensions": {"width": size, "height": size}}
    return ee.data.computePixels({"expression": image, "fileFormat": "NUMPY_NDARRAY", "grid": grid})


def span(days, start=19_000):
    return ee.ImageCollection("HUGE").filterDate(start * DAY, (start + days) * DAY)


def test_only_what_meets_the_grid_is_listed_and_computed(provider):
    found = pixels(span(10).mean())
    assert found["a"][0, 0] == 19_004.5
    assert provider.asked["pixels"] == 10
    assert provider.asked["listed"] <= 10 + 2


def test_only_the_bands_wanted_are_computed_at_once(provider):
    pixels(span(4).map(lambda image: image.select(["a", "b"]).add(image.select("a"))).select("a").max())
    assert provider.asked["pixels"] <= 8
    assert provider.asked["band c"] == 0
    assert provider.asked["band b"] == 0


@pytest.mark.parametrize(
    "change",
    [
        lambda image: image.unmask(0),
        lambda image: image.where(image.gt(3), image.add(1)),
        lambda image: ee.Image.constant([1, 2, 3]).rename(["a", "b", "c"]).blend(image),
        lambda image: image.updateMask(image.gt(3)),
        lambda image: image.paint(ee.FeatureCollection([ee.Feature(ee.Geometry.Point(10.5, 50.5))]), 3),
        lambda image: image.focal_max(1),
        lambda image: image.convolve(ee.Kernel.square(1)),
        lambda image: image.neighborhoodToBands(ee.Kernel.square(1)),
    ],
    ids=["unmask", "where", "blend", "updateMask", "paint", "focal", "convolve", "neighbours"],
)
def test_all_bands_of_an_image_are_asked_for_together(provider, change):
    pixels(change(span(10).median()))
    assert provider.asked["pixels"] == 10
    assert provider.asked["band b"] == 10


def test_bands_with_the_same_pixels_are_resampled_together(provider):
    pixels(span(10).map(lambda image: image.resample("bilinear")).median())
    assert provider.asked["pixels"] == 10


def test_a_quality_mosaic_reads_an_image_once(provider):
    pixels(span(10).qualityMosaic("b"))
    assert provider.asked["pixels"] == 10


def test_shared_nodes_are_computed_once(provider):
    image = ee.Image("HUGE/5_10_50").select("a")
    assert pixels(image.add(image).multiply(image.add(image)))["a"][0, 0] == 100
    assert provider.asked == {"pixels": 1, "band a": 1}


def test_metadata_needs_no_pixels(provider):
    collection = span(10).map(lambda image: image.select("a").multiply(2).set("twice", True))
    assert collection.median().bandNames().getInfo() == ["a"]
    assert collection.first().get("twice").getInfo() is True
    assert span(3).filterBounds(ee.Geometry.Point([10.5, 50.5])).size().getInfo() == 3
    assert provider.asked["pixels"] == 0


def test_filters_reach_the_provider_through_each_other(provider):
    region = ee.Geometry.Rectangle([10.1, 50.1, 10.9, 50.9])
    found = span(30).filterBounds(region).filter(ee.Filter.lt("day", 19_005)).map(lambda image: image.add(1))
    assert found.size().getInfo() == 5
    assert provider.asked["listed"] == 30
    assert provider.bboxes[0] == (10.1, 50.1, 10.9, 50.9)


def test_linking_finds_by_index(provider):
    linked = span(5).linkCollection(ee.ImageCollection("HUGE").select(["b"], ["other"]), ["other"])
    assert pixels(linked.sum())["other"][0, 0] == sum(range(19_000, 19_005))
    assert provider.asked["listed"] < 50


def test_mapped_images_that_outgrow_their_place_are_all_taken(provider):
    days = ee.List.sequence(0, 2).map(lambda n: ee.Image(ee.Image("HUGE/7_100_10")).unmask(1, False).add(ee.Number(n)))
    assert pixels(ee.ImageCollection.fromImages(days).select("a").sum())["a"][0, 0] == 6
    far = ee.ImageCollection("HUGE").filterBounds(ee.Geometry.Point([100.5, 10.5])).filterDate(0, 4 * DAY)
    counted = far.map(lambda image: image.select("a").multiply(0).unmask(1, False))
    assert pixels(counted.sum())["a"][0, 0] == 4


def test_a_second_request_builds_no_graph_again(provider):
    composite = span(6).map(lambda image: image.select("a").add(1)).max()
    pixels(composite)
    listed = provider.asked["listed"]
    provider.asked.clear()
    assert pixels(composite, 10.3)["a"][0, 0] == 19_006
    assert provider.asked["listed"] <= listed
    assert provider.asked["pixels"] == 6


def test_too_long_listings_are_refused(provider):
    with pytest.raises(ee.EEException, match="over 5000 elements"):
        ee.ImageCollection("HUGE").filterDate(0, DAY).getInfo()
    assert provider.asked["listed"] <= 5001
