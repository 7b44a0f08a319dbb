"""What a check of assets finds wrong, in words. No Earth Engine here."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning"]

# Names that one message lists; a crop map has 250 classes.
_LISTED = 12

# Stable names of what can be found; docs/troubleshooting.md explains each.
CODES = (
    "recipe-fails",
    "asset-missing",
    "asset-denied",
    "asset-refused",
    "asset-kind",
    "asset-empty",
    "band-missing",
    "column-missing",
    "no-image",
    "no-image-here",
    "no-feature",
    "inputs-refused",
    "label-refused",
    "label-outside",
    "classes-absent",
    "classes-unseen",
    "codes-unknown",
    "resolution-coarse",
    "resolution-fine",
    "not-checked",
)


@dataclass(frozen=True)
class Problem:
    """One thing that a check found.

    Attributes:
        severity: "error": the run would fail, or make what is not meant; "warning": it may be meant.
        code: Stable name, one of `CODES`.
        text: The offending value, the cause and the remedy, for people.
    """

    severity: Severity
    code: str
    text: str

    def __str__(self) -> str:
        return f"{self.severity} [{self.code}] {self.text}"


def error(code: str, text: str) -> Problem:
    """A problem that ends the run."""
    return Problem("error", code, text)


def warning(code: str, text: str) -> Problem:
    """A problem that the user should know of."""
    return Problem("warning", code, text)


def not_checked(what: str, cause: str) -> Problem:
    """The warning that something could not be found out in time."""
    return warning(
        "not-checked",
        f"{what} was not checked: {cause}. The run goes on; to have it checked, try again later or with a smaller region",
    )


def refused(code: str, what: str, cause: str) -> Problem:
    """The error that Earth Engine cannot compute an expression of the recipe."""
    return error(
        code,
        f"Earth Engine cannot compute {what}: {cause}. Check the recipe's band names and filters: `first()` of a collection "
        "in which nothing is left is null",
    )


def listed(names: Iterable[object]) -> str:
    """The names, separated by commas; of many only the first."""
    items = [str(name) for name in names]
    more = f" and {len(items) - _LISTED} more" if len(items) > _LISTED else ""
    return (", ".join(items[:_LISTED]) or "none") + more


def nearest(name: str, known: Sequence[str]) -> str:
    """The end of a sentence that names the known name most like a wrong one, if one is."""
    by_lower = {item.lower(): item for item in known}
    close = difflib.get_close_matches(name.lower(), by_lower, 1, cutoff=0.5)
    return f"; did you mean {by_lower[close[0]]!r}?" if close else "."
