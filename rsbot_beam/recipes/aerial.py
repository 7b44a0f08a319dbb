"""What is seen from above, once in a period: a composite of Sentinel-2, aerial images, or the user's own imagery."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rsbot_beam.data.bands import DTYPES, Band
from rsbot_beam.data.period import Period
from rsbot_beam.errors import RecipeError
from rsbot_beam.recipes import catalog
from rsbot_beam.recipes.assets import Asset
from rsbot_beam.recipes.parameters import (
    Derived,
    check_choice,
    check_names,
    check_reducer,
    check_unique,
    check_within,
)
from rsbot_beam.recipes.recipe import Recipe

if TYPE_CHECKING:
    import ee

# Visible light shows shapes, near and short-wave infrared tell panels from roofs and water.
SENTINEL2_OPTICAL = ("B2", "B3", "B4", "B8", "B11", "B12")
NAIP_OPTICAL = ("R", "G", "B", "N")
# Metres: pixel size that each kind of imagery is looked at.
RESOLUTIONS = {"sentinel2": 10.0, "naip": 1.0}


@dataclass(frozen=True, kw_only=True)
class Seen(Recipe):
    """A recipe that looks at one image of the period.

    Attributes:
        resolution: Pixel size in metres; by default that of the imagery: 10 for Sentinel-2 and assets, 1 for NAIP.
        imagery: sentinel2 (a cloud-free composite), naip (the latest aerial image, United States), or the id of an image or
            image collection, with `optical` and `dtype`.
        optical: Bands, in order; none given takes B2,B3,B4,B8,B11,B12 of Sentinel-2, R,G,B,N of NAIP.
        dtype: Type of the bands of an asset, such as uint8, uint16 or float32.
        reducer: How the observations of the period become one: median, mean, min, max, mosaic (the last one on top), or a
            percentile such as p25. NAIP is always a mosaic.
        threshold: Least Cloud Score+ value (cs_cdf) of a pixel of Sentinel-2 that is used, 0..1.
    """

    resolution: float = Derived(RESOLUTIONS["sentinel2"])
    imagery: str = "sentinel2"
    optical: tuple[str, ...] = ()
    dtype: str | None = None
    reducer: str = "median"
    threshold: float = 0.6

    def __post_init__(self) -> None:
        check_reducer("reducer", self.reducer)
        check_within("threshold", self.threshold, 0.0, 1.0, "the least Cloud Score+ value of a pixel that is used")
        if "/" in self.imagery:
            self._check_asset()
        else:
            self._check_known()
        if isinstance(self.resolution, Derived):
            object.__setattr__(self, "resolution", Derived(RESOLUTIONS.get(self.imagery, 10.0)))

    def _check_asset(self) -> None:
        if not self.optical or self.dtype is None:
            raise RecipeError(
                f"parameter imagery={self.imagery!r} is an asset: set optical to its bands and dtype to their type, for "
                "example --set optical=R,G,B --set dtype=uint8"
            )
        check_choice("dtype", self.dtype, DTYPES)
        check_unique("optical", self.optical)

    def _check_known(self) -> None:
        check_choice("imagery", self.imagery, [*RESOLUTIONS, "the id of an image or image collection"])
        if self.dtype is not None:
            raise RecipeError(
                f"parameter dtype={self.dtype!r} is about imagery of your own: leave it out with imagery={self.imagery!r}"
            )
        if self.optical:
            is_naip = self.imagery == "naip"
            known = catalog.NAIP_BANDS if is_naip else catalog.SENTINEL2_BANDS
            check_names("optical", self.optical, known, (catalog.NAIP if is_naip else catalog.SENTINEL2).id)

    @property
    def bands(self) -> tuple[Band, ...]:
        """Bands of the imagery."""
        if self.imagery == "sentinel2":
            return catalog.sentinel2_bands(self.optical or SENTINEL2_OPTICAL)
        if self.imagery == "naip":
            return catalog.naip_bands(self.optical or NAIP_OPTICAL)
        return tuple(Band(name, self.dtype or "", "", f"of {self.imagery}") for name in self.optical)

    @property
    def assets(self) -> tuple[Asset, ...]:
        """Those of the data catalog; an asset of your own is looked up when it is opened."""
        names = tuple(band.name for band in self.bands)
        if self.imagery == "sentinel2":
            return (catalog.with_bands(catalog.SENTINEL2, names), catalog.CLOUD_SCORE)
        if self.imagery == "naip":
            return (catalog.with_bands(catalog.NAIP, names),)
        return ()

    def inputs(self, region: ee.Geometry, period: Period) -> ee.Image:
        """The imagery of the period."""
        from rsbot_beam.earthengine import composites, naip, sentinel2

        names = [band.name for band in self.bands]
        if self.imagery == "sentinel2":
            return sentinel2.composite(region, period, names, clear=self.threshold, reducer=self.reducer)
        if self.imagery == "naip":
            return naip.mosaic(region, period, names)
        return composites.asset_composite(self.imagery, region, period, names, self.reducer)
