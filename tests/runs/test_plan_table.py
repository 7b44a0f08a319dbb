"""What a plan says, for people."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, cast

import pytest

from rsbot_beam.earthengine.endpoint import Endpoint
from rsbot_beam.errors import InputError
from rsbot_beam.runs.counting import Count
from rsbot_beam.runs.estimate import Cost, Duration, Machines, Pace
from rsbot_beam.runs.plan_report import DataflowTime, PlanReport, Traffic
from rsbot_beam.runs.plan_settings import PlanSettings
from rsbot_beam.runs.plan_table import duration_text, size_text
from rsbot_beam.runs.trial import Trial

TRIAL = Trial(
    places=8,
    requests=8,
    in_flight=7,
    latencies=(0.4, 0.5, 0.6),
    request_cpu=0.01,
    tiles=128,
    empty=32,
    dead=0,
    head_bytes=128.0,
    retries=0,
    splits=0,
    eecu=2.0,
    restricted=False,
    failure="",
)
REPORT = PlanReport(
    command="export",
    title="recipe <script>, 2023",
    output=None,
    endpoint=Endpoint("https://earthengine.example"),
    exact=True,
    whole=Count(160_000, 10_000, 10_000, 2_621_440_000),
    left=None,
    counting=0,
    splits={"train": 130_000, "validation": 20_000, "test": 10_000},
    trial=TRIAL,
    traffic=Traffic(5_000_000, 36_000_000_000),
    written={"raw": 25_000_000_000, "examples": 50_000_000_000},
    pace=Pace(0.5, 40, 100.0, 0.01),
    here=Duration(125.0, "latency"),
    dataflow=DataflowTime(Machines("n1-standard-2", 5, 2), 125.0, "latency", 0.1736),
    cost=Cost(2.0, 20_000 / 3600, "endpoint"),
    settings=PlanSettings(),
    planned=cast("Any", None),
)


def flat(text: str) -> str:
    return " ".join(text.split())


def test_the_table_says_all_that_was_asked() -> None:
    said = flat(REPORT.table())
    for part in (
        "plan of rsbot export: recipe <script>, 2023, from https://earthengine.example",
        "tiles 160,000 (train 130,000, validation 20,000, test 10,000)",
        "requests for pixels 10,000",
        "8 with 128 tiles, 32 of them empty (25 %), in 8 requests",
        "0.5 s (0.4 to 0.6 s, 7 in flight)",
        "sent 5 MB received 36 GB raw shards 25 GB TFRecords 50 GB",
        "40 requests in flight, 100 a second: at 0.5 s for each, 80 a second",
        "here 2 min 5 s: no more requests may be in flight",
        "Dataflow 2 min 5 s, 0.174 worker-hours on 5 x n1-standard-2",
        "EECU-seconds 20,000, or 5.56 EECU-hours; 2 a request",
        "tier community 3.7 % of a month's 150 EECU-hours",
        "tier partner 0.00556 % of a month's 100,000 EECU-hours",
    ):
        assert part in said, part
    assert max(map(len, REPORT.table().splitlines())) <= 118


def test_html_escapes_and_has_the_same_lines() -> None:
    found = REPORT._repr_html_()
    assert "<script>" not in found
    assert "recipe &lt;script&gt;" in found
    assert "0.174 worker-hours" in found


def test_json_is_plain_and_has_what_the_table_has() -> None:
    found = json.loads(json.dumps(REPORT.to_dict()))
    assert found["version"] == 1
    assert found["whole"] == {"tiles": 160_000, "shards": 10_000, "requests": 10_000, "pixels": 2_621_440_000}
    assert found["bytes"]["written"] == {"raw": 25_000_000_000, "examples": 50_000_000_000}
    assert found["trial"]["latency"] == pytest.approx(0.5)
    assert found["pace"]["requests_per_second"] == 80
    assert found["dataflow"]["worker_hours"] == 0.1736
    assert found["tiers"]["contributor"] == {"hours_a_month": 1000, "share": pytest.approx(20 / 3600)}
    assert found["limits"] == []
    assert found["is_within"] is True


@pytest.mark.parametrize(
    ("settings", "within", "said"),
    [
        (PlanSettings(budget=6), True, "within budget, 6 EECU-hours: 92.6 %"),
        (PlanSettings(budget=2), False, "OVER budget, 2 EECU-hours: the run takes 5.56 EECU-hours, 2.8 times as much"),
        (PlanSettings(tier="community"), True, "within tier community, 150 EECU-hours a month: 3.7 %"),
        (PlanSettings(tier="partner", budget=1), False, "OVER budget, 1 EECU-hours"),
    ],
)
def test_a_run_is_held_against_budget_and_tier(settings: PlanSettings, within: bool, said: str) -> None:
    report = replace(REPORT, settings=settings)
    assert report.is_within is within
    assert said in report.table()
    assert said in report._repr_html_()
    assert report.to_dict()["is_within"] is within
    assert [limit["is_kept"] for limit in report.to_dict()["limits"]].count(False) == (0 if within else 1)


def test_a_cost_that_is_not_known_is_not_within() -> None:
    report = replace(REPORT, cost=None, settings=PlanSettings(budget=1000))
    assert report.is_within is False
    assert "CANNOT BE COMPARED with budget" in report.table()
    assert "not reported by this endpoint" in report.table()
    assert report.to_dict()["eecu"] is None


def test_what_is_not_known_is_said_to_be_unknown() -> None:
    report = replace(
        REPORT,
        trial=None,
        pace=None,
        here=None,
        dataflow=None,
        cost=None,
        written={},
        settings=PlanSettings(sample_tiles=0),
    )
    said = flat(report.table())
    assert "places none" in said
    assert "raw shards not known" in said
    assert "here not known: give --latency" in said
    assert "EECU-seconds not known" in said
    assert "No tile was tried" in said


def test_notes_tell_what_the_numbers_leave_out() -> None:
    trial = replace(TRIAL, dead=3, failure="User memory limit", splits=2, retries=5, restricted=True)
    said = flat(replace(REPORT, trial=trial, exact=False, counting=7, left=Count(10, 1, 1, 1), output="out").table())
    for part in (
        "at most 160,000",
        "at most 10,000, after 7 that look for classes",
        "3 of the 128 tiles tried were not answered: User memory limit",
        "2 of the requests tried were too large",
        "5 requests had to be repeated",
        "restricted mode",
        "out is begun",
        "left to do 10 tiles, 1 requests",
    ):
        assert part in said, part
    assert "measured with 7 requests in flight; a run has up to 40" in flat(REPORT.table())


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        *((0, "0 s"), (1.234, "1.2 s"), (59.6, "1 min 0 s"), (119.7, "2 min 0 s"), (754, "13 min")),
        *((3599.9, "1 h 0 min"), (7300, "2 h 2 min"), (8 * 86400, "8.0 days")),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


@pytest.mark.parametrize(
    ("nbytes", "text"), [(0, "0 bytes"), (999, "999 bytes"), (1000, "1 kB"), (2.5e6, "2.5 MB"), (7e15, "7,000 TB")]
)
def test_sizes(nbytes: float, text: str) -> None:
    assert size_text(nbytes) == text


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"sample_tiles": -1}, "sample_tiles=-1"),
        ({"tier": "gold"}, "community, contributor, partner"),
        ({"workers": 0}, "workers=0"),
        ({"latency": 0.0}, "latency=0.0"),
        ({"budget": float("nan")}, "budget=nan"),
        ({"eecu_per_request": -2.0}, "eecu_per_request=-2.0"),
        ({"budget": 5.0, "sample_tiles": 0}, "--eecu_per_request"),
    ],
)
def test_settings_that_cannot_be_used(values: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words.replace("(", r"\(")):
        PlanSettings(**values)
