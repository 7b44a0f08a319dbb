"""Duplicates out of a map's detections, in Beam: every cell of the globe sees to its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import apache_beam as beam
from apache_beam.metrics import Metrics

from rsbot_beam import storage
from rsbot_beam.data.bands import LabelClass
from rsbot_beam.data.detections import Detections, read_detections
from rsbot_beam.data.duplicates import DuplicateRule, cells_of_detections, unique_of_cell
from rsbot_beam.data.period import Period
from rsbot_beam.data.places import Cell
from rsbot_beam.geometry.region import Bbox
from rsbot_beam.maps.geoparquet import write_geoparquet
from rsbot_beam.maps.vectors import MapFeatures, features_of_detections
from rsbot_beam.transforms.counters import NAMESPACE

# What crosses the shuffle: a row of `Detections.rows`, some 100 bytes.
Row = tuple[str, str, float, float, float, float, float, int, bool]


@dataclass(frozen=True)
class VectorOutput:
    """Where features go, and how they are written; picklable.

    Attributes:
        folder: Local or `gs://`; gets a file for each cell.
        classes: Names of the codes.
        period: That the imagery is from.
        geometry: "box" for outlines, "point" for centres.
    """

    folder: str
    classes: tuple[LabelClass, ...]
    period: Period
    geometry: str = "box"

    def write(self, cell: Cell, features: MapFeatures, undecided: int = 0) -> CellTally:
        """Writes the features of a cell, one or more, atomically; the same features make the same file."""
        path = storage.join(self.folder, f"{cell}.parquet")
        size = write_geoparquet(path, features, self.classes, self.period, self.geometry)
        codes = features.codes.tolist()
        counts = tuple((code, codes.count(code)) for code in sorted(set(codes)))
        areas = tuple((code, float(features.area_m2[features.codes == code].sum())) for code, _ in counts)
        return CellTally(str(cell), storage.name_of(path), size, counts, areas, features.bbox, undecided)


@dataclass(frozen=True)
class CellTally:
    """What was written of a cell.

    Attributes:
        cell: Its name.
        file: Name of the file in the folder.
        nbytes: Its size.
        counts: (code, features) of each class that occurs.
        areas: (code, square metres) of each class that occurs.
        bbox: (west, south, east, north) in degrees around the features; west > east across the antimeridian.
        undecided: Detections that depend on others beyond the rule's reach; see `DuplicateRule`.
    """

    cell: str
    file: str
    nbytes: int
    counts: tuple[tuple[int, int], ...]
    areas: tuple[tuple[int, float], ...]
    bbox: Bbox
    undecided: int = 0

    @property
    def features(self) -> int:
        """Features in the file."""
        return sum(count for _, count in self.counts)


class UniqueDetections(beam.PTransform):
    """Writes each object of a map once.

    PCollection[str], the paths of files of detections -> PCollection[CellTally], one for each cell that has objects. A
    detection goes to the cell that its centre lies in and, near a border, to that cell's neighbours as a guest; no
    worker sees more than a cell and what is around it.

    Args:
        rule: What duplicates are.
        output: Where to.
    """

    def __init__(self, rule: DuplicateRule, output: VectorOutput) -> None:
        super().__init__()
        self._rule, self._output = rule, output

    def expand(self, paths: beam.PCollection) -> beam.PCollection:
        """Wire reading, cells and writing."""
        return (
            paths
            | "Spread" >> beam.Reshuffle()
            | "SendToCells" >> beam.FlatMap(send_to_cells, self._rule).with_output_types(tuple[str, Row])
            | "Cells" >> beam.GroupByKey()
            | "Write" >> beam.FlatMap(write_cell, self._rule, self._output).with_output_types(CellTally)
        )


def send_to_cells(path: str, rule: DuplicateRule) -> Iterator[tuple[str, Row]]:
    """The detections of a file, each with the name of every cell that needs to know of it."""
    detections = read_detections(path)
    for row, cells in zip(detections.rows(), cells_of_detections(detections, rule), strict=True):
        for cell in cells:
            yield str(cell), row


def write_cell(group: tuple[str, Iterable[Row]], rule: DuplicateRule, output: VectorOutput) -> Iterator[CellTally]:
    """Writes the objects at home in a cell, if there are any; the order of the rows does not matter."""
    cell = Cell.parse(group[0])
    detections = Detections.of_rows(list(group[1]))
    unique = unique_of_cell(cell, detections, rule)
    Metrics.counter(NAMESPACE, "detections_kept").inc(len(unique.detections))
    if unique.undecided:
        Metrics.counter(NAMESPACE, "detections_undecided").inc(unique.undecided)
    if len(unique.detections):
        yield output.write(cell, features_of_detections(unique.detections), unique.undecided)
