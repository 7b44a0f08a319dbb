"""Why there is nothing of an asset in a region and period: asked only where that was found."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

import ee

from rsbot_beam.data.period import Period
from rsbot_beam.earthengine.asset_contents import AssetQuery
from rsbot_beam.earthengine.asset_problems import Problem, error, warning

_START, _END = "system:time_start", "system:time_end"


def reason_question(query: AssetQuery, place: ee.Geometry, period: Period) -> ee.ComputedObject:
    """The expression whose value `reason` understands, for a collection or table without anything in region and period."""
    if query.kind == "TABLE":
        table = ee.FeatureCollection(query.id)
        centres = table.limit(1).toList(1).map(lambda one: ee.Feature(one).geometry().centroid(1).coordinates())
        return ee.Dictionary({"any": table.limit(1).size(), "centres": centres})
    everything = ee.ImageCollection(query.id)
    here = everything.filterBounds(place)
    start, end = _milliseconds(period.start), _milliseconds(period.end)
    # Maps of a year begin on its first day, which a period within the year does not hold.
    around = here.filter(ee.Filter.And(ee.Filter.lt(_START, end), ee.Filter.gt(_END, start)))
    return ee.Dictionary(
        {
            "any": everything.limit(1).size(),
            "here": here.limit(1).size(),
            "around": around.limit(1).size(),
            "then": everything.filterDate(start, end).limit(1).size(),
            "days": days_question(query.id, place),
        }
    )


def days_question(collection: str, place: ee.Geometry) -> ee.ComputedObject:
    """The expression of the first and last day of a collection's images in a region; `days_of` reads its value."""
    here = ee.ImageCollection(collection).filterBounds(place)
    return ee.Dictionary({"first": here.aggregate_min(_START), "last": here.aggregate_max(_START)})


def days_of(value: Mapping[str, Any] | None) -> str:
    """First and last day in the value of a `days_question`; empty if there is none."""
    if value is None or value.get("first") is None or value.get("last") is None:
        return ""
    return f"{_day(value['first'])} to {_day(value['last'])}"


def reason(
    query: AssetQuery, region: str, period: Period, value: Mapping[str, Any] | None, described: Mapping[str, Any]
) -> Problem | None:
    """What is wrong, and whether region or period is the cause.

    Args:
        query: The asset.
        region: The region, in words.
        period: The run's period.
        value: Value of the `reason_question`, or None where it was not answered.
        described: The asset as `ee.data.getAsset` describes it.

    Returns:
        An error, or a warning where the asset is not filtered by the period; None if nothing is wrong after all: an image
        that starts before the period reaches into it.
    """
    if value is not None and not value["any"]:
        return error("asset-empty", f"{query.id!r} is empty: it holds nothing at all. Name another asset in the recipe")
    if query.kind == "TABLE":
        return _no_feature(query, region, value or {})
    if not query.dated:
        return warning(
            "no-image-here",
            f"{query.id!r} has no image over {region}: its pixels will all be masked there. Choose a region that it "
            "covers, unless that is meant",
        )
    if value is not None and value["around"]:
        return None
    return error(
        "no-image",
        f"{query.id!r} has no image over {region} in the period {period}: {_cause(period, value, described)}",
    )


def _cause(period: Period, value: Mapping[str, Any] | None, described: Mapping[str, Any]) -> str:
    """Which of region and period is to be changed, and to what."""
    whole = _whole_range(described)
    if value is None:
        return f"check both{f'; the collection spans {whole}' if whole else ''}"
    if not value["here"]:
        also = (
            "" if value["then"] else f", nor any image elsewhere in the period{f' (it spans {whole})' if whole else ''}"
        )
        return (
            f"it has none there at any time{also}. The region is the cause: choose one that it covers, or another asset"
        )
    days = days_of(value["days"])
    if not days:
        return "its images there have no date (system:time_start), so that no period finds them. Set it, or do not filter by it"
    first, last = days.split(" to ")
    within = first <= period.start.isoformat() and period.end.isoformat() <= last
    remedy = "lengthen the period" if within else "choose a period within these days"
    return f"there it has images from {days}. The period is the cause: {remedy}"


def _no_feature(query: AssetQuery, region: str, value: Mapping[str, Any]) -> Problem:
    centres = value.get("centres") or []
    near = f" (its first one is near longitude {centres[0][0]:.2f}, latitude {centres[0][1]:.2f})" if centres else ""
    return error(
        "no-feature",
        f"the table {query.id!r} has no feature in {region}{near}: there would be nothing to learn. Choose a region that "
        "it covers, or name another table",
    )


def _whole_range(described: Mapping[str, Any]) -> str:
    """First and last day of a collection, as its description has them; empty where it does not."""
    dates = described.get("properties", {}).get("date_range")
    if isinstance(dates, list) and len(dates) == 2:
        return f"{_day(dates[0])} to {_day(dates[1])}"
    if "startTime" in described and "endTime" in described:
        return f"{described['startTime'][:10]} to {described['endTime'][:10]}"
    return ""


def _milliseconds(day: datetime.date) -> int:
    return round(datetime.datetime(day.year, day.month, day.day, tzinfo=datetime.timezone.utc).timestamp() * 1000)


def _day(milliseconds: float) -> str:
    epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
    return (epoch + datetime.timedelta(milliseconds=milliseconds)).date().isoformat()
