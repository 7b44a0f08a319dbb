"""Samples on disk and in buckets, and their shards."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rsbot_beam import storage
from rsbot_beam.data.samples import Sample
from rsbot_beam.errors import DatasetError, InputError
from rsbot_beam.geometry import TileKey
from rsbot_beam.sampling import read_samples, sample_shards, write_samples
from rsbot_beam.sampling.shards import hilbert

UTM = TileKey("EPSG:32633", 10.0, 64, -520_000, 45_000)


# Written down once: a run that is continued finds its shards by name.
NAMES_OF_SHARDS = ["samples-1eb39f80155f3bd3", "samples-b9ca5b05b1711c2d"]


def many(number: int) -> list[Sample]:
    rng = np.random.default_rng(0)
    places = np.unique(rng.integers(0, 100_000, (number, 2)), axis=0).tolist()
    return [
        Sample(UTM.shifted(row, col), f"g{n % 7}", "point", {"yield": n / 3, "crop": f"crop {n % 5}", "tile": "äöü"})
        for n, (row, col) in enumerate(places)
    ]


def test_what_is_written_is_read(any_folder: str) -> None:
    path, samples = storage.join(any_folder, "samples.arrow"), many(500)
    write_samples(path, samples)
    assert read_samples(path) == samples
    assert read_samples(path, [3, 499, 0, 3]) == [samples[3], samples[499], samples[0], samples[3]]
    assert read_samples(path, []) == []


def test_some_of_many(tmp_path: Path) -> None:
    """More than two record batches."""
    path, samples = str(tmp_path / "samples.arrow"), many(10_000)
    write_samples(path, samples)
    wanted = [9_999, 0, 4_095, 4_096, 8_192, 5]
    assert read_samples(path, wanted) == [samples[n] for n in wanted]
    assert len(read_samples(path)) == 10_000


NAMES = st.text(st.characters(codec="utf-8"), max_size=4)


@given(st.lists(st.tuples(st.integers(-(10**6), 10**6), NAMES, NAMES, st.floats(allow_nan=False), NAMES), max_size=20))
@settings(max_examples=30, deadline=None)
def test_any_text_and_number(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple]) -> None:
    path = str(tmp_path_factory.mktemp("samples") / "samples.arrow")
    samples = [Sample(UTM.shifted(n, row), g, k, {"a": f, "b": t}) for n, (row, g, k, f, t) in enumerate(rows)]
    write_samples(path, samples)
    assert read_samples(path) == samples


def test_missing_numbers_survive(tmp_path: Path) -> None:
    path = str(tmp_path / "samples.arrow")
    write_samples(path, [Sample(UTM, attributes={"a": math.nan}), Sample(UTM.shifted(9, 9), attributes={"a": 2})])
    first, second = (sample.attributes["a"] for sample in read_samples(path))
    assert math.isnan(float(first)) and second == 2.0


def test_equal_samples_are_equal_bytes(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("a", "b")]
    for path in paths:
        write_samples(str(path), many(300))
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_a_file_written_anew_is_read_anew(tmp_path: Path) -> None:
    path = str(tmp_path / "samples.arrow")
    for number in (10, 20):
        write_samples(path, many(number))
        assert read_samples(path) == many(number)


def test_no_samples(tmp_path: Path) -> None:
    path = str(tmp_path / "samples.arrow")
    write_samples(path, [])
    assert read_samples(path) == []
    assert sample_shards([]) == []


@pytest.mark.parametrize(
    "attributes", [({"a": 1.0}, {"a": "x"}), ({"a": 1.0}, {}), ({"a": "x"}, {"b": "x"}), ({"a": None}, {"a": None})]
)
def test_attributes_of_two_kinds(tmp_path: Path, attributes: tuple[dict, dict]) -> None:
    samples = [Sample(UTM.shifted(n, 0), attributes=values) for n, values in enumerate(attributes)]
    with pytest.raises(
        InputError, match=r"attribute '.' of the samples is .* give all samples a number, or all a text"
    ):
        write_samples(str(tmp_path / "samples.arrow"), samples)


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="there are no samples at"):
        read_samples(str(tmp_path / "missing.arrow"))
    path = tmp_path / "samples.arrow"
    write_samples(str(path), many(100))
    for number, content in enumerate((b"", b"no arrow", path.read_bytes()[:-200])):
        broken = tmp_path / f"broken{number}.arrow"
        broken.write_bytes(content)
        with pytest.raises(DatasetError, match="is not a file of samples, or cut off"):
            read_samples(str(broken))
    with pytest.raises(DatasetError, match="has 100 samples, none at 100"):
        read_samples(str(path), [100])


def test_shards_hold_each_sample_once() -> None:
    samples = [*many(1000), *(Sample(TileKey("EPSG:32634", 10.0, 64, 0, 64 * n)) for n in range(20))]
    shards = sample_shards(samples)
    assert sorted(n for _, indices in shards for n in indices) == list(range(len(samples)))
    assert {len(indices) for _, indices in shards} <= {16, len(many(1000)) % 16, 4}
    assert all(len({samples[n].key.crs for n in indices}) == 1 for _, indices in shards)
    assert len({name for name, _ in shards}) == len(shards)


def test_shards_do_not_depend_on_order() -> None:
    samples = many(400)
    wanted = [(name, [samples[n].key for n in indices]) for name, indices in sample_shards(samples)]
    turned = samples[::-1]
    assert [(name, [turned[n].key for n in indices]) for name, indices in sample_shards(turned)] == wanted


def test_shards_are_of_neighbours() -> None:
    samples = many(1600)
    extents = []
    for _, indices in sample_shards(samples):
        places = np.array([(samples[n].key.row, samples[n].key.col) for n in indices])
        extents.append(np.ptp(places, axis=0).max())
    # 16 of 1,600 tiles in a square of 100,000 pixels are at best in squares of 10,000.
    assert np.median(extents) < 20_000


def test_names_stay_what_they_are() -> None:
    keys = [UTM.shifted(0, 64 * n) for n in range(3)]
    assert [name for name, _ in sample_shards([Sample(key) for key in keys], 2)] == NAMES_OF_SHARDS


def test_a_hilbert_curve_visits_all_places_step_by_step() -> None:
    x, y = np.mgrid[0:32, 0:32].reshape(2, -1)
    along = hilbert(x, y, 5)
    assert sorted(along.tolist()) == list(range(1024))
    order = np.argsort(along)
    steps = np.abs(np.diff(x[order])) + np.abs(np.diff(y[order]))
    assert (steps == 1).all()


def test_shards_that_cannot_be() -> None:
    with pytest.raises(InputError, match="0 tiles per shard are too few"):
        sample_shards(many(3), 0)
    with pytest.raises(InputError, match="1 of 2 samples are of a tile that is there already"):
        sample_shards([Sample(UTM), Sample(UTM, kind="feature")])
