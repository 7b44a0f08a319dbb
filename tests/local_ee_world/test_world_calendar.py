from __future__ import annotations

from datetime import date

import pytest

from rsbot_beam.local_ee.world.caching import LruCache
from rsbot_beam.local_ee.world.calendar import SeasonDay, Sun, day_number, day_of


@pytest.mark.parametrize("day", [date(1970, 1, 1), date(2020, 2, 29), date(2026, 12, 31)])
def test_days_are_counted_and_read_back(day: date):
    assert day_of(day_number(day)) == day
    assert day_number(date(1970, 1, 2)) == 1


def test_the_season_is_the_calendar_in_the_north():
    assert SeasonDay.of(day_number(date(2023, 7, 15)), southern=False) == SeasonDay(2023, 196.0)


def test_the_season_is_half_a_year_ahead_in_the_south():
    january = SeasonDay.of(day_number(date(2023, 1, 15)), southern=True)
    assert january.year == 2023
    assert 190 < january.day < 202
    november = SeasonDay.of(day_number(date(2022, 11, 1)), southern=True)
    assert november.year == 2023
    assert 115 < november.day < 130


def test_the_sun_at_the_solstices():
    summer, winter = (Sun.at(day_number(date(2023, month, 21)), 45.0, 12.0) for month in (6, 12))
    assert summer.zenith == pytest.approx(45.0 - 23.44, abs=0.3)
    assert winter.zenith == pytest.approx(45.0 + 23.44, abs=0.3)
    assert summer.azimuth == pytest.approx(180.0, abs=1.0)


def test_the_morning_sun_is_in_the_east_and_southern_noon_is_north():
    morning = Sun.at(day_number(date(2023, 6, 21)), 45.0, 9.0)
    assert 80 < morning.azimuth < 140
    assert morning.towards[0] > 0
    noon = Sun.at(day_number(date(2023, 6, 21)), -30.0, 12.0)
    assert noon.towards[1] > 0.99


def test_shadows_are_long_under_a_low_sun_but_limited():
    assert Sun(45.0, 180.0).shadow_length == pytest.approx(1.0)
    assert Sun(89.9, 180.0).shadow_length <= 12.0
    assert Sun(100.0, 180.0).shadow_length <= 12.0


def test_cache_keeps_what_was_used_last():
    cache: LruCache[str] = LruCache(2)
    made: list[str] = []

    def make(name: str) -> str:
        made.append(name)
        return name

    for name in ("a", "b", "a", "c", "a", "b"):
        assert cache.get(name, lambda name=name: make(name)) == name
    assert made == ["a", "b", "c", "b"]
    assert len(cache) == 2


def test_cache_counts_weight_and_keeps_at_least_the_newest():
    cache: LruCache[str] = LruCache(5, len)
    for text in ("aaa", "bb", "cccccccccc"):
        cache.get(text, lambda text=text: text)
    assert len(cache) == 1
    assert cache.get("cccccccccc", lambda: pytest.fail("was kept")) == "cccccccccc"
