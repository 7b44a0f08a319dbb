"""The index of features: equal to brute force, the same bytes, kept, small in memory, and broken ones."""

from __future__ import annotations

import json
import pickle
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import Point, box

from rsbot_beam.data import feature_index
from rsbot_beam.data.feature_index import FeatureIndex
from rsbot_beam.data.feature_packing import meets, pack, reach_of
from rsbot_beam.data.feature_records import FeatureRecords
from rsbot_beam.errors import DatasetError

RecordsOf = Callable[..., FeatureRecords]


@pytest.fixture(autouse=True)
def small_partitions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feature_index, "PARTITION_RECORDS", 16)


def scattered(count: int, seed: int = 0) -> list[shapely.Polygon]:
    rng = np.random.default_rng(seed)
    corners = rng.uniform([-180, -80], [179, 80], (count, 2))
    sides = rng.choice([0.001, 0.1, 3.0], count)
    return [box(x, y, x + side, y + side) for (x, y), side in zip(corners, sides, strict=True)]


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_what_comes_back_is_what_was_put_in(tmp_path: Path, records_of: RecordsOf) -> None:
    records = records_of(scattered(100), codes=[1 + n % 3 for n in range(100)])
    index = FeatureIndex.build(str(tmp_path), [records.take(np.arange(40)), records.take(np.arange(40, 100))])
    found = index.query([(-180, -90, 180, 90)])
    for name in ("seq", "codes", "sizes", "bboxes", "points"):
        np.testing.assert_array_equal(getattr(found, name), getattr(records, name))
    for name in ("ids", "crs", "wkb"):
        assert list(getattr(found, name)) == list(getattr(records, name))
    assert found.fingerprint() == records.fingerprint() == index.fingerprint
    assert index.count == 100
    assert index.classes == {1: 34, 2: 33, 3: 33}


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 5),
    st.floats(-180, 180),
    st.floats(-85, 80),
    st.sampled_from([0.01, 1.0, 30.0, 200.0]),
)
def test_queries_equal_brute_force(
    tmp_path_factory: pytest.TempPathFactory, seed: int, west: float, south: float, side: float
) -> None:
    folder = Path(tmp_path_factory.getbasetemp()) / f"index{seed}"
    records = _records(seed)
    index = FeatureIndex.build(str(folder), [records])
    place = (west, south, west + side, min(south + side, 90))
    boxes = reach_of(records.bboxes)
    expected = [
        n
        for n, (w, s, e, t) in enumerate(boxes.tolist())
        if s <= place[3]
        and t >= place[1]
        and any(w + turn <= place[2] and e + turn >= place[0] for turn in (-720, -360, 0, 360, 720))
    ]
    assert index.query([place]).seq.tolist() == expected


def _records(seed: int) -> FeatureRecords:
    from rsbot_beam.data.label_features import LabelFeatures
    from rsbot_beam.geometry.features import Features
    from rsbot_beam.labels.records import label_records

    geometries = np.array(scattered(200, seed), object)
    features = Features("made", "EPSG:4326", geometries, [str(n) for n in range(200)])
    return FeatureRecords.concatenate(list(label_records([(LabelFeatures("made"), [features])])))


def test_each_feature_once_though_it_meets_several_places(tmp_path: Path, records_of: RecordsOf) -> None:
    index = FeatureIndex.build(str(tmp_path), [records_of([*scattered(50), box(-10, -10, 10, 10)])])
    found = index.query([(-5, -5, 5, 5), (-6, -6, -5, -5), (0, 0, 1, 1)]).seq.tolist()
    assert found.count(50) == 1
    assert found == sorted(set(found))


def test_the_antimeridian_from_both_sides(tmp_path: Path, records_of: RecordsOf) -> None:
    fiji = records_of([box(179, -18, 181, -17), box(0, -18, 1, -17), box(-179.5, -18, -179.2, -17)])
    index = FeatureIndex.build(str(tmp_path), [fiji])
    assert index.query([(179.5, -17.6, 179.6, -17.5)]).seq.tolist() == [0]
    assert index.query([(-179.9, -17.6, -179.8, -17.5)]).seq.tolist() == [0]
    assert index.query([(180.1, -17.6, 180.2, -17.5)]).seq.tolist() == [0]
    assert index.query([(179.9, -17.6, -179.1, -17.5)]).seq.tolist() == [0, 2]
    assert index.query([(-178, -17.6, 178, -17.5)]).seq.tolist() == [1]


