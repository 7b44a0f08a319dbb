"""The profiler: what requests cost, for the client and for requests made without it."""

from __future__ import annotations

import io

import ee
import pytest

from rsbot_beam.earthengine.profiles import PROFILE_ID, QUOTA_STATUS, RESTRICTED, Profiles, eecu_seconds
from rsbot_beam.local_ee.answers import RequestError
from rsbot_beam.local_ee.profiles import Profiles as Kept

TABLE = """ EECU·s PeakMem Count  Description
  0.332     59k     6  Algorithm Image.reduceRegions
  1,000.171    378k   827  (plumbing)
  0.000     202k    11  Loading assets: OREGONSTATE/PRISM/Norm91m
"""


def test_a_table_is_summed() -> None:
    assert eecu_seconds(TABLE) == pytest.approx(1000.503)


@pytest.mark.parametrize("text", ["", "nothing", "EECU·s\nmuch of it", "{}"])
def test_what_is_no_table_tells_nothing(text: str) -> None:
    assert eecu_seconds(text) is None


def test_an_empty_table_costs_nothing() -> None:
    assert eecu_seconds(TABLE.splitlines()[0]) == 0


def test_headers_are_gathered() -> None:
    found = Profiles()
    found.note({})
    found.note({PROFILE_ID: "a", QUOTA_STATUS: "parallelism_restricted=false"})
    assert (found.ids, found.restricted) == (["a"], False)
    found.note({PROFILE_ID: "b", QUOTA_STATUS: RESTRICTED})
    found.note({})
    assert (found.ids, found.restricted) == (["a", "b"], True)


def test_kept_profiles_are_added_up_by_kind() -> None:
    kept = Kept()
    ids = [kept.add("computePixels", 0.25), kept.add("computePixels", 0.5), kept.add("computeValue", 2.0)]
    assert len(set(ids)) == 3
    lines = kept.table(ids).splitlines()
    assert [line.split() for line in lines[1:]] == [
        ["2.000", "-", "1", "computeValue"],
        ["0.750", "-", "2", "computePixels"],
    ]
    assert eecu_seconds(kept.table(ids)) == pytest.approx(2.75)
    with pytest.raises(RequestError, match="nobody"):
        kept.table(["nobody"])


def test_the_client_s_profiler_prints_what_a_request_took(earth: object) -> None:
    said = io.StringIO()
    with ee.profilePrinting(destination=said):
        assert ee.List.sequence(1, 20000).map(lambda n: ee.Number(n).sqrt()).reduce(ee.Reducer.sum()).getInfo() > 0
    assert "computeValue" in said.getvalue()
    assert (eecu_seconds(said.getvalue()) or 0) > 0.01
