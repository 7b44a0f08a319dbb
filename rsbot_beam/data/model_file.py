"""`model.json`: what a model is. Written last; a folder without it is not a finished model."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from rsbot_beam import storage
from rsbot_beam.data.bands import LabelClass
from rsbot_beam.data.description_file import read_description
from rsbot_beam.errors import InputError

MODEL_FILE = "model.json"
SAVED_MODEL = "saved_model"
KERAS_MODEL = "model.keras"
VERSION = 1
REMEDY = "remove it and start `rsbot train` again"
# What those who read it count on.
PARTS = {
    "task": str,
    "classes": list,
    "overlap": int,
    **dict.fromkeys(("model", "recipe", "layout", "grid", "period", "receptive_field"), dict),
}


def read_model_file(root: str) -> dict[str, Any] | None:
    """Content of a model's description, or None where there is none.

    Args:
        root: The model's folder, local or `gs://`.

    Raises:
        InputError: It is damaged, lacks something, or is of another version.
    """
    return read_description(storage.join(root, MODEL_FILE), VERSION, PARTS, REMEDY)


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


def model_classes(content: Mapping[str, Any]) -> tuple[LabelClass, ...]:
    """The classes of a model, in the order of its outputs.

    Args:
        content: Of `model.json`.
    """
    return tuple(LabelClass(item["code"], item["name"], item["colour"]) for item in content["classes"])


def unlearned_classes(content: Mapping[str, Any]) -> tuple[LabelClass, ...]:
    """Those of the classes that the train split lacked: the model never says them.

    Args:
        content: Of `model.json`.
    """
    told = zip(model_classes(content), content["classes"], strict=True)
    return tuple(known for known, item in told if not item.get("learned", True))


def checksums(root: str) -> dict[str, str]:
    """Checksums of the SavedModel's files and of the Keras model, by their paths in the model's folder.

    Args:
        root: The model's folder, local or `gs://`.
    """
    start = len(storage.join(root, ""))
    return {path[start:]: _checksum(path) for path in _files(root)}


def damaged_files(root: str, content: Mapping[str, Any]) -> list[str]:
    """Files of a finished model that are missing, or not what was written; empty for a model that is whole.

    Args:
        root: The model's folder, local or `gs://`.
        content: Of `model.json`; one of an earlier version of this package knows no checksums.
    """
    written = content.get("files")
    if written is None:
        graph = f"{SAVED_MODEL}/saved_model.pb"
        return [] if storage.exists(storage.join(root, graph)) else [graph]
    found = checksums(root)
    return sorted(path for path, checksum in written.items() if found.get(path) != checksum)


def _files(root: str) -> Iterator[str]:
    yield from (file.path for file in storage.walk(storage.join(root, SAVED_MODEL)))
    network = storage.join(root, KERAS_MODEL)
    if storage.exists(network):
        yield network


def _checksum(path: str) -> str:
    # Against damage, not against malice.
    return hashlib.blake2b(storage.read_bytes(path), digest_size=8).hexdigest()
