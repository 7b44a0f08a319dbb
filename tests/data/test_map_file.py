"""`run.json`: what is damaged is refused with one sentence, before anybody relies on it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rsbot_beam import storage
from rsbot_beam.data.map_file import PARTS, RUN_FILE, read_map_file, require_map_file
from rsbot_beam.errors import InputError

ITEM = {"code": 1, "name": "crop", "colour": "#00ff00", "hectares": 1.0, "objects": None}
WHOLE: dict[str, Any] = {
    **{name: dict.fromkeys(keys, 1) for name, keys in PARTS.items()},
    "blocks": 1,
    "nbytes": 2,
    "seconds": 3.5,
    "classes": [ITEM],
}


def put(folder: str, content: object) -> None:
    storage.write_bytes(storage.join(folder, RUN_FILE), json.dumps(content))


def test_what_is_whole_is_read(any_folder: str) -> None:
    assert read_map_file(any_folder) is None
    put(any_folder, WHOLE)
    assert require_map_file(any_folder) == WHOLE


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ([], "it is no JSON object"),
        ({}, "`model` does not say name, path"),
        ({**WHOLE, "period": []}, "`period` does not say start, end"),
        ({**WHOLE, "tiles": {"asked": 1}}, "`tiles` does not say asked, predicted, empty, dead"),
        ({**WHOLE, "blocks": "many"}, "it lacks blocks"),
        ({**WHOLE, "classes": {}}, "`classes` is no list"),
        ({**WHOLE, "classes": [{"code": 1}]}, "`classes` is no list that says code, colour"),
    ],
)
def test_what_is_damaged_is_named(any_folder: str, content: object, said: str) -> None:
    put(any_folder, content)
    with pytest.raises(InputError, match=f"run.json is damaged .{said}.*: remove it and start the same command again"):
        require_map_file(any_folder)
