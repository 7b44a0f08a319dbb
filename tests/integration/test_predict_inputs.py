"""Bad input to `rsbot predict`: exit code 2, one message that says what to do, nothing half-written that looks whole."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.made_models import CLASSES, RECIPE, Models, read_run

pytestmark = pytest.mark.integration


def no_description(model: Path) -> None:
    (model / "model.json").unlink()


def unfinished(model: Path) -> None:
    (model / "model.json").unlink()
    (model / "train.json").write_text("{}")


def damaged_description(model: Path) -> None:
    (model / "model.json").write_text('{"version": 1,')


def another_version(model: Path) -> None:
    (model / "model.json").write_text('{"version": 99}')


def damaged_graph(model: Path) -> None:
    path = model / "saved_model" / "saved_model.pb"
    path.write_bytes(path.read_bytes()[:200] + b"\xff" * 300)


def no_graph(model: Path) -> None:
    (model / "saved_model" / "saved_model.pb").unlink()


def no_variables(model: Path) -> None:
    shutil.rmtree(model / "saved_model" / "variables")


def cut_variables(model: Path) -> None:
    (path,) = (model / "saved_model" / "variables").glob("variables.data*")
    path.unlink()


def other_bands(model: Path) -> None:
    content = json.loads((model / "model.json").read_text())
    content["layout"]["bands"][0]["name"] = "west"
    (model / "model.json").write_text(json.dumps(content))


def other_steps(model: Path) -> None:
    content = json.loads((model / "model.json").read_text())
    content["layout"]["steps"] = 6
    (model / "model.json").write_text(json.dumps(content))


def other_parameter(model: Path) -> None:
    content = json.loads((model / "model.json").read_text())
    content["recipe"]["parameters"]["colour"] = "red"
    (model / "model.json").write_text(json.dumps(content))


def coarse_cells(model: Path) -> None:
    content = json.loads((model / "model.json").read_text())
    content["receptive_field"]["multiple"] = 24
    (model / "model.json").write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (no_description, ["there is no model in", "rsbot train"]),
        (unfinished, ["the training of", "has not ended"]),
        (damaged_description, ["model.json is damaged"]),
        (another_version, ["has version 99"]),
        (damaged_graph, ["cannot be loaded", "Copy the whole folder"]),
        (no_graph, ["is not whole", "lacks saved_model.pb"]),
        (no_variables, ["is not whole", "lacks variables.index"]),
        (cut_variables, ["cannot be loaded", "missing or damaged"]),
        (other_bands, ["the recipe's bands are", "the model was trained with", "west"]),
        (other_steps, ["the model takes 6 steps", "--period"]),
        (other_parameter, ["has no parameter colour"]),
        (coarse_cells, ["tile_size=32 must be a multiple of 24", "give 24"]),
    ],
)
def test_models_that_cannot_be_used(
    damage: Callable[[Path], None],
    said: list[str],
    predict: Callable[..., Any],
    models: Models,
    earth: Any,
    tmp_path: Path,
) -> None:
    model, output = tmp_path / "model", tmp_path / "out"
    shutil.copytree(models.place, model)
    damage(model)
    done = predict(output, model=model)
    assert done.code == 2, done.text
    for words in said:
        assert words in done.error
    assert not list(output.glob("class/*")) and not list(output.glob("blocks/*"))
    assert not (output / "run.json").exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"recipe": None}, ["recipe 'place' of your own", "--recipe"]),
        ({"recipe": "landcover"}, ["recipe 'landcover'", "trained with 'place'"]),
        ({"recipe": "/no/such.py"}, ["/no/such.py"]),
        ({"bands": "class,clas"}, ["clas", "choose from class, probability, probabilities, entropy"]),
        ({"bands": ""}, ["choose from class"]),
        ({"polygons": "first,forest"}, ["no class ['forest']", "first, second, third"]),
        ({"min_score": 2}, ["min_score=2", "within 0..1"]),
        ({"year": None}, ["--year 2023 or --period"]),
        ({"period": "2023-01-01,2024-01-01"}, ["either --year 2023 or --period"]),
        ({"year": 1801}, ["1801"]),
        ({"overlap": "some"}, ["neither auto nor a whole number"]),
        ({"overlap": -3}, ["overlap=-3 must be 0 or more"]),
        ({"overlap": 20_000}, ["overlap of 20000 on each side takes", "GB", "smaller --tile_size or --overlap"]),
        ({"tile_size": 0}, ["tile_size=0 must be 1 or more"]),
        ({"block_side": 3}, ["block_side=3", "power of two"]),
        ({"batch_size": -1}, ["batch_size=-1"]),
        ({"geometry": "circle"}, ["circle"]),
        ({"block_mib": 900}, ["block_mib=900"]),
        ({"region": "10,50"}, ["10,50"]),
        ({"crs": "EPSG:99999"}, ["99999"]),
        ({"resolution": -10}, ["-10"]),
        ({"tiles": "centre", "region": "10.0,50.0,10.0001,50.0001"}, ["no tile has its centre", "--tiles intersects"]),
        ({"tile_sizes": 32}, ["--tile_sizes", "--tile_size"]),
    ],
    ids=str,
)
def test_flags_that_cannot_be_used(
    change: dict[str, Any], said: list[str], predict: Callable[..., Any], earth: Any, tmp_path: Path
) -> None:
    done = predict(tmp_path / "out", **change)
    assert done.code == 2, done.text
    for words in said:
        assert words in done.error
    assert not (tmp_path / "out").exists()
    assert earth.pixel_requests() == 0


def test_polygons_of_a_detector_are_refused(predict: Callable[..., Any], models: Models, tmp_path: Path) -> None:
    model = models.sites([(10.01, 50.01, 1, 0.9)], name="one site")
    done = predict(tmp_path, model=model, polygons="first")
    assert done.code == 2
    assert "--polygons are made of a segmentation" in done.error


def test_bands_that_the_endpoint_does_not_have(
    predict: Callable[..., Any], models: Models, earth: Any, tmp_path: Path
) -> None:
    """The recipe names an asset that is not there: what is wrong is told before anything is fetched."""
    recipe = tmp_path / "asset.py"
    changed = RECIPE.replace(
        "image = ee.Image.cat([east, north])",
        'image = ee.Image("projects/nobody/assets/nothing").rename("east", "north")',
    )
    assert changed != RECIPE
    recipe.write_text(changed)
    done = predict(tmp_path / "out", recipe=recipe)
    assert done.code == 2, done.text
    assert "projects/nobody/assets/nothing" in done.error
    assert earth.pixel_requests() == 0
    assert not (tmp_path / "out" / "blocks").exists()


def test_a_disk_that_is_full_is_told_and_the_same_command_goes_on(
    predict: Callable[..., Any], predict_flags: dict[str, Any], tmp_path: Path, start_command: Callable[..., Any]
) -> None:
    """A limit on the size of files stands for the disk: receipts fit, rasters of floats do not."""
    output = tmp_path / "out"
    flags = {**predict_flags, "output": output, "bands": "class,probabilities", "block_side": 2}
    prelude = (
        "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))"
    )
    full = start_command("predict", flags, prelude).wait()
    assert full.code == 1, full.text
    assert "Traceback" not in full.text
    assert "the same command continues where it was" in full.text
    assert not (output / "run.json").exists()
    assert not [path for path in output.rglob("*") if path.name.startswith(".writing-")]
    # What is there is whole: each receipt's files have the bytes that it says.
    for receipt in output.glob("blocks/*.json"):
        for path, nbytes in json.loads(receipt.read_text())["files"].items():
            assert (output / path).stat().st_size == nbytes
    done = predict(output, bands="class,probabilities", block_side=2)
    assert done.code == 0, done.text
    assert read_run(output)["tiles"]["dead"] == 0


def test_classes_that_were_not_learned_are_named_once(
    predict: Callable[..., Any], models: Models, tmp_path: Path
) -> None:
    classes = [{**dataclasses.asdict(item), "learned": item.code == 2} for item in CLASSES]
    model = models.variant(models.place, "learned_one", classes=classes)
    done = predict(tmp_path, model=model)
    assert done.code == 0, done.text
    told = [line for line in done.text.splitlines() if "has not learned" in line]
    assert len(told) == 1 and told[0].endswith(": first, third")
