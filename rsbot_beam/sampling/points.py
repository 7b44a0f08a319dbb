"""A tile around each of the user's own points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from rsbot_beam.data.samples import AttributeValue, Sample
from rsbot_beam.errors import InputError
from rsbot_beam.geometry import Cover, TileKey
from rsbot_beam.sampling.ground import Ground
from rsbot_beam.sampling.occupied import Occupied
from rsbot_beam.sampling.placing import checked_lonlat, in_region, pixels_at, tiles_centred
from rsbot_beam.sampling.seeds import hashed_priority
from rsbot_beam.sampling.selection import Selection, Shortfall, only_short
from rsbot_beam.sampling.settings import SamplingSettings


@dataclass(frozen=True, eq=False)
class Points:
    """The user's own points.

    Attributes:
        lon: (n,) degrees of EPSG:4326, wrapped into [-180, 180).
        lat: (n,) degrees.
        attributes: What the points carry into the examples: n values for each name. Numbers become float64 (a missing
            one NaN), anything else text (a missing one empty).

    Raises:
        InputError: A point is not on the globe, or an attribute has not as many values as there are points.
    """

    lon: np.ndarray
    lat: np.ndarray
    attributes: Mapping[str, Sequence[AttributeValue | None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        lon, lat = checked_lonlat(self.lon, self.lat, "point")
        columns = {name: _column(values) for name, values in self.attributes.items()}
        for name, values in columns.items():
            if len(values) != len(lon):
                raise InputError(
                    f"attribute {name!r} has {len(values)} values for {len(lon)} points: give one for each point"
                )
        for name, value in (("lon", lon), ("lat", lat), ("attributes", columns)):
            object.__setattr__(self, name, value)

    def __len__(self) -> int:
        return len(self.lon)

    def attributes_of(self, n: int) -> dict[str, AttributeValue]:
        """Returns what point `n` carries."""
        return {name: values[n] for name, values in self.attributes.items()}  # type: ignore[misc]


def _column(values: Sequence[object]) -> list[AttributeValue]:
    values = values.tolist() if isinstance(values, np.ndarray) else list(values)
    if all(value is None or isinstance(value, int | float | np.number) for value in values):
        return [float("nan") if value is None else float(value) for value in values]  # type: ignore[arg-type]
    return ["" if value is None else str(value) for value in values]


def point_samples(cover: Cover, points: Points, settings: SamplingSettings) -> Selection:
    """Puts a tile around each point that lies in the region: the point is in its pixel (size // 2, size // 2).

    Args:
        cover: The region and the grid; tiles are on its pixel grid, not on its tile grid.
        points: Where, and what they carry.
        settings: `seed` decides, of points whose tiles overlap, which one stays, whatever the points' order; with `overlap`
            all do, but for points in one pixel: the tile is the same.

    Returns:
        Samples of kind "point" with attributes, in the order of the points; shortfalls for those outside the region and
        for those that would overlap others.

    Raises:
        GridError: The grid's CRS has no coordinates for a point of the region.
    """
    inside = np.flatnonzero(in_region(cover.region, points.lon, points.lat))
    keys = tiles_centred(cover.grid, pixels_at(cover.grid, points.lon[inside], points.lat[inside]))
    taken = sorted(_thinned(keys, _texts(points, inside), settings))
    samples = [Sample(keys[n], kind="point", attributes=points.attributes_of(inside[n])) for n in taken]
    outside = len(points) - len(keys)
    why = f"{outside} points lie outside the region ({cover.region}); move them, or choose a larger region"
    return Selection(
        samples,
        only_short(
            Shortfall("points in the region", len(points), len(keys), why),
            Shortfall("tiles around points", len(keys), len(samples), _why_crowded(len(keys) - len(samples), settings)),
        ),
    )


def _texts(points: Points, numbers: np.ndarray) -> list[str]:
    """Returns what tells points apart, whatever their order."""
    return [
        " ".join([repr(float(points.lon[n])), repr(float(points.lat[n])), *map(str, points.attributes_of(n).values())])
        for n in numbers
    ]


def _thinned(keys: list[TileKey], texts: list[str], settings: SamplingSettings) -> list[int]:
    """Returns which tiles fit beside each other, those of a smaller hash first."""
    order = sorted(range(len(keys)), key=lambda n: (hashed_priority(settings.seed, f"point {texts[n]}"), n))
    ground, occupied = Ground.of(keys), Occupied(overlap=settings.overlap)
    return [n for n in order if occupied.take(ground, n)]


def _why_crowded(many: int, settings: SamplingSettings) -> str:
    if settings.overlap:
        return f"{many} points share a pixel with another one, and so the tile; give each place once"
    return f"the tiles of {many} points would overlap those of others; let them overlap (--overlapping), or take smaller tiles"
