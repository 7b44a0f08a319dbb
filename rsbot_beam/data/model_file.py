"""`model.json`: what a model is. Written last; a folder without it is not a finished model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from rsbot_beam import storage
from rsbot_beam.errors import InputError

MODEL_FILE = "model.json"
SAVED_MODEL = "saved_model"
KERAS_MODEL = "model.keras"
VERSION = 1


def read_model_file(root: str) -> dict[str, Any] | None:
    """Content of a model's description, or None where there is none.

    Args:
        root: The model's folder, local or `gs://`.

    Raises:
        InputError: It is damaged, or of another version.
    """
    path = storage.join(root, MODEL_FILE)
    try:
        content: dict[str, Any] = json.loads(storage.read_text(path))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise InputError(f"{path} is damaged ({error}): remove it and start `rsbot train` again") from error
    if content.get("version") != VERSION:
        raise InputError(f"{path} has version {content.get('version')}, this package reads {VERSION}")
    return content


def write_model_file(root: str, content: Mapping[str, Any]) -> None:
    """Write the description: from then on the model is finished."""
    storage.write_bytes(storage.join(root, MODEL_FILE), json.dumps({"version": VERSION, **content}, indent=2))


def require_model_file(root: str) -> dict[str, Any]:
    """Content of a finished model's description.

    Raises:
        InputError: There is no model, or its training has not ended.
    """
    content = read_model_file(root)
    if content is not None:
        return content
    if storage.exists(storage.join(root, "train.json")):
        raise InputError(f"the training of {root} has not ended: start the same `rsbot train` again to finish it")
    raise InputError(f"there is no model in {root}: it has no {MODEL_FILE}; make one with `rsbot train`")
