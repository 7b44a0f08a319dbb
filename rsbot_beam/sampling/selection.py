"""What a draw of samples gives: the samples, and where they fall short of what was asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from rsbot_beam.data.samples import Sample


@dataclass(frozen=True)
class Shortfall:
    """Fewer samples than asked, and why.

    Attributes:
        what: Of what there are too few, such as "class 5".
        wanted: Number asked.
        found: Number in the selection.
        why: Cause and remedy, for a message.
    """

    what: str
    wanted: int
    found: int
    why: str

    def __str__(self) -> str:
        return f"{self.what}: {self.wanted} asked, {self.found} found: {self.why}"


class Selection(NamedTuple):
    """Drawn samples.

    Attributes:
        samples: In the order in which they were drawn or given; no tile is there twice.
        shortfalls: Empty where all that was asked was found.
    """

    samples: list[Sample]
    shortfalls: list[Shortfall]


def only_short(*candidates: Shortfall) -> list[Shortfall]:
    """Returns those of which fewer were found than wanted."""
    return [candidate for candidate in candidates if candidate.found < candidate.wanted]
