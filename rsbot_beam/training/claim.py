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
    try:
        if storage.write_new(storage.join(root, FILE), json.dumps(manifest, indent=2, sort_keys=True)):
            return
    except OSError as error:
        raise _unusable(root, error) from error
    check_claim(root, manifest)


def check_claim(root: str, manifest: Mapping[str, Any]) -> None:
    """Check that a folder is nobody's or this training's, without making it that.

    Raises:
        InputError: It belongs to another training, and what differs; or it is no folder.
    """
    path = storage.join(root, FILE)
    try:
        found = json.loads(storage.read_text(path))
    except FileNotFoundError:
        return
    except OSError as error:
        raise _unusable(root, error) from error
    except ValueError as error:
        raise InputError(f"{path} is damaged ({error}): give another --output, or remove {root}") from error
    differences = list(_differences(found, json.loads(json.dumps(manifest))))
    if differences:
        listed = "".join(f"\n  {name}: there {old}, now {new}" for name, old, new in differences)
        raise InputError(
            f"{root} belongs to another training; what differs:{listed}\n"
            "Give another --output, or the same settings to continue it"
        )


def _unusable(root: str, error: OSError) -> InputError:
    return InputError(f"{root} cannot be a model's folder ({error.strerror or error}): give another --output")


def _differences(old: object, new: object, name: str = "") -> Iterator[tuple[str, str, str]]:
    if old == new:
        return
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            yield from _differences(old.get(key), new.get(key), f"{name}.{key}" if name else key)
    else:
        yield name, json.dumps(old), json.dumps(new)
