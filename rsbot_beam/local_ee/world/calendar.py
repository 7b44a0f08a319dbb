"""Days, seasons and the sun over the world."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date, timedelta

from rsbot_beam.local_ee.world.phenology import HALF_YEAR

MS_PER_DAY = 86_400_000
_EPOCH = date(1970, 1, 1)
_TILT = 23.44  # degrees: obliquity of the ecliptic


def day_number(day: date) -> int:
    """Days since 1970-01-01."""
    return (day - _EPOCH).days


def day_of(number: int) -> date:
    """The date of a number of days since 1970-01-01."""
    return _EPOCH + timedelta(days=number)


@dataclass(frozen=True)
class SeasonDay:
    """A day in the season that it belongs to.

    Attributes:
        year: Year of the season's harvests.
        day: Day of the season's year, from 1; day 196 is mid summer in both hemispheres.
    """

    year: int
    day: float

    @classmethod
    def of(cls, number: int, southern: bool) -> SeasonDay:
        """The season's day of a day since 1970. South of the equator the season's year begins on 2 July before it."""
        moved = day_of(number + round(HALF_YEAR) if southern else number)
        return cls(moved.year, float(moved.timetuple().tm_yday))


@dataclass(frozen=True)
class Sun:
    """Where the sun stands.

    Attributes:
        zenith: Degrees from straight above.
        azimuth: Degrees clockwise from north.
    """

    zenith: float
    azimuth: float

    @classmethod
    def at(cls, number: int, latitude: float, solar_hour: float) -> Sun:
        """The sun on a day since 1970, at a latitude (degrees) and a local solar time (hours).

        Formulas: Iqbal 1983, "An introduction to solar radiation", chapter 1 (declination after Cooper 1969).
        """
        declination = math.radians(_TILT) * math.sin(2 * math.pi * (284 + day_of(number).timetuple().tm_yday) / 365.25)
        hour = math.radians(15.0 * (solar_hour - 12.0))
        phi = math.radians(latitude)
        up = math.sin(phi) * math.sin(declination) + math.cos(phi) * math.cos(declination) * math.cos(hour)
        east = -math.cos(declination) * math.sin(hour)
        north = math.cos(phi) * math.sin(declination) - math.sin(phi) * math.cos(declination) * math.cos(hour)
        azimuth = math.degrees(math.atan2(east, north)) % 360.0
        return cls(math.degrees(math.acos(max(-1.0, min(1.0, up)))), azimuth)

    @property
    def towards(self) -> tuple[float, float]:
        """(east, north) unit vector on the ground, towards the sun."""
        return math.sin(math.radians(self.azimuth)), math.cos(math.radians(self.azimuth))

    @property
    def shadow_length(self) -> float:
        """Length of the shadow of a thing 1 m high, metres; at most 12."""
        return min(math.tan(math.radians(min(self.zenith, 85.24))), 12.0)
