"""The page of a folder that holds datasets, models and maps: what they are, and links to their pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rsbot_beam import storage
from rsbot_beam.data.dataset_file import require_dataset_file
from rsbot_beam.data.description_file import READING_ERRORS, what_is_wrong
from rsbot_beam.data.map_file import require_map_file
from rsbot_beam.data.model_file import require_model_file
from rsbot_beam.data.period import period_text
from rsbot_beam.errors import RsbotError
from rsbot_beam.pages.kinds import DATASET, MAP, MODEL, Found, found_in
from rsbot_beam.pages.page import PageOptions, data_uri, number, render, score
from rsbot_beam.views.encoding import reencoded

# Cards with a picture: each is some 20 kB.
MOST_PICTURES = 60
_SIDE = 420
_PICTURES = {DATASET: ("preview.png",), MAP: ("map.png", "detections.png"), MODEL: ()}
_HEADINGS = {DATASET: "Datasets", MODEL: "Models", MAP: "Maps"}


def page(path: str, options: PageOptions, broken: Mapping[str, str] | None = None) -> str:
    """The page of a folder as HTML.

    Args:
        path: The folder, local or `gs://`.
        options: How pages are made.
        broken: Why some of its parts have no page, by name.

    Raises:
        InputError: The extra `views` is not installed.
    """
    cards = [_card(part, (broken or {}).get(part.name, ""), index) for index, part in enumerate(found_in(path))]
    return render(
        "folder.html.j2",
        storage.name_of(path),
        options=options,
        path=path,
        groups=[
            (kind, heading, [card for card in cards if card["kind"] == kind]) for kind, heading in _HEADINGS.items()
        ],
    )


def _card(part: Found, broken: str, index: int) -> dict[str, Any]:
    """What the template needs of a part: its name and kind, and either what it is or what is wrong with it."""
    wrong = f"half-written: {part.unfinished}" if part.unfinished else broken
    card = {"name": part.name, "kind": part.kind, "lines": [], "picture": "", "wrong": wrong}
    if card["wrong"]:
        return card
    try:
        lines = {DATASET: dataset_lines, MODEL: model_lines, MAP: map_lines}[part.kind](part.path)
    except (RsbotError, OSError, *READING_ERRORS) as error:
        return {**card, "wrong": f"its description cannot be read ({what_is_wrong(error)})"}
    picture = _picture(part) if index < MOST_PICTURES else ""
    return {**card, "lines": [line for line in lines if line], "picture": picture}


def dataset_lines(path: str) -> list[str]:
    """A dataset in a few words."""
    content = require_dataset_file(path)
    splits = ", ".join(f"{name} {number(part['examples'])}" for name, part in content["splits"].items())
    return [
        content["recipe"]["name"],
        period_text(content["period"]),
        f"{number(content['tiles']['stored'])} patches: {splits}",
    ]


def model_lines(path: str) -> list[str]:
    """A model in a few words."""
    content = require_model_file(path)
    scores = ", ".join(
        f"{name.removeprefix('val_')} {score(value)}" for name, value in content["scores"].items() if "val_" in name
    )
    return [
        f"{content['model']['name']}, {content['task']} of {content['recipe']['name']}",
        f"{content['training']['epochs_done']} epochs",
        f"validation: {scores}" if scores else "",
    ]


def map_lines(path: str) -> list[str]:
    """A map in a few words."""
    content = require_map_file(path)
    objects = sum(item["objects"] or 0 for item in content["classes"])
    return [
        f"{content['recipe']['name']} by {content['model']['name']}",
        period_text(content["period"]),
        f"{number(content['tiles']['predicted'])} tiles, {content['region']['area_m2'] / 1e6:,.0f} km²",
        f"{number(objects)} objects" if objects else "",
    ]


def _picture(part: Found) -> str:
    for name in _PICTURES[part.kind]:
        try:
            return data_uri(reencoded(storage.read_bytes(storage.join(part.path, name)), _SIDE), "webp")
        except OSError:  # there is none, or it is damaged: neither is a reason to show nothing of the folder
            continue
    return ""
