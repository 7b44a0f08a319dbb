"""`dataset.json`: what a dataset is. Written last; a folder without it is not a finished dataset."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from rsbot_beam import storage
from rsbot_beam.data.description_file import read_description
from rsbot_beam.data.splits import SPLITS
from rsbot_beam.errors import DatasetError

DATASET_FILE = "dataset.json"
VERSION = 1
# What those who read it count on.
PARTS = {
    **dict.fromkeys(("recipe", "region", "period", "grid", "layout"), dict),
    **dict.fromkeys(("bands", "classes"), list),
    **dict.fromkeys(("preprocessing", "features", "split", "splits", "raw"), dict),
}
_REMEDY = "remove it and start the export again"


def read_dataset_file(root: str) -> dict[str, Any] | None:
    """Content of a dataset's description, or None where there is none.

    Raises:
        DatasetError: It is damaged, lacks something, or is of another version.
    """
    path = storage.join(root, DATASET_FILE)
    content = read_description(path, VERSION, PARTS, _REMEDY, DatasetError)
    if content is not None and not all(_is_counted(content["splits"], name) for name in SPLITS):
        raise DatasetError(f"{path} is damaged (`splits` does not say what {', '.join(SPLITS)} hold): {_REMEDY}")
    return content


def _is_counted(splits: Any, name: str) -> bool:  # noqa: ANN401 - whatever the file holds
    found = splits.get(name) if isinstance(splits, dict) else None
    return isinstance(found, dict) and {"examples", "nbytes"} <= found.keys()


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
