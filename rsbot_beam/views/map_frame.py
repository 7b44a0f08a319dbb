"""What goes around a map: coordinates, a scale bar, an arrow to the north."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke

from rsbot_beam.data.ground import wgs84
from rsbot_beam.errors import InputError
from rsbot_beam.geometry.crs import LONLAT, is_geographic, transformer
from rsbot_beam.geometry.tile import Bounds

# Screen pixels of the longer side of a map, and the least of the shorter one: a long coast is still seen.
LONGEST_SIDE, SHORTEST_SIDE = 820, 180
# Degrees between ticks, one of which leaves some five of them on a side.
_STEPS = (*(m * 10.0**e for e in range(-5, 0) for m in (1, 2, 5)), 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 90.0)
_TICKS = 5
# Points along an edge and a side of the grid from which lines of longitude and latitude are drawn.
_SAMPLES, _MESH = 512, 60
# Largest share of the map's width that the scale bar takes.
_BAR_SHARE = 0.28


@dataclass(frozen=True)
class View:
    """A rectangle of a CRS's plane that is drawn.

    Attributes:
        bounds: left, bottom, right, top in units of the CRS.
        crs: "EPSG:n".
    """

    bounds: Bounds
    crs: str

    def __post_init__(self) -> None:
        left, bottom, right, top = self.bounds
        if not (left < right and bottom < top):
            raise InputError(f"the picture's bounds {self.bounds} are empty: they are left, bottom, right, top")

    def lonlat(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Degrees of places in the plane; longitudes beyond 180 do not jump where the CRS is one of degrees."""
        if self.crs == LONLAT:
            return np.asarray(x, float), np.asarray(y, float)
        lon, lat = transformer(self.crs, LONLAT).transform(x, y)
        middle = transformer(self.crs, LONLAT).transform(*self.centre)[0]
        return middle + (np.asarray(lon) - middle + 180) % 360 - 180, np.asarray(lat)

    @property
    def centre(self) -> tuple[float, float]:
        """In units of the CRS."""
        left, bottom, right, top = self.bounds
        return (left + right) / 2, (bottom + top) / 2

    def metres(self) -> tuple[float, float]:
        """Metres in a unit along x and y at the centre, on the ellipsoid."""
        x, y = self.centre
        left, bottom, right, top = self.bounds
        # A short way around the centre: true there, and on one side of everything.
        dx, dy = (right - left) / 100, (top - bottom) / 100
        lon, lat = self.lonlat(np.array([x - dx, x + dx, x, x]), np.array([y, y, y - dy, y + dy]))
        *_, metres = wgs84().inv(lon[::2], lat[::2], lon[1::2], lat[1::2])
        return float(metres[0] / (2 * dx)), float(metres[1] / (2 * dy))

    def north(self) -> tuple[float, float]:
        """Direction of true north at the centre, (x, y) of length 1."""
        if is_geographic(self.crs):
            return 0.0, 1.0
        lon, lat = self.lonlat(*(np.array([c]) for c in self.centre))
        to_plane = transformer(LONLAT, self.crs).transform
        (x, ahead_x), (y, ahead_y) = to_plane([lon[0], lon[0]], [lat[0], min(90.0, lat[0] + 1e-4)])
        length = math.hypot(ahead_x - x, ahead_y - y)
        return ((ahead_x - x) / length, (ahead_y - y) / length) if length else (0.0, 1.0)

    def panel(self) -> tuple[int, int]:
        """Width and height of the map on the screen, pixels, with the ground's proportions at the centre."""
        left, bottom, right, top = self.bounds
        x, y = self.metres() if is_geographic(self.crs) else (1.0, 1.0)
        ratio = (right - left) * x / ((top - bottom) * y)
        width = LONGEST_SIDE if ratio >= 1 else round(LONGEST_SIDE * ratio)
        height = LONGEST_SIDE if ratio < 1 else round(LONGEST_SIDE / ratio)
        return max(SHORTEST_SIDE, width), max(SHORTEST_SIDE, height)


