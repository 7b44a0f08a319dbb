"""What a dataset's page shows, from patches to the pieces of the template."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from rsbot_beam.data.bands import Band, LabelClass, Layout
from rsbot_beam.data.patch import Patch
from rsbot_beam.data.raw_store import RawStore
from rsbot_beam.data.splits import SPLITS, SpatialSplit
from rsbot_beam.errors import DatasetError
from rsbot_beam.geometry import TileKey
from rsbot_beam.pages import dataset_map, dataset_sample
from rsbot_beam.pages.dataset_classes import class_rows, dead_letter_rows
from rsbot_beam.pages.dataset_histograms import PER_PATCH, Values
from rsbot_beam.pages.dataset_map import map_of_tiles
from rsbot_beam.pages.dataset_sample import choose_files, read_sample
from rsbot_beam.pages.dataset_series import INDEX, MOST_PIXELS, Series, quartiles
from rsbot_beam.pages.dataset_sheet import (
    EACH_SPLIT,
    MOST_PATCHES,
    Sheet,
    classes_of,
    clearest_step,
    place_text,
    sheet_cells,
    valid_share,
)
from rsbot_beam.pages.dataset_tiles import GROUPS, Tiles, read_tiles
from rsbot_beam.storage import StoredFile
from tests.pages.made import EVIL, write_raw_dataset
from tests.training.conftest import PLAIN, SERIES, SITES, field_patch, key_at, site_patch

SPLIT = SpatialSplit((60, 20, 20), block=1)


def picture_of(uri: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))).convert("RGB"))


# --- tiles -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Fifty stored tiles in three shards, three empty ones and two dead letters."""
    return write_raw_dataset(
        tmp_path_factory.mktemp("parts"),
        [field_patch(PLAIN, col) for col in range(50)],
        empty=[key_at(col, 5) for col in range(3)],
        dead=[key_at(col, 6) for col in range(2)],
    )


def test_every_tile_has_its_group_and_its_shard(dataset: str) -> None:
    tiles = read_tiles(RawStore(dataset, PLAIN), SPLIT)
    assert len(tiles.keys) == len(tiles.groups) == len(tiles.shards) == 55
    for key, group in zip(tiles.keys, tiles.groups, strict=True):
        wanted = "empty" if key.row == 80 else "dead" if key.row == 96 else SPLIT.split_of(key)
        assert GROUPS[group] == wanted
    assert {tiles.files[shard].path.rpartition("/")[2] for shard in tiles.shards} == {
        *("s000000.arrow", "s000020.arrow", "s000040.arrow", "without.arrow")
    }


def test_without_raw_shards_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="has no raw shards: they were removed; export it again"):
        read_tiles(RawStore(str(tmp_path), PLAIN), SPLIT)


def tiles_of(sizes: list[int], groups: list[int]) -> Tiles:
    """Shards of some sizes with a tile each."""
    files = [StoredFile(f"raw/{index:04}.arrow", size) for index, size in enumerate(sizes)]
    return Tiles([key_at(col) for col in range(len(sizes))], groups, list(range(len(sizes))), files)


def test_shards_are_chosen_within_the_bounds_and_from_everywhere() -> None:
    chosen = choose_files(tiles_of([1 << 20] * 1000, [0] * 1000))
    assert len(chosen) == dataset_sample.MOST_SHARDS
    numbers = [int(file.path[4:8]) for file in chosen]
    assert numbers == sorted(numbers)
    assert max(np.diff([0, *numbers, 1000])) < 3 * 1000 / len(chosen)
    large = choose_files(tiles_of([64 << 20] * 100, [0] * 100))
    assert sum(file.size for file in large) <= dataset_sample.MOST_BYTES


def test_each_split_is_seen_however_large_its_shard_is() -> None:
    groups = [0] * 500
    groups[250], groups[251] = 1, 2
    chosen = choose_files(tiles_of([300 << 20] * 500, groups))
    assert {"raw/0250.arrow", "raw/0251.arrow"} <= {file.path for file in chosen}
    assert len(chosen) == 3


