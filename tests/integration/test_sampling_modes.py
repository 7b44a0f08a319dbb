"""`rsbot export --sampling ...`: which tiles are taken, what their examples hold, and that any run takes the same."""

from __future__ import annotations

import itertools
import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import pytest
import rasterio.features
import shapely

from rsbot_beam import Patch, SpatialSplit, TileKey, load_dataset, read_patches
from rsbot_beam.sampling import read_samples

pytestmark = pytest.mark.integration

WIDE = "10.0,50.0,10.2,50.12"

# Squares, a triangle, and points, as somebody would have drawn them: a plant cut by nothing, close neighbours, a mast.
PLANTS = {
    "a": ("solar", [[10.050, 50.050], [10.053, 50.050], [10.053, 50.052], [10.050, 50.052], [10.050, 50.050]]),
    "b": ("solar", [[10.0535, 50.0505], [10.056, 50.0505], [10.0545, 50.053], [10.0535, 50.0505]]),
    "c": ("wind", [10.12, 50.08]),
    "d": ("wind", [10.124, 50.083]),
    "e": ("wind", [10.17, 50.03]),
}

PLANT_RECIPE = """
from dataclasses import dataclass
from typing import ClassVar

import ee

from rsbot_beam import Band, LabelClass, LabelFeatures, Recipe


@dataclass(frozen=True, kw_only=True)
class Plants(Recipe):
    name = "plants"
    bands = (Band("fine", "uint16"),)
    label_band = Band("plant", "uint8")
    classes = (LabelClass(0, "none", "#ffffff"), LabelClass(1, "solar", "#ff0000"), LabelClass(2, "wind", "#0000ff"))
    detects = True

    file: str = ""

    def inputs(self, region, period):
        lon = ee.Image.pixelLonLat().select("longitude")
        return lon.add(180).multiply(173893.7).mod(6000).rename("fine")

    def features(self, period):
        return (LabelFeatures(self.file, None, "kind", {"solar": 1, "wind": 2}, size=120.0, id_column="name"),)

    def hard_background(self, region, period):
        return ee.Image.pixelLonLat().select("longitude").gt(10.1)


recipe = Plants()
"""


def boxes_of(keys: list[TileKey]) -> list[Any]:
    return [shapely.box(*key.bounds) for key in keys]


def assert_disjoint(keys: list[TileKey]) -> None:
    for one, other in itertools.combinations(boxes_of(keys), 2):
        assert one.intersection(other).area == 0


