"""What to fetch, as text that travels to workers."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from rsbot_beam.errors import InputError

# The pixel types of Earth Engine's NPY answers.
DTYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64")

_ASSET_NAME = re.compile(r"projects/[^/]+/assets/.+")


@dataclass(frozen=True)
class FetchBand:
    """One band of an answer.

    Attributes:
        name: Band id.
        dtype: Numpy name of its type, one of `DTYPES`.
    """

    name: str
    dtype: str

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            raise InputError(f"band {self.name!r} has dtype {self.dtype!r}; Earth Engine has {', '.join(DTYPES)}")
        if not self.name:
            raise InputError("a band to fetch needs a name")

    @property
    def itemsize(self) -> int:
        """Bytes of one pixel."""
        return np.dtype(self.dtype).itemsize


class Flag(NamedTuple):
    """Where the validity of a data band is: a bit of a flag band."""

    band: str
    bit: int


@dataclass(frozen=True)
class PixelSource:
    """What to fetch: an expression with validity flags, or a plain asset. Picklable text.

    Attributes:
        bands: Bands of the answer, in its order: data bands, then flag bands.
        expression: JSON text of a serialised `ee.Image` that has exactly these bands (see `images.compose`), or None.
        asset: Full name of an asset, `projects/.../assets/...`, or None.
        nodata: For plain assets: value of a band that means "no data".
        flags: For expressions: where the validity of each data band is, in their order.
        subset: Whether the image of the expression has more bands than these.
    """

    bands: tuple[FetchBand, ...]
    expression: str | None = None
    asset: str | None = None
    nodata: Mapping[str, float] = field(default_factory=dict, hash=False)
    flags: tuple[Flag, ...] = ()
    subset: bool = False

    def __post_init__(self) -> None:
        if (self.expression is None) == (self.asset is None):
            raise InputError("a pixel source needs either an expression or an asset")
        names = [band.name for band in self.bands]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice or not self.data_bands:
            raise InputError(f"bands {twice or names} cannot be fetched: give at least one, and each once")

    @cached_property
    def data_bands(self) -> tuple[FetchBand, ...]:
        """Bands that hold data, in order."""
        flags = {flag.band for flag in self.flags}
        return tuple(band for band in self.bands if band.name not in flags)

    @cached_property
    def pixel_bytes(self) -> int:
        """Bytes of one pixel as Earth Engine counts: those of each band, and one for its mask."""
        return sum(band.itemsize + 1 for band in self.bands)

    @property
    def method(self) -> str:
        """Path of the REST method, with `{project}` to fill in for an expression."""
        return "v1/projects/{project}/image:computePixels" if self.asset is None else f"v1/{self.asset}:getPixels"

    @cached_property
    def prefix(self) -> bytes:
        """Everything of a request's body before its grid: encoded once, as expressions are long."""
        fields = ['"fileFormat":"NPY"']
        if self.expression is not None:
            fields.append(f'"expression":{self.expression}')
        if self.asset is not None or self.subset:
            fields.append(f'"bandIds":{json.dumps([band.name for band in self.bands])}')
        return ("{" + ",".join(fields)).encode()

    @cached_property
    def fingerprint(self) -> str:
        """Stable hash of what is asked for; the same source has the same one in every process."""
        return hashlib.sha256(self.method.encode() + self.prefix).hexdigest()[:16]

    def halves(self) -> tuple[PixelSource, PixelSource] | None:
        """The same source by halves of its data bands, each with the flags it needs; None for a single band."""
        count = len(self.data_bands)
        return None if count < 2 else (self._part(slice(0, count // 2)), self._part(slice(count // 2, count)))

    def _part(self, part: slice) -> PixelSource:
        flags = self.flags[part]
        needed = {flag.band for flag in flags}
        kept = self.data_bands[part] + tuple(band for band in self.bands if band.name in needed)
        return replace(self, bands=kept, flags=flags, subset=True)

    def __getstate__(self) -> dict[str, Any]:
        """Only the fields: what is cached is cheaper computed than sent."""
        return {f.name: getattr(self, f.name) for f in fields(self)}


def plain_asset(asset_id: str, bands: Sequence[FetchBand], nodata: Mapping[str, float] | None = None) -> PixelSource:
    """An image asset as it is stored, fetched without an expression.

    Earth Engine answers 0 for masked pixels and does not say where they are. So validity is known only by the value
    that the asset uses for "no data", and by numbers that are not finite; use `images.compose` for masked assets.

    Args:
        asset_id: Such as "USGS/SRTMGL1_003" or "projects/p/assets/name".
        bands: Bands of the asset, with the types in which it stores them.
        nodata: Value that means "no data", for each band that has one.

    Raises:
        InputError: `nodata` names a band that is not fetched, or a band's type is unknown.
    """
    nodata = dict(nodata or {})
    unknown = sorted(set(nodata) - {band.name for band in bands})
    if unknown:
        raise InputError(f"nodata is given for {unknown}, which are not among the bands {[b.name for b in bands]}")
    return PixelSource(tuple(bands), asset=asset_name(asset_id), nodata=nodata)


def asset_name(asset_id: str) -> str:
    """Full name of an asset, as REST paths have it (the rule of `ee._cloud_api_utils`, earthengine-api 1.7)."""
    asset_id = asset_id.strip("/")
    if _ASSET_NAME.fullmatch(asset_id):
        return asset_id
    room = "legacy" if asset_id.split("/")[0] in ("users", "projects") else "public"
    return f"projects/earthengine-{room}/assets/{asset_id}"
