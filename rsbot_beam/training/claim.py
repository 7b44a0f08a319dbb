"""What a model's folder belongs to: written before the first step, compared by every later run."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from rsbot_beam import storage
from rsbot_beam.errors import InputError

FILE = "train.json"


def claim(root: str, manifest: Mapping[str, Any]) -> None:
    """Make a folder this training's, or check that it is.

    Args:
        root: The model's folder, local or `gs://`.
        manifest: What the training is asked to do, as plain values.

    Raises:
        InputError: It belongs to another training, and what differs; or it cannot be written to.
    """
    path, plain = storage.join(root, FILE), json.loads(json.dumps(manifest))
    try:
        if storage.write_new(path, json.dumps(plain, indent=2, sort_keys=True)):
            return
        found = json.loads(storage.read_text(path))
    except OSError as error:
        raise InputError(
            f"{root} cannot be a model's folder ({error.strerror or error}): give another --output"
        ) from error
    except ValueError as error:
        raise InputError(f"{path} is damaged ({error}): give another --output, or remove {root}") from error
    differences = list(_differences(found, plain))
    if differences:
        listed = "".join(f"\n  {name}: there {old}, now {new}" for name, old, new in differences)
        raise InputError(
            f"{root} belongs to another training; what differs:{listed}\n"
            "Give another --output, or the same settings to continue it"
        )


def _differences(old: object, new: object, name: str = "") -> Iterator[tuple[str, str, str]]:
    if old == new:
        return
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            yield from _differences(old.get(key), new.get(key), f"{name}.{key}" if name else key)
    else:
        yield name, json.dumps(old), json.dumps(new)
