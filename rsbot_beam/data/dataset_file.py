"""`dataset.json`: what a dataset is. Written last; a folder without it is not a finished dataset."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from rsbot_beam import storage
from rsbot_beam.errors import DatasetError

DATASET_FILE = "dataset.json"
VERSION = 1


def read_dataset_file(root: str) -> dict[str, Any] | None:
    """Content of a dataset's description, or None where there is none.

    Raises:
        DatasetError: It is damaged, or of another version.
    """
    path = storage.join(root, DATASET_FILE)
    try:
        content: dict[str, Any] = json.loads(storage.read_text(path))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise DatasetError(f"{path} is damaged ({error}): remove it and start the export again") from error
    if content.get("version") != VERSION:
        raise DatasetError(f"{path} has version {content.get('version')}, this package reads {VERSION}")
    return content


def write_dataset_file(root: str, content: Mapping[str, Any]) -> None:
    """Write the description: from then on the dataset is finished."""
    storage.write_bytes(storage.join(root, DATASET_FILE), json.dumps({"version": VERSION, **content}, indent=2))


def require_dataset_file(root: str) -> dict[str, Any]:
    """Content of a finished dataset's description.

    Raises:
        DatasetError: There is no dataset, or it is half-written.
    """
    content = read_dataset_file(root)
    if content is not None:
        return content
    if storage.exists(storage.join(root, "export.json")):
        raise DatasetError(f"the dataset {root} is half-written: start the same `rsbot export` again to finish it")
    raise DatasetError(f"there is no dataset in {root}: it has no {DATASET_FILE}; make one with `rsbot export`")
