"""What assets hold in a region and period: bands, pixel sizes, whether there is anything. Expressions and their answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ee

from rsbot_beam.data.period import Period

# Images or features of a collection whose bands or columns are listed at first, and again where one was not among them:
# those of Sentinel-1 differ by acquisition, those of NAIP and CDL by year.
SAMPLE, LARGE_SAMPLE = 5, 500

# Band name of no asset: properties that tables have besides their columns begin so.
_SYSTEM = "system:"


@dataclass(frozen=True)
class AssetQuery:
    """An asset, and what is expected of it.

    Attributes:
        id: Asset id.
        kind: "IMAGE", "IMAGE_COLLECTION" or "TABLE".
        bands: Bands (of a table: columns) that are read; empty if it is not known which.
        dated: Whether its images are filtered by the period.
        resolution: Its pixel size in metres as the recipe has it; 0 if it does not say.
    """

    id: str
    kind: str
    bands: tuple[str, ...] = ()
    dated: bool = False
    resolution: float = 0.0


@dataclass(frozen=True)
class Content:
    """What an asset was found to hold.

    Attributes:
        here: Whether it has an image or feature in the region, and in the period if it is `dated`.
        bands: Names of the bands or columns of some images or features.
        scale: Finest pixel size in metres of the bands that are read; 0 if there is none.
    """

    here: bool
    bands: tuple[str, ...]
    scale: float = 0.0


def content_question(query: AssetQuery, place: ee.Geometry, period: Period) -> ee.ComputedObject:
    """The expression that `read_content` understands the value of.

    Args:
        query: An asset that exists and is of its kind.
        place: The region, coarsely.
        period: The run's period.
    """
    if query.kind == "IMAGE":
        image = ee.Image(query.id)
        return ee.Dictionary({"names": [image.bandNames()], "scales": [_scales(image, query.bands)]})
    if query.kind == "TABLE":
        table = ee.FeatureCollection(query.id)
        columns = table.limit(SAMPLE).toList(SAMPLE).map(_column_names)
        return ee.Dictionary({"here": table.filterBounds(place).limit(1).size(), "names": columns})
    everything = ee.ImageCollection(query.id)
    found = chosen_images(query, place, period)
    # Where there is nothing in the region, bands are those of any image: all mistakes are told at once.
    sample = found.limit(SAMPLE).merge(everything.limit(1))
    return ee.Dictionary(
        {
            "here": found.limit(1).size(),
            "names": sample.toList(SAMPLE).map(_band_names),
            "scales": sample.toList(1).map(lambda image: _scales(ee.Image(image), query.bands)),
        }
    )


def read_content(value: Mapping[str, Any]) -> Content:
    """What the value of a `content_question` says."""
    scales = [scale for image in value.get("scales", []) for scale in image if scale]
    return Content(bool(value.get("here", True)), names_of(value["names"]), min(scales, default=0.0))


def names_question(query: AssetQuery, place: ee.Geometry, period: Period, here: bool) -> ee.ComputedObject:
    """The expression of the names of bands or columns in a large sample; `names_of` reads its value.

    Args:
        query: The asset.
        place: The region, coarsely.
        period: The run's period.
        here: Whether there is anything in region and period; if not, the sample is taken elsewhere.
    """
    if query.kind == "TABLE":
        return ee.FeatureCollection(query.id).limit(LARGE_SAMPLE).toList(LARGE_SAMPLE).map(_column_names)
    everything = ee.ImageCollection(query.id)
    if here:
        images = chosen_images(query, place, period).limit(LARGE_SAMPLE)
    else:
        images = everything.filterBounds(place).limit(LARGE_SAMPLE).merge(everything.limit(LARGE_SAMPLE))
    return images.toList(2 * LARGE_SAMPLE).map(_band_names)


def names_of(lists: Iterable[Sequence[str]]) -> tuple[str, ...]:
    """Names in lists of names, each once, those of the system left out."""
    return tuple(dict.fromkeys(name for names in lists for name in names if not name.startswith(_SYSTEM)))


def chosen_images(query: AssetQuery, place: ee.Geometry, period: Period) -> ee.ImageCollection:
    """A collection's images in the region, and in the period if it is `dated`."""
    here = ee.ImageCollection(query.id).filterBounds(place)
    return here.filterDate(period.start.isoformat(), period.end.isoformat()) if query.dated else here


def _band_names(image: ee.ComputedObject) -> ee.List:
    return ee.Image(image).bandNames()


def _column_names(feature: ee.ComputedObject) -> ee.List:
    return ee.Feature(feature).propertyNames()


def _scales(image: ee.Image, bands: Sequence[str]) -> ee.List:
    names = image.bandNames()
    read = names.filter(ee.Filter.inList("item", list(bands))) if bands else names
    return read.map(lambda name: image.select([ee.String(name)]).projection().nominalScale())
