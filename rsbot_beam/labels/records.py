"""From the features of a source to records of the index: classes, names, and where they lie."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable, Iterator

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from rsbot_beam.data.feature_records import FeatureRecords
from rsbot_beam.data.label_features import LabelFeatures
from rsbot_beam.errors import InputError
from rsbot_beam.geometry.features import Features, check_columns, listed, value_text
from rsbot_beam.geometry.polygons import polygons_of
from rsbot_beam.labels.extents import extents_of

ANY = "*"
"""Value in `LabelFeatures.codes` that stands for all values that are not listed."""

BACKGROUND = 0
"""Class code of what is not there: features that a table of codes gives it are left out."""

_MOST_CODE = 2**31 - 1
_PLAIN = (shapely.GeometryType.POINT, shapely.GeometryType.POLYGON, shapely.GeometryType.MULTIPOLYGON)


def label_records(sources: Iterable[tuple[LabelFeatures, Iterable[Features]]]) -> Iterator[FeatureRecords]:
    """Yields the records of all label features of a recipe, numbered in the order in which they are painted.

    A feature of points becomes a record for each point, one of polygons a single record, whatever number of parts it has.
    Lines are left out with a warning. Features of class 0 are background: left out.

    Args:
        sources: What to learn from, and its features with the property that says the class. Names of the features of
            several sources begin with the source's number, so that they stay different.

    Raises:
        InputError: A class is unknown, no feature has an area or is a point, or coordinates lie off the globe; the message
            says which. All features have been read before an unknown class is raised.
    """
    listed_sources = list(sources)
    start = 0
    for number, (spec, chunks) in enumerate(listed_sources):
        prefix = f"{number}/" if len(listed_sources) > 1 else ""
        for records in _records_of(spec, chunks, prefix, start):
            yield records
            start += len(records)


def _records_of(spec: LabelFeatures, chunks: Iterable[Features], prefix: str, start: int) -> Iterator[FeatureRecords]:
    unknown: Counter[str] = Counter()
    met: set[str] = set()
    lines = kept = seen = 0
    for chunk in chunks:
        flat, dropped = single_parts(chunk)
        lines, seen = lines + dropped, seen + len(chunk)
        codes = class_codes(spec, flat, unknown, met)
        rows = np.flatnonzero(codes != BACKGROUND) if spec.column is not None else np.arange(len(flat))
        flat, codes = flat.take(rows), codes[rows]
        kept += len(flat)
        if len(flat):
            yield _record(spec, flat, codes, prefix, start + kept - len(flat))
    _report(spec, unknown, lines, kept, seen)
    missing = [repr(value) for value in spec.codes if value not in met and value != ANY]
    if missing and seen:
        warnings.warn(
            f"{spec.source}: no feature has the value {listed(missing)} in column {spec.column!r}, which `codes` gives a "
            f"class; it has {listed(map(repr, sorted(met)))}",
            stacklevel=2,
        )


def _report(spec: LabelFeatures, unknown: Counter[str], lines: int, kept: int, seen: int) -> None:
    if unknown:
        values = listed(f"{value!r} ({number} features)" for value, number in unknown.most_common())
        known = listed(map(repr, spec.codes)) or "whole numbers"
        raise InputError(
            f"{spec.source}: column {spec.column!r} has classes without a code: {values}. Known are {known}: add them to "
            f"`codes`, or {ANY!r} for all others, with code {BACKGROUND} to leave them out"
        )
    if lines == seen > 0:
        raise InputError(f"{spec.source} has only lines, which have no area: buffer them to polygons first")
    if seen and not kept:
        raise InputError(
            f"{spec.source}: `codes` leaves out all of {seen} features: give one of the classes a code above 0"
        )
    if lines:
        warnings.warn(f"{spec.source}: left out {lines} of {seen} features, lines, which have no area", stacklevel=2)


def single_parts(features: Features) -> tuple[Features, int]:
    """Returns points, polygons and multipolygons only: each point of a feature of its own; and how many had neither.

    A collection counts as the polygons in it, or if there are none as its points. Of a feature with several points, the
    names are the feature's with the number of the point after a dot.
    """
    plain = np.isin(shapely.get_type_id(features.geometries), _PLAIN)
    if plain.all():
        return features, 0
    rows: list[int] = []
    names: list[str] = []
    geometries: list[BaseGeometry] = []
    for row, geometry in enumerate(features.geometries):
        parts = [geometry] if plain[row] else _parts(geometry)
        rows += [row] * len(parts)
        geometries += parts
        name = features.ids[row]
        names += [name] if len(parts) == 1 else [f"{name}.{number}" for number in range(len(parts))]
    array = np.fromiter(geometries, object, len(geometries))
    taken = features.take(np.array(rows, int), array)
    return Features(taken.source, taken.crs, array, names, taken.values), len(features) - len(set(rows))


def _parts(geometry: BaseGeometry) -> list[BaseGeometry]:
    polygons = polygons_of(geometry)
    if polygons:
        return [polygons[0] if len(polygons) == 1 else shapely.multipolygons(polygons)]
    parts = shapely.get_parts(geometry)
    while (nested := shapely.get_num_geometries(parts) > 1).any():
        parts = np.concatenate([parts[~nested], shapely.get_parts(parts[nested])])
    parts = shapely.get_parts(parts)  # a collection of one
    return list(parts[(shapely.get_type_id(parts) == shapely.GeometryType.POINT) & ~shapely.is_empty(parts)])


def class_codes(
    spec: LabelFeatures, features: Features, unknown: Counter[str], met: set[str] | None = None
) -> np.ndarray:
    """Returns the class code of each feature, int32 (n,); counts in `unknown` the values that have none.

    All values are added to `met`.

    Raises:
        InputError: The features have no such property.
    """
    if spec.column is None:
        return np.full(len(features), spec.code, np.int32)
    check_columns([spec.column], features.values, features.source)
    texts = [value_text(value) for value in features.values[spec.column]]
    codes = {text: _code(spec, text) for text in set(texts)}
    (met if met is not None else set()).update(codes)
    unknown.update(text for text in texts if codes[text] is None)
    return np.array([codes[text] or 0 for text in texts], np.int32)


def _code(spec: LabelFeatures, text: str) -> int | None:
    if spec.codes:
        return spec.codes.get(text, spec.codes.get(ANY))
    return int(text) if text.isascii() and text.isdigit() and int(text) <= _MOST_CODE else None


def _record(spec: LabelFeatures, features: Features, codes: np.ndarray, prefix: str, start: int) -> FeatureRecords:
    placed = extents_of(features, spec.size)
    sizes = np.where(shapely.get_type_id(features.geometries) == shapely.GeometryType.POINT, spec.size, 0.0)
    return FeatureRecords(
        np.arange(start, start + len(features), dtype=np.int64),
        [prefix + name for name in features.ids],
        codes,
        sizes,
        placed.bboxes,
        placed.points,
        placed.crs,
        [bytes(wkb) for wkb in shapely.to_wkb(placed.geometries, byte_order=1)],
    )
