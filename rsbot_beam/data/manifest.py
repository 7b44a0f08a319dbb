"""What a run's folder belongs to: written before the first pixel, compared by every later run."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from rsbot_beam import storage
from rsbot_beam.data.bands import Attribute, Band, LabelClass, Layout
from rsbot_beam.errors import DatasetError

FILE = "export.json"
MAP_FILE = "predict.json"
TRAIN_FILE = "train.json"
_OWNERS = {FILE: "a dataset", MAP_FILE: "a map", TRAIN_FILE: "a model"}
_RUNS = {FILE: "export", MAP_FILE: "map", TRAIN_FILE: "training"}
VERSION = 2
# Told to people, not compared: the same run may be continued through another endpoint or from a file of another name.
INFORMATION = "information"
# What is compared by a hash -> what the information has of it.
_TOLD_BY = {"region": "region", "request": "recipe"}


def layout_from_dict(content: Mapping[str, Any]) -> Layout:
    """Inverse of `dataclasses.asdict` for a layout."""
    return Layout(
        bands=tuple(Band(**band) for band in content["bands"]),
        steps=content["steps"],
        static=tuple(Band(**band) for band in content["static"]),
        label=Band(**content["label"]) if content["label"] else None,
        classes=tuple(LabelClass(**item) for item in content["classes"]),
        painted=content["painted"],
        objects=content["objects"],
        attributes=tuple(Attribute(**item) for item in content["attributes"]),
    )


def layout_to_dict(layout: Layout) -> dict[str, Any]:
    """Plain form of a layout for JSON."""
    plain: dict[str, Any] = json.loads(json.dumps(asdict(layout)))
    return plain


def read_manifest(root: str, file: str = FILE) -> dict[str, Any] | None:
    """The manifest of a run's folder, or None where there is none.

    Args:
        root: The folder, local or `gs://`.
        file: `FILE` of a dataset, `MAP_FILE` of a map, `TRAIN_FILE` of a model.

    Raises:
        DatasetError: It is damaged, or the folder is none.
    """
    path = storage.join(root, file)
    try:
        manifest: dict[str, Any] = json.loads(storage.read_text(path))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unusable(root, error) from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path} is damaged ({error}): give another output folder, or remove this one") from error
    return manifest


def _unusable(root: str, error: OSError) -> DatasetError:
    return DatasetError(f"{root} cannot be the folder of a run ({error.strerror or error}): give another --output")


def claim(root: str, manifest: Mapping[str, Any], file: str = FILE) -> None:
    """Make a folder this run's, or check that it is.

    Raises:
        DatasetError: It belongs to another run; says what differs. Or it cannot be written to.
    """
    plain = json.loads(json.dumps(manifest))
    found = read_manifest(root, file)
    if found is None:
        _check_unowned(root, file)
        try:
            if storage.write_new(storage.join(root, file), json.dumps(plain, indent=2, sort_keys=True)):
                return
        except OSError as error:
            raise _unusable(root, error) from error
        found = read_manifest(root, file)
    _check_same(root, found, plain, file)


def is_claimed(root: str, manifest: Mapping[str, Any], file: str = FILE) -> bool:
    """Whether a folder is this run's already; nothing is written.

    Raises:
        DatasetError: It belongs to another run, or to something else; says what differs.
    """
    found = read_manifest(root, file)
    if found is None:
        _check_unowned(root, file)
        return False
    _check_same(root, found, json.loads(json.dumps(manifest)), file)
    return True


def _check_same(root: str, found: object, plain: object, file: str) -> None:
    differences = list(_differences(found, plain))
    if differences:
        listed = "".join(
            f"\n  {name}: there {_told(name, found)}{old}, now {_told(name, plain)}{new}"
            for name, old, new in differences
        )
        raise DatasetError(
            f"{root} belongs to another {_RUNS[file]}; what differs:{listed}\n"
            "Give another --output, or the same settings to continue it"
        )


def _check_unowned(root: str, file: str) -> None:
    for other, owner in _OWNERS.items():
        if other != file and storage.exists(storage.join(root, other)):
            raise DatasetError(f"{root} is the folder of {owner} already (it has {other}): give another --output")


def release(root: str) -> None:
    """Give a folder up that a run has claimed, and in which it has stored nothing."""
    storage.remove(storage.join(root, FILE))


def _differences(old: object, new: object, name: str = "") -> Iterator[tuple[str, str, str]]:
    if name == INFORMATION or old == new:
        return
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            yield from _differences(old.get(key), new.get(key), f"{name}.{key}" if name else key)
    else:
        yield name, _short(old), _short(new)


def _told(name: str, manifest: object) -> str:
    """What a hash stands for, as the user wrote it, or nothing."""
    information = manifest.get(INFORMATION) if isinstance(manifest, dict) else None
    text = information.get(_TOLD_BY.get(name)) if isinstance(information, dict) else None
    return f"{text} " if text else ""


def _short(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 120 else text[:117] + "..."
