"""Longitudes for a flat map: what belongs together lies side by side, also across the antimeridian."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Where the square of Web Mercator ends (EPSG:3857), degrees: atan(sinh(pi)).
MERCATOR_END = 85.0511287798066


@dataclass(frozen=True)
class Frame:
    """The turn of the globe in which a map is drawn: longitudes lie in [west, west + 360).

    Attributes:
        west: Degrees, where the globe is cut: in the widest gap of what is shown.
    """

    west: float = -180.0

    @classmethod
    def around(cls, lon: np.ndarray) -> Frame:
        """The frame that cuts the globe where there is least to see; the usual one, where that does as well.

        Args:
            lon: float (n,), degrees, any turn.
        """
        inside = np.unique(_turned(np.asarray(lon, float), -180.0))
        if inside.size < 2:
            return cls(-180.0 if inside.size == 0 or abs(inside[0]) < 170 else float(_turned(inside - 180, -180.0)[0]))
        gaps = np.diff(inside)
        around = inside[0] + 360 - inside[-1]
        if gaps.max() <= around + 1e-9:
            return cls()
        widest = int(gaps.argmax())
        return cls(float((inside[widest] + inside[widest + 1]) / 2))

    def place(self, lon: np.ndarray) -> np.ndarray:
        """Longitudes brought into this turn of the globe."""
        return _turned(np.asarray(lon, float), self.west)


def _turned(lon: np.ndarray, west: float) -> np.ndarray:
    return np.asarray((lon - west) % 360.0 + west)


def view_of(west: float, south: float, east: float, north: float) -> list[list[float]]:
    """Bounds as Leaflet takes them, [[south, west], [north, east]], within what Mercator shows; never without extent."""
    low, high = (float(np.clip(lat, -MERCATOR_END, MERCATOR_END)) for lat in (south, north))
    least = 1e-4
    low = min(low, MERCATOR_END - least)
    return [
        [round(low, 6), round(west, 6)],
        [round(max(high, low + least), 6), round(max(east, west + least), 6)],
    ]
