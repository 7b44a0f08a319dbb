"""Detections and polygons through Beam: what the plain functions say, cell by cell, in the same bytes."""

from __future__ import annotations

import itertools
import json
import pickle
from dataclasses import asdict
from pathlib import Path

import apache_beam as beam
import geopandas
import numpy as np
import pytest
import shapely

from rsbot_beam import storage
from rsbot_beam.data.bands import LabelClass
from rsbot_beam.data.detections import Detections, owned, write_detections
from rsbot_beam.data.duplicates import DuplicateRule, unique_detections
from rsbot_beam.data.period import Period
from rsbot_beam.data.places import Cell
from rsbot_beam.errors import DatasetError
from rsbot_beam.geometry import TileBlock
from rsbot_beam.geometry.crs import transformer
from rsbot_beam.maps.geoparquet import read_geoparquet
from rsbot_beam.maps.polygon_files import write_polygons
from rsbot_beam.maps.polygons import Polygons, features_of_polygons, join_polygons, polygons_of_block
from rsbot_beam.maps.vectors import features_of_detections
from rsbot_beam.transforms.detections import CellTally, UniqueDetections, VectorOutput, send_to_cells, write_cell
from rsbot_beam.transforms.polygons import JoinPolygons

pytestmark = pytest.mark.integration
CLASSES = (LabelClass(1, "wind turbine"), LabelClass(2, "solar plant"))
RULE = DuplicateRule()
# Blocks of 10 km around the place where four cells meet near 15 degrees east, 50 degrees north.
SIDE = 1024
CORNER = TileBlock("EPSG:32633", 10.0, SIDE, -541 * SIDE, 48 * SIDE, 2, 2)


def output(folder: str, geometry: str = "box") -> VectorOutput:
    return VectorOutput(storage.join(folder, "detections"), CLASSES, Period.year(2024), geometry)


def scattered(count: int, seed: int = 0) -> Detections:
    """Boxes over the blocks of `CORNER`."""
    rng = np.random.default_rng(seed)
    left, bottom, right, top = CORNER.bounds
    middle = rng.uniform((left + 500, bottom + 500), (right - 500, top - 500), (count, 2))
    half = rng.uniform(50, 200, (count, 2)) / 2
    names = np.full(count, "", object), np.full(count, "EPSG:32633", object)
    codes = rng.integers(1, 3, count)
    return Detections(*names, np.hstack([middle - half, middle + half]), rng.random(count), codes, np.ones(count, bool))


def candidates(detections: Detections, folder: str, margin: float = 300.0) -> list[str]:
    """Writes what each block of `CORNER` hands in."""
    paths = []
    for row, col in itertools.product(range(2), range(2)):
        block = CORNER.part(row, col, 1, 1)
        part = owned(detections, block, margin)
        names = np.full(len(part), str(block), object)
        handed_in = Detections(names, part.crs, part.bounds, part.scores, part.codes, part.core)
        path = storage.join(folder, "candidates", f"{block}.arrow")
        if write_detections(path, handed_in):
            paths.append(path)
    return paths


def note(tally: CellTally, folder: str) -> None:
    storage.write_bytes(storage.join(folder, "tallies", f"{tally.cell}.json"), json.dumps(asdict(tally)))


def run(transform: beam.PTransform, paths: list[str], folder: str) -> list[dict]:
    """Runs a transform; returns its tallies by cell."""
    with beam.Pipeline(runner="FnApiRunner") as pipeline:
        _ = pipeline | beam.Create(paths) | transform | "Note" >> beam.Map(note, folder)
    return [json.loads(storage.read_text(file.path)) for file in storage.list_files(storage.join(folder, "tallies"))]


def files_of(folder: str) -> dict[str, bytes]:
    found = storage.list_files(storage.join(folder, "detections"))
    return {storage.name_of(file.path): storage.read_bytes(file.path) for file in found}


