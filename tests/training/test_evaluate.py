"""Evaluations: scores equal those computed by hand, other places are scored rightly, wrong datasets are refused."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rsbot_beam.data.splits import SPLITS
from rsbot_beam.errors import DatasetError, InputError, RsbotError
from tests.training.conftest import PLAIN, field_patch, write_dataset

pytestmark = pytest.mark.slow
Change = Callable[..., str]


def evaluate(model: str, dataset: str, output: Path, **settings: Any) -> dict[str, Any]:
    from rsbot_beam.training.evaluate import EvaluateConfig, run_evaluation

    found = run_evaluation(EvaluateConfig(model=model, dataset=dataset, output=str(output), **settings))
    assert json.loads((output / "metrics.json").read_text()) == found.metrics
    return found.metrics


@pytest.fixture(scope="module")
def metrics(plain_model: str, plain_dataset: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict, Path]:
    output = tmp_path_factory.mktemp("evaluation")
    return evaluate(plain_model, plain_dataset, output), output


def test_scores_are_those_computed_by_hand(metrics: tuple[dict, Path], plain_model: str, plain_dataset: str) -> None:
    """Through the Keras model on the examples, which are of the same transform_fn here."""
    import keras

    from rsbot_beam import load_dataset

    network = keras.models.load_model(Path(plain_model, "model.keras"))
    right = total = 0
    for batch in load_dataset(plain_dataset, "test").as_numpy_iterator():
        found = network.predict_on_batch({"image": batch["image"], "valid": batch["valid"]}).argmax(-1)
        codes = np.array([1, 2, 5, 9])[found]
        # The dataset's `valid` wants all bands, a pixel is seen with any.
        seen = batch["label_valid"] > 0
        both = seen & (batch["valid"] > 0)
        right += (codes == batch["label"])[both].sum()
        total += both.sum()
    told = metrics[0]["scores"]["model"]["accuracy"]
    assert told == pytest.approx(right / total, abs=0.03)
    assert metrics[0]["dataset"]["patches"] > 0
    assert metrics[0]["dataset"]["same_as_trained"]


def test_baselines_stand_beside_the_model(metrics: tuple[dict, Path], plain_dataset: str) -> None:
    scores = metrics[0]["scores"]
    assert list(scores) == ["model", "majority class", "random forest"]
    # Every pixel is told by its two bands alone.
    assert scores["random forest"]["accuracy"] > 0.98
    counts = {
        c["name"]: c["pixels"]["train"] for c in json.loads(Path(plain_dataset, "dataset.json").read_text())["classes"]
    }
    most = max(counts, key=counts.__getitem__)
    assert scores["majority class"]["classes"][most]["recall"] == 1.0
    assert sum(1 for s in scores["majority class"]["classes"].values() if s["recall"]) == 1


def test_areas_are_in_hectares(metrics: tuple[dict, Path]) -> None:
    area = sum(item["support"] for item in metrics[0]["scores"]["model"]["classes"].values())
    pixels = metrics[0]["dataset"]["patches"] * 16 * 16
    # 100 square metres a pixel, of which one in 20 has no label; UTM's scale is within 0.1 % there.
    assert area == pytest.approx(pixels * 0.95 / 100, rel=0.02)
    forest = sum(item["support"] for item in metrics[0]["scores"]["random forest"]["classes"].values())
    assert forest == pytest.approx(area, rel=1e-6)


def test_pictures_are_written(metrics: tuple[dict, Path]) -> None:
    for name in ("confusion.png", "curves.png", "examples.png"):
        assert (metrics[1] / name).read_bytes().startswith(b"\x89PNG")


def test_another_place_is_scored_with_the_statistics_of_the_training(plain_model: str, tmp_path: Path) -> None:
    """Brighter by half: its own transform_fn would hide that, the model's does not."""
    from rsbot_beam.training.trained import TrainedModel

    patches = [field_patch(PLAIN, col, row=9, gain=1.5) for col in range(12)]
    root = write_dataset(tmp_path / "elsewhere", patches, shares=(50, 25, 25))
    found = evaluate(plain_model, root, tmp_path / "out", split="all", baselines=("majority",))
    assert found["dataset"]["patches"] == 12
    assert not found["dataset"]["same_as_trained"]
    model = TrainedModel.load(plain_model)
    right = total = 0
    for patch, outputs in model.predictions(patches, 5):
        labelled = patch.label_valid & patch.seen  # type: ignore[operator]
        codes = np.array(model.index.codes)[outputs["probabilities"].argmax(-1)]
        right, total = right + (codes == patch.label)[labelled].sum(), total + labelled.sum()
    assert found["scores"]["model"]["accuracy"] == pytest.approx(right / total, abs=1e-3)


