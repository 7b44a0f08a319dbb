"""What stands in the way of a training is found before its first epoch, and leaves the folder free."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from rsbot_beam.errors import DatasetError, InputError
from tests.integration.test_train import OWN
from tests.training.conftest import train

pytestmark = pytest.mark.slow
Change = Callable[..., str]


def cut_off(folder: Path) -> None:
    graph = folder / "saved_model.pb"
    graph.write_bytes(graph.read_bytes()[:100])


def garbage(folder: Path) -> None:
    graph = folder / "saved_model.pb"
    graph.write_bytes(b"\xff" * graph.stat().st_size)


@pytest.mark.parametrize("damage", [cut_off, garbage, shutil.rmtree])
def test_a_damaged_preprocessing_is_found_before_the_first_epoch(
    plain_dataset: str,
    changed_dataset: Change,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    damage: Callable[[Path], None],
) -> None:
    root = changed_dataset(plain_dataset, "no_transform")
    damage(Path(root, "transform_fn"))
    with pytest.raises(
        DatasetError,
        match=r"(?s)preprocessing .*transform_fn cannot be loaded .*missing or damaged.*same `rsbot export`",
    ):
        train(root, tmp_path / "model")
    assert "Epoch" not in capfd.readouterr().out
    assert not (tmp_path / "model").exists()


def test_a_missing_shard_leaves_the_folder_free(plain_dataset: str, changed_dataset: Change, tmp_path: Path) -> None:
    root = changed_dataset(plain_dataset, "no_shard")
    next(Path(root, "validation").glob("*.tfrecord")).unlink()
    with pytest.raises(DatasetError, match=r"files of the validation split of .* are missing"):
        train(root, tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_a_refused_command_leaves_a_running_training_as_it_is(plain_dataset: str, tmp_path: Path) -> None:
    train(plain_dataset, tmp_path / "model", epochs=1)
    before = (tmp_path / "model" / "train.json").read_bytes()
    with pytest.raises(InputError, match="belongs to another training"):
        train(plain_dataset, tmp_path / "model", epochs=2)
    assert (tmp_path / "model" / "train.json").read_bytes() == before


def test_an_edited_model_file_is_another_training(plain_dataset: str, tmp_path: Path) -> None:
    own = tmp_path / "my_model.py"
    own.write_text(OWN)
    told = train(plain_dataset, tmp_path / "model", model=str(own), settings={}, epochs=1).description
    assert told["model"]["source"] == str(own)
    assert train(plain_dataset, tmp_path / "model", model=str(own), settings={}, epochs=1).was_complete
    own.write_text(OWN.replace("Conv2D(8", "Conv2D(16"))
    with pytest.raises(InputError, match=r"belongs to another training; what differs:\n  model.code: there "):
        train(plain_dataset, tmp_path / "model", model=str(own), settings={}, epochs=1)


def test_local_paths_are_kept_as_absolute_ones(
    plain_dataset: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "dataset").symlink_to(plain_dataset)
    (tmp_path / "own.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    train("dataset", "model", model="own.py", settings={}, epochs=1)
    told = json.loads(Path("model/model.json").read_text())
    assert told["training"]["dataset"]["path"] == str(tmp_path / "dataset")
    assert told["model"]["source"] == str(tmp_path / "own.py")


@pytest.mark.parametrize(
    ("victim", "damage"),
    [
        ("saved_model/saved_model.pb", "cut off"),
        ("saved_model/variables/variables.data-00000-of-00001", "one bit"),
        ("model.keras", "gone"),
    ],
)
def test_a_damaged_model_is_trained_again_to_the_same(
    plain_dataset: str, plain_model: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, victim: str, damage: str
) -> None:
    output = tmp_path / "model"
    shutil.copytree(plain_model, output)
    whole = bytearray((output / victim).read_bytes())
    if damage == "gone":
        (output / victim).unlink()
    else:
        whole[len(whole) // 2] ^= 1
        (output / victim).write_bytes(whole[:700] if damage == "cut off" else whole)
    with caplog.at_level(logging.WARNING):
        result = train(plain_dataset, output)
    assert f"was complete, but {victim} is missing or damaged: trained again" in caplog.text
    assert not result.was_complete
    assert result.description["scores"] == json.loads(Path(plain_model, "model.json").read_text())["scores"]
    assert train(plain_dataset, output).was_complete
