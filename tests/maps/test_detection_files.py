"""Objects of a map by place: against a search through all of them."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from rsbot_beam import storage
from rsbot_beam.errors import DatasetError, InputError
from rsbot_beam.maps import detection_files, geoparquet
from rsbot_beam.maps.detection_files import WORLD, DetectionFiles, best, clusters
from rsbot_beam.maps.vectors import MapFeatures
from tests.maps.drawn_maps import CLASSES, objects_at, write_objects

WINDOWS = [(14.9, 49.8, 15.4, 50.2), (15.0, 50.0, 15.0001, 50.0001), (0.0, 0.0, 1.0, 1.0), (14.99, 49.0, 15.01, 51.0)]


def spread(count: int, seed: int = 0) -> MapFeatures:
    """Objects on both sides of the meridian 15 and the parallel 50, where cells of the globe meet."""
    rng = np.random.default_rng(seed)
    scores = rng.random(count).astype(np.float32)
    return objects_at(rng.uniform(14.6, 15.6, count), rng.uniform(49.6, 50.4, count), scores)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> DetectionFiles:
    """Three thousand objects in several files of several row groups."""
    root = str(tmp_path_factory.mktemp("map"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(geoparquet, "_ROWS", 200)
        write_objects(root, spread(3000))
    return DetectionFiles(root, CLASSES)


def meet(bbox: tuple[float, float, float, float]) -> int:
    """How many of the three thousand meet a window."""
    west, south, east, north = bbox
    bounds = np.array([shape.bounds for shape in spread(3000).geometries])
    inside = (bounds[:, 0] <= east) & (bounds[:, 2] >= west) & (bounds[:, 1] <= north) & (bounds[:, 3] >= south)
    return int(inside.sum())


@pytest.mark.parametrize("bbox", [*WINDOWS, WORLD])
def test_all_that_meet_a_window_are_found(files: DetectionFiles, bbox: tuple[float, float, float, float]) -> None:
    assert len(files) == 3000
    found = files.within(bbox)
    assert len(found.numbers) == meet(bbox)
    assert len(set(found.numbers.tolist())) == len(found.numbers)
    features = files.features(found.numbers[:20].tolist())
    for feature, number, lon, score in zip(features, found.numbers, found.lon, found.scores, strict=False):
        assert feature["properties"]["n"] == number
        assert feature["properties"]["lon"] == pytest.approx(lon, abs=1e-6)
        assert feature["properties"]["score"] == pytest.approx(score, abs=1e-4)
        assert feature["geometry"]["type"] == "Polygon"


def test_only_what_a_window_may_show_is_read(files: DetectionFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    read = []

    def counted(group: detection_files._Group, columns: object, plain: object = detection_files._read) -> object:
        read.append((group.path, group.group))
        return plain(group, columns)  # type: ignore[operator]

    monkeypatch.setattr(detection_files, "_read", counted)
    fresh = DetectionFiles(str(Path(files._groups[0].path).parents[1]), CLASSES)
    fresh.collection((15.3, 50.3, 15.35, 50.35), 100)
    assert 0 < len(set(read)) <= 2 < len(fresh._groups)
    read.clear()
    fresh.within((15.3, 50.3, 15.35, 50.35))
    assert not read, "places are kept"


def test_the_highest_scores_come_first_and_the_others_are_counted(files: DetectionFiles) -> None:
    found = files.collection(WORLD, 10)
    assert found["type"] == "FeatureCollection"
    assert found["matched"] == 3000
    wanted = np.sort(spread(3000).scores)[::-1][:10]
    np.testing.assert_allclose([f["properties"]["score"] for f in found["features"]], wanted, atol=1e-4)
    assert sum(cluster["count"] for cluster in found["clusters"]) == 3000
    assert "clusters" not in files.collection(WORLD, 3000)
    assert files.collection((0.0, 0.0, 1.0, 1.0), 10) == {"type": "FeatureCollection", "features": [], "matched": 0}


def test_clusters_lie_where_their_objects_are(files: DetectionFiles) -> None:
    bbox = (14.6, 49.6, 15.6, 50.4)
    places = files.within(bbox)
    found = clusters(places, bbox, columns=4)
    assert [c["count"] for c in found] == sorted((c["count"] for c in found), reverse=True)
    mean = sum(c["lon"] * c["count"] for c in found) / 3000
    assert mean == pytest.approx(places.lon.mean(), abs=1e-4)
    assert {c["code"] for c in found} <= {10, 20}
    assert max(c["score"] for c in found) == pytest.approx(places.scores.max(), abs=1e-4)
    assert 12 <= len(found) <= 30


def test_across_the_antimeridian(tmp_path: Path) -> None:
    lon = np.array([179.9999, 179.9, -179.9, 178.0])
    objects = objects_at(lon, np.full(4, -17.0), np.array([0.1, 0.2, 0.3, 0.4]), 500.0, "EPSG:32760")
    write_objects(str(tmp_path), objects)
    files = DetectionFiles(str(tmp_path), CLASSES)
    # The one that the antimeridian cuts lies, to whoever compares numbers, anywhere between.
    for window in ((179.5, -18.0, -179.5, -16.0), (179.5, -18.0, 180.5, -16.0), (-180.5, -18.0, -179.5, -16.0)):
        assert len(files.within(window).numbers) == 3
    assert len(files.within((179.95, -18.0, 180.05, -16.0)).numbers) == 1
    assert len(files.within((-540.0, -90.0, 540.0, 90.0)).numbers) == 4
    assert len(clusters(files.within(WORLD), (-540.0, -90.0, 540.0, 90.0))) >= 1
    (cut,) = (f for f in files.features([0, 1, 2, 3]) if f["geometry"]["type"] == "MultiPolygon")
    assert cut["properties"]["score"] == pytest.approx(0.1)


def test_objects_without_a_score_come_last(tmp_path: Path) -> None:
    objects = objects_at(np.full(3, 15.2), np.array([50.1, 50.2, 50.3]), np.array([np.nan, 0.2, 0.1]))
    write_objects(str(tmp_path), objects)
    found = DetectionFiles(str(tmp_path), CLASSES).collection(WORLD, 3)
    assert [f["properties"]["score"] for f in found["features"]] == [pytest.approx(0.2), pytest.approx(0.1), None]
    assert clusters(DetectionFiles(str(tmp_path), CLASSES).within(WORLD), WORLD)[0]["score"] == pytest.approx(0.2)


def test_what_is_not_there_is_said(files: DetectionFiles, tmp_path: Path) -> None:
    for number in (-1, 3000):
        with pytest.raises(InputError, match="there is no object"):
            files.features([number])
    for window in ((1.0, 3.0, 2.0, 2.0), (float("nan"), 0.0, 1.0, 1.0)):
        with pytest.raises(InputError, match="west, south, east, north"):
            files.within(window)
    nothing = DetectionFiles(str(tmp_path), CLASSES)
    assert len(nothing) == 0
    assert nothing.collection(WORLD, 5)["features"] == []
    storage.write_bytes(tmp_path / "detections" / "r139_c123.parquet", b"no Parquet")
    with pytest.raises(DatasetError, match="is damaged"):
        DetectionFiles(str(tmp_path), CLASSES)


def test_few_places_are_kept(files: DetectionFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detection_files, "_MOST_KEPT", 500)
    fresh = DetectionFiles(str(Path(files._groups[0].path).parents[1]), CLASSES)
    assert len(fresh.within(WORLD).numbers) == 3000
    assert sum(fresh._groups[i].rows for i in fresh._kept) <= 500


def test_many_threads(files: DetectionFiles) -> None:
    asked = [*WINDOWS, WORLD] * 6
    random.Random(2).shuffle(asked)
    with ThreadPoolExecutor(12) as pool:
        counts = list(pool.map(lambda bbox: len(files.within(bbox).numbers), asked))
    assert counts == [meet(bbox) for bbox in asked]


def test_the_best_of_equal_scores_are_the_first(files: DetectionFiles) -> None:
    places = files.within(WORLD)._replace(scores=np.zeros(3000, np.float32))
    assert best(places, 3) == [0, 1, 2]


@pytest.mark.integration
def test_objects_in_a_bucket(gcs: str) -> None:
    write_objects(gcs, spread(50))
    found = DetectionFiles(gcs, CLASSES).collection(WORLD, 50)
    assert len(found["features"]) == 50