def test_the_splits_are_those_of_the_export(plain_dataset: str) -> None:
    from rsbot_beam import load_dataset
    from rsbot_beam.training.raw_patches import split_patches

    content = json.loads(Path(plain_dataset, "dataset.json").read_text())
    for split in SPLITS:
        tiles = {t.decode() for batch in load_dataset(plain_dataset, split) for t in batch["tile"].numpy()}
        assert {str(patch.key) for patch in split_patches(plain_dataset, content, split)} == tiles
    assert len(list(split_patches(plain_dataset, content, "all"))) == 40


def test_detection_is_scored_by_overlap_and_by_distance(sites_model: str, sites_dataset: str, tmp_path: Path) -> None:
    found = evaluate(sites_model, sites_dataset, tmp_path)
    for name in ("solar", "wind"):
        ways = found["scores"]["model"]["classes"][name]
        assert list(ways) == ["IoU 0.3", "IoU 0.5", "25 m", "50 m", "100 m"]
        assert ways["IoU 0.3"]["average_precision"] >= ways["IoU 0.5"]["average_precision"]
        assert ways["100 m"]["average_precision"] >= ways["25 m"]["average_precision"]
        baseline = found["scores"]["box in the centre"]["classes"][name]["IoU 0.5"]["average_precision"]
        assert ways["IoU 0.5"]["average_precision"] > baseline + 0.1
    assert found["scores"]["model"]["mean"]["IoU 0.5"] > 0.2
    assert not (tmp_path / "confusion.png").exists()
    assert (tmp_path / "examples.png").read_bytes().startswith(b"\x89PNG")


def swapped(content: dict[str, Any]) -> None:
    content["layout"]["bands"].reverse()


def renamed(content: dict[str, Any]) -> None:
    content["layout"]["bands"][0]["name"] = "B5"


def retyped(content: dict[str, Any]) -> None:
    content["layout"]["bands"][0]["dtype"] = "float32"


def coarser(content: dict[str, Any]) -> None:
    content["grid"]["resolution"] = 30.0


def stepped(content: dict[str, Any]) -> None:
    content["layout"]["steps"] = 4


def unlabelled(content: dict[str, Any]) -> None:
    content["layout"]["label"] = None


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (swapped, r"its bands are B8, B4, the model takes B4, B8, in this order"),
        (renamed, r"its bands B5, B8 lack B4"),
        (retyped, r"B4 is float32, the model takes uint16"),
        (coarser, r"its pixels are of 30 m, the model takes 10 m"),
        (stepped, r"its time axis has 4 steps, the model takes 0"),
        (unlabelled, r"it has no label to compare with"),
    ],
)
def test_a_dataset_that_does_not_fit_is_refused(
    plain_model: str, plain_dataset: str, changed_dataset: Change, tmp_path: Path, edit: Any, message: str
) -> None:
    root = changed_dataset(plain_dataset, "unfit", edit)
    with pytest.raises(DatasetError, match=f"does not fit the model: {message}.*recipe, 'made'") as caught:
        evaluate(plain_model, root, tmp_path)
    assert caught.value.exit_code == 2


def test_all_that_differs_is_told_at_once(plain_model: str, plain_dataset: str, changed_dataset: Change) -> None:
    from rsbot_beam.training.fitting import check_fits

    def edit(content: dict[str, Any]) -> None:
        swapped(content)
        coarser(content)

    root = changed_dataset(plain_dataset, "unfit_twice", edit)
    contents = [json.loads(Path(path).read_text()) for path in (f"{plain_model}/model.json", f"{root}/dataset.json")]
    with pytest.raises(DatasetError, match=r"in this order; its pixels are of 30 m"):
        check_fits(*contents, root)


