"""A map's objects as they leave the house: polygons in degrees with what is known of them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import shapely

from rsbot_beam.data.detections import Detections
from rsbot_beam.data.ground import Ground, ground_of
from rsbot_beam.geometry.crs import LONLAT, crs_object, transformer
from rsbot_beam.geometry.lonlat import cut_at_antimeridian, longitude_boxes
from rsbot_beam.geometry.polygons import repair
from rsbot_beam.geometry.projection import to_lonlat
from rsbot_beam.geometry.region import EQUAL_AREA, Bbox


@dataclass(frozen=True, eq=False)
class MapFeatures:
    """Objects of a map, n of them.

    Attributes:
        ids: object (n,), 16 hexadecimal digits that follow from place and class.
        geometries: object (n,), polygons in longitude and latitude as RFC 7946 has them: outer rings counter-clockwise,
            a MultiPolygon where the antimeridian cuts; edges are straight in degrees. Points where a file holds these.
        codes: int32 (n,), class codes.
        scores: float32 (n,), 0..1; NaN where there is none.
        area_m2: float64 (n,), on the WGS 84 ellipsoid.
        lon: float64 (n,), of the centre, degrees in [-180, 180).
        lat: float64 (n,), of the centre, degrees.
        width_m: float64 (n,), metres along the x axis of the CRS in which the object was found.
        height_m: float64 (n,), metres along its y axis.
        tile: object (n,), which tile or block the object was found in.
    """

    ids: np.ndarray
    geometries: np.ndarray
    codes: np.ndarray
    scores: np.ndarray
    area_m2: np.ndarray
    lon: np.ndarray
    lat: np.ndarray
    width_m: np.ndarray
    height_m: np.ndarray
    tile: np.ndarray

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, chosen: np.ndarray) -> MapFeatures:
        """Those that a mask or an array of indices chooses, in its order."""
        return MapFeatures(*(getattr(self, field.name)[chosen] for field in fields(self)))

    @classmethod
    def concat(cls, parts: Sequence[MapFeatures]) -> MapFeatures:
        """All of several, one or more, in their order."""
        return cls(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(cls)))

    @property
    def points(self) -> np.ndarray:
        """The centres as points, object (n,)."""
        return np.asarray(shapely.points(self.lon, self.lat), object)

    @property
    def bbox(self) -> Bbox:
        """(west, south, east, north) around all, one or more; west > east across the antimeridian (RFC 7946, 5.2)."""
        boxes = longitude_boxes(list(shapely.get_parts(self.geometries)))
        return boxes[0][0], min(b[1] for b in boxes), boxes[-1][2], max(b[3] for b in boxes)


def features_of_detections(detections: Detections) -> MapFeatures:
    """Returns detections as features, from north to south; the same ones in any order make the same features.

    Raises:
        InputError: A box lies where its CRS has no longitude and latitude.
    """
    ground = ground_of(detections)
    left, bottom, right, top = detections.bounds.T
    corners = [(left, bottom), (right, bottom), (right, top), (left, top), (left, bottom)]
    rings = np.stack([np.column_stack(corner) for corner in corners], axis=1)
    geometries = lonlat_geometries(np.asarray(shapely.polygons(rings), object), detections.crs)
    places = zip(detections.crs, detections.bounds.tolist(), detections.codes.tolist(), strict=True)
    return assemble(
        geometries,
        ground,
        detections.codes,
        detections.scores,
        detections.tile,
        [feature_id(crs, code, bounds) for crs, bounds, code in places],
    )


def assemble(
    geometries: np.ndarray,
    ground: Ground,
    codes: np.ndarray,
    scores: np.ndarray,
    tile: np.ndarray,
    ids: Sequence[str],
) -> MapFeatures:
    """Puts features together, measures them and orders them from north to south."""
    names = np.empty(len(ids), object)
    names[:] = ids
    columns = (names, geometries, codes, scores, areas_m2(geometries), ground.lon, ground.lat, ground.width)
    features = MapFeatures(*columns, ground.height, tile)
    return features.take(np.lexsort((names.astype(str), ground.lon, -ground.lat)))


def feature_id(crs: str, code: int, numbers: Sequence[float]) -> str:
    """The name of what has a class and a place: the same in every run that finds it there."""
    text = f"{crs} {code} {' '.join(map(repr, numbers))}"
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def lonlat_geometries(geometries: np.ndarray, crs: np.ndarray) -> np.ndarray:
    """Returns polygons in longitude and latitude, corner for corner, cut at the antimeridian.

    Args:
        geometries: object (n,), valid polygons in units of their CRS.
        crs: object (n,), "EPSG:n" of each.

    Returns:
        object (n,), polygons and multipolygons; outer rings counter-clockwise, holes clockwise, the same start vertex
        whatever the ring's was.
    """
    done = np.empty(len(geometries), object)
    for name in sorted(set(crs)):
        rows = np.flatnonzero(crs == name)
        coordinates = shapely.get_coordinates(geometries[rows])
        lonlat = np.column_stack(transformer(name, LONLAT).transform(*coordinates.T))
        # A copy: shapely changes geometries in place.
        done[rows] = shapely.set_coordinates(geometries[rows].copy(), lonlat)
        bounds = shapely.bounds(done[rows])
        torn = (bounds[:, 2] - bounds[:, 0] > 180) | (np.abs(bounds[:, [0, 2]]).max(axis=1, initial=0) > 180)
        for row in rows[torn].tolist():
            done[row] = _mended(done[row], geometries[row], name)
    # GEOS normalises outer rings to clockwise ones.
    return np.asarray(shapely.reverse(shapely.normalize(done)), object)


def _mended(lonlat: shapely.Polygon, native: shapely.Polygon, crs: str) -> shapely.Geometry:
    """A polygon whose longitudes jump from one side of the globe to the other, cut there."""
    rings = [shapely.get_coordinates(ring) for ring in (lonlat.exterior, *lonlat.interiors)]
    start = rings[0][0, 0]
    turned = [np.column_stack([start + (r[:, 0] - start + 180) % 360 - 180, r[:, 1]]) for r in rings]
    if np.abs(np.diff(turned[0][:, 0])).max() > 180:
        # It holds a pole.
        parts = repair(to_lonlat(native, crs_object(crs)), "")
    else:
        parts = cut_at_antimeridian(shapely.Polygon(turned[0], turned[1:]))
    return parts[0] if len(parts) == 1 else shapely.multipolygons(parts)


def areas_m2(geometries: np.ndarray) -> np.ndarray:
    """Square metres of polygons in longitude and latitude on the WGS 84 ellipsoid, float64 (n,).

    Measured in the equal-area EPSG:6933, in which edges along meridians and parallels are straight; the others are as
    short as objects are.
    """
    coordinates = shapely.get_coordinates(geometries)
    plane = np.column_stack(transformer(LONLAT, EQUAL_AREA).transform(*coordinates.T))
    return np.asarray(shapely.area(shapely.set_coordinates(geometries.copy(), plane)))
