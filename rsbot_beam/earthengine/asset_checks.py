"""Do the assets of a recipe exist, have they its bands, and is there anything of them in region and period?

For the main program, with an initialised client. First each asset's description, all at the same time; then one
expression with all that is to be known of all of them; and what is found wrong is asked about once more, to say why.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import ee

from rsbot_beam.data.period import Period
from rsbot_beam.earthengine.asset_contents import (
    AssetQuery,
    Content,
    content_question,
    names_of,
    names_question,
    read_content,
)
from rsbot_beam.earthengine.asset_problems import Problem, error, listed, nearest, not_checked, warning
from rsbot_beam.earthengine.asset_reasons import reason, reason_question
from rsbot_beam.earthengine.asset_requests import Answer, Deadline, Failure, ask

# A pixel size up to this many times an asset's own is nothing to mention (samples of every fourth pixel are common),
# nor is one down to this share of it (10 m for a 20 m band).
COARSEST, FINEST = 4.0, 0.5

_KINDS = {"IMAGE": "an image", "IMAGE_COLLECTION": "an image collection", "TABLE": "a table"}
_OPENED = {"IMAGE": "ee.Image", "IMAGE_COLLECTION": "ee.ImageCollection", "TABLE": "ee.FeatureCollection"}


@dataclass
class AssetChecks:
    """The checks of some assets over one region and period, a step at a time; each step needs the one before.

    Attributes:
        queries: The assets, each id once.
        place: The region, coarsely.
        period: The run's period.
        region: The region, in words.
        problems: What was found so far.
        sound: The assets that exist and are of their kind.
        contents: What they hold, by id.
    """

    queries: Sequence[AssetQuery]
    place: ee.Geometry
    period: Period
    region: str
    problems: list[Problem] = field(default_factory=list)
    sound: list[AssetQuery] = field(default_factory=list)
    contents: dict[str, Content] = field(default_factory=dict)
    _described: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    def look_up(self, deadline: Deadline) -> None:
        """Ask for every asset's description, at the same time: sets `sound`.

        Raises:
            AuthenticationError: Earth Engine does not accept the credentials, or denies the project.
        """
        answers = ask({query.id: partial(ee.data.getAsset, query.id) for query in self.queries}, deadline)
        for query in self.queries:
            answer = answers[query.id]
            found = absence(query, answer.failure) if answer.failure else wrong_kind(query, answer.value)
            if found is None:
                self.sound.append(query)
                self._described[query.id] = answer.value
            else:
                self.problems.append(found)

    def questions(self) -> dict[str, ee.ComputedObject]:
        """Expressions, by name, of what the sound assets hold."""
        return {f"asset {query.id}": content_question(query, self.place, self.period) for query in self.sound}

    def judge(self, answers: Mapping[str, Answer]) -> dict[str, ee.ComputedObject]:
        """Read the answers to `questions`: sets `contents`.

        Returns:
            Expressions, by name, that say more of what seems wrong.
        """
        doubts: dict[str, ee.ComputedObject] = {}
        for query in self.sound:
            answer = answers[f"asset {query.id}"]
            if answer.failure is not None:
                self.problems.append(unread(query, answer.failure))
                continue
            content = self.contents[query.id] = read_content(answer.value)
            if not content.here:
                doubts[f"reason {query.id}"] = reason_question(query, self.place, self.period)
            if missing(query, content.bands):
                doubts[f"names {query.id}"] = names_question(query, self.place, self.period, content.here)
        return doubts

    def explain(self, answers: Mapping[str, Answer]) -> None:
        """Read the answers to what `judge` asked for."""
        for query in self.sound:
            names, why = answers.get(f"names {query.id}"), answers.get(f"reason {query.id}")
            content = self.contents.get(query.id)
            found = reason(query, self.region, self.period, why.value, self._described[query.id]) if why else None
            self.problems += [found] if found else []
            is_empty = found is not None and found.code == "asset-empty"
            # Without an answer, a few images from elsewhere are not enough to call a band missing.
            if names and content and not is_empty and (content.here or not names.failure):
                self.problems += missing_names(query, names_of([content.bands, *(names.value or [])]))

    def judge_resolution(self, resolution: float) -> list[Problem]:
        """Warnings where the run's pixel size, in metres, does not suit the finest of the assets."""
        images = [query for query in self.queries if query.kind != "TABLE"]
        measured = {name: content.scale for name, content in self.contents.items()}
        scales = {query.id: measured.get(query.id) or query.resolution for query in images}
        known = {name: scale for name, scale in scales.items() if scale > 0}
        return check_resolution(known, resolution, complete=len(known) == len(scales))