def test_an_empty_split_is_an_error(
    plain_model: str, plain_dataset: str, changed_dataset: Change, tmp_path: Path
) -> None:
    def edit(content: dict[str, Any]) -> None:
        content["splits"]["test"] = {"examples": 0, "nbytes": 0}

    root = changed_dataset(plain_dataset, "no_test", edit)
    with pytest.raises(DatasetError, match=r"the test split of .* is empty: choose another --split"):
        evaluate(plain_model, root, tmp_path)


def test_an_unreadable_raw_shard_is_named(
    plain_model: str, plain_dataset: str, changed_dataset: Change, tmp_path: Path
) -> None:
    root = changed_dataset(plain_dataset, "damaged_raw")
    victim = max(Path(root, "raw").glob("*.arrow"))
    content = bytearray(victim.read_bytes())
    content[len(content) // 2] ^= 0xFF
    victim.write_bytes(content)
    with pytest.raises(DatasetError, match=rf"{victim.name}"):
        evaluate(plain_model, root, tmp_path, split="all", baselines=("majority",))
    assert not (tmp_path / "metrics.json").exists()


@pytest.mark.parametrize(("left", "told"), [(1, "1 raw shards of 2 are there"), (0, "0 raw shards of 2 are there")])
def test_missing_raw_shards_are_an_error(
    plain_model: str, plain_dataset: str, changed_dataset: Change, tmp_path: Path, left: int, told: str
) -> None:
    root = changed_dataset(plain_dataset, f"raw_{left}")
    for shard in sorted(Path(root, "raw").glob("*.arrow"))[left:]:
        shard.unlink()
    with pytest.raises(DatasetError, match=rf"raw patches of {root} are not whole: {told}, in .*same `rsbot export`"):
        evaluate(plain_model, root, tmp_path, split="all", baselines=("majority",))
    assert not (tmp_path / "metrics.json").exists()


def test_a_raw_shard_that_is_cut_off_is_an_error(
    plain_model: str, plain_dataset: str, changed_dataset: Change, tmp_path: Path
) -> None:
    root = changed_dataset(plain_dataset, "raw_cut")
    victim = max(Path(root, "raw").glob("*.arrow"))
    victim.write_bytes(victim.read_bytes()[:-100])
    with pytest.raises(DatasetError, match="raw shards are cut off, or others than those that it was made of"):
        evaluate(plain_model, root, tmp_path, split="all", baselines=("majority",))


def test_a_forest_needs_all_patches_of_the_train_split(
    plain_model: str, plain_dataset: str, changed_dataset: Change, tmp_path: Path
) -> None:
    root = changed_dataset(plain_dataset, "train_raw_gone")
    max(Path(root, "raw").glob("*.arrow")).unlink()
    with pytest.raises(
        DatasetError, match=r"no random forest can be fitted: .*1 raw shards of 2.*--baselines majority"
    ):
        evaluate(plain_model, plain_dataset, tmp_path, train_dataset=root)
    assert evaluate(plain_model, plain_dataset, tmp_path, train_dataset=root, baselines=("majority",))


def test_patches_that_the_split_should_have_are_missed(
    plain_model: str, plain_dataset: str, changed_dataset: Change, tmp_path: Path
) -> None:
    def edit(content: dict[str, Any]) -> None:
        content["splits"]["test"]["examples"] += 1

    root = changed_dataset(plain_dataset, "one_more", edit)
    with pytest.raises(DatasetError, match=r"raw has \d+ of the \d+ patches of the split test"):
        evaluate(plain_model, root, tmp_path, baselines=("majority",))


def test_a_full_disk_names_the_folder_and_leaves_no_metrics(
    plain_model: str, plain_dataset: str, tmp_path: Path
) -> None:
    import resource
    import signal

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8000, limits[1]))  # metrics.json fits, pictures do not
    try:
        with pytest.raises(RsbotError, match=rf"results cannot be written to {tmp_path} \(File too large\)"):
            evaluate(plain_model, plain_dataset, tmp_path, baselines=("majority",))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    assert not (tmp_path / "metrics.json").exists()


