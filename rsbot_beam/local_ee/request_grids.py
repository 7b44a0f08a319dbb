"""The grid of a request for pixels: what a client sent, checked, as a `PixelGrid`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from affine import Affine

from rsbot_beam.local_ee.answers import RequestError
from rsbot_beam.local_ee.image import Image
from rsbot_beam.local_ee.provider import PixelGrid, has_plane
from rsbot_beam.local_ee.types import Band
from rsbot_beam.local_ee.values import Value

_AFFINE = ("scaleX", "shearX", "translateX", "shearY", "scaleY", "translateY")


def request_grid(given: Value, image: Image) -> PixelGrid:
    """The pixel grid of a request; what is left out comes from the image's own.

    Args:
        given: The request's `grid`, or None.
        image: Of one band at least.

    Raises:
        RequestError: When it makes no grid.
    """
    grid = _object("grid", given)
    band = image.bands[0]
    crs = grid.get("crsCode") or grid.get("crsWkt") or band.projection.crs
    if not has_plane(crs):
        raise RequestError(f"Unable to parse the grid's CRS '{crs}'.")
    affine = grid.get("affineTransform")
    transform = band.projection.transform if affine is None else _affine(_object("grid.affineTransform", affine))
    if transform.determinant == 0:
        raise RequestError(f"The grid's affine transform has pixels without an area: {tuple(transform)[:6]}.")
    return PixelGrid(str(crs), transform, _shape(grid, image, band))


def _object(name: str, value: Value) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise RequestError(f"Invalid value at '{name}': an object is expected, got {_shown(value)}.")
    return value


def _affine(given: Mapping[str, Any]) -> Affine:
    values = [_number(f"grid.affineTransform.{name}", given.get(name, 0)) for name in _AFFINE]
    if not all(math.isfinite(value) for value in values):
        raise RequestError(f"The grid's affine transform is not finite: {values}.")
    return Affine(*values)


def _shape(grid: Mapping[str, Any], image: Image, band: Band) -> tuple[int, int]:
    given = grid.get("dimensions")
    if given is not None:
        sides = _object("grid.dimensions", given)
        height, width = (_whole(f"grid.dimensions.{name}", sides.get(name, 0)) for name in ("height", "width"))
        shape = (height, width)
    elif band.shape is not None and "affineTransform" not in grid and "crsCode" not in grid:
        shape = band.shape
    else:
        raise RequestError("Image is unbounded: the grid's dimensions must be given.")
    if min(shape) <= 0:
        raise RequestError(f"The grid's dimensions must be positive, got width {shape[1]} and height {shape[0]}.")
    return shape


def _number(name: str, value: Value) -> float:
    """A number, or the text of one, as JSON of protocol buffers allows both."""
    try:
        if isinstance(value, (int, float, str)) and not isinstance(value, bool):
            return float(value)
    except (ValueError, OverflowError):
        pass
    raise RequestError(f"Invalid value at '{name}': a number is expected, got {_shown(value)}.")


def _whole(name: str, value: Value) -> int:
    number = _number(name, value)
    if not number.is_integer():
        raise RequestError(f"Invalid value at '{name}': a whole number is expected, got {_shown(value)}.")
    return int(number)


def _shown(value: Value) -> str:
    """A value in a message, not at any length."""
    text = repr(value)
    return text if len(text) <= 100 else text[:100] + "..."
