"""Cells of the globe that keys are made of: two tiles of any CRSs that see one object send it to the same cell.

Rows are one degree of latitude high. Each has as many columns, all around the globe, as keep its cells about as wide as
high: 360 at the equator, 3 at the poles. Longitudes wrap around, so that the antimeridian is a border like any other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rsbot_beam.geometry.region import Bbox

ROWS = 180
"""Rows of one degree, 111 km: some ten thousand cells on land, with a few hundred thousand turbines at most in one."""

METRES_PER_DEGREE = 110_574.0
"""Length of the shortest degree of latitude, at the equator (WGS 84): no reach in degrees comes out too small."""


@dataclass(frozen=True, order=True, slots=True)
class Cell:
    """A part of the globe; owns its western and southern edge.

    Attributes:
        row: Degrees of its southern edge from the south pole, 0..179.
        column: Its number in the row, eastwards from longitude -180.
    """

    row: int
    column: int

    def __str__(self) -> str:
        return f"r{self.row:03d}_c{self.column:03d}"

    @classmethod
    def parse(cls, text: str) -> Cell:
        """The cell whose `str` is `text`; ValueError for another text."""
        row, column = text.removeprefix("r").split("_c")
        return cls(int(row), int(column))

    @property
    def bbox(self) -> Bbox:
        """(west, south, east, north) in degrees."""
        width = 360.0 / int(columns_of(np.array([self.row]))[0])
        return -180 + self.column * width, self.row - 90.0, -180 + (self.column + 1) * width, self.row - 89.0


def columns_of(rows: np.ndarray) -> np.ndarray:
    """Number of cells in each of some rows, int."""
    return np.maximum(1, np.round(360 * np.cos(np.radians(rows - 89.5)))).astype(int)


def home_cells(lon: np.ndarray, lat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The cells that own some points.

    Args:
        lon: float64 (n,), degrees, any turn.
        lat: float64 (n,), degrees.

    Returns:
        Row and column of each, int (n,).
    """
    rows = np.clip(np.floor(lat + 90), 0, ROWS - 1).astype(int)
    return rows, _column_at(lon, rows)


def _column_at(lon: np.ndarray, rows: np.ndarray) -> np.ndarray:
    count = columns_of(rows)
    # A longitude just below -180 rounds to 360 in the remainder: the last column's end is the first one's edge.
    return np.floor((lon + 180) % 360 / 360 * count).astype(int) % count


def cells_within(lon: float, lat: float, reach: float) -> list[Cell]:
    """All cells that have ground within a reach of a point, and perhaps some just beyond it.

    Args:
        lon: Degrees.
        lat: Degrees.
        reach: Metres.

    Returns:
        Ordered, the home among them.
    """
    high = reach / METRES_PER_DEGREE
    south, north = lat - high, lat + high
    rows = np.arange(max(0, int(np.floor(south + 90))), min(ROWS - 1, int(np.floor(north + 90))) + 1)
    steepest = max(abs(south), abs(north))
    # Degrees of longitude that the reach spans at the latitude nearest to a pole; there, all of them.
    wide = high / np.cos(np.radians(steepest)) if steepest < 89.9 else 180.0
    found = []
    for row, count in zip(rows.tolist(), columns_of(rows).tolist(), strict=True):
        if 2 * wide >= 360 - 360 / count:
            found += [Cell(row, column) for column in range(count)]
            continue
        first = int(np.floor((lon - wide + 180) / 360 * count))
        last = int(np.floor((lon + wide + 180) / 360 * count))
        found += sorted({Cell(row, column % count) for column in range(first, last + 1)})
    return found


def cells_of(lon: np.ndarray, lat: np.ndarray, reach: float) -> list[list[Cell]]:
    """The cells of `cells_within` of each point; most points are too far from any border to have more than one."""
    rows, columns = home_cells(lon, lat)
    inside = reach_beyond(lon, lat, rows, columns) >= reach
    return [
        [Cell(row, column)] if alone else cells_within(x, y, reach)
        for row, column, alone, x, y in zip(
            rows.tolist(), columns.tolist(), inside.tolist(), lon.tolist(), lat.tolist(), strict=True
        )
    ]


def reach_beyond(lon: np.ndarray, lat: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Metres from points to the nearest border of the cells that they lie in, counted short; float64 (n,)."""
    south = lat - (rows - 90)
    width = 360 / columns_of(rows)
    west = (lon + 180) % 360 - columns * width
    # The wide side of a degree of longitude would overstate how far the border is: take the narrow one, and 5 % off.
    narrow = np.cos(np.radians(np.minimum(np.maximum(np.abs(lat), np.abs(rows - 89.5) + 0.5), 90)))
    across = np.minimum(west, width - west) * narrow
    return 0.95 * METRES_PER_DEGREE * np.minimum(np.minimum(south, 1 - south), across)