def test_each_object_is_written_once(any_folder: str) -> None:
    detections = scattered(800)
    paths = candidates(detections, any_folder)
    tallies = run(UniqueDetections(RULE, output(any_folder)), paths, any_folder)
    expected = features_of_detections(unique_detections(detections, RULE))
    written = read_geoparquet([storage.join(any_folder, "detections", tally["file"]) for tally in tallies])
    assert sorted(written.ids) == sorted(expected.ids)
    assert len(tallies) >= 2
    assert 0 < len(expected) < len(detections)


def test_tallies_tell_what_is_in_the_files(tmp_path: Path) -> None:
    folder = str(tmp_path)
    tallies = run(UniqueDetections(RULE, output(folder)), candidates(scattered(300), folder), folder)
    assert sorted(tally["file"] for tally in tallies) == sorted(files_of(folder))
    for tally in tallies:
        path = tmp_path / "detections" / tally["file"]
        frame = geopandas.read_parquet(path)
        assert tally["nbytes"] == path.stat().st_size
        assert dict(tally["counts"]) == frame["code"].value_counts().to_dict()
        assert dict(tally["areas"]) == pytest.approx(frame.groupby("code")["area_m2"].sum().to_dict())
        assert tally["bbox"] == pytest.approx(frame.total_bounds)
        assert tally["undecided"] == 0
        west, south, east, north = Cell.parse(tally["cell"]).bbox
        assert frame["lon"].between(west, east).all()
        assert frame["lat"].between(south, north).all()


def test_two_runs_write_the_same_bytes(tmp_path: Path) -> None:
    detections = scattered(200)
    for name, order in (("a", 1), ("b", -1)):
        folder = str(tmp_path / name)
        run(UniqueDetections(RULE, output(folder)), candidates(detections, folder)[::order], folder)
    assert files_of(str(tmp_path / "a")) == files_of(str(tmp_path / "b"))


def test_a_cell_that_is_written_again_is_the_same_file(tmp_path: Path) -> None:
    """Runners repeat what they think has failed."""
    paths = candidates(scattered(100), str(tmp_path))
    sent = [item for path in paths for item in send_to_cells(path, RULE)]
    cell = sent[0][0]
    rows = [row for name, row in sent if name == cell]
    (first,) = write_cell((cell, rows), RULE, output(str(tmp_path)))
    content = files_of(str(tmp_path))
    (second,) = write_cell((cell, iter(rows[::-1])), RULE, output(str(tmp_path)))
    assert first == second
    assert files_of(str(tmp_path)) == content
    assert first.features == sum(count for _, count in first.counts)


def test_a_cell_with_guests_only_has_no_file(tmp_path: Path) -> None:
    x, y = transformer("EPSG:4326", "EPSG:32633").transform(15.0, 49.999)
    one = Detections.of_rows([("t", "EPSG:32633", x - 50, y - 50, x + 50, y + 50, 0.5, 1, True)])
    write_detections(str(tmp_path / "c.arrow"), one)
    sent = list(send_to_cells(str(tmp_path / "c.arrow"), RULE))
    assert len(sent) > 1
    tallies = [tally for cell, row in sent for tally in write_cell((cell, [row]), RULE, output(str(tmp_path)))]
    assert len(tallies) == len(files_of(str(tmp_path))) == 1


def test_both_sides_of_the_antimeridian_meet(tmp_path: Path) -> None:
    paths = []
    for crs, lon in (("EPSG:32660", 179.9999), ("EPSG:32601", -179.9999)):
        x, y = transformer("EPSG:4326", crs).transform(lon, 66.5)
        found = Detections.of_rows([(crs, crs, x - 50, y - 50, x + 50, y + 50, 0.5, 1, True)])
        paths.append(str(tmp_path / f"{crs[-2:]}.arrow"))
        write_detections(paths[-1], found)
    tallies = run(UniqueDetections(RULE, output(str(tmp_path))), paths, str(tmp_path))
    assert [tally["counts"] for tally in tallies] == [[[1, 1]]]
    west, _, east, _ = tallies[0]["bbox"]
    assert west > 179.99
    assert east < -179.99