def test_a_small_dataset_is_read_as_a_whole(dataset: str) -> None:
    store = RawStore(dataset, PLAIN)
    sample = read_sample(store, read_tiles(store, SPLIT), SPLIT)
    assert (sample.patches, sample.shards) == (50, 4)
    assert len(sample.classes_of_tiles) == 50
    text = sample.classes_of_tiles[str(key_at(0))]
    first = field_patch(PLAIN, 0)
    names = {item.code: item.name for item in PLAIN.classes}
    assert {part.rsplit(" ", 2)[0] for part in text.split(", ")} == {names[code] for code in classes_of(first)}


def test_the_map_has_all_tiles_and_gives_their_keys(dataset: str) -> None:
    tiles = read_tiles(RawStore(dataset, PLAIN), SPLIT)
    data, notes = map_of_tiles(tiles, {str(tiles.keys[7]): EVIL})
    assert data["count"] == 55
    assert notes == []
    assert data["classes"] == {"7": EVIL}
    which = np.frombuffer(base64.b64decode(data["key_of"]), "<u2")
    places = np.frombuffer(base64.b64decode(data["key_places"]), "<i4").reshape(-1, 2)
    names = [
        data["key_names"][n].replace("{row}", str(row)).replace("{col}", str(col))
        for n, (row, col) in zip(which, places, strict=True)
    ]
    assert names == [str(key) for key in tiles.keys]


def test_more_tiles_than_a_page_holds_are_thinned_and_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset_map, "MOST_FOOTPRINTS", 20)
    data, notes = map_of_tiles(tiles_of([1] * 50, [0] * 50), {})
    assert data["count"] == 17
    assert notes == ["Only one in 3 of 50 tiles is drawn."]


# --- contact sheet ---------------------------------------------------------------------------------------------------


def test_classes_of_a_patch_are_shares_of_its_valid_label() -> None:
    patch = field_patch(PLAIN, 3)
    found = classes_of(patch)
    assert patch.label is not None
    assert patch.label_valid is not None
    for code, share in found.items():
        assert share == pytest.approx((patch.label[patch.label_valid] == code).mean())
    assert list(found.values()) == sorted(found.values(), reverse=True)
    sites = site_patch(SITES, 4)
    assert sites.objects is not None
    assert sum(classes_of(sites).values()) == len(sites.objects)


