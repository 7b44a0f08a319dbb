"""Finding models: built-in ones by name, users' own by file."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import inspect
import sys
import types
from collections.abc import Mapping
from pathlib import Path
from typing import get_args

from rsbot_beam.errors import InputError
from rsbot_beam.models.definition import ModelDefinition, Task, TimeAxis
from rsbot_beam.models.settings import with_settings
from rsbot_beam.recipes.loading import location

# Where the built-in models live: module, and the name of the class in it. Looked up lazily, to keep `--help` fast.
MODELS = {
    "unet": ("rsbot_beam.models.unet", "UNet"),
    "deeplab": ("rsbot_beam.models.deeplab", "DeepLab"),
    "tempcnn": ("rsbot_beam.models.tempcnn", "TempCNN"),
    "utae": ("rsbot_beam.models.utae", "UTAE"),
    "centernet": ("rsbot_beam.models.centernet", "CenterNet"),
}
# Name under which a user's model file is imported; Keras finds its layers by it when a saved model is loaded.
USER_MODULE = "rsbot_user_model"


def load_model_definition(name: str, settings: Mapping[str, str] | None = None) -> ModelDefinition:
    """Load a built-in model definition by name, or a user's own from a Python file that defines `model`.

    Args:
        name: Name of a built-in model, or path of a `.py` file.
        settings: Parameters to set, as text.

    Raises:
        InputError: There is no such model, the file is broken (names file and line), or a parameter is unknown or wrong.
    """
    definition = _from_file(Path(name)) if is_file(name) else _built_in(name)
    return with_settings(definition, settings or {}, f"model {definition.name!r}")


def is_file(name: str) -> bool:
    """Whether what a model is asked for by is a path, not the name of a built-in one."""
    return name.endswith(".py") or "/" in name


def _built_in(name: str) -> ModelDefinition:
    if name not in MODELS:
        close = difflib.get_close_matches(name, MODELS, 1)
        hint = f"; did you mean {close[0]!r}?" if close else "."
        raise InputError(
            f"there is no model {name!r}{hint} Built-in are {', '.join(MODELS)}; your own is given as a .py file"
        )
    module, attribute = MODELS[name]
    definition: ModelDefinition = getattr(importlib.import_module(module), attribute)()
    return definition


def _from_file(path: Path) -> ModelDefinition:
    if not path.is_file():
        raise InputError(f"the model file {path} does not exist")
    module = _run(path)
    found = getattr(module, "model", None)
    if not isinstance(found, ModelDefinition):
        kind = f"it is a {type(found).__name__}" if found is not None else "there is none"
        raise InputError(
            f"{path} must define `model`, an instance of a class derived from rsbot_beam.models.definition."
            f"ModelDefinition; {kind}"
        )
    check_definition(found, str(path))
    return found


def _run(path: Path) -> types.ModuleType:
    spec = importlib.util.spec_from_file_location(USER_MODULE, path)
    if spec is None or spec.loader is None:
        raise InputError(f"the model file {path} is not a Python file: its name must end in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[USER_MODULE] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise InputError(f"the model {location(error, path)} fails: {type(error).__name__}: {error}") from error
    return module


def check_definition(definition: ModelDefinition, origin: str) -> None:
    """Say everything that a definition lacks, in one message.

    Raises:
        InputError: Lists what is missing or of the wrong kind, with file and line.
    """
    kind = type(definition)
    problems = []
    if not (isinstance(definition.name, str) and definition.name):
        problems.append("`name` is missing: give a short text")
    if kind.build is ModelDefinition.build:
        problems.append("the method `build(self, inputs, classes)` is missing")
    for fact, choices in (("task", get_args(Task)), ("time", get_args(TimeAxis))):
        if getattr(definition, fact) not in choices:
            problems.append(f"`{fact}` is {getattr(definition, fact)!r}: choose one of {', '.join(choices)}")
    if definition.task == "detection" and not isinstance(getattr(definition, "stride", None), int):
        problems.append("a detector needs `stride`, in pixels: derive from Detector")
    if problems:
        raise InputError(f"the model {origin}{_line_of(kind)} ({kind.__name__}) is incomplete: " + "; ".join(problems))


def _line_of(kind: type) -> str:
    try:
        return f":{inspect.getsourcelines(kind)[1]}"
    except (OSError, TypeError):
        return ""
