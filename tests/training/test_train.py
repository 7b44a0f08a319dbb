"""Trainings from beginning to end, on datasets of a few patches; and what is wrong with the input, told."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rsbot_beam import storage
from rsbot_beam.errors import DatasetError, InputError, RsbotError
from tests.training.conftest import SMALL, config, train

pytestmark = pytest.mark.slow

Change = Callable[..., str]


def test_what_a_training_leaves(plain_model: str) -> None:
    names = {path.name for path in Path(plain_model).iterdir()}
    assert names == {"train.json", "model.json", "model.keras", "saved_model", "history.json", "logs"}
    told = json.loads(Path(plain_model, "model.json").read_text())
    assert told["task"] == "segmentation"
    assert told["model"] == {
        "name": "unet",
        "source": "unet",
        "parameters": {"width": 4, "depth": 1, "encoder": "plain"},
    }
    assert [item["code"] for item in told["classes"]] == [1, 2, 5, 9]
    assert [band["name"] for band in told["layout"]["bands"]] == ["B4", "B8"]
    assert told["grid"]["patch_size"] == 16
    assert told["overlap"] >= told["receptive_field"]["radius"] > 0
    assert told["training"]["seed"] == 0
    assert told["scores"]["val_loss"] == min(json.loads(Path(plain_model, "history.json").read_text())["val_loss"])
    assert told["versions"]["keras"].startswith("3.")


def test_it_learns(plain_model: str) -> None:
    history = json.loads(Path(plain_model, "history.json").read_text())
    assert len(history["loss"]) == 3
    assert history["loss"][-1] < 0.7 * history["loss"][0]


def test_logs_for_tensorboard_hold_every_epoch(plain_model: str) -> None:
    import tensorflow as tf

    found: dict[str, list[int]] = {}
    for file in sorted(Path(plain_model, "logs", "validation").iterdir()):
        for event in tf.compat.v1.train.summary_iterator(str(file)):
            for value in event.summary.value:
                assert value.metadata.plugin_data.plugin_name == "scalars"
                found.setdefault(value.tag, []).append(event.step)
    assert found["epoch_loss"] == list(range(3))


def test_a_finished_training_does_nothing_more(plain_dataset: str, plain_model: str) -> None:
    before = {file.path: Path(file.path).stat().st_mtime_ns for file in storage.walk(plain_model)}
    again = train(plain_dataset, plain_model)
    assert again.was_complete
    assert {file.path: Path(file.path).stat().st_mtime_ns for file in storage.walk(plain_model)} == before


def test_other_settings_are_refused_with_what_differs(plain_dataset: str, plain_model: str) -> None:
    with pytest.raises(InputError, match=r"(?s)training.learning_rate: there 0.01, now 0.5.*another --output"):
        train(plain_dataset, plain_model, learning_rate=0.5)
    with pytest.raises(InputError, match=r"model.parameters.width: there 4, now 8"):
        train(plain_dataset, plain_model, settings=SMALL | {"width": "8"})


def test_the_seed_makes_a_training_repeatable(plain_dataset: str, plain_model: str, tmp_path: Path) -> None:
    first = json.loads(Path(plain_model, "history.json").read_text())
    train(plain_dataset, tmp_path / "again")
    assert json.loads((tmp_path / "again" / "history.json").read_text()) == first
    train(plain_dataset, tmp_path / "other", seed=6, epochs=1)
    assert json.loads((tmp_path / "other" / "history.json").read_text())["loss"][0] != first["loss"][0]


ALONE = """
import sys
import numpy as np, tensorflow as tf
for start in range(1, len(sys.argv), 3):
    model, given, answers = sys.argv[start : start + 3]
    signature = tf.saved_model.load(model).signatures["serving_default"]
    found = signature(**{name: tf.constant(array) for name, array in np.load(given).items()})
    np.savez(answers, **{name: tensor.numpy() for name, tensor in found.items()})
