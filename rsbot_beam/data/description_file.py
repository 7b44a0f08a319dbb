"""Descriptions of what is finished, `dataset.json` and `model.json`: JSON objects of a version, with all their parts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from rsbot_beam import storage
from rsbot_beam.errors import InputError

# What reading a part raises that is not there, or is something else than it should be.
READING_ERRORS = (LookupError, TypeError, AttributeError, ValueError)
_JSON = {dict: "object", list: "list", str: "text", int: "number"}


def what_is_wrong(error: Exception) -> str:
    """What is wrong with a description, in words, by what reading a part of it raised."""
    return f"it lacks {error.args[0]}" if isinstance(error, KeyError) and error.args else str(error)


def read_description(
    path: str, version: int, parts: Mapping[str, type], remedy: str, error: type[InputError] = InputError
) -> dict[str, Any] | None:
    """Content of a description, or None where there is no such file.

    Args:
        path: The file, local or `gs://`.
        version: The version that this package reads.
        parts: Names of what it must hold, and the JSON types of these.
        remedy: What to do about a damaged one.
        error: What is raised.

    Raises:
        InputError: It is damaged, of another version, or lacks parts or has them of another type; of the type `error`.
    """
    try:
        content = json.loads(storage.read_text(path))
    except FileNotFoundError:
        return None
    except (json.JSONDecodeError, UnicodeDecodeError) as cause:
        raise error(f"{path} is damaged ({cause}): {remedy}") from cause
    if not isinstance(content, dict):
        raise error(f"{path} is damaged (it is no JSON object): {remedy}")
    if content.get("version") != version:
        raise error(f"{path} has version {content.get('version')}, this package reads {version}")
    missing = [name for name in parts if name not in content]
    if missing:
        raise error(f"{path} is damaged (it lacks {', '.join(missing)}): {remedy}")
    wrong = [f"{name} is no {_JSON[kind]}" for name, kind in parts.items() if not isinstance(content[name], kind)]
    if wrong:
        raise error(f"{path} is damaged ({', '.join(wrong)}): {remedy}")
    return content
