"""Does the region overlap the label, and do its classes occur? A coarse look, bounded in pixels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import ee

from rsbot_beam.earthengine.asset_problems import Problem, error, listed, not_checked, refused, warning
from rsbot_beam.earthengine.asset_reasons import days_of, days_question
from rsbot_beam.earthengine.asset_region import Piece, boxes, pieces
from rsbot_beam.earthengine.asset_requests import Answer, Failure
from rsbot_beam.geometry import Region

# Spread over more of Earth Engine's machines, each with less memory: a histogram fails from memory before time.
_TILE_SCALE = 4

# A look that Earth Engine finds larger than ours by this factor is made coarser by it (`bestEffort`).
_SLACK = 4
_LEAST_PIXELS = 1_000


@dataclass(frozen=True)
class LabelQuery:
    """A label image to look at.

    Attributes:
        image: Image that has the band.
        band: Name of the label's band.
        classes: Names by code; empty for a measured quantity.
        sparse: Whether most of it may be masked, as that of a mask of objects.
        collections: Ids of the image collections that it is made of.
    """

    image: ee.Image
    band: str
    classes: Mapping[int, str]
    sparse: bool = False
    collections: tuple[str, ...] = ()


class LabelChecks:
    """The checks of a label over one region: a coarse look, a closer one if nothing was seen, and what they say.

    Args:
        query: The label.
        region: Where.
        words: The region, in words.
        resolution: Pixel size of the run, in metres; no look is finer.
    """

    def __init__(self, query: LabelQuery, region: Region, words: str, resolution: float) -> None:
        self._query, self._region, self._words, self._resolution = query, region, words, resolution
        self._parts: list[Piece] = []

    def questions(self, pixels: int) -> dict[str, ee.ComputedObject]:
        """Expressions, by name, that count codes (of a quantity: valid pixels) in a look at so many pixels at most."""
        self._parts = pieces(self._region, self._resolution, pixels)
        image = self._query.image.select([self._query.band])
        reducer = ee.Reducer.frequencyHistogram() if self._query.classes else ee.Reducer.count()
        return {
            f"label {number}": image.reduceRegion(
                reducer=reducer,
                geometry=part.geometry,
                scale=part.scale,
                # In the label's own projection a region on the other side of the globe may have no place.
                crs="EPSG:4326",
                bestEffort=True,
                maxPixels=int(_SLACK * part.pixels) + _LEAST_PIXELS,
                tileScale=_TILE_SCALE,
            )
            for number, part in enumerate(self._parts)
        }

    def closer_questions(self, answers: Mapping[str, Answer], pixels: int) -> dict[str, ee.ComputedObject]:
        """What to ask next, by name: days of its collections if they are empty, more pixels if nothing was seen.

        Args:
            answers: To `questions`.
            pixels: How many to look at.
        """
        mine = self._mine(answers)
        failure = _failure(mine)
        if failure is not None:
            place = boxes(self._region)
            return {_days(name): days_question(name, place) for name in self._query.collections if _is_empty(failure)}
        return {} if self._sure() or _counts(self._query, mine) else self.questions(pixels)

    def judge(self, answers: Mapping[str, Answer]) -> list[Problem]:
        """What the answers to the last questions say."""
        mine, query = self._mine(answers), self._query
        failure = _failure(mine)
        if failure is not None:
            return [self._failed(failure, answers)]
        counts, where = _counts(query, mine), f"in {self._words} (looked {self._look()})"
        if not counts:
            return [_outside(query, where, self._sure())]
        return _judge_classes(query, where, self._sure(), counts) if query.classes else []

    def _failed(self, failure: Failure, answers: Mapping[str, Answer]) -> Problem:
        what = f"the label {self._query.band!r}"
        if failure.says_nothing:
            return not_checked(f"{what} in {self._words}", failure.text)
        if not _is_empty(failure):
            return refused("label-refused", what, failure.text)
        days = {name: answers[_days(name)].value for name in self._query.collections if _days(name) in answers}
        known = [f"{name!r} has images there from {text}" for name, value in days.items() if (text := days_of(value))]
        return error(
            "no-image",
            f"{what} has no image over {self._words} and its period: a collection is empty (Earth Engine: {failure.text}). "
            f"{'; '.join(known) or 'Its assets have none there'}: choose a year, period or region of the label's",
        )

    def _mine(self, answers: Mapping[str, Answer]) -> list[Answer]:
        return [answers[f"label {number}"] for number in range(len(self._parts))]

    def _sure(self) -> bool:
        return all(part.scale <= self._resolution for part in self._parts)

    def _look(self) -> str:
        return "at all pixels" if self._sure() else f"at pixels of {max(part.scale for part in self._parts):,.0f} m"


def _failure(answers: Iterable[Answer]) -> Failure | None:
    return next((answer.failure for answer in answers if answer.failure), None)


def _is_empty(failure: Failure) -> bool:
    """Whether a reduced collection had no image (no bands), or a first image was taken of one without any (null)."""
    return "Available bands: []" in failure.text or "may not be null" in failure.text


def _days(name: str) -> str:
    return f"label days {name}"


def _outside(query: LabelQuery, where: str, sure: bool) -> Problem:
    text = (
        f"the label {query.band!r} has no valid pixel {where}: the region lies outside of it, or its masks leave nothing. "
        "Choose a region that the label covers, or another label"
    )
    return warning("label-outside", text) if query.sparse and not sure else error("label-outside", text)


def _judge_classes(query: LabelQuery, where: str, sure: bool, counts: Mapping[float, float]) -> list[Problem]:
    total, common = sum(counts.values()), sorted(counts.items(), key=lambda item: -item[1])
    shares = {code: f"{code:g} ({100 * count / total:.2g} %)" for code, count in common}
    if not set(counts) & set(query.classes):
        return [
            error(
                "classes-absent",
                f"the label {query.band!r} holds the codes {listed(shares.values())} {where}, and none of the recipe's "
                f"classes {listed(query.classes)}: correct the codes in `classes`, or remap the label",
            )
        ]
    unseen = [f"{code} {name}" for code, name in query.classes.items() if code not in counts]
    unknown = [text for code, text in shares.items() if code not in query.classes]
    return _unseen(query, where, sure, unseen) + _unknown(query, where, unknown)


def _unseen(query: LabelQuery, where: str, sure: bool, unseen: Sequence[str]) -> list[Problem]:
    if not unseen:
        return []
    rare = "" if sure else ", though rare ones may be there all the same"
    return [
        warning(
            "classes-unseen",
            f"{len(unseen)} of {len(query.classes)} classes of the label {query.band!r} were not seen {where}{rare}: "
            f"{listed(unseen)}. What does not occur cannot be learnt: choose a larger region or another one, unless that "
            "is meant",
        )
    ]


def _unknown(query: LabelQuery, where: str, unknown: Sequence[str]) -> list[Problem]:
    if not unknown:
        return []
    return [
        warning(
            "codes-unknown",
            f"the label {query.band!r} holds codes {where} that the recipe's classes do not name: {listed(unknown)}. Name "
            "them in `classes`, or mask or remap them in the recipe",
        )
    ]


def _counts(query: LabelQuery, answers: Iterable[Answer]) -> dict[float, float]:
    """Pixels by code; those of a quantity under 0. Pixels at the region's edge count in part."""
    found: dict[float, float] = {}
    for answer in answers:
        counted = (answer.value or {}).get(query.band)
        histogram = counted if isinstance(counted, dict) else {"0": counted or 0}
        for code, count in histogram.items():
            if code != "null" and count:
                found[float(code)] = found.get(float(code), 0.0) + count
    return found