def test_the_table_names_what_was_not_learned_and_cuts_no_name(metrics: tuple[dict, Path]) -> None:
    from pipelines.evaluate import table

    told = json.loads(json.dumps(metrics[0]))
    assert told["model"]["not_learned"] == ["never there"]
    classes = told["scores"]["model"]["classes"]
    long = "bare soil and sparse vegetation of all kinds"
    for scores in told["scores"].values():
        scores["classes"] = {**scores["classes"], long: {**scores["classes"]["maize"]}, "lost": {}}
    classes = told["scores"]["model"]["classes"]
    classes[long]["support"] = 0.04
    for scores in told["scores"].values():
        # Predicted, though it does not occur.
        scores["classes"]["lost"] = {**scores["classes"]["maize"], "f1": 0.0, "support": 0.0}
    lines = table(told).splitlines()
    assert lines[0].endswith(f": {told['dataset']['patches']} patches of the test split")
    assert lines[-1] == "not learned, and so never predicted: never there"
    rows = {line[:45].strip(): line.split()[-1] for line in lines if line}
    assert rows[long] == "0.04" and rows["lost"] == "0"
    assert "never there" not in rows


def test_other_classes_and_parameters_are_told(
    plain_model: str, plain_dataset: str, changed_dataset: Change, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def edit(content: dict[str, Any]) -> None:
        content["layout"]["classes"].append({"code": 77, "name": "quinoa", "colour": "#000000"})
        content["recipe"] |= {"name": "another", "parameters": {"reducer": "p50"}}

    root = changed_dataset(plain_dataset, "strange", edit)
    with caplog.at_level(logging.WARNING):
        evaluate(plain_model, root, tmp_path, baselines=("majority",))
    assert "the model does not know, passed over: quinoa" in caplog.text
    assert "the dataset is of another; parameters that differ: reducer" in caplog.text


def test_without_the_train_split_there_is_no_forest(
    plain_model: str, plain_dataset: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    found = evaluate(plain_model, plain_dataset, tmp_path, train_dataset=str(tmp_path / "gone"))
    assert "random forest" not in found["scores"]
    assert "is gone; say where it is with --train_dataset" in caplog.text


def test_a_model_that_is_not_finished(tmp_path: Path, plain_dataset: str) -> None:
    with pytest.raises(InputError, match=r"there is no model in .*: it has no model.json"):
        evaluate(str(tmp_path), plain_dataset, tmp_path / "out")
    (tmp_path / "train.json").write_text("{}")
    with pytest.raises(InputError, match=r"the training of .* has not ended"):
        evaluate(str(tmp_path), plain_dataset, tmp_path / "out")


def test_a_damaged_saved_model_is_told(plain_model: str, plain_dataset: str, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(plain_model, tmp_path / "model")
    (tmp_path / "model/saved_model/saved_model.pb").write_bytes(b"damaged")
    with pytest.raises(InputError, match=r"the SavedModel .* cannot be loaded"):
        evaluate(str(tmp_path / "model"), plain_dataset, tmp_path / "out")


@pytest.mark.parametrize(("content", "message"), [("{", "is damaged"), ('{"version": 99}', "has version 99")])
def test_a_damaged_description_is_told(tmp_path: Path, content: str, message: str) -> None:
    from rsbot_beam.data.model_file import read_model_file

    (tmp_path / "model.json").write_text(content)
    with pytest.raises(InputError, match=message):
        read_model_file(str(tmp_path))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"split": "val"}, "there is no split 'val'"),
        ({"baselines": ("forrest",)}, r"baselines \['forrest'\]: choose from majority, forest"),
        ({"batch_size": 0}, "batch_size=0 must be 1 or more"),
    ],
)
def test_wrong_settings(settings: dict[str, Any], message: str) -> None:
    from rsbot_beam.training.evaluate import EvaluateConfig

    with pytest.raises(InputError, match=message):
        EvaluateConfig(model="m", dataset="d", **settings)
