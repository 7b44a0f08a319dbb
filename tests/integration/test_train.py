"""The commands `rsbot train`, `evaluate` and `models`, in processes of their own; killed trainings go on."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipelines import rsbot
from tests.training.conftest import PLAIN, field_patch, write_dataset

pytestmark = [pytest.mark.integration, pytest.mark.slow]
REPOSITORY = Path(__file__).parents[2]
SETTINGS = ["width=4", "dropout=0.3"]
FLAGS = ["--model", "tempcnn", *(part for pair in SETTINGS for part in ("--set", pair)), "--batch_size", "4"]

OWN = """
from dataclasses import dataclass
from typing import ClassVar

import keras

from rsbot_beam.models.definition import ModelDefinition
from rsbot_beam.models.layers import join_inputs, probabilities


@dataclass(frozen=True, kw_only=True)
class Linear(ModelDefinition):
    name: ClassVar[str] = "linear"
    description: ClassVar[str] = "one layer"
    kernel: int = 1

    def build(self, inputs, classes):
        tensors = inputs.keras_inputs()
        x = join_inputs(tensors, 1, fold_time=True)
        return probabilities(keras.layers.Conv2D(8, self.kernel, padding="same")(x), classes, tensors)


model = Linear()
"""


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_dataset(tmp_path_factory.mktemp("plain"), [field_patch(PLAIN, col) for col in range(20)])


@pytest.fixture(scope="module")
def series(tmp_path_factory: pytest.TempPathFactory) -> str:
    from tests.training.conftest import SERIES

    return write_dataset(tmp_path_factory.mktemp("series"), [field_patch(SERIES, col) for col in range(24)])


def flags_of(dataset: str, output: Path) -> dict[str, Any]:
    return {"dataset": dataset, "output": output, "model": "tempcnn", "set": SETTINGS, "batch_size": 4}


def epochs_done(output: Path) -> int:
    try:
        return len(json.loads((output / "checkpoints" / "state.json").read_text())["history"]["loss"])
    except FileNotFoundError:
        return 0


def test_a_killed_training_goes_on_where_it_was(series: str, tmp_path: Path, start_command: Callable[..., Any]) -> None:
    """With dropout and augmentation: the result is that of an undisturbed training to the last bit."""
    from rsbot_beam.training.trained import TrainedModel

    epochs = 12
    broken = tmp_path / "broken"

    def started(output: Path, cold: bool = False) -> Any:
        return start_command("train", {**flags_of(series, output), "epochs": epochs}, cold=cold)

    killed = started(broken)
    deadline = time.monotonic() + 240
    while epochs_done(broken) < 3 and killed.process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    killed.kill()
    assert killed.process.returncode == -signal.SIGKILL, "it was over before it was killed"
    done = epochs_done(broken)
    assert 3 <= done < epochs
    assert not (broken / "model.json").exists()

    continued = started(broken, cold=True).wait()
    assert continued.code == 0, continued.text
    assert f"continuing after epoch {done}" in continued.text
    whole = started(tmp_path / "whole").wait()
    assert whole.code == 0, whole.text

    histories = [json.loads((tmp_path / name / "history.json").read_text()) for name in ("broken", "whole")]
    assert histories[0] == histories[1]
    assert len(histories[0]["loss"]) == epochs
    models = [TrainedModel.load(str(tmp_path / name)).network() for name in ("broken", "whole")]
    for a, b in zip(*(model.get_weights() for model in models), strict=True):
        assert np.array_equal(a, b)
    assert not [path for path in broken.rglob("*") if path.name.startswith(".writing-")]


def test_from_train_to_scores(plain: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = tmp_path / "my_model.py"
    own.write_text(OWN)
    model = str(tmp_path / "model")
    train = ["train", "--dataset", plain, "--model", str(own), "--set", "kernel=3", "--output", model]
    assert rsbot.main([*train, "--epochs", "4", "--learning-rate", "0.02"]) == 0
    assert "model.json" in capsys.readouterr().out
    from rsbot_beam.training.trained import TrainedModel

    assert TrainedModel.load(model).network().count_params() == 3 * 3 * 3 * 8 + 8 + 8 * 3 + 3
    assert json.loads(Path(model, "model.json").read_text())["model"]["parameters"] == {"kernel": 3}
    assert rsbot.main(["evaluate", "--model", model, "--dataset", plain, "--split", "all"]) == 0
    out = capsys.readouterr().out
    for expected in ("majority class", "random forest", "accuracy", "F1 of", "meadow", "area, ha"):
        assert expected in out
    assert Path(model, "evaluation").is_dir()
    folder = next(Path(model, "evaluation").iterdir())
    assert {path.name for path in folder.iterdir()} == {"metrics.json", "confusion.png", "curves.png", "examples.png"}
    assert rsbot.main([*train, "--epochs", "4", "--learning-rate", "0.02"]) == 0
    assert "It was complete already" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "--dataset", "{plain}", "--model", "unett", "--output", "{tmp}/m"], "did you mean 'unet'?"),
        (["train", "--dataset", "{tmp}", "--model", "unet", "--output", "{tmp}/m"], "there is no dataset in"),
        (["train", "--dataset", "{plain}", "--model", "unet"], "--output"),
        (["train", "--dataset", "{plain}", "--model", "unet", "--output", "{tmp}/m", "--set", "w"], "NAME=VALUE"),
        (["train", "--dataset", "{plain}", "--model", "unet", "--output", "{tmp}/m", "--epoch", "3"], "--epochs"),
        (["evaluate", "--model", "{tmp}", "--dataset", "{plain}"], "there is no model in"),
        (["evaluate", "--model", "{tmp}", "--dataset", "{plain}", "--split", "tests"], "there is no split 'tests'"),
        (["models", "show", "unett"], "did you mean 'unet'?"),
    ],
)
def test_wrong_input_is_told_with_exit_code_2(
    plain: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert rsbot.main([part.format(plain=plain, tmp=tmp_path) for part in arguments]) == 2
    assert message in capsys.readouterr().err


def test_models_are_listed_and_shown(plain: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert rsbot.main(["models"]) == 0
    listed = capsys.readouterr().out
    for name in ("unet", "deeplab", "tempcnn", "utae", "centernet"):
        assert f"\n{name} " in f"\n{listed}"
    assert "weights; width=16" in listed
    assert rsbot.main(["models", "show", "unet", "--set", "width=4", "--dataset", plain, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["built_for"] == {"bands": 2, "steps": 0, "static": 0, "classes": 3}  # those that train has
    assert told["size"]["inputs"]["image"] == [None, None, None, 2]
    assert told["size"]["weights"] > 0 and told["size"]["overlap"] > 0
    assert rsbot.main(["models", "tempcnn"]) == 0
    shown = capsys.readouterr().out
    assert "Pelletier" in shown and "looks 0 pixels far" in shown


def test_models_that_are_none_for_a_dataset_say_why(
    plain: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert rsbot.main(["models", "--dataset", plain]) == 0
    listed = capsys.readouterr().out
    assert "not for this dataset: the model 'centernet' learns boxes, but the recipe 'made' has none" in listed
    assert "not for this dataset: the model 'utae' learns from a time series" in listed
    assert "Weights for 2 bands and 3 classes" in listed
    assert rsbot.main(["models", "show", "centernet", "--dataset", plain]) == 2
    assert "learns boxes, but the recipe 'made' has none" in capsys.readouterr().err
    assert rsbot.main(["models", "--dataset", str(tmp_path)]) == 2
    assert "there is no dataset in" in capsys.readouterr().err


def test_types_of_own_parameters_are_told_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = tmp_path / "my_model.py"
    own.write_text(OWN)
    assert rsbot.main(["models", "show", str(own)]) == 0
    assert "kernel = 1    (int)" in capsys.readouterr().out


def test_a_disk_that_is_full_is_told_and_the_same_command_goes_on(
    series: str, tmp_path: Path, start_command: Callable[..., Any]
) -> None:
    """A limit on the size of files stands for the disk: weights fit, the exported model does not."""
    output = tmp_path / "model"
    prelude = (
        "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, resource.RLIM_INFINITY))"
    )
    full = start_command("train", {**flags_of(series, output), "epochs": 1}, prelude).wait()
    assert full.code == 1, full.text
    assert "Traceback" not in full.text
    assert "the same command continues where it was" in full.text
    train = ["train", "--dataset", series, "--output", str(output), *FLAGS, "--epochs", "1"]
    assert not (output / "model.json").exists()
    assert rsbot.main(train) == 0
    assert (output / "model.json").exists()