@pytest.fixture(scope="module")
def plants(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A recipe that detects, and its features as GeoJSON."""
    folder = tmp_path_factory.mktemp("plants")
    features = []
    for name, (kind, coordinates) in PLANTS.items():
        geometry = {"type": "Polygon", "coordinates": [coordinates]}
        if kind == "wind":
            geometry = {"type": "Point", "coordinates": coordinates}
        features.append({"type": "Feature", "geometry": geometry, "properties": {"kind": kind, "name": name}})
    (folder / "plants.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    (folder / "plants.py").write_text(PLANT_RECIPE)
    return {"recipe": folder / "plants.py", "set": f"file={folder / 'plants.geojson'}"}


@pytest.fixture(scope="module")
def around_plants(tmp_path_factory: pytest.TempPathFactory, export: Callable[..., Any], plants: dict[str, Any]) -> Path:
    folder = tmp_path_factory.mktemp("features") / "out"
    outcome = export(
        folder, **plants, region=WIDE, sampling="features", background=2.0, hard=0.5, seed=5, split="60,20,20"
    )
    assert outcome.code == 0, outcome.text
    return folder


# Random --------------------------------------------------------------------------------------------------------------


def test_random_tiles_hold_the_pixels_of_their_places(
    tmp_path: Path, fetch: Callable[..., Any], compute: Callable[..., Any]
) -> None:
    outcome = fetch(tmp_path / "out", region=WIDE, sampling="random", samples=40, seed=3)
    assert outcome.code == 0, outcome.text
    assert "40 tiles asked = 40 stored" in outcome.out
    patches = list(read_patches(tmp_path / "out"))
    assert_disjoint([patch.key for patch in patches])
    assert any(not patch.key.aligned for patch in patches)
    for patch in patches:
        pixels, valid = compute(patch.key)
        for name, values in pixels.items():
            np.testing.assert_array_equal(patch.pixels[name], values)
            np.testing.assert_array_equal(patch.valid[name], valid[name])


def test_the_seed_decides_and_not_the_workers(tmp_path: Path, fetch: Callable[..., Any]) -> None:
    flags = {"region": WIDE, "sampling": "random", "samples": 30}
    runs = {
        "one": {"seed": 3},
        "workers": {"seed": 3, "direct_num_workers": 2, "direct_running_mode": "multi_threading"},
        "other": {"seed": 4},
    }
    for name, extra in runs.items():
        assert fetch(tmp_path / name, **flags, **extra).code == 0
    files = {name: {p.name: p.read_bytes() for p in (tmp_path / name / "raw").glob("*.arrow")} for name in runs}
    assert files["one"] == files["workers"]
    assert not files["one"].keys() & files["other"].keys()


def test_too_many_random_tiles_are_reported(tmp_path: Path, fetch: Callable[..., Any]) -> None:
    outcome = fetch(tmp_path / "out", sampling="random", samples=5000)
    assert outcome.code == 0
    found = len(list(read_patches(tmp_path / "out")))
    assert 50 < found < 5000
    assert f"random tiles: 5000 asked, {found} found" in outcome.err


def test_a_sampled_run_goes_on_where_it_was(tmp_path: Path, fetch: Callable[..., Any], earth: Any) -> None:
    flags = {"region": WIDE, "sampling": "random", "samples": 20}
    assert fetch(tmp_path / "out", **flags).code == 0
    files = sorted((tmp_path / "out" / "raw").glob("*.arrow"))
    content = files[0].read_bytes()
    files[0].unlink()
    before = earth.pixel_requests()
    assert fetch(tmp_path / "out", **flags).code == 0
    assert files[0].read_bytes() == content
    assert 0 < earth.pixel_requests() - before <= 16
    other = fetch(tmp_path / "out", **{**flags, "seed": 9})
    assert other.code == 2
    assert "sampling.seed: there 0, now 9" in other.error


# Stratified ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("extra", [{}, {"direct_num_workers": 2, "direct_running_mode": "multi_threading"}])
def test_each_class_gets_its_number(tmp_path: Path, fetch: Callable[..., Any], extra: dict[str, Any]) -> None:
    outcome = fetch(
        tmp_path / "out", region=WIDE, sampling="stratified", samples=12, min_share=0.2, seed=1, patch_size=16, **extra
    )
    assert outcome.code == 0, outcome.text
    samples = read_samples(str(tmp_path / "out" / "samples.arrow"))
    held: Counter[int] = Counter()
    for patch in read_patches(tmp_path / "out"):
        assert patch.label is not None
        shares = {code: float((patch.label == code)[patch.label_valid].mean()) for code in (1, 2)}
        held.update(code for code, share in shares.items() if share >= 0.2)
    assert min(held[1], held[2]) >= 12
    assert len(samples) <= 24
    assert "asked" not in outcome.err


def test_a_rare_class_falls_short_and_says_so(tmp_path: Path, fetch: Callable[..., Any]) -> None:
    outcome = fetch(tmp_path / "out", sampling="stratified", samples=3, min_share=0.95, patch_size=128)
    assert outcome.code == 2
    assert "found no tile" in outcome.error
    assert "3 asked, 0 found" in outcome.error
    # The folder is free for the corrected command.
    assert fetch(tmp_path / "out", sampling="random", samples=2).code == 0


def test_no_classes_to_count(tmp_path: Path, fetch: Callable[..., Any], plants: dict[str, Any]) -> None:
    outcome = fetch(tmp_path / "out", **plants, region=WIDE, sampling="stratified", samples=3)
    assert outcome.code == 2
    assert "use --sampling features" in outcome.error


# Features ------------------------------------------------------------------------------------------------------------


def in_tile(key: TileKey, coordinates: Any) -> Any:
    project = pyproj.Transformer.from_crs("EPSG:4326", key.crs, always_xy=True).transform
    return shapely.transform(shapely.Polygon(coordinates), lambda xy: np.stack(project(xy[:, 0], xy[:, 1]), -1))


def test_every_plant_is_in_a_tile(around_plants: Path) -> None:
    samples = read_samples(str(around_plants / "samples.arrow"))
    assert_disjoint([sample.key for sample in samples])
    kinds = Counter(sample.kind for sample in samples)
    assert kinds["feature"] >= 3
    assert kinds["background"] + kinds["hard background"] == 2 * kinds["feature"]
    assert kinds["hard background"] == kinds["feature"]
    seen = {name for patch in read_patches(around_plants) if patch.objects for name in patch.objects.ids}
    assert seen == set(PLANTS)


def test_background_holds_no_plant(around_plants: Path) -> None:
    kinds = {sample.key: sample.kind for sample in read_samples(str(around_plants / "samples.arrow"))}
    for patch in read_patches(around_plants):
        assert patch.objects is not None
        assert (len(patch.objects) > 0) == (kinds[patch.key] == "feature")
        assert patch.label is not None
        assert patch.label.any() == (kinds[patch.key] == "feature")
        if kinds[patch.key] == "hard background":
            west = pyproj.Transformer.from_crs(patch.key.crs, "EPSG:4326", always_xy=True)
            assert west.transform(patch.key.bounds[2], patch.key.bounds[1])[0] > 10.1


def test_plants_are_painted_and_boxed_where_they_are(around_plants: Path) -> None:
    checked = 0
    for patch in read_patches(around_plants):
        assert patch.objects is not None
        painted = {name: in_tile(patch.key, xy) for name, (kind, xy) in PLANTS.items() if kind == "solar"}
        expected = rasterio.features.rasterize(
            [(shape, 1) for shape in painted.values()], patch.key.shape, transform=patch.key.transform, dtype=np.uint8
        )
        assert patch.label is not None
        assert np.array_equal(patch.label == 1, expected == 1)
        for name, box, code, cut in zip(
            patch.objects.ids, patch.objects.boxes, patch.objects.classes, patch.objects.truncated, strict=True
        ):
            assert code == (1 if PLANTS[name][0] == "solar" else 2)
            if name in painted:
                left, bottom, right, top = painted[name].intersection(shapely.box(*patch.key.bounds)).bounds
                origin_x, _, _, origin_y = patch.key.bounds
                true = [origin_y - top, left - origin_x, origin_y - bottom, right - origin_x]
                assert np.abs(box - np.array(true) / patch.key.resolution).max() < 0.01
                assert cut == (not shapely.box(*patch.key.bounds).contains(painted[name]))
                checked += 1
            elif not cut:
                assert np.abs(box[2:] - box[:2] - 12).max() < 0.05  # 120 m in pixels of 10 m
    assert checked >= 2


def test_examples_of_detection(around_plants: Path) -> None:
    content = json.loads((around_plants / "dataset.json").read_text())
    raw = {str(patch.key): patch for patch in read_patches(around_plants)}
    assert content["sampling"]["mode"] == "features"
    assert sum(content["sampling"]["kinds"].values()) == content["tiles"]["asked"]
    # The neighbour of a plant has no room for a tile of its own, and that is said.
    assert [item["what"] for item in content["sampling"]["shortfalls"]] in ([], ["features seen"])
    seen, totals = 0, Counter[int]()
    for split in ("train", "validation", "test"):
        for batch in load_dataset(around_plants, split).as_numpy_iterator():
            for i, tile in enumerate(batch["tile"]):
                objects = raw[tile.decode()].objects
                assert objects is not None
                count = int(batch["box_count"][i])
                assert count == len(objects)
                assert np.array_equal(batch["boxes"][i, :count], objects.boxes)
                assert not batch["boxes"][i, count:].any()
                totals.update(objects.classes.tolist())
                seen += 1
    assert seen == len(raw)
    for item in content["classes"]:
        assert sum(item["objects"].values()) == totals[item["code"]]
    pixels = Counter({0: 0})
    for patch in raw.values():
        pixels.update(np.asarray(patch.label).ravel().tolist())
    assert {item["code"]: sum(item["pixels"].values()) for item in content["classes"]} == {
        code: pixels[code] for code in (0, 1, 2)
    }


def test_neighbours_fall_in_one_split(around_plants: Path) -> None:
    split = SpatialSplit((60, 20, 20), 1000)
    of_plant: dict[str, set[str]] = {name: set() for name in PLANTS}
    by_key: dict[str, list[Patch]] = {}
    for patch in read_patches(around_plants):
        assert patch.group
        by_key.setdefault(split.split_of(patch.key, patch.group), []).append(patch)
        for name in patch.objects.ids if patch.objects else ():
            of_plant[name].add(split.split_of(patch.key, patch.group))
    assert of_plant["a"] == of_plant["b"]
    assert of_plant["c"] == of_plant["d"]
    assert all(len(splits) == 1 for splits in of_plant.values())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param('{"type": "FeatureCollection", "features": []}', "no feature with a geometry", id="empty"),
        pytest.param("", "is an empty file", id="empty file"),
        pytest.param(
            '{"type": "Feature", "properties": {"kind": "hydro", "name": "x"}, '
            '"geometry": {"type": "Point", "coordinates": [10.1, 50.1]}}',
            "'hydro' \\(1 features\\)",
            id="unknown class",
        ),
        pytest.param(
            '{"type": "Feature", "properties": {"kind": "wind", "name": "x"}, '
            '"geometry": {"type": "Point", "coordinates": [50.1, 10.1]}}',
            "lies in the region",
            id="elsewhere",
        ),
        pytest.param(
            '{"type": "Feature", "properties": {"type": "wind"}, '
            '"geometry": {"type": "Point", "coordinates": [10.1, 50.1]}}',
            "kind",
            id="no such column",
        ),
    ],
)
def test_broken_features(
    tmp_path: Path, fetch: Callable[..., Any], plants: dict[str, Any], content: str, message: str
) -> None:
    (tmp_path / "file.geojson").write_text(content)
    flags = {**plants, "set": f"file={tmp_path / 'file.geojson'}"}
    outcome = fetch(tmp_path / "out", **flags, region=WIDE, sampling="features")
    assert outcome.code == 2
    assert re.search(message, outcome.error), outcome.error
    assert not (tmp_path / "out" / "raw").exists()


# Points --------------------------------------------------------------------------------------------------------------


def test_points_carry_what_they_say(tmp_path: Path, export: Callable[..., Any]) -> None:
    rows = ["name,height,lat,lon"]
    rows += [
        f"mast {i},{10.5 * i if i != 3 else ''},{50.01 + 0.02 * (i // 4)},{10.01 + 0.03 * (i % 4)}" for i in range(12)
    ]
    rows.append("far away,1,0,0")
    (tmp_path / "points.csv").write_text("\n".join(rows))
    out = tmp_path / "out"
    outcome = export(out, region=WIDE, sampling="points", points=tmp_path / "points.csv", split="100,0,0")
    assert outcome.code == 0, outcome.text
    assert "12 tiles asked = 12 stored" in outcome.out
    assert "1 of 13" in outcome.err or "13 asked, 12 found" in outcome.err
    found = {}
    for batch in load_dataset(out, "train").as_numpy_iterator():
        for i, name in enumerate(batch["attribute_name"]):
            found[name.decode()] = (float(batch["attribute_height"][i]), TileKey.parse(batch["tile"][i].decode()))
    assert sorted(found) == sorted(f"mast {i}" for i in range(12))
    for i in range(12):
        height, key = found[f"mast {i}"]
        assert height == 10.5 * i or (i == 3 and np.isnan(height))
        project = pyproj.Transformer.from_crs("EPSG:4326", key.crs, always_xy=True)
        x, y = project.transform(10.01 + 0.03 * (i % 4), 50.01 + 0.02 * (i // 4))
        left, bottom, right, top = key.bounds
        assert abs((left + right) / 2 - x) <= key.resolution
        assert abs((bottom + top) / 2 - y) <= key.resolution


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"sampling": "random"}, "--samples 500"),
        ({"sampling": "points"}, "give --points FILE"),
        ({"sampling": "grid", "samples": 5}, "leave --samples out"),
        ({"sampling": "random", "samples": 5, "points": "x.csv"}, "use --sampling points"),
        ({"sampling": "features"}, "has none"),
        ({"sampling": "stratified", "samples": 5, "min_share": 2}, "at most 1"),
        ({"sampling": "features", "shift": 0.7}, "shift=0.7"),
        ({"sampling": "points", "points": "/no/where.csv"}, "does not exist"),
    ],
)
def test_flags_that_do_not_fit(tmp_path: Path, fetch: Callable[..., Any], flags: dict[str, Any], message: str) -> None:
    outcome = fetch(tmp_path / "out", **flags)
    assert outcome.code == 2
    assert message in outcome.error


def test_nothing_to_learn_from_is_said_before_the_fetch(
    tmp_path: Path, export: Callable[..., Any], plants: dict[str, Any], earth: Any
) -> None:
    flags = {**plants, "region": WIDE, "sampling": "features", "link_distance": 1e5, "split": "0.001,50,50"}
    before = earth.pixel_requests()
    outcome = export(tmp_path / "out", **flags)
    assert outcome.code == 2
    assert "in 1 groups that stay together" in outcome.error
    assert earth.pixel_requests() == before
    assert not (tmp_path / "out" / "export.json").exists()


def test_a_class_that_no_feature_has_is_named(
    tmp_path: Path, fetch: Callable[..., Any], plants: dict[str, Any]
) -> None:
    recipe = tmp_path / "plants.py"
    recipe.write_text(Path(plants["recipe"]).read_text().replace('"wind": 2}', '"wimd": 2, "*": 0}'))
    flags = {"recipe": recipe, "set": plants["set"], "region": WIDE, "sampling": "features", "background": 0}
    with pytest.warns(UserWarning, match="no feature has the value 'wimd' in column 'kind'.* it has 'solar', 'wind'"):
        assert fetch(tmp_path / "out", **flags).code == 0
