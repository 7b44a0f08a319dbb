"""Areas of pixels on the WGS 84 ellipsoid, in square metres, and of classes, in hectares.

Areas are true whatever the CRS: a square of 10 m in UTM has 100.08 m2 of ground on the zone's central meridian, and in
Web Mercator at 60 degrees of latitude a quarter of what the plane says.

The formulas are those of the authalic latitude: J. P. Snyder, "Map Projections: A Working Manual", USGS Professional
Paper 1395 (1987), equations 3-12 and 3-13.
"""

from __future__ import annotations

import math

import numpy as np
from affine import Affine
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox

from rsbot_beam.errors import GridError
from rsbot_beam.geometry.crs import LONLAT, crs_object, is_geographic, transformer
from rsbot_beam.geometry.units import metres_per_unit

SEMI_MAJOR = 6_378_137.0
"""Metres: equatorial radius of the WGS 84 ellipsoid (NIMA TR8350.2, table 3.1)."""

FLATTENING = 1 / 298.257223563
"""Of the WGS 84 ellipsoid (NIMA TR8350.2, table 3.1)."""

SQUARE_METRES_PER_HECTARE = 10_000.0

NODE_SPACING = 10_000.0
"""Metres between the pixels whose area is computed; others are interpolated. The scale of UTM, (1 + x^2 / 2 R^2)^2,
bends by 5e-14 per m2, so that a straight line over 10 km is off by 6e-7 of the area at most."""

MOST_PIECES = 1 << 22
"""Pieces that the pixels of one geobox are cut into at most, where they are larger than that: 32 MiB of areas."""

_E2 = FLATTENING * (2 - FLATTENING)
_E = np.sqrt(_E2)
_N = FLATTENING / (2 - FLATTENING)
# The authalic latitude less the geographic one, as sines of 2, 4, 6 and 8 times the latter, to the fourth power of the
# third flattening; the next is 1e-14. C. F. F. Karney, "On auxiliary latitudes", Survey Review 56 (2024), appendix A.
_LATITUDE_SERIES = (
    -4 / 3 * _N - 4 / 45 * _N**2 + 88 / 315 * _N**3 + 538 / 4725 * _N**4,
    34 / 45 * _N**2 + 8 / 105 * _N**3 - 2482 / 14175 * _N**4,
    -1532 / 2835 * _N**3 - 898 / 14175 * _N**4,
    6007 / 14175 * _N**4,
)


def row_areas(geobox: GeoBox) -> np.ndarray:
    """Area of one pixel of each row of a geobox in longitude and latitude, exact on the ellipsoid.

    Args:
        geobox: In a geographic CRS, north up (or south up), not rotated.

    Returns:
        (height,) float64, square metres.

    Raises:
        GridError: The geobox is projected or rotated: its rows do not have one area; use `pixel_areas`.
    """
    if not _has_rows(geobox):
        raise GridError(f"rows of a geobox in {geobox.crs} have no single area: use pixel_areas")
    transform = geobox.transform
    per_unit = crs_object(str(geobox.crs)).axis_info[0].unit_conversion_factor  # radians
    edges = (transform.f + transform.e * np.arange(geobox.shape[0] + 1)) * per_unit
    # A row may stick out over a pole by rounding or by the grid: there is no ground.
    sine = np.sin(np.clip(edges, -np.pi / 2, np.pi / 2))
    return SEMI_MAJOR**2 / 2 * abs(transform.a) * per_unit * np.abs(np.diff(_authalic(sine)))


def pixel_areas(geobox: GeoBox) -> np.ndarray:
    """Area of each pixel on the WGS 84 ellipsoid.

    Exact for geographic CRSs; for projected ones within 1e-6 of the geodesic polygon of the pixel. Pixels of more than
    10 km, whose sides bend, are the sum of smaller pieces.

    Args:
        geobox: In any CRS, across the antimeridian or over a pole as well.

    Returns:
        (height, width) float64, square metres; for geographic CRSs a read-only view of one column. In projected CRSs the
        area of a pixel does not depend on the geobox that it is in, to the last bit, but at the edge of the globe.

    Raises:
        GridError: The CRS has no longitude and latitude for any of the pixels.
    """
    if _has_rows(geobox):
        return np.broadcast_to(row_areas(geobox)[:, np.newaxis], geobox.shape)
    height, width = geobox.shape
    pieces = _pieces(geobox)
    if pieces > 1:
        finer = GeoBox((height * pieces, width * pieces), geobox.transform * Affine.scale(1 / pieces), geobox.crs)
        return pixel_areas(finer).reshape(height, pieces, width, pieces).sum(axis=(1, 3))
    areas = _on_lattice(geobox)
    if areas is not None:
        return areas
    rows, cols = _nodes(geobox, 0), _nodes(geobox, 1)
    return _weights(geobox.shape[0], rows) @ _areas_at(geobox, rows, cols) @ _weights(geobox.shape[1], cols).T


def class_areas(codes: np.ndarray, geobox: GeoBox, nodata: int | None = None) -> dict[int, float]:
    """Area of each class.

    Args:
        codes: (height, width) of an unsigned integer type.
        geobox: Where they are.
        nodata: Code to leave out.

    Returns:
        Hectares on the ellipsoid by code, ordered; only of codes that occur.

    Raises:
        GridError: The pixels are not as many as the geobox has, or its CRS has no ground there.
    """
    if codes.shape != tuple(geobox.shape):
        raise GridError(f"codes of shape {codes.shape} do not fit a geobox of shape {tuple(geobox.shape)}")
    areas = np.bincount(codes.reshape(-1), weights=pixel_areas(geobox).reshape(-1)) / SQUARE_METRES_PER_HECTARE
    return {int(code): float(areas[code]) for code in np.flatnonzero(areas) if code != nodata}