def test_the_sheet_keeps_the_richest_of_each_class_and_split() -> None:
    sheet = Sheet(PLAIN, SPLITS)
    patches = [field_patch(PLAIN, col % 60, col // 60) for col in range(240)]
    for patch in patches:
        sheet.add(SPLIT.split_of(patch.key), patch)
    chosen = sheet.chosen()
    assert len({item.patch.key for item in chosen}) == len(chosen) <= MOST_PATCHES
    assert [SPLITS.index(item.split) for item in chosen] == sorted(SPLITS.index(item.split) for item in chosen)
    for split in SPLITS:
        here = [patch for patch in patches if SPLIT.split_of(patch.key) == split]
        for code in (1, 2, 5):
            best = max(here, key=lambda patch: classes_of(patch).get(code, 0.0))
            assert best.key in {item.patch.key for item in chosen}


def test_a_sheet_without_classes_still_shows_patches() -> None:
    layout = replace(PLAIN, classes=())
    sheet = Sheet(layout, SPLITS)
    for col in range(100):
        patch = replace(field_patch(PLAIN, col), layout=layout)
        sheet.add(SPLIT.split_of(patch.key), patch)
    assert len(sheet.chosen()) == 3 * 3 * EACH_SPLIT


def test_kept_patches_do_not_hold_their_shards(dataset: str) -> None:
    store = RawStore(dataset, PLAIN)
    sheet = Sheet(PLAIN, SPLITS)
    for patch in store.patches(store.files()[0].path):
        sheet.add("train", patch)
    assert all(array.base is None for item in sheet.chosen() for array in item.patch.pixels.values())
    kept = [item for heap in sheet._heaps.values() for _, _, item in heap]
    assert len(kept) > len({id(item) for item in kept}) == len({item.patch.key for item in kept})


def test_cells_have_pictures_of_everything() -> None:
    layout = Layout(
        tuple(Band(name, "uint16") for name in ("B2", "B3", "B4", "B8")),
        label=Band("landcover", "uint8"),
        classes=(LabelClass(1, EVIL, "#102030"),),
    )
    shape = (16, 16)
    pixels = {band.name: np.full(shape, 100, band.dtype) for band in layout.all_bands}
    pixels["landcover"] = np.ones(shape, np.uint8)
    pixels["B8"][:8] = 4000
    valid = {name: np.ones(shape, bool) for name in pixels}
    valid["B8"] = valid["B8"].copy()
    valid["B8"][:, :4] = False
    sheet = Sheet(layout, ("train",))
    sheet.add("train", Patch(key_at(0), layout, pixels, valid))
    (cell,) = sheet_cells(sheet.chosen(), [])
    assert [picture["name"] for picture in cell["pictures"]] == ["true colour", "false colour", "label", "valid"]
    assert cell["classes"] == [(EVIL, "#102030", "100.0 %")]
    plants = picture_of(cell["pictures"][1]["uri"])
    assert int(plants[20, 120, 0]) > int(plants[120, 120, 0]) + 100
    shares = picture_of(cell["pictures"][3]["uri"])
    assert cell["pictures"][3]["note"] == "94%"
    assert shares[80, 10, 0] < 200 < shares[80, 120, 0]


def test_labels_are_exact_and_large_patches_are_shrunk() -> None:
    patch = field_patch(PLAIN, 0)
    sheet = Sheet(PLAIN, ("train",))
    sheet.add("train", patch)
    (cell,) = sheet_cells(sheet.chosen(), [])
    label = picture_of(next(p["uri"] for p in cell["pictures"] if p["name"] == "label"))
    assert label.shape == (160, 160, 3)
    assert len(np.unique(label.reshape(-1, 3), axis=0)) <= 2 + 2  # Two classes, two greys of what is not valid.


def test_boxes_are_told_in_pixels_of_the_patch() -> None:
    patch = next(patch for col in range(20) if (patch := site_patch(SITES, col)).objects and len(patch.objects) > 1)
    sheet = Sheet(SITES, ("train",))
    sheet.add("train", patch)
    (cell,) = sheet_cells(sheet.chosen(), [])
    assert patch.objects is not None
    top, left, bottom, right = patch.objects.boxes[0].tolist()
    box = cell["boxes"][0]
    assert (box["x"], box["y"], box["width"], box["height"]) == (left, top, right - left, bottom - top)
    assert [picture["imagery"] for picture in cell["pictures"]] == [True, False, False]


def test_of_a_time_series_the_clearest_step_is_shown() -> None:
    patch = field_patch(SERIES, 0, gaps=0.0)
    for name in ("B4", "B8"):
        patch.valid[name][1] = False
    assert clearest_step(patch) in (0, 2)
    patch.valid["B4"][0, :8] = False
    assert clearest_step(patch) == 2
    assert valid_share(patch).mean() < 1
    sheet = Sheet(SERIES, ("train",))
    sheet.add("train", patch)
    (cell,) = sheet_cells(sheet.chosen(), ["April", "May", "June"])
    assert cell["when"] == "June"
    assert picture_of(cell["strip"]).shape == (16, 3 * 16 + 2 * 2, 3)


def test_places_in_words() -> None:
    patch = field_patch(PLAIN, 0)
    south_west = replace(patch, key=TileKey("EPSG:4326", 0.1, 10, 100, -200))
    assert place_text(south_west) == "10.500° S 19.500° W"


# --- values and series -----------------------------------------------------------------------------------------------


def test_values_are_a_bounded_sample_of_the_valid_ones() -> None:
    values = Values()
    pixels = np.arange(300 * 300, dtype=np.float32).reshape(300, 300)
    valid = pixels % 2 == 0
    values.add("train", "B4", pixels, valid)
    (found,) = values.by_band["B4"]["train"]
    assert PER_PATCH / 2 < found.size <= PER_PATCH
    assert (found % 2 == 0).all()
    assert found.min() < 2000
    assert found.max() > 85_000
    for _ in range(400):
        values.add("train", "B4", pixels, valid)
    assert sum(part.size for part in values.by_band["B4"]["train"]) < 210_000


def test_histograms_are_shares_of_each_split() -> None:
    values = Values()
    rng = np.random.default_rng(0)
    everywhere = np.ones((32, 32), bool)
    for _ in range(20):
        values.add("train", "B4", rng.normal(100, 10, (32, 32)), everywhere)
        values.add("test", "B4", rng.normal(200, 10, (32, 32)), everywhere)
    values.add("validation", "B4", np.full((4, 4), np.nan), np.ones((4, 4), bool))
    chart = values.chart("B4", "B4", "DN")
    assert chart is not None
    assert [shape.name for shape in chart.shapes] == ["train", "test"]
    assert values.chart("B8", "B8", "") is None


def test_a_constant_band_has_a_histogram() -> None:
    values = Values()
    values.add("train", "B4", np.full((8, 8), 7), np.ones((8, 8), bool))
    assert values.chart("B4", "B4", "") is not None


def test_series_are_of_the_pixels_of_each_class() -> None:
    series = Series(SERIES)
    for col in range(30):
        series.add(field_patch(SERIES, col))
    assert series.variables() == [INDEX, "B4", "B8"]
    water, meadow = (np.concatenate(series.pixels[code]) for code in (1, 2))
    assert water.shape[1:] == (3, 2)
    assert np.nanmean(water[..., 1]) == pytest.approx(100, abs=30)
    assert np.nanmean(meadow[..., 1]) == pytest.approx(3000, abs=30)
    charts = series.charts(["April", "May", "June"])
    assert len(charts) == 3 * 3
    assert {item["name"] for item in charts} == {"water", "meadow", "maize"}
    assert all(len(item["chart"].shapes) == 4 for item in charts)
    assert max(item["count"] for item in charts) <= MOST_PIXELS


def test_without_a_label_all_pixels_are_one_series() -> None:
    layout = replace(SERIES, label=None, classes=())
    series = Series(layout)
    patch = field_patch(SERIES, 0)
    series.add(replace(patch, layout=layout))
    assert {item["name"] for item in series.charts(["a", "b", "c"])} == {"all pixels"}


def test_without_a_time_axis_there_is_no_series() -> None:
    series = Series(PLAIN)
    series.add(field_patch(PLAIN, 0))
    assert not series.pixels
    assert series.charts([]) == []


def test_quartiles_know_nothing_of_what_is_not_valid() -> None:
    values = np.array([[1.0, np.nan], [3.0, np.nan], [np.nan, np.nan], [5.0, np.nan]])
    assert quartiles(values)[:, 0].tolist() == [2.0, 3.0, 4.0]
    assert np.isnan(quartiles(values)[:, 1]).all()


# --- tables ----------------------------------------------------------------------------------------------------------


def test_class_balance_adds_up(dataset: str) -> None:
    content = json.loads((Path(dataset) / "dataset.json").read_text())
    found = class_rows(content, SPLITS)
    assert found["unit"] == "pixels"
    assert [row["name"] for row in found["rows"]] == ["water", "meadow", "maize"]
    assert found["missing"] == ["never there"]
    for place in range(3):
        assert sum(row["splits"][place][2] for row in found["rows"]) == pytest.approx(1)


def test_dead_letters_are_counted_by_reason(tmp_path: Path, make_letters: Callable[[Path, int], RawStore]) -> None:
    store = make_letters(tmp_path, 70)
    found = dead_letter_rows(store, 70)
    assert found["read"] == 70
    assert found["rows"][0] == ("too_large", "memory", 10, "tile 1")
    assert len(found["rows"]) == 50
    assert found["more"] == 11
    assert dead_letter_rows(store, 0) == {"rows": [], "read": 0, "more": 0}


@pytest.fixture
def make_letters() -> Callable[[Path, int], RawStore]:
    def make(root: Path, count: int) -> RawStore:
        folder = root / "dead_letters"
        folder.mkdir()
        lines: list[dict[str, Any]] = [
            {"tile": f"tile {n}", "attempts": 1, "request": {}}
            | (
                {"kind": "too_large", "message": "memory"}
                if 1 <= n <= 10
                else {"kind": "permanent", "message": f"no {n}"}
            )
            for n in range(count)
        ]
        (folder / "a.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        return RawStore(str(root), PLAIN)

    return make
