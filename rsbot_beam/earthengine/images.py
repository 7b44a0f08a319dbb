"""From an `ee.Image` to text that workers can post. For the main program: needs an initialised client."""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import ee
import numpy as np
from google.auth.exceptions import GoogleAuthError, TransportError

from rsbot_beam.earthengine.answers import REMEDY_LOGIN, REMEDY_PERMISSION
from rsbot_beam.earthengine.asset_requests import is_unserved
from rsbot_beam.earthengine.pixels import MAX_BANDS, MAX_PAYLOAD
from rsbot_beam.earthengine.source import DTYPES, FetchBand, Flag, PixelSource
from rsbot_beam.errors import (
    AuthenticationError,
    EarthEngineError,
    OutageError,
    PermanentError,
    RecipeError,
    UnservedError,
)

LOGGER = logging.getLogger("rsbot_beam")

# Validity flags in one band: uint16 is the widest type whose bits survive Earth Engine's arithmetic in any precision.
FLAGS_PER_BAND = 16

_FLAG_NAME = re.compile(r"valid_\d+")

# Numpy type -> the method of ee.Image that casts to it.
_CASTS = {
    "uint8": "toUint8",
    "int8": "toInt8",
    "uint16": "toUint16",
    "int16": "toInt16",
    "uint32": "toUint32",
    "int32": "toInt32",
    "float32": "toFloat",
    "float64": "toDouble",
}


def compose(image: ee.Image, bands: Sequence[FetchBand]) -> PixelSource:
    """Write down an image as what to fetch: its bands in their types, and flags that say which pixels are valid.

    Earth Engine answers 0 for masked pixels, which looks like data. So the validity of each band is fetched as one bit
    of an extra band: `valid_0` has the bits of the first 16 bands, `valid_1` those of the next. A pixel that is masked
    in part (a mask between 0 and 1) is valid, as it has a value. All is one expression, fetched by one request.

    Args:
        image: Any image, which need not be clipped nor have a projection.
        bands: What to fetch, in order; names are bands of the image. Values are cast as Earth Engine casts: clamped to
            the type's range, fractions cut off.

    Raises:
        RecipeError: Names are not identifiers, are taken, or are too many; or the expression is too long.
    """
    _check_names(bands)
    flags = _flags(len(bands))
    flag_bands = _flag_bands(flags)
    names = [band.name for band in bands]
    chosen = image.select(names)
    parts = [_cast(chosen.select(group).unmask(0, False), dtype) for dtype, group in _by_dtype(bands)]
    parts += [_flag_image(chosen, names, band, flags) for band in flag_bands]
    whole = ee.Image.cat(parts).select(names + [band.name for band in flag_bands])
    return PixelSource((*bands, *flag_bands), expression=_serialise(whole), flags=flags)


def check_source(source: PixelSource, image: ee.Image) -> None:
    """Ask Earth Engine, once, whether the image has the bands of the source in types that fit.

    Args:
        source: As `compose` made it of the image.
        image: The image that it was made of.

    Raises:
        RecipeError: A band is missing or holds arrays, or the recipe asks for what Earth Engine does not have.
        AuthenticationError: No permission.
        EarthEngineError: Earth Engine did not answer.
    """
    try:
        info = asked(image)
    except UnservedError as error:
        LOGGER.warning("bands and types of the recipe's image were not checked: %s", error)
        return
    found = {band["id"]: band["data_type"] for band in (info or {}).get("bands", [])}
    missing = [band.name for band in source.data_bands if band.name not in found]
    if missing:
        raise RecipeError(
            f"the recipe's image has no band {', '.join(missing)}; it has {', '.join(found) or 'none'}: correct the "
            "names in `bands`, or select and rename the image's bands"
        )
    arrays = [band.name for band in source.data_bands if found[band.name].get("dimensions")]
    if arrays:
        raise RecipeError(f"bands {arrays} hold arrays: flatten them with arrayFlatten or arrayGet")
    _warn_of_clamping(source, found)


def asked(value: ee.ComputedObject) -> Any:  # noqa: ANN401
    """What Earth Engine computes of a value (`getInfo`), with errors of ours.

    Raises:
        RecipeError: Earth Engine does not have what it asks for.
        AuthenticationError: No permission.
        UnservedError: This endpoint does not answer such questions.
        EarthEngineError: Earth Engine did not answer.
    """
    try:
        return value.getInfo()
    except ee.EEException as error:
        if is_unserved(error):
            raise UnservedError(f"the endpoint does not serve this ({str(error)[:500]})") from error
        raise _translated(error) from error
    except Exception as error:  # The client lets through those of google-auth, googleapiclient, httplib2 and requests.
        raise _not_reached(error) from error