def test_places(tmp_path: Path, records_of: RecordsOf) -> None:
    records = records_of([Point(10, 50), *scattered(40)], size=100)
    places = FeatureIndex.build(str(tmp_path), [records]).places()
    assert len(places) == 41
    np.testing.assert_array_equal(places.seq, np.arange(41))
    np.testing.assert_array_equal(places.bboxes, records.bboxes)
    np.testing.assert_array_equal(np.column_stack([places.lon, places.lat]), records.points)
    assert (places.lon[0], places.lat[0], places.ids[0], places.codes[0]) == (10, 50, "0", 1)


def test_the_same_features_make_the_same_bytes(tmp_path: Path, records_of: RecordsOf) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    for folder, cuts in ((first, [30, 70]), (second, [])):
        parts = np.split(np.arange(100), cuts)
        FeatureIndex.build(str(folder), [records_of(scattered(100)).take(part) for part in parts])
    assert content(first) == content(second)
    assert len(content(first)) > 8


def test_an_index_of_the_same_features_is_kept(tmp_path: Path, records_of: RecordsOf) -> None:
    FeatureIndex.build(str(tmp_path), [records_of(scattered(100))])
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    FeatureIndex.build(str(tmp_path), [records_of(scattered(100))])
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("loss", ["index.json", "part-00001.arrow", "places.arrow"])
def test_an_index_that_is_not_whole_is_written_again(tmp_path: Path, records_of: RecordsOf, loss: str) -> None:
    FeatureIndex.build(str(tmp_path), [records_of(scattered(100))])
    whole = content(tmp_path)
    (tmp_path / loss).unlink()
    FeatureIndex.build(str(tmp_path), [records_of(scattered(100))])
    assert content(tmp_path) == whole


def test_other_features_take_the_place_of_the_first(tmp_path: Path, records_of: RecordsOf) -> None:
    old = FeatureIndex.build(str(tmp_path), [records_of(scattered(200))])
    new = FeatureIndex.build(str(tmp_path), [records_of(scattered(20, seed=9))])
    assert new.fingerprint != old.fingerprint
    assert len(content(tmp_path)) < 12
    assert len(new.query([(-180, -90, 180, 90)])) == 20
    assert FeatureIndex.open(str(tmp_path)) == new


def test_fingerprints_tell_what_differs(records_of: RecordsOf) -> None:
    made = scattered(5)
    prints = {
        records_of(made).fingerprint(),
        records_of(made, code=2).fingerprint(),
        records_of(made[::-1]).fingerprint(),
        records_of(made[:4]).fingerprint(),
        records_of([Point(1, 1)]).fingerprint(),
        records_of([Point(1, 1)], size=10).fingerprint(),
        records_of(made, "EPSG:4258").fingerprint(),
    }
    assert len(prints) == 7
    assert records_of(made).fingerprint() in prints


def test_an_index_without_features(tmp_path: Path) -> None:
    index = FeatureIndex.build(str(tmp_path), [])
    assert index.count == 0
    assert len(index.query([(-180, -90, 180, 90)])) == 0
    assert len(index.places()) == 0


def test_it_travels_as_its_folder(tmp_path: Path, records_of: RecordsOf) -> None:
    index = FeatureIndex.build(str(tmp_path), [records_of(scattered(100))])
    index.query([(-180, -90, 180, 90)])
    text = pickle.dumps(index)
    assert len(text) < 500
    assert len(pickle.loads(text).query([(-180, -90, 180, 90)])) == 100


def test_a_place_opens_few_partitions(tmp_path: Path, records_of: RecordsOf) -> None:
    rng = np.random.default_rng(0)
    towns = rng.uniform([0, 40], [20, 55], (40, 2))
    corners = (towns[:, None] + rng.normal(0, 0.05, (40, 50, 2))).reshape(-1, 2)
    country = box(0, 40, 20, 55)
    index = FeatureIndex.build(
        str(tmp_path), [records_of([country, *(box(x, y, x + 0.001, y + 0.001) for x, y in corners)])]
    )
    directory = json.loads((tmp_path / "index.json").read_text())
    bounds = np.array([part["bbox"] for part in directory["partitions"]])
    opened = [int(meets(bounds, [(x, y, x + 0.03, y + 0.03)]).sum()) for x, y in towns]
    assert len(bounds) >= 2000 / 16
    assert np.mean(opened) < 8
    assert index.query([(5.0, 45.0, 5.01, 45.01)]).seq[0] == 0


