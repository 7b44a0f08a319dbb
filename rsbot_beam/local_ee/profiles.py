"""What requests cost, for those that ask: profiles as the real service's profiler makes them.

Earth Engine counts in EECU-seconds, which are not those of any machine; this server has nothing but the CPU seconds that it
spent on a request, and says those.
"""

from __future__ import annotations

import itertools
import threading
from collections import OrderedDict
from collections.abc import Sequence

from rsbot_beam.local_ee.answers import RequestError

# The headers of the client (earthengine-api 1.7, ee/data.py).
REQUEST_HEADER = "x-earth-engine-computation-profiling"
RESPONSE_HEADER = "x-earth-engine-computation-profile"
# Profiles that are kept; the real service forgets them as well.
KEPT = 10_000
_HEADING = " EECU·s PeakMem Count  Description\n"


class Profiles:
    """Cost of the last requests by id. Used from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._costs: OrderedDict[str, tuple[str, float]] = OrderedDict()

    def add(self, what: str, seconds: float) -> str:
        """Keep a profile; returns its id.

        Args:
            what: What was asked for.
            seconds: Of CPU time.
        """
        with self._lock:
            name = f"local-{next(self._numbers)}"
            self._costs[name] = (what, seconds)
            while len(self._costs) > KEPT:
                self._costs.popitem(last=False)
        return name

    def table(self, ids: Sequence[str]) -> str:
        """A line for each kind of request, the dearest first: its seconds, its memory (not known here), its number.

        Raises:
            RequestError: There is no such profile.
        """
        sums: dict[str, tuple[float, int]] = {}
        with self._lock:
            for name in ids:
                if name not in self._costs:
                    raise RequestError(f"Profile '{name}' not found.", 404)
                what, seconds = self._costs[name]
                total, count = sums.get(what, (0.0, 0))
                sums[what] = total + seconds, count + 1
        lines = sorted(((total, count, what) for what, (total, count) in sums.items()), reverse=True)
        return _HEADING + "".join(f"{total:7.3f} {'-':>7} {count:>5}  {what}\n" for total, count, what in lines)
