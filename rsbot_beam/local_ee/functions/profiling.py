"""The profiler's table."""

from __future__ import annotations

from rsbot_beam.local_ee.answers import RequestError
from rsbot_beam.local_ee.environment import Environment
from rsbot_beam.local_ee.registry import function


@function("Profile.getProfiles")
def get_profiles(ids: list, environment: Environment, format: str = "text", max_entries: int | None = None) -> str:
    """What the requests with these profiles cost; there are fewer entries than any limit."""
    if format != "text":
        raise RequestError(f"The local Earth Engine has profiles as text, not as {format}.")
    return environment.profiles.table([str(name) for name in ids])
