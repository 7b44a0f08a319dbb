"""Finding models, setting their parameters, and what is said of models that are wrong."""

from __future__ import annotations

import dataclasses
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from rsbot_beam.data.bands import Band, Layout
from rsbot_beam.errors import InputError
from rsbot_beam.models.definition import InputShape, build_model
from rsbot_beam.models.registry import MODELS, load_model_definition
from rsbot_beam.models.settings import parse_setting

OWN = """
from dataclasses import dataclass
import keras
from rsbot_beam.models.definition import ModelDefinition

@dataclass(frozen=True, kw_only=True)
class Mine(ModelDefinition):
    name = "mine"
    width: int = 4

    def build(self, inputs, classes):
        tensors = inputs.keras_inputs()
        x = keras.layers.Conv2D(self.width, 3, padding="same")(tensors["image"])
        return keras.Model(tensors, keras.layers.Conv2D(classes, 1, activation="softmax")(x))

model = Mine()
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(OWN)
    return path


@pytest.mark.parametrize("name", MODELS)
def test_built_in_models_are_described_and_frozen(name: str) -> None:
    definition = load_model_definition(name)
    assert definition.name == name and definition.description
    assert definition.parameters() == {f.name: getattr(definition, f.name) for f in dataclasses.fields(definition)}
    described = type(definition).__doc__ or ""
    assert all(f"{parameter}:" in described for parameter in definition.parameters())
    with pytest.raises(dataclasses.FrozenInstanceError):
        definition.name = "other"  # type: ignore[misc]


def test_listing_models_needs_neither_keras_nor_tensorflow() -> None:
    code = (
        "import sys, rsbot_beam.models.registry as r; assert r.MODELS; "
        "print('keras' in sys.modules, 'tensorflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == ["False", "False"]


def test_another_backend_of_keras_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    import keras

    from rsbot_beam.models import layers

    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    with pytest.raises(InputError, match="Keras runs on 'torch', the models need TensorFlow: set KERAS_BACKEND"):
        importlib.reload(layers)


def test_parameters_are_set_from_text() -> None:
    unet = load_model_definition("unet", {"width": "8", "depth": "2", "encoder": "resnet50"})
    assert unet.parameters() == {"width": 8, "depth": 2, "encoder": "resnet50"}
    assert load_model_definition("deeplab", {"rates": "1, 3"}).parameters()["rates"] == (1, 3)
    assert load_model_definition("tempcnn", {"dropout": "0.25"}).parameters()["dropout"] == 0.25


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("unett", {}, "no model 'unett'; did you mean 'unet'"),
        ("zzz", {}, "Built-in are unet, deeplab, tempcnn, utae, centernet"),
        ("unet", {"widht": "3"}, "model 'unet' has no parameter 'widht'; did you mean 'width'"),
        ("unet", {"width": "many"}, "width='many' is not of type int"),
        ("unet", {"width": "0"}, "width=0 channels must be 1 to 1024"),
        ("unet", {"depth": "9"}, "depth=9 halvings must be 1 to 5"),
        ("unet", {"encoder": "vgg"}, "encoder='vgg' is not one of plain, mobilenetv2, resnet50, densenet121"),
        ("tempcnn", {"kernel": "4"}, "kernel=4 steps must be odd"),
        ("tempcnn", {"dropout": "1"}, "dropout=1.0 is a share"),
        ("tempcnn", {"layers": "0"}, "layers=0 must be at least 1"),
        ("utae", {"heads": "3"}, "heads=3 must divide width=16"),
        ("deeplab", {"depth": "2"}, "depth=2 must be at least 3"),
        ("deeplab", {"rates": "0"}, "rates=(0,) must be one or more dilations"),
        ("deeplab", {"width": "2"}, "width=2 must be at least 6"),
        ("centernet", {"stride": "3"}, "stride=3 pixels must be one of [1, 2, 4, 8]"),
        ("centernet", {"head": "0"}, "head=0 channels"),
    ],
)
def test_wrong_names_and_parameters(name: str, settings: dict[str, str], message: str) -> None:
    with pytest.raises(InputError) as caught:
        load_model_definition(name, settings)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [("none", int | None, None), ("3", int | None, 3), ("TRUE", bool, True), ("a,b", tuple[str, ...], ("a", "b"))],
)
def test_kinds_of_parameters(text: str, kind: object, value: object) -> None:
    assert parse_setting("p", text, kind) == value


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        ("yes", bool, "p='yes' is not true or false"),
        ("x", int | None, "p='x' is not of type int or none"),
        ("1,x", tuple[int, ...], "p='1,x' is not a list of int"),
        ("x", dict, "cannot be set from the command line"),
    ],
)
def test_texts_that_do_not_fit(text: str, kind: object, message: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_setting("p", text, kind)
    assert message in str(caught.value)


def test_a_model_of_the_user_s_own(own: Path) -> None:
    definition = load_model_definition(str(own), {"width": "2"})
    model = build_model(definition, InputShape(bands=5), classes=3)
    assert model.output_shape == (None, None, None, 3)
    assert model.layers[1].filters == 2 or any(getattr(layer, "filters", 0) == 2 for layer in model.layers)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("x = 1", "must define `model`"),
        ("model = 3", "it is a int"),
        ("import keras\n\nraise RuntimeError('boom')", "mine.py:3 fails: RuntimeError: boom"),
        ("def f(:\n", "mine.py:1 fails: SyntaxError"),
        (OWN.replace('name = "mine"', 'task = "sorting"'), "`name` is missing"),
        (
            OWN.replace('name = "mine"', 'task = "sorting"'),
            "`task` is 'sorting': choose one of segmentation, detection",
        ),
        (OWN.replace("def build", "def biuld"), "the method `build(self, inputs, classes)` is missing"),
        (OWN.replace("def build", "def biuld"), "mine.py:6 (Mine)"),
        (OWN.replace('name = "mine"', 'name = "mine"; task = "detection"'), "a detector needs `stride`"),
    ],
)
def test_what_is_said_of_a_broken_file(own: Path, content: str, message: str) -> None:
    own.write_text(content)
    with pytest.raises(InputError) as caught:
        load_model_definition(str(own))
    assert message in str(caught.value)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no\.py does not exist"):
        load_model_definition(str(tmp_path / "no.py"))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("Conv2D(classes,", "Conv2D(classes + 1,", "`probabilities` has the shape (None, None, None, 4)"),
        ('activation="softmax")', 'activation="softmax", dtype="float16")', "`probabilities` is float16"),
        ("keras.Model(tensors, ", "keras.Model(tensors, {'a': ", "`probabilities` has the shape ()"),
        ("tensors = inputs.keras_inputs()", "tensors = {'image': keras.Input((8, 8, 2), name='pixels')}", "['pixels']"),
    ],
)
def test_a_model_that_does_not_fit_its_task(own: Path, old: str, new: str, message: str) -> None:
    content = OWN.replace(old, new)
    own.write_text(content if "{'a': " not in new else content.replace("(x))\n", "(x)})\n"))
    with pytest.raises(InputError) as caught:
        build_model(load_model_definition(str(own)), InputShape(bands=2), classes=3)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("name", "inputs", "classes", "message"),
    [
        ("tempcnn", InputShape(3), 4, "learns from a time series, but the dataset has no time axis"),
        ("utae", InputShape(3, steps=1), 4, "has one step only"),
        ("unet", InputShape(3), 1, "segmentation needs two classes or more, there is one"),
        ("centernet", InputShape(3), 0, "detection needs a class or more, there is none"),
    ],
)
def test_a_model_that_does_not_fit_the_dataset(name: str, inputs: InputShape, classes: int, message: str) -> None:
    with pytest.raises(InputError) as caught:
        build_model(load_model_definition(name), inputs, classes)
    assert message in str(caught.value)


def test_inputs_follow_from_the_layout() -> None:
    layout = Layout((Band("a", "uint16"), Band("b", "uint16")), steps=5, static=(Band("c", "int16"),))
    shape = InputShape.of(layout, 32)
    assert shape == InputShape(bands=2, steps=5, static=1, size=32)
    found = {name: (tensor.shape, tensor.dtype) for name, tensor in shape.keras_inputs().items()}
    assert found == {
        "image": ((None, 5, 32, 32, 2), "float32"),
        "valid": ((None, 5, 32, 32), "uint8"),
        "static": ((None, 32, 32, 1), "float32"),
        "static_valid": ((None, 32, 32), "uint8"),
    }
