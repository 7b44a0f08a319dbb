"""The assets and bands of Earth Engine's data catalog that the built-in recipes read.

Ids, bands, pixel sizes and terms are those of the catalog (earthengine-catalog, the JSON behind the catalog's pages).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rsbot_beam.data.bands import Band
from rsbot_beam.recipes.assets import Asset

REFLECTANCE = "reflectance * 10000"

_COPERNICUS = "Copernicus Sentinel data: free, full and open access; say 'contains modified Copernicus Sentinel data'"
_CC_BY = "CC-BY-4.0"
_PUBLIC_DOMAIN = "US public domain"

SENTINEL2 = Asset(
    "COPERNICUS/S2_SR_HARMONIZED",
    title="Sentinel-2 MSI, surface reflectance (level 2A), harmonized",
    resolution=10.0,
    licence=_COPERNICUS,
    dated=True,
)
CLOUD_SCORE = Asset(
    "GOOGLE/CLOUD_SCORE_PLUS/V1/S2_HARMONIZED",
    ("cs_cdf",),
    title="Cloud Score+ for Sentinel-2, harmonized",
    resolution=10.0,
    licence=f"{_CC_BY}, Google",
    dated=True,
)
SENTINEL1 = Asset(
    "COPERNICUS/S1_GRD",
    ("VV", "VH"),
    title="Sentinel-1 SAR GRD, C band, log scale",
    resolution=10.0,
    licence=_COPERNICUS,
    dated=True,
)
SRTM = Asset(
    "USGS/SRTMGL1_003",
    ("elevation",),
    "IMAGE",
    title="NASA SRTM digital elevation, 56 S to 60 N",
    resolution=30.0,
    licence=f"{_PUBLIC_DOMAIN}, NASA and USGS",
)
NAIP = Asset(
    "USDA/NAIP/DOQQ",
    title="National Agriculture Imagery Program, aerial images of the conterminous United States",
    resolution=1.0,
    licence=f"{_PUBLIC_DOMAIN}, USDA",
    dated=True,
)
WORLD_COVER = Asset(
    "ESA/WorldCover/v200",
    ("Map",),
    title="ESA WorldCover 2021",
    resolution=10.0,
    licence=f"{_CC_BY}, ESA WorldCover project 2021",
)
CROPLAND_DATA_LAYER = Asset(
    "USDA/NASS/CDL",
    ("cropland",),
    title="USDA NASS Cropland Data Layer, conterminous United States",
    resolution=30.0,
    licence=f"{_PUBLIC_DOMAIN}, USDA NASS",
)
EUCROPMAP = Asset(
    "JRC/D5/EUCROPMAP/V1",
    ("classification",),
    title="EUCROPMAP, crop types of the European Union, 2018 and 2022",
    resolution=10.0,
    licence=f"{_CC_BY}, European Commission, Joint Research Centre",
)
ANNUAL_CROP_INVENTORY = Asset(
    "AAFC/ACI",
    ("landcover",),
    title="Annual Crop Inventory of Canada",
    resolution=30.0,
    licence="Open Government Licence - Canada 2.0, Agriculture and Agri-Food Canada",
)

# Sentinel-2's bands as the collection of surface reflectance has them (B10 is not in it): all uint16, reflectance * 10000.
SENTINEL2_BANDS = {
    "B1": "coastal aerosol, 443 nm, 60 m",
    "B2": "blue, 492 nm, 10 m",
    "B3": "green, 560 nm, 10 m",
    "B4": "red, 665 nm, 10 m",
    "B5": "red edge 1, 704 nm, 20 m",
    "B6": "red edge 2, 740 nm, 20 m",
    "B7": "red edge 3, 783 nm, 20 m",
    "B8": "near infrared, 833 nm, 10 m",
    "B8A": "narrow near infrared, 865 nm, 20 m",
    "B9": "water vapour, 945 nm, 60 m",
    "B11": "short-wave infrared 1, 1614 nm, 20 m",
    "B12": "short-wave infrared 2, 2202 nm, 20 m",
}
NAIP_BANDS = {"R": "red", "G": "green", "B": "blue", "N": "near infrared"}

RADAR_BANDS = (
    Band("VV", "float32", "dB", "backscatter, sent and received vertically"),
    Band("VH", "float32", "dB", "backscatter, sent vertically, received horizontally"),
)
TERRAIN_BANDS = (
    Band("elevation", "int16", "m", "height above the EGM96 geoid"),
    Band("slope", "float32", "degree", "steepness, 0 is flat"),
)


def sentinel2_bands(names: Sequence[str]) -> tuple[Band, ...]:
    """Bands of Sentinel-2's surface reflectance by name."""
    return tuple(Band(name, "uint16", REFLECTANCE, SENTINEL2_BANDS[name]) for name in names)


def naip_bands(names: Sequence[str]) -> tuple[Band, ...]:
    """Bands of NAIP's aerial images by name."""
    return tuple(Band(name, "uint8", "stretched digital number", NAIP_BANDS[name]) for name in names)


def with_bands(asset: Asset, bands: Sequence[str]) -> Asset:
    """An asset of which other bands are read."""
    return replace(asset, bands=tuple(bands))