def draw_coordinates(axis: Any, view: View) -> None:  # noqa: ANN401
    """Degrees along the bottom and the left edge, and fine lines of longitude and latitude."""
    left, bottom, right, top = view.bounds
    x, y = np.linspace(left, right, _SAMPLES), np.linspace(bottom, top, _SAMPLES)
    lon, _ = view.lonlat(x, np.full_like(x, bottom))
    _, lat = view.lonlat(np.full_like(y, left), y)
    lon_step, lat_step = _step(lon), _step(lat)
    at_lon, at_lat = _crossings(x, lon, lon_step), _crossings(y, lat, lat_step)
    axis.set_xticks([place for place, _ in at_lon], [_degrees(v, lon_step, "EW") for _, v in at_lon])
    axis.set_yticks([place for place, _ in at_lat], [_degrees(v, lat_step, "NS") for _, v in at_lat])
    axis.tick_params(labelsize=8, direction="out", length=4)
    mesh = np.meshgrid(np.linspace(left, right, _MESH), np.linspace(bottom, top, _MESH))
    for values, step in zip(view.lonlat(*mesh), (lon_step, lat_step), strict=True):
        low, high = np.nanmin(values), np.nanmax(values)
        levels = np.arange(math.ceil(low / step), math.floor(high / step) + 1) * step
        if 0 < len(levels) <= 10 * _TICKS:
            axis.contour(*mesh, values, levels=levels, colors="#202020", linestyles="solid", linewidths=0.5, alpha=0.35)


def _step(degrees: np.ndarray) -> float:
    span = float(np.nanmax(degrees) - np.nanmin(degrees))
    return next((step for step in _STEPS if span / step <= _TICKS), _STEPS[-1])


def _crossings(places: np.ndarray, degrees: np.ndarray, step: float) -> list[tuple[float, float]]:
    """Where along an edge whole steps are, and which: (place, degrees)."""
    steps = degrees / step
    found = []
    for start in np.flatnonzero(np.floor(steps[1:]) != np.floor(steps[:-1])).tolist():
        low, high = sorted((steps[start], steps[start + 1]))
        # An edge that jumps from one side of the globe to the other does not pass what lies between.
        for whole in range(math.ceil(low), math.floor(high) + 1) if high - low < 2 else ():
            share = (whole - steps[start]) / (steps[start + 1] - steps[start])
            found.append((float(places[start] + share * (places[start + 1] - places[start])), whole * step))
    return list(dict.fromkeys(found))


def _degrees(value: float, step: float, names: str) -> str:
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    if names == "EW":
        value = (value + 180) % 360 - 180
    shown = f"{abs(value):.{digits}f}°"
    on_border = round(abs(value), 9) in ((0.0, 180.0) if names == "EW" else (0.0,))
    return shown if on_border else f"{shown} {names[0] if value > 0 else names[1]}"


def draw_scale(axis: Any, view: View, panel: tuple[int, int]) -> None:  # noqa: ANN401
    """A bar in the lower left corner, as long as it says at the picture's centre; and an arrow to the north above it."""
    left, _, right, _ = view.bounds
    across = (right - left) * view.metres()[0]
    length = _nice(across * _BAR_SHARE)
    share = length / across
    name = f"{length / 1000:g} km" if length >= 1000 else f"{length:g} m"
    pixel_x, pixel_y = 1 / panel[0], 1 / panel[1]
    x, y = 12 * pixel_x, 12 * pixel_y
    box = (x - 6 * pixel_x, y - 5 * pixel_y), share + 12 * pixel_x, 31 * pixel_y
    style: dict[str, Any] = {"transform": axis.transAxes, "zorder": 5}
    axis.add_patch(Rectangle(*box, facecolor="white", alpha=0.8, edgecolor="none", **style))
    for part, colour in enumerate(("black", "white")):
        corner = x + part * share / 2, y
        axis.add_patch(Rectangle(corner, share / 2, 6 * pixel_y, facecolor=colour, edgecolor="black", lw=0.8, **style))
    axis.text(x + share / 2, y + 9 * pixel_y, name, ha="center", va="bottom", fontsize=8, **style)
    _draw_north(axis, view, panel)


def _nice(metres: float) -> float:
    """The largest of 1, 2, 5, 10 ... that is no longer."""
    power = 10.0 ** math.floor(math.log10(metres))
    return max(m * power for m in (1, 2, 5) if m * power <= metres * (1 + 1e-9))


def _draw_north(axis: Any, view: View, panel: tuple[int, int]) -> None:  # noqa: ANN401
    x, y = view.north()
    pixels = np.array([1 / panel[0], 1 / panel[1]])
    middle = 1 - 28 * pixels
    arrow = 16 * pixels * (x, y)
    seam = [withStroke(linewidth=3, foreground="white")]
    style: dict[str, Any] = {"arrowstyle": "-|>", "color": "black", "lw": 1.6, "path_effects": seam}
    axis.annotate("", middle + arrow, middle - arrow, xycoords="axes fraction", arrowprops=style, zorder=6)
    axis.text(
        *(middle - 1.4 * arrow),
        "N",
        transform=axis.transAxes,
        ha="center",
        va="center",
        fontsize=9,
        weight="bold",
        path_effects=seam,
        zorder=6,
    )