def test_points_are_written_where_asked_for(tmp_path: Path) -> None:
    paths = candidates(scattered(20), str(tmp_path))
    (tally, *_) = run(UniqueDetections(RULE, output(str(tmp_path), "point")), paths, str(tmp_path))
    assert set(geopandas.read_parquet(tmp_path / "detections" / tally["file"]).geom_type) == {"Point"}


def test_no_detections_are_no_files(tmp_path: Path) -> None:
    assert run(UniqueDetections(RULE, output(str(tmp_path))), [], str(tmp_path)) == []
    assert files_of(str(tmp_path)) == {}


def test_a_damaged_file_ends_the_run(tmp_path: Path) -> None:
    path = tmp_path / "broken.arrow"
    path.write_bytes(b"ARROW1\0\0 and no more")
    with pytest.raises(Exception, match=r"broken\.arrow holds no detections"):
        run(UniqueDetections(RULE, output(str(tmp_path))), [str(path)], str(tmp_path))
    with pytest.raises(DatasetError):
        list(send_to_cells(str(path), RULE))


def test_what_travels_is_small() -> None:
    rows = scattered(1000).rows()
    assert len(pickle.dumps(rows)) / 1000 < 150


def segmented(folder: str, seed: int = 0) -> tuple[list[str], Polygons]:
    """Writes the polygons of four small blocks; returns their files, and all polygons of the map in one piece."""
    rng = np.random.default_rng(seed)
    codes = np.where(rng.random((64, 64)) < 0.45, rng.integers(1, 3, (64, 64)), 0).astype(np.uint8)
    probability = rng.random((64, 64)).astype(np.float32)
    left = round(transformer("EPSG:4326", "EPSG:32633").transform(15.0, 50.0)[1] / 10)
    origin = (-left - 32, 50_000 - 32)
    paths = []
    for row, col in itertools.product((0, 32), (0, 32)):
        block = TileBlock("EPSG:32633", 10.0, 32, origin[0] + row, origin[1] + col)
        window = np.s_[row : row + 32, col : col + 32]
        paths.append(storage.join(folder, "polygons", f"{block}.arrow"))
        write_polygons(paths[-1], polygons_of_block(codes[window], block, (1, 2), probability[window]))
    whole = TileBlock("EPSG:32633", 10.0, 64, *origin)
    return paths, polygons_of_block(codes, whole, (1, 2), probability)


@pytest.mark.parametrize(("min_pixels", "min_area"), [(1, 0.0), (3, 0.0), (1, 450.0)])
def test_polygons_are_joined_and_written_once(tmp_path: Path, min_pixels: int, min_area: float) -> None:
    paths, polygons = segmented(str(tmp_path))
    tallies = run(JoinPolygons(output(str(tmp_path)), min_pixels, min_area), paths, str(tmp_path))
    expected = features_of_polygons(join_polygons(polygons, min_pixels))
    expected = expected.take(expected.area_m2 >= min_area)
    written = read_geoparquet([str(tmp_path / "detections" / tally["file"]) for tally in tallies])
    # The place is that of the border between two cells, at 50 degrees.
    assert len(tallies) == 2
    by_id = {name: n for n, name in enumerate(written.ids)}
    assert sorted(by_id) == sorted(expected.ids)
    order = [by_id[name] for name in expected.ids]
    assert shapely.equals_exact(written.geometries[order], expected.geometries).all()
    assert written.scores[order] == pytest.approx(expected.scores)


def test_polygons_are_the_same_bytes_in_any_order(tmp_path: Path) -> None:
    for name, order in (("a", 1), ("b", -1)):
        folder = str(tmp_path / name)
        run(JoinPolygons(output(folder)), segmented(folder)[0][::order], folder)
    assert files_of(str(tmp_path / "a")) == files_of(str(tmp_path / "b"))
