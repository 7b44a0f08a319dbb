"""What finished requests cost. For the main program: needs an initialised client."""

from __future__ import annotations

from collections.abc import Sequence

import ee

from rsbot_beam.earthengine.profiles import eecu_seconds


def eecu_of(ids: Sequence[str]) -> float | None:
    """EECU-seconds of profiles together, or None where the endpoint does not tell them.

    Args:
        ids: As `profiles.Profiles` has gathered them.
    """
    if not ids:
        return None
    try:
        table = ee.ApiFunction.lookup("Profile.getProfiles").call(ids=list(ids)).getInfo()
    except ee.EEException:
        return None
    return eecu_seconds(str(table))