def absence(query: AssetQuery, failure: Failure) -> Problem:
    """What it means that an asset's description was not answered."""
    said = f"(Earth Engine: {failure.text})"
    if failure.says_nothing:
        return not_checked(f"the asset {query.id!r}, and what the recipe makes of it,", failure.text)
    if failure.kind == "missing":
        return error(
            "asset-missing",
            f"there is no asset {query.id!r}, or your account may not see it {said}: correct the id, or have its owner "
            "share it with the account of --ee_credentials",
        )
    if failure.kind == "denied":
        return error(
            "asset-denied",
            f"your account may not read the asset {query.id!r} {said}: have its owner share it with the account of "
            "--ee_credentials as a reader (permission earthengine.assets.get, role Earth Engine Resource Viewer)",
        )
    return error("asset-refused", f"Earth Engine refuses the asset id {query.id!r} {said}: correct it in the recipe")


def wrong_kind(query: AssetQuery, described: Mapping[str, Any]) -> Problem | None:
    """An error if an asset is of another kind than the recipe takes it for."""
    kind = str(described.get("type", query.kind)).upper()
    if kind == query.kind:
        return None
    found, remedy = _KINDS.get(kind, f"a {kind.lower()}"), "name another asset"
    if query.kind == "TABLE":
        remedy = "name a table or a vector file, or where a recipe learns from a raster of classes, give it as `mask`"
    elif kind in _OPENED:
        remedy = f"open it with {_OPENED[kind]}, or {remedy}"
    return error("asset-kind", f"{query.id!r} is {found}, and the recipe takes it for {_KINDS[query.kind]}: {remedy}")


def unread(query: AssetQuery, failure: Failure) -> Problem:
    """What it means that the question for an asset's content was not answered."""
    if failure.says_nothing:
        return not_checked(f"what {query.id!r} holds in region and period", failure.text)
    return error(
        "asset-refused",
        f"Earth Engine cannot read the asset {query.id!r} ({failure.text}): check that its upload has ended and that it "
        "opens in the Code Editor",
    )


def missing(query: AssetQuery, known: Iterable[str]) -> list[str]:
    """The bands or columns that the recipe reads and that are not among the known ones."""
    there = set(known)
    return [band for band in query.bands if band not in there]


def missing_names(query: AssetQuery, known: Sequence[str]) -> list[Problem]:
    """An error for each band or column that is not there."""
    word, code = ("column", "column-missing") if query.kind == "TABLE" else ("band", "band-missing")
    return [
        error(
            code,
            f"{query.id!r} has no {word} {name!r}{nearest(name, known)} It has {listed(known)}: correct the name in the "
            "recipe or its parameters",
        )
        for name in missing(query, known)
    ]


def check_resolution(scales: Mapping[str, float], resolution: float, complete: bool = True) -> list[Problem]:
    """Warnings where a pixel size does not suit the finest of the assets.

    Args:
        scales: Pixel sizes in metres by asset.
        resolution: Pixel size of the run, in metres.
        complete: Whether these are all; an asset of which nothing is known might be finer.
    """
    if not scales:
        return []
    finest = min(scales, key=lambda name: scales[name])
    native = scales[finest]
    sizes = f"pixels of {resolution:g} m, and those of {finest!r} have {native:.3g} m"
    if resolution > COARSEST * native:
        return [
            warning(
                "resolution-coarse",
                f"{sizes}: only one of about {(resolution / native) ** 2:,.0f} is read, the nearest. Choose pixels of "
                f"{native:.3g} m (--resolution), or average them in the recipe with reduceResolution, unless that is meant",
            )
        ]
    if complete and resolution < FINEST * native:
        return [
            warning(
                "resolution-fine",
                f"{sizes}: each is fetched about {(native / resolution) ** 2:,.0f} times over. Choose pixels of "
                f"{native:.3g} m (--resolution), unless that is meant",
            )
        ]
    return []
