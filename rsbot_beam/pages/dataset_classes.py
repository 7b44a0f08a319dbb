"""Class balance, and tiles that failed, as tables of a dataset's page."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from rsbot_beam.data.raw_store import RawStore
from rsbot_beam.pages.page import css_colour

# Dead letters that are read, and different reasons that are listed.
MOST_LETTERS, MOST_REASONS = 10_000, 50


def class_rows(content: Mapping[str, Any], splits: Sequence[str]) -> dict[str, Any]:
    """What the template needs of the classes.

    Args:
        content: The dataset's description.
        splits: Those that have examples.

    Returns:
        `unit` ("pixels" or "objects"), `rows` of the classes that occur, each with `name`, `colour`, and the number and
        the share of its split in `splits`; and `missing`, names of those that do not occur.
    """
    unit = "objects" if content["layout"]["objects"] else "pixels"
    classes = content["classes"]
    totals = {split: max(1, sum(item[unit][split] for item in classes)) for split in splits}
    rows = [
        {
            "name": item["name"],
            "colour": css_colour(item["colour"]),
            "splits": [(split, item[unit][split], item[unit][split] / totals[split]) for split in splits],
        }
        for item in classes
        if any(item[unit][split] for split in splits)
    ]
    missing = [item["name"] for item in classes if not any(item[unit].values())]
    largest = max((share for row in rows for _, _, share in row["splits"]), default=1.0)
    return {"unit": unit, "rows": rows, "missing": missing, "largest": largest}


def dead_letter_rows(store: RawStore, dead: int) -> dict[str, Any]:
    """What the template needs of tiles that failed for good.

    Returns:
        `rows` (kind, reason, number, one tile), the most frequent first; `read` of how many letters; `more` reasons.
    """
    letters = list(itertools.islice(store.dead_letters(), MOST_LETTERS)) if dead else []
    counts = Counter((letter.kind, letter.message) for letter in letters)
    example = {(letter.kind, letter.message): letter.tile for letter in reversed(letters)}
    rows = [(kind, reason, count, example[kind, reason]) for (kind, reason), count in counts.most_common(MOST_REASONS)]
    return {"rows": rows, "read": len(letters), "more": max(0, len(counts) - MOST_REASONS)}
