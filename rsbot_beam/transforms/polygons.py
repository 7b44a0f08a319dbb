"""Polygons of a map in Beam: what blocks cut apart is joined, and every cell of the globe gets a file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import apache_beam as beam
import numpy as np
from apache_beam.metrics import Metrics

from rsbot_beam.data.places import Cell, home_cells
from rsbot_beam.geometry import TileBlock
from rsbot_beam.maps.polygon_files import read_polygons
from rsbot_beam.maps.polygons import Polygons, Row, centres, features_of_polygons, join_polygons
from rsbot_beam.transforms.counters import NAMESPACE
from rsbot_beam.transforms.detections import CellTally, VectorOutput

# Output for polygons that no block cuts; the others go on by the main output.
_WHOLE = "whole"


class JoinPolygons(beam.PTransform):
    """Writes each object of a segmentation once, whole.

    PCollection[str], the paths of files of polygons -> PCollection[CellTally], one for each cell that has objects.
    Polygons that no block cuts go straight to the cell of their centre. Those that are cut are joined first, by CRS and
    class: a chain of them may be as long as the map.

    Args:
        min_pixels: Smaller objects are left out.
        min_area: Square metres on the ellipsoid; smaller objects are left out.
        output: Where to.
    """

    def __init__(self, output: VectorOutput, min_pixels: int = 1, min_area: float = 0.0) -> None:
        super().__init__()
        self._output, self._min_pixels, self._min_area = output, min_pixels, min_area

    def expand(self, paths: beam.PCollection) -> beam.PCollection:
        """Wire reading, joining, cells and writing."""
        read = (
            paths
            | "Spread" >> beam.Reshuffle()
            | "Read" >> beam.ParDo(_Read(self._min_pixels)).with_outputs(_WHOLE, main="cut")
        )
        joined = (
            read.cut
            | "Neighbours" >> beam.GroupByKey()
            | "Join" >> beam.FlatMap(join_neighbours, self._min_pixels).with_output_types(tuple[str, Row])
        )
        return (
            (read[_WHOLE], joined)
            | "All" >> beam.Flatten()
            | "Cells" >> beam.GroupByKey()
            | "Write" >> beam.FlatMap(write_polygons_of_cell, self._output, self._min_area).with_output_types(CellTally)
        )


class _Read(beam.DoFn):
    """Sends cut polygons, by grid and class, to be joined, and whole ones that are large enough to their cells."""

    def __init__(self, min_pixels: int) -> None:
        self._min_pixels = min_pixels

    def process(self, path: str) -> Iterator[tuple[str, Row] | beam.pvalue.TaggedOutput]:
        """Read one file."""
        polygons = read_polygons(path)
        cut = polygons.take(np.flatnonzero(polygons.cut))
        for row in cut.rows():
            yield grid_name(row), row
        for item in by_cell(polygons.take(np.flatnonzero(~polygons.cut & (polygons.pixels >= self._min_pixels)))):
            yield beam.pvalue.TaggedOutput(_WHOLE, item)


def grid_name(row: Row) -> str:
    """What two parts of one object have in common: the CRS and the class."""
    return f"{TileBlock.parse(row[0]).crs} {row[2]}"


def by_cell(polygons: Polygons) -> Iterator[tuple[str, Row]]:
    """Polygons with the names of the cells that their centres lie in."""
    if not len(polygons):
        return
    lon, lat = centres(polygons)
    cells = zip(*(numbers.tolist() for numbers in home_cells(lon, lat)), strict=True)
    for (row, column), item in zip(cells, polygons.rows(), strict=True):
        yield str(Cell(row, column)), item


def join_neighbours(group: tuple[str, Iterable[Row]], min_pixels: int) -> Iterator[tuple[str, Row]]:
    """The whole objects of parts, with the names of their cells."""
    yield from by_cell(join_polygons(Polygons.of_rows(list(group[1])), min_pixels))


def write_polygons_of_cell(
    group: tuple[str, Iterable[Row]], output: VectorOutput, min_area: float
) -> Iterator[CellTally]:
    """Writes the objects of a cell, if there are any; the order of the rows does not matter."""
    features = features_of_polygons(Polygons.of_rows(list(group[1])))
    features = features.take(np.flatnonzero(features.area_m2 >= min_area))
    Metrics.counter(NAMESPACE, "polygons_kept").inc(len(features))
    if len(features):
        yield output.write(Cell.parse(group[0]), features)