def _check_names(bands: Sequence[FetchBand]) -> None:
    names = [band.name for band in bands]
    for name in names:
        if not name.isidentifier() or _FLAG_NAME.fullmatch(name):
            raise RecipeError(f"band {name!r} cannot be fetched: rename it to letters, digits and _, not valid_<n>")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice or not names:
        raise RecipeError(f"bands {twice or names} cannot be fetched: give at least one, and each once")
    if len(names) + len(_flag_bands(_flags(len(names)))) > MAX_BANDS:
        raise RecipeError(
            f"{len(names)} bands and their validity are more than the {MAX_BANDS} that Earth Engine answers at once: "
            "use fewer bands or fewer steps in time"
        )


def _flags(count: int) -> tuple[Flag, ...]:
    return tuple(Flag(f"valid_{i // FLAGS_PER_BAND}", i % FLAGS_PER_BAND) for i in range(count))


def _flag_bands(flags: Sequence[Flag]) -> tuple[FetchBand, ...]:
    bits: dict[str, int] = {}
    for flag in flags:
        bits[flag.band] = flag.bit + 1
    return tuple(FetchBand(name, "uint8" if count <= 8 else "uint16") for name, count in bits.items())


def _flag_image(image: ee.Image, names: Sequence[str], band: FetchBand, flags: Sequence[Flag]) -> ee.Image:
    """One flag band: the sum of the powers of two of the bands that are valid; 0 beyond the image's footprint."""
    members = [(name, 1 << flag.bit) for name, flag in zip(names, flags, strict=True) if flag.band == band.name]
    masks = image.select([name for name, _ in members]).mask().gt(0)
    weighted = masks.multiply(ee.Image.constant([weight for _, weight in members]))
    return _cast(weighted.reduce(ee.Reducer.sum()).rename([band.name]).unmask(0, False), band.dtype)


def _cast(image: ee.Image, dtype: str) -> ee.Image:
    return getattr(image, _CASTS[dtype])()


def _by_dtype(bands: Sequence[FetchBand]) -> Iterable[tuple[str, list[str]]]:
    for dtype in DTYPES:
        group = [band.name for band in bands if band.dtype == dtype]
        if group:
            yield dtype, group


def _serialise(image: ee.Image) -> str:
    text = ee.serializer.toJSON(image, for_cloud_api=True)
    if len(text.encode()) > MAX_PAYLOAD:
        raise RecipeError(
            f"the recipe's expression is {len(text):,} characters, Earth Engine takes {MAX_PAYLOAD:,}: simplify its "
            "geometries (filter by bounds), upload them as an asset, or map over a collection instead of a Python loop"
        )
    return text


def _warn_of_clamping(source: PixelSource, data_types: Mapping[str, Mapping[str, Any]]) -> None:
    """Warn where a whole number is declared much narrower than it is.

    Earth Engine widens the declared range with every operation, so twice the range says nothing.
    """
    narrow = []
    for band in source.data_bands:
        low, high = (data_types[band.name].get(end) for end in ("min", "max"))
        whole = data_types[band.name].get("precision") == "int" and np.dtype(band.dtype).kind in "iu"
        if whole and low is not None and high is not None and high - low > 2 * _width(band.dtype) + 2:
            narrow.append(f"{band.name} ({low:.0f}..{high:.0f}, declared {band.dtype})")
    if narrow:
        warnings.warn(
            f"bands can hold numbers that do not fit and will be clamped: {', '.join(narrow)}. Declare a wider dtype, or "
            "cast them in the recipe if that is meant",
            stacklevel=3,
        )


def _width(dtype: str) -> int:
    info = np.iinfo(dtype)
    return int(info.max) - int(info.min)


def _not_reached(error: Exception) -> EarthEngineError:
    if isinstance(error, GoogleAuthError) and not isinstance(error, TransportError):
        return AuthenticationError(f"Earth Engine does not accept the credentials: {error} {REMEDY_LOGIN}")
    return OutageError(
        f"Earth Engine did not answer the check of the recipe ({type(error).__name__}: {error}): check the network, and "
        "try again later."
    )


def _translated(error: ee.EEException) -> Exception:
    """What the client's text, which is all that it keeps of an answer, stands for."""
    text = str(error)[:500]
    words = text.lower()
    if "permission" in words and "asset" not in words:
        return AuthenticationError(f"Earth Engine denies permission: {text} {REMEDY_PERMISSION}")
    if any(word in words for word in ("did not match", "not found", "asset", "image.", "collection", "no band")):
        return RecipeError(f"Earth Engine cannot compute the recipe's image: {text}")
    if any(word in words for word in ("internal", "unavailable", "timed out", "too many", "quota")):
        return EarthEngineError(f"Earth Engine did not answer the check of the recipe: {text} Try again later.")
    return PermanentError(f"Earth Engine refuses the recipe's image: {text}")
