"""Crops: a time series of Sentinel-2, and of radar and terrain if wanted, labelled by a map of crops or by fields."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from rsbot_beam.data.bands import Band, LabelClass
from rsbot_beam.data.label_features import LabelFeatures
from rsbot_beam.data.period import Period
from rsbot_beam.errors import RecipeError
from rsbot_beam.recipes import catalog, intervals
from rsbot_beam.recipes.assets import Asset
from rsbot_beam.recipes.cdl import CDL
from rsbot_beam.recipes.codes import classes_of, parse_codes
from rsbot_beam.recipes.legends import (
    ANNUAL_CROP_INVENTORY_LEGEND,
    CROP_GROUPS,
    EUCROPMAP_LEGEND,
    WORLD_COVER_LEGEND,
    Legend,
)
from rsbot_beam.recipes.parameters import check_choice, check_names, check_reducer, check_within
from rsbot_beam.recipes.recipe import Recipe

if TYPE_CHECKING:
    import ee

MAPS = {
    "cdl": CDL,
    "eucropmap": EUCROPMAP_LEGEND,
    "aafc": ANNUAL_CROP_INVENTORY_LEGEND,
    "worldcover": WORLD_COVER_LEGEND,
}
LABEL = "crop"
# A place and a season that each map has.
EXAMPLES = {
    "cdl": "--region=-93.7,42.0,-93.5,42.1 --period 2023-04-01,2023-11-01",
    "eucropmap": "--region 10.0,52.0,10.2,52.1 --period 2022-03-01,2022-11-01",
    "aafc": "--region=-106.1,51.0,-105.9,51.1 --period 2023-04-01,2023-11-01",
}
# Blue, red edge and short-wave infrared tell crops apart best (Immitzer, Vuolo and Atzberger 2016, Remote Sensing 8, 166).
OPTICAL = ("B2", "B3", "B4", "B5", "B6", "B8", "B11", "B12")


@dataclass(frozen=True, kw_only=True)
class Crops(Recipe):
    """Composites of Sentinel-2 through the season, labelled by a map of crops or by field polygons.

    A step without a clear observation is masked and stays in the time series. The label is the map of `label_year`, by
    default of the year in which the period ends: that of the harvest.

    Attributes:
        interval: Length of a step: "month", "2 months", "10 days".
        optical: Bands of Sentinel-2, in order.
        reducer: How the clear observations of a step become one: median, mean, min, max, mosaic (the last one on top), or
            a percentile such as p25.
        threshold: Least Cloud Score+ value (cs_cdf) of a pixel that is used, 0..1.
        sentinel1: Whether each step has the mean backscatter VV and VH of Sentinel-1 as well.
        terrain: Whether there are the static bands elevation and slope.
        labels: cdl (United States), eucropmap (European Union), aafc (Canada), worldcover (plain land cover); or polygons of
            fields: a vector file, or the id of a table asset.
        grouped: Whether a map's classes are put together into 13 groups, the same for all maps of crops.
        confidence: Least confidence of the Cropland Data Layer, per cent, of a pixel that is learnt from; 0 takes all. Not
            every year has this band.
        label_year: Year of the map; none takes the one in which the period ends.
        column: Of fields: the property that says the crop; none makes all fields the class 1.
        codes: Of fields: classes of the column's values, as value:code or value:code:name; * stands for all other values,
            and code 0 leaves fields out. None given takes the values as codes.
        layer: Of fields: layer of a file with several.
    """

    name: ClassVar[str] = "crops"
    description: ClassVar[str] = "Sentinel-2 time series of the season, labelled by a map of crops or by field polygons"

    interval: str = "month"
    optical: tuple[str, ...] = OPTICAL
    reducer: str = "median"
    threshold: float = 0.6
    sentinel1: bool = False
    terrain: bool = False
    labels: str = "cdl"
    grouped: bool = True
    confidence: int = 0
    label_year: int | None = None
    column: str | None = None
    codes: tuple[str, ...] = ()
    layer: str | None = None

    def __post_init__(self) -> None:
        intervals.parse_interval(self.interval)
        check_names("optical", self.optical, catalog.SENTINEL2_BANDS, catalog.SENTINEL2.id)
        check_reducer("reducer", self.reducer)
        check_within("threshold", self.threshold, 0.0, 1.0, "the least Cloud Score+ value of a pixel that is used")
        check_within("confidence", self.confidence, 0, 100, "the least confidence of a label, in per cent")
        if not {"/", "."} & set(self.labels):
            check_choice("labels", self.labels, [*MAPS, "a vector file", "the id of a table asset"])
        self._check_fields()

    def _check_fields(self) -> None:
        fields = {"column": self.column, "codes": self.codes, "layer": self.layer}
        given = [name for name, value in fields.items() if value]
        if self.map is not None and given:
            raise RecipeError(
                f"parameter {given[0]}={fields[given[0]]!r} is about polygons of fields, but labels={self.labels!r} is a "
                "map: name a vector file or a table asset in labels, or leave it out"
            )
        if self.codes and self.column is None:
            raise RecipeError(f"parameter codes={list(self.codes)} needs column, the property that has these values")
        if self.confidence and self.map is not CDL:
            raise RecipeError(
                f"parameter confidence={self.confidence} is about the Cropland Data Layer, but labels={self.labels!r}: set "
                "labels=cdl, or leave it out"
            )
        if self.label_year is not None and (self.map is None or self.map.still):
            raise RecipeError(
                f"parameter label_year={self.label_year} is about a map of each year, and labels={self.labels!r} is none: "
                "leave it out"
            )
        parse_codes("codes", self.codes)

    @property
    def map(self) -> Legend | None:
        """The map that is learnt from; None for polygons of fields."""
        return MAPS.get(self.labels)

    @property
    def bands(self) -> tuple[Band, ...]:
        """Bands of a step."""
        return catalog.sentinel2_bands(self.optical) + (catalog.RADAR_BANDS if self.sentinel1 else ())

    @property
    def static_bands(self) -> tuple[Band, ...]:
        """Terrain, if it is wanted."""
        return catalog.TERRAIN_BANDS if self.terrain else ()

    @property
    def label_band(self) -> Band:
        """The crops' codes."""
        if self.map is not None:
            return Band(
                LABEL, "uint8" if self._groups() else self.map.dtype, "", f"class code of {self.map.asset.title}"
            )
        small = self.column is None or (self.codes and max(parse_codes("codes", self.codes).values()) <= 255)
        return Band(LABEL, "uint8" if small else "uint16", "", f"class code of the fields of {self.labels}")

    @property
    def classes(self) -> tuple[LabelClass, ...]:
        """The map's groups or classes, or those of `codes`; fields whose values are codes have none that is known."""
        if self.map is not None:
            return self._group_classes() if self._groups() else self.map.classes
        return (LabelClass(1, "field", "#ffd400"),) if self.column is None else classes_of("codes", self.codes)

    @property
    def assets(self) -> tuple[Asset, ...]:
        """Those of the parameters."""
        label = () if self.map is None else (self._label_asset(self.map),)
        radar = (catalog.SENTINEL1,) if self.sentinel1 else ()
        terrain = (catalog.SRTM,) if self.terrain else ()
        return (catalog.with_bands(catalog.SENTINEL2, self.optical), catalog.CLOUD_SCORE, *radar, *terrain, *label)

    @property
    def example(self) -> str:
        """A season in the United States, Europe or Canada."""
        return EXAMPLES.get(self.labels, EXAMPLES["eucropmap"])

    def steps(self, period: Period) -> int:
        """Number of intervals of the period."""
        return len(intervals.cut(period, self.interval))

    def step_names(self, period: Period) -> tuple[str, ...]:
        """The first day of each interval."""
        return tuple(interval.start.isoformat() for interval in intervals.cut(period, self.interval))

    def inputs(self, region: ee.Geometry, period: Period) -> Sequence[ee.Image]:
        """A composite of each interval."""
        return [self.step(region, interval) for interval in intervals.cut(period, self.interval)]

    def step(self, region: ee.Geometry, interval: Period) -> ee.Image:
        """The image of one interval, with `bands`."""
        from rsbot_beam.earthengine import sentinel1, sentinel2

        image = sentinel2.composite(region, interval, self.optical, clear=self.threshold, reducer=self.reducer)
        return image.addBands(sentinel1.backscatter(region, interval)) if self.sentinel1 else image

    def static(self, region: ee.Geometry, period: Period) -> ee.Image | None:
        """Elevation and slope."""
        from rsbot_beam.earthengine.terrain import terrain

        return terrain() if self.terrain else None

    def features(self, period: Period) -> tuple[LabelFeatures, ...]:
        """The fields, where they are what is learnt from."""
        if self.map is not None:
            return ()
        code = 1 if self.column is None else None
        codes = parse_codes("codes", self.codes)
        return (LabelFeatures(self.labels, code=code, column=self.column, codes=codes, layer=self.layer),)

    def label(self, region: ee.Geometry, period: Period) -> ee.Image | None:
        """Codes of the map's classes or groups; pixels of which nothing is known are masked."""
        if self.map is None:
            return None
        image = self._map_image(self.map, region, period)
        codes = image.select([self.map.band], [LABEL])
        if self.confidence:
            codes = codes.updateMask(image.select("confidence").gte(self.confidence))
        if self._groups():
            return codes.remap(list(self._groups()), list(self._groups().values())).rename(LABEL)
        if not self.map.unlabelled:
            return codes
        return codes.updateMask(codes.remap(list(self.map.unlabelled), [0] * len(self.map.unlabelled), 1))

    def _map_image(self, legend: Legend, region: ee.Geometry, period: Period) -> ee.Image:
        import ee

        images = ee.ImageCollection(legend.asset.id)
        if not legend.still:
            year = self._year(period)
            legend.check_year(year)
            images = images.filterDate(f"{year}-01-01", f"{year + 1}-01-01").filterBounds(region)
        return images.select(list(self._label_asset(legend).bands)).mosaic()

    def _label_asset(self, legend: Legend) -> Asset:
        bands = (legend.band, "confidence") if self.confidence else (legend.band,)
        return replace(legend.asset, bands=bands)

    def _year(self, period: Period) -> int:
        return self.label_year or (period.end - datetime.timedelta(days=1)).year

    def _groups(self) -> dict[int, int]:
        """Group of each of the map's codes; empty where the map's own classes are learnt."""
        return self.map.group_of() if self.grouped and self.map is not None and self.map.groups else {}

    def _group_classes(self) -> tuple[LabelClass, ...]:
        found = set(self._groups().values())
        return tuple(item for item in CROP_GROUPS if item.code in found)
