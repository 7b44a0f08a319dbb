"""What requests cost, as Earth Engine's profiler tells it: the client's `ee.profilePrinting`, for requests made without it.

A request that asks for it is answered with the id of a profile; `Profile.getProfiles` makes a table of ids, a line for
each operation, with its EECU-seconds in the first column (Earth Engine, "Computation Overview", Profiler).
"""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping

# The headers of the client (earthengine-api 1.7, ee/data.py).
ASK_FOR_PROFILE = {"X-Earth-Engine-Computation-Profiling": "1"}
PROFILE_ID = "x-earth-engine-computation-profile"
QUOTA_STATUS = "x-earth-engine-quota-status"
RESTRICTED = "parallelism_restricted=true"
# The heading of the table's first column.
_HEADING = "EECU"


class Profiles:
    """What the headers of answers say of cost and quota. Thread-safe.

    Attributes:
        ids: Of the profiles, in the order of the answers.
        restricted: Whether the project is in restricted mode: it has used up the month's share of its tier.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.ids: list[str] = []
        self.restricted = False

    def note(self, headers: Mapping[str, str]) -> None:
        """Look at the headers of an answer."""
        found = headers.get(PROFILE_ID)
        with self._lock:
            self.ids += [found] if found else []
            self.restricted = self.restricted or RESTRICTED in (headers.get(QUOTA_STATUS) or "")


def eecu_seconds(table: str) -> float | None:
    """Sum of the first column of a profiler's table, or None for a text that is none."""
    lines = [line.split() for line in table.splitlines() if line.strip()]
    if not lines or not lines[0][0].startswith(_HEADING):
        return None
    try:
        return math.fsum(float(line[0].replace(",", "")) for line in lines[1:])
    except ValueError:
        return None