def _has_rows(geobox: GeoBox) -> bool:
    transform = geobox.transform
    return is_geographic(str(geobox.crs)) and transform.b == 0 == transform.d


def _authalic(sine: np.ndarray) -> np.ndarray:
    """Snyder's q (equation 3-12) of the sine of the latitude: 2 pi a^2 times it is the area from the equator, doubled."""
    return (1 - _E2) * (sine / (1 - _E2 * sine**2) + np.arctanh(_E * sine) / _E)


def _on_sphere(lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    """Points on the sphere of equal area (Snyder 3-13) in metres, (..., 3): areas on it are those on the ellipsoid."""
    lon, lat = np.radians(lon), np.radians(lat)
    # Not by the arcsine of 3-11, which has lost half of the digits next to a pole.
    authalic = lat + sum(c * np.sin(2 * k * lat) for k, c in enumerate(_LATITUDE_SERIES, 1))
    cosine = np.cos(authalic)
    radius = SEMI_MAJOR * np.sqrt(_authalic(np.array(1.0)) / 2)
    return radius * np.stack([cosine * np.cos(lon), cosine * np.sin(lon), np.sin(authalic)], axis=-1)


def _on_lattice(geobox: GeoBox) -> np.ndarray | None:
    """Areas interpolated between pixels whose indices, counted from the origin of the CRS, are multiples of one number.

    None where one of these pixels, which may lie outside of the geobox, has no ground.
    """
    to = geobox.transform
    linear = Affine(to.a, to.b, 0.0, to.d, to.e, 0.0)
    origin = ~linear * (to.c, to.f)
    places = []
    for axis, step in enumerate(_metres(geobox)):
        spacing = max(1, int(NODE_SPACING / step))
        # Rounded, as the noise of the division must not decide.
        index = round(origin[1 - axis], 6) + np.arange(geobox.shape[axis])
        first, last = int(index[0] // spacing), int(index[-1] // spacing) + 1
        places.append((np.arange(first, last + 1) * spacing, index / spacing - first))
    (rows, down), (cols, across) = places
    areas = _node_areas(geobox.crs, linear, rows, cols)
    if not np.isfinite(areas).all():
        return None
    return _interpolated(_interpolated(areas, down).T, across).T


def _interpolated(values: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Values (N, M) at places along the first axis, linear between the rows. No matrix product: its last bits vary."""
    below = np.minimum(places.astype(int), len(values) - 2)
    share = (places - below)[:, np.newaxis]
    return values[below] * (1 - share) + values[below + 1] * share


def _nodes(geobox: GeoBox, axis: int) -> np.ndarray:
    """Indices, with fractions, of the rows (axis 0) or columns (axis 1) at whose pixels the area is computed."""
    count = geobox.shape[axis]
    spaces = int(np.ceil(_metres(geobox)[axis] * count / NODE_SPACING))
    return np.linspace(0, count - 1, max(2, min(spaces + 1, count)))


def _pieces(geobox: GeoBox) -> int:
    """How many pieces a side a pixel is cut into, so that none is longer than the spacing of the nodes."""
    wanted = int(np.ceil(max(_metres(geobox)) / NODE_SPACING))
    return max(1, min(wanted, math.isqrt(MOST_PIECES // (geobox.shape[0] * geobox.shape[1]))))


def _metres(geobox: GeoBox) -> tuple[float, float]:
    """Height and width of a pixel in the plane."""
    to, per_unit = geobox.transform, metres_per_unit(str(geobox.crs))
    return math.hypot(to.b, to.e) * per_unit, math.hypot(to.a, to.d) * per_unit


def _areas_at(geobox: GeoBox, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
    """Areas of the pixels at all pairs of rows and columns, (rows, columns)."""
    areas = _node_areas(geobox.crs, geobox.transform, rows, cols)
    known = np.isfinite(areas)
    if not known.any():
        raise GridError(f"{geobox.crs} has no longitude and latitude for the pixels of {geobox.boundingbox}")
    # Beyond the edge of the globe there is no ground, and no data either; zeros would tear its neighbours down.
    return np.where(known, areas, areas[known].mean())


def _node_areas(crs: CRS | None, to: Affine, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
    """Areas of the pixels of an affine at all pairs of rows and columns, not finite where there is no ground."""
    corners = np.array([(0, 0), (1, 0), (1, 1), (0, 1)])[:, :, np.newaxis, np.newaxis]
    col, row = np.broadcast_arrays(cols + corners[:, 0], rows[:, np.newaxis] + corners[:, 1])
    x, y = to.a * col + to.b * row + to.c, to.d * col + to.e * row + to.f
    lon, lat = transformer(str(crs), LONLAT).transform(x, y)
    with np.errstate(invalid="ignore"):
        points = _on_sphere(np.asarray(lon), np.asarray(lat))
        return np.linalg.norm(np.cross(points[2] - points[0], points[3] - points[1]), axis=-1) / 2


def _weights(count: int, nodes: np.ndarray) -> np.ndarray:
    """Matrix (count, nodes) that interpolates linearly from the nodes to each of `count` pixels."""
    index = np.arange(count)
    if count == 1:
        return np.full((1, len(nodes)), 1 / len(nodes))
    place = index / (count - 1) * (len(nodes) - 1)
    left = np.minimum(place.astype(int), len(nodes) - 2)
    matrix = np.zeros((count, len(nodes)))
    matrix[index, left], matrix[index, left + 1] = 1 - (place - left), place - left
    return matrix