assert not {"rsbot_beam", "tensorflow_transform"} & set(sys.modules)
"""


def transformed_batch(root: str, model: Any) -> tuple[dict[str, np.ndarray], list[str]]:
    from rsbot_beam import load_dataset

    batch = next(iter(load_dataset(root, "test", batch_size=64)))
    inputs = {tensor.name: batch[tensor.name].numpy() for tensor in model.inputs}
    return inputs, [tile.decode() for tile in batch["tile"].numpy()]


def test_raw_pixels_through_the_signature_equal_examples_through_keras(
    plain_dataset: str, plain_model: str, series_dataset: str, series_model: str, tmp_path: Path
) -> None:
    import keras

    from rsbot_beam import read_patches
    from rsbot_beam.learning.serving_inputs import serving_inputs

    made = {"plain": (plain_dataset, plain_model), "series": (series_dataset, series_model)}
    files, expected = [], {}
    for kind, (root, model) in made.items():
        network = keras.models.load_model(Path(model, "model.keras"))
        inputs, tiles = transformed_batch(root, network)
        patches = {str(patch.key): patch for patch in read_patches(root)}
        np.savez(tmp_path / f"{kind}.npz", **serving_inputs([patches[tile] for tile in tiles]))  # type: ignore[arg-type]
        files += [str(Path(model, "saved_model")), str(tmp_path / f"{kind}.npz"), str(tmp_path / f"{kind}-found.npz")]
        expected[kind] = network.predict_on_batch(inputs)
    # Elsewhere, so that neither this package nor tf.Transform can be found.
    subprocess.run([sys.executable, "-c", ALONE, *files], check=True, cwd=tmp_path, timeout=200, capture_output=True)
    for kind, wanted in expected.items():
        found = np.load(tmp_path / f"{kind}-found.npz")["probabilities"]
        assert found.shape[1:] == (16, 16, 4)
        assert np.isfinite(found).all()  # the pixels of the series are not
        assert np.abs(found - wanted).max() <= 1e-5
        assert found.std() > 0.01


def test_boxes_are_served_in_place_of_maps(sites_dataset: str, sites_model: str) -> None:
    from rsbot_beam import read_patches
    from rsbot_beam.training.trained import TrainedModel

    served = TrainedModel.load(sites_model)
    assert [item.code for item in served.classes] == [1, 2]  # the background is no class
    found = list(served.predictions(list(read_patches(sites_dataset))[:3], 2))
    assert len(found) == 3
    for _, outputs in found:
        assert outputs["boxes"].shape == (100, 4)
        assert outputs["scores"].shape == outputs["classes"].shape == (100,)
        assert set(np.unique(outputs["classes"])) <= {0.0, 1.0, 2.0}


def test_another_schedule_and_16_bits(plain_dataset: str, tmp_path: Path) -> None:
    import keras

    result = train(plain_dataset, tmp_path / "m", epochs=1, schedule="plateau", mixed_precision=True, augment=False)
    assert np.isfinite(result.description["scores"]["val_loss"])
    assert keras.config.dtype_policy().name == "float32"


def test_the_learning_rate_rises_and_falls(plain_dataset: str) -> None:
    from rsbot_beam.training.schedules import learning_rate

    rates = learning_rate(config(plain_dataset, "-", epochs=10, learning_rate=0.1), steps=10)
    values = [float(rates(step)) for step in range(100)]  # type: ignore[operator]
    assert values[0] < 0.1
    assert max(values) == pytest.approx(0.1, rel=1e-5)
    assert int(np.argmax(values)) == 5
    assert values[-1] < 0.001
    assert learning_rate(config(plain_dataset, "-", schedule="constant"), steps=10) == 0.01


def test_training_in_a_bucket(plain_dataset: str, gcs: str) -> None:
    from rsbot_beam.data.model_file import read_model_file
    from rsbot_beam.training.trained import TrainedModel

    train(plain_dataset, f"{gcs}/model", epochs=1)
    assert read_model_file(f"{gcs}/model") is not None
    assert not list(storage.walk(f"{gcs}/model/checkpoints"))
    assert TrainedModel.load(f"{gcs}/model").task == "segmentation"


def test_a_class_that_is_missing_from_train_weighs_nothing(
    plain_dataset: str, plain_model: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    told = json.loads(Path(plain_model, "model.json").read_text())
    weights = told["training"]["weights_of_classes"]
    assert weights["9"] == 0.0
    assert min(weights[code] for code in "125") > 0
    assert {item["code"]: item["learned"] for item in told["classes"]} == {1: True, 2: True, 5: True, 9: False}
    with caplog.at_level(logging.WARNING):
        train(plain_dataset, tmp_path / "model", epochs=1)
    assert "not in the train split, and so not learned and never predicted: never there" in caplog.text


@pytest.mark.parametrize("kind", ["plain", "series"])
def test_a_class_that_is_missing_from_train_is_never_predicted(kind: str, request: pytest.FixtureRequest) -> None:
    """Through the SavedModel; the other classes share all that there is."""
    from rsbot_beam import read_patches
    from rsbot_beam.training.trained import TrainedModel

    root, output = (request.getfixturevalue(f"{kind}_{thing}") for thing in ("dataset", "model"))
    model = TrainedModel.load(output)
    assert model.index.unlearned == {9}
    for _, outputs in model.predictions(list(read_patches(root))[:8], 8):
        assert outputs["probabilities"].shape == (16, 16, 4)
        assert not outputs["probabilities"][..., 3].any()
        assert np.allclose(outputs["probabilities"].sum(axis=-1), 1, atol=1e-6)


def empty(split: str) -> Callable[[dict[str, Any]], None]:
    def edit(content: dict[str, Any]) -> None:
        content["splits"][split] = {"examples": 0, "nbytes": 0}

    return edit


def test_an_empty_train_split_is_an_error(plain_dataset: str, changed_dataset: Change, tmp_path: Path) -> None:
    root = changed_dataset(plain_dataset, "no_train", empty("train"))
    with pytest.raises(DatasetError, match=r"the train split of .* is empty: export with a smaller --split_block"):
        train(root, tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_an_empty_validation_split_is_told_and_done_without(
    plain_dataset: str, changed_dataset: Change, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = changed_dataset(plain_dataset, "no_validation", empty("validation"))
    result = train(root, tmp_path / "model", patience=1, epochs=2)
    assert "validation split" in caplog.text
    assert set(result.description["scores"]) == {"loss", "accuracy"}
    assert result.description["training"]["epochs_done"] == 2


def test_pixels_that_are_no_numbers_are_passed_over(series_model: str) -> None:
    history = json.loads(Path(series_model, "history.json").read_text())
    assert np.isfinite(np.array(list(history.values()))).all()
    assert history["loss"][-1] < history["loss"][0]


@pytest.mark.parametrize("split", ["train", "validation"])
def test_an_unreadable_shard_is_named(plain_dataset: str, changed_dataset: Change, tmp_path: Path, split: str) -> None:
    root = changed_dataset(plain_dataset, f"damaged_{split}")
    victim = min(Path(root, split).glob("*.tfrecord"))
    content = bytearray(victim.read_bytes())
    content[len(content) // 2] ^= 0xFF
    victim.write_bytes(content)
    with pytest.raises(DatasetError, match=rf"{split} split cannot be read: .*{victim.name}.*rsbot export"):
        train(root, tmp_path / "model")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": "unnet"}, r"there is no model 'unnet'; did you mean 'unet'\?"),
        ({"settings": {"widht": "8"}}, r"model 'unet' has no parameter 'widht'; did you mean 'width'\?"),
        ({"settings": {"width": "wide"}}, r"width='wide' is not of type int"),
        (
            {"model": "tempcnn", "settings": {}},
            r"'tempcnn' learns from a time series, but the dataset has no time axis",
        ),
        ({"model": "centernet", "settings": {}}, r"learns boxes, but the recipe 'made' has none: export solar, wind"),
        ({"model": "nowhere.py"}, r"the model file nowhere.py does not exist"),
    ],
)
def test_what_cannot_be_trained(plain_dataset: str, tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        train(plain_dataset, tmp_path / "model", **changes)
    assert not (tmp_path / "model").exists()  # The corrected command finds the folder free.


def without_label(content: dict[str, Any]) -> None:
    content["layout"]["label"] = None


def measured(content: dict[str, Any]) -> None:
    content["layout"]["label"]["dtype"] = "float32"


def nameless(content: dict[str, Any]) -> None:
    content["layout"]["classes"] = []


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (without_label, "has no label: export a recipe with classes"),
        (measured, "has a measured quantity as label: export a recipe with classes"),
        (nameless, r"names no classes, though its label holds 3 codes \(1, 2, 5\): say in the recipe's `classes`"),
    ],
)
def test_datasets_without_classes(
    plain_dataset: str, changed_dataset: Change, tmp_path: Path, edit: Any, message: str
) -> None:
    root = changed_dataset(plain_dataset, "unlabelled", edit)
    with pytest.raises(DatasetError, match=f"recipe 'made' {message}"):
        train(root, tmp_path / "model")


def test_a_folder_without_a_dataset(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"there is no dataset in .*: it has no dataset.json"):
        train(str(tmp_path), tmp_path / "model")


def test_a_loss_that_becomes_infinite_ends_the_training(plain_dataset: str, tmp_path: Path) -> None:
    import keras

    from rsbot_beam.training.checkpoints import Checkpoints

    watcher = Checkpoints(str(tmp_path / "model"), 3, 0, "loss")
    watcher.set_model(keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)]))
    with pytest.raises(RsbotError, match=r"diverged in epoch 1: .*nan.*lower --learning_rate"):
        watcher.on_epoch_end(0, {"loss": float("nan")})
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": -1}, "epochs=-1 must be 0 or more"),
        ({"batch_size": 0}, "batch_size=0 must be 1 or more"),
        ({"patience": -1}, "patience=-1 must be 0 or more"),
        ({"learning_rate": 0.0}, "learning_rate=0.0 must be a positive number"),
        ({"learning_rate": float("nan")}, "learning_rate=nan must be a positive number"),
        ({"schedule": "linear"}, "schedule='linear' is not one of cosine, plateau, constant"),
        ({"class_weights": "all"}, "class_weights='all' is not one of none, sqrt, effective"),
    ],
)
def test_wrong_settings(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        config("ds", "model", **changes)


@pytest.mark.parametrize(
    ("task", "patches", "epochs"),
    [
        ("segmentation", 300, 8), ("segmentation", 10, 40), ("segmentation", 100_000, 6), ("segmentation", 0, 40),
        ("detection", 200, 40), ("detection", 500, 16),
    ],
)  # fmt: skip
def test_epochs_follow_from_task_and_patches_unless_they_are_given(task: str, patches: int, epochs: int) -> None:
    assert config("ds", "model", epochs=0).for_dataset(task, patches).epochs == epochs
    assert config("ds", "model", epochs=3).for_dataset(task, patches).epochs == 3


def test_an_output_is_needed() -> None:
    with pytest.raises(InputError, match="output is empty"):
        config("ds", "")