def test_memory_is_bounded(tmp_path: Path, records_of: RecordsOf, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = feature_index._Kept(20_000)
    monkeypatch.setattr(feature_index, "_KEPT", kept)
    index = FeatureIndex.build(str(tmp_path), [records_of(scattered(2000))])
    for west in range(-180, 180, 10):
        assert len(index.query([(west, -80, west + 10, 80)])) > 10
        assert kept.bytes <= 20_000
    assert kept.bytes > 5_000


def test_threads_share_it(tmp_path: Path, records_of: RecordsOf) -> None:
    index = FeatureIndex.build(str(tmp_path), [records_of(scattered(500))])
    wanted = {west: index.query([(west, -80, west + 20, 80)]).seq.tolist() for west in range(-180, 180, 20)}
    wrong: list[int] = []

    def ask() -> None:
        for west, expected in wanted.items():
            if index.query([(west, -80, west + 20, 80)]).seq.tolist() != expected:
                wrong.append(west)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_in_a_bucket(gcs: str, tmp_path: Path, records_of: RecordsOf) -> None:
    records = records_of(scattered(60))
    index = FeatureIndex.build(f"{gcs}/features", [records])
    local = FeatureIndex.build(str(tmp_path), [records])
    assert FeatureIndex.open(f"{gcs}/features") == index
    assert index.fingerprint == local.fingerprint
    assert index.query([(-90, -80, 90, 80)]).seq.tolist() == local.query([(-90, -80, 90, 80)]).seq.tolist()
    assert len(index.places()) == 60
    with pytest.raises(DatasetError, match="there is no index of features"):
        FeatureIndex.open(f"{gcs}/elsewhere")


# --- damage ---


def test_there_is_no_index(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"there is no index of features in .*: start the run again"):
        FeatureIndex.open(str(tmp_path))


@pytest.mark.parametrize(
    ("text", "message"), [("{", "is damaged"), ("[]", "is damaged"), ('{"version": 99}', "has format 99")]
)
def test_a_directory_that_cannot_be_read(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "index.json").write_text(text)
    with pytest.raises(DatasetError, match=f"index.json {message}"):
        FeatureIndex.open(str(tmp_path))


def test_damaged_partitions_are_named(tmp_path: Path, records_of: RecordsOf) -> None:
    index = FeatureIndex.build(str(tmp_path), [records_of(scattered(30, seed=3))])
    path = tmp_path / "part-00000.arrow"
    good = path.read_bytes()
    path.write_bytes(good[:-200] + bytes(8) + good[-192:])
    with pytest.raises(DatasetError, match=r"part-00000\.arrow is damaged, or of other features"):
        index.query([(-180, -90, 180, 90)])
    path.unlink()
    with pytest.raises(DatasetError, match=r"part-00000\.arrow is gone"):
        index.query([(-180, -90, 180, 90)])


def test_an_index_replaced_meanwhile_is_noticed(
    tmp_path: Path, records_of: RecordsOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = FeatureIndex.build(str(tmp_path), [records_of(scattered(30))])
    FeatureIndex.build(str(tmp_path), [records_of(scattered(31))])
    monkeypatch.setattr(feature_index, "_KEPT", feature_index._Kept(10**6))  # as in another process
    with pytest.raises(DatasetError, match="were replaced while they were read"):
        old.query([(0, 0, 1, 1)])


# --- packing ---


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 300), st.integers(1, 20), st.integers(1, 2000), st.integers(0, 10))
def test_packs_hold_each_feature_once_within_their_limits(count: int, most: int, most_bytes: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    west, south = rng.uniform(-180, 180, count), rng.uniform(-90, 80, count)
    side = rng.choice([0.01, 5.0], count)
    bboxes = np.column_stack([west, south, west + side, south + side])
    sizes = rng.integers(1, 500, count)
    packs = list(pack(bboxes, sizes, most, most_bytes))
    assert sorted(np.concatenate(packs).tolist() if packs else []) == list(range(count))
    for rows in packs:
        assert 0 < len(rows) <= most
        assert len(rows) == 1 or sizes[rows].sum() <= most_bytes


@pytest.mark.parametrize("turn", [-360, 0, 360])
def test_the_reach_holds_what_bends(turn: float) -> None:
    west, _, east, north = reach_of(np.array([[10.0 + turn, 60.0, 15.0 + turn, 60.0]]))[0]
    assert west < 10 + turn and east > 15 + turn
    # The great circle over 5 degrees of the 60th parallel bulges by 0.0022 * 25 * tan(60) / 2.6, about 0.05 degrees.
    assert north > 60.1
    assert reach_of(np.array([[10.0, 45.0, 10.01, 45.01]]))[0] == pytest.approx([10, 45, 10.01, 45.01], abs=1e-4)


def test_what_lies_around_a_pole_reaches_it() -> None:
    assert reach_of(np.array([[-180.0, -80.0, 180.0, -70.0]]))[0, 1] == -90
    assert reach_of(np.array([[-180.0, 70.0, 180.0, 80.0]]))[0, 3] == 90
