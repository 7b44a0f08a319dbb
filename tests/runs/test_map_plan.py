"""What a map is made concrete to: period, overlap, layout and blocks, from a model's description."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from rsbot_beam.data.bands import Band, Layout
from rsbot_beam.data.composite import Composite
from rsbot_beam.data.manifest import layout_to_dict
from rsbot_beam.data.map_layout import SAID
from rsbot_beam.data.period import Period
from rsbot_beam.errors import InputError
from rsbot_beam.runs.map_config import PredictConfig
from rsbot_beam.runs.map_plan import map_layout, map_period, model_fingerprint, seams_of

CLASSES = [{"code": code, "name": name, "colour": "#101010"} for code, name in ((3, "wheat"), (9, "maize"))]


def config(**changes: Any) -> PredictConfig:
    told: dict[str, Any] = {"model": "m", "region": "r", "output": "o", "year": 2024, **changes}
    return PredictConfig(**told)


def model(radius: int | None = 20, multiple: int = 8, overlap: int = 24, **changes: Any) -> dict[str, Any]:
    return {
        "task": "segmentation",
        "classes": CLASSES,
        "layout": layout_to_dict(Layout((Band("VV", "float32"),))),
        "period": {"start": "2022-04-01", "end": "2022-10-01"},
        "receptive_field": {"radius": radius, "multiple": multiple},
        "overlap": overlap,
        **changes,
    }


@pytest.mark.parametrize(
    ("learnt", "asked", "found"),
    [
        (("2022-04-01", "2022-10-01"), {"year": 2024}, "2024-04-01,2024-10-01"),
        (("2022-10-01", "2023-03-01"), {"year": 2019}, "2019-10-01,2020-03-01"),
        (("2020-02-29", "2020-06-01"), {"year": 2023}, "2023-03-01,2023-06-01"),
        (("2021-01-01", "2022-01-01"), {"year": 2021}, "2021-01-01,2022-01-01"),
        (("2022-04-01", "2022-10-01"), {"year": None, "period": Period.parse("2023-05-01,2023-06-01")},
         "2023-05-01,2023-06-01"),
    ],
)  # fmt: skip
def test_the_year_moves_the_model_s_days(learnt: tuple[str, str], asked: dict[str, Any], found: str) -> None:
    told = model(period={"start": learnt[0], "end": learnt[1]})
    assert map_period(config(**asked), told) == Period.parse(found)


@pytest.mark.parametrize(
    ("asked", "radius", "overlap", "ramp", "exact"),
    [(None, 20, 24, 0, True), (17, 20, 24, 0, True), (30, 20, 32, 0, True), (9, 20, 16, 16, False), (0, 20, 0, 0, False),
     (None, None, 24, 24, False), (0, 0, 0, 0, True)],
)  # fmt: skip
def test_the_overlap_is_whole_cells_and_is_told_where_it_is_too_small(
    asked: int | None, radius: int | None, overlap: int, ramp: int, exact: bool, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "rsbot_beam"):
        seams = seams_of(config(overlap=asked), model(radius=radius))
    assert (seams.size, seams.overlap, seams.ramp, seams.is_exact) == (256, overlap, ramp, exact)
    assert ("more than the overlap" in caplog.text) is not exact


def test_tiles_are_whole_cells() -> None:
    with pytest.raises(InputError, match=r"tile_size=100 must be a multiple of 8.*give 96"):
        seams_of(config(tile_size=100), model())


def test_a_detector_has_no_rasters() -> None:
    seams = seams_of(config(), model())
    found = map_layout(config(least_score=0.7), model(task="detection"), seams)
    assert (found.bands, found.polygons, found.least_score) == ((), (), 0.7)
    with pytest.raises(InputError, match="this model detects objects"):
        map_layout(config(polygons=("wheat",)), model(task="detection"), seams)


STATISTICS = [{"name": "VV", "statistics": {"quantiles": {"0.02": -20, "0.98": -5}}}]


@pytest.mark.parametrize(
    ("task", "asked", "told", "bands"),
    [
        ("segmentation", None, [], ("class",)),
        ("segmentation", None, STATISTICS, ("class", "composite")),
        ("segmentation", ("entropy",), STATISTICS, ("entropy",)),
        ("detection", None, STATISTICS, ("composite",)),
        ("detection", (), STATISTICS, ()),
    ],
)
def test_a_picture_of_the_input_is_written_where_the_model_knows_its_values(
    task: str, asked: tuple[str, ...] | None, told: list[dict[str, Any]], bands: tuple[str, ...]
) -> None:
    found = map_layout(config(bands=asked), model(task=task, bands=told), seams_of(config(), model()))
    assert found.bands == bands
    assert found.composite == (Composite(("VV",), -20.0, -5.0) if told else None)


@pytest.mark.parametrize(
    ("task", "asked", "told", "says"),
    [
        ("segmentation", ("class", "composite"), [], "does not say what values"),
        ("detection", ("class",), STATISTICS, r"bands \['class'\] of a detection: choose from composite"),
        ("segmentation", ("clas",), STATISTICS, r"bands \['clas'\] of a segmentation: choose from class"),
        ("segmentation", (), STATISTICS, "bands none of a segmentation"),
    ],
)
def test_rasters_that_cannot_be_written(
    task: str, asked: tuple[str, ...], told: list[dict[str, Any]], says: str
) -> None:
    with pytest.raises(InputError, match=says):
        map_layout(config(bands=asked), model(task=task, bands=told), seams_of(config(), model()))


def test_classes_by_name_become_codes() -> None:
    seams = seams_of(config(), model())
    found = map_layout(config(polygons=("maize",), bands=SAID), model(), seams)
    assert (found.polygons, found.bands) == ((9,), SAID)
    with pytest.raises(InputError, match=r"no class \['rye'\]: it has wheat, maize"):
        map_layout(config(polygons=("rye", "maize")), model(), seams)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("saved_model.pb", "variables/variables.index", "variables/variables.data-00000-of-00001"):
        path = tmp_path / "saved_model" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (tmp_path / "model.json").write_text(json.dumps(model()))
    return tmp_path


def test_a_model_s_fingerprint_is_of_its_files_not_of_its_place(folder: Path, tmp_path_factory: Any) -> None:
    import shutil

    first = model_fingerprint(str(folder))
    copy = shutil.copytree(folder, tmp_path_factory.mktemp("copy") / "model")
    assert model_fingerprint(str(copy)) == first
    (folder / "model.json").write_text(json.dumps(model(overlap=32)))
    assert model_fingerprint(str(folder)) != first
    (copy / "saved_model" / "saved_model.pb").write_text("another graph")
    assert model_fingerprint(str(copy)) != first


@pytest.mark.parametrize("name", ["saved_model.pb", "variables/variables.index"])
def test_a_model_that_is_not_whole(folder: Path, name: str) -> None:
    (folder / "saved_model" / name).unlink()
    with pytest.raises(InputError, match=f"is not whole.*lacks {Path(name).name}"):
        model_fingerprint(str(folder))
