"""Running checks one after the other: none stops the others, and none takes longer than it may."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from rsbot_beam.data.findings import Diagnosis, Finding
from rsbot_beam.errors import RsbotError

_LATE = (
    "something on the way swallows what is sent (a firewall, a proxy, a VPN, a name server): check the network, then "
    "try again, with a longer --timeout if the network is slow"
)
_UNKNOWN = "try again; if it stays, please report it with this text"


@dataclass(frozen=True)
class Check:
    """One check.

    Attributes:
        name: Of the check and of its finding.
        run: Finds it.
        needs: Names of checks before it without which it makes no sense.
        limit: Seconds after which it is given up.
        late: What to do if it is given up.
    """

    name: str
    run: Callable[[], Finding]
    needs: tuple[str, ...] = ()
    limit: float = 15.0
    late: str = _LATE


def run_checks(
    checks: Iterable[Check],
    told: Callable[[Finding], object] = lambda finding: None,
    before: Iterable[Finding] = (),
) -> Diagnosis:
    """Run checks in their order.

    Args:
        checks: What to check. A check is skipped if one that it needs, and that stands before it, failed or was skipped.
        told: Called with each finding as soon as it is there.
        before: Findings that are there already, which checks may need.
    """
    found = {finding.name: finding for finding in before}
    for finding in found.values():
        told(finding)
    for check in checks:
        finding = _skipped(check, found) or _timed(check)
        found[check.name] = finding
        told(finding)
    return Diagnosis(tuple(found.values()))


def _skipped(check: Check, found: dict[str, Finding]) -> Finding | None:
    for name in check.needs:
        state = found[name].state
        if state in ("failed", "skipped"):
            return Finding(check.name, "skipped", f"because the check {name!r} {_WAS[state]}")
    return None


_WAS = {"failed": "failed", "skipped": "was skipped"}


def _timed(check: Check) -> Finding:
    start = time.monotonic()
    finding = _guarded(check)
    return replace(finding, name=check.name, seconds=round(time.monotonic() - start, 3))


def _guarded(check: Check) -> Finding:
    """The finding, whatever the check does: raise, or wait for something that never comes."""
    found: list[Finding] = []

    def work() -> None:
        try:
            found.append(check.run())
        except RsbotError as error:
            found.append(Finding(check.name, "failed", str(error), "do what it says, then try again"))
        except Exception as error:
            found.append(Finding(check.name, "failed", f"{type(error).__name__}: {error}", _UNKNOWN))

    # Name servers and Google's clients have time limits of their own, of minutes. The thread is left behind: it holds
    # nothing that another check needs, and does not keep the process alive.
    thread = threading.Thread(target=work, name=f"check {check.name}", daemon=True)
    thread.start()
    thread.join(check.limit)
    return found[0] if found else Finding(check.name, "failed", f"no answer within {check.limit:g} s", check.late)
