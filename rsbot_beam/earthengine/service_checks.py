"""The checks of Earth Engine: is it reached, is the clock right, does it know the project, does it answer with pixels."""

from __future__ import annotations

import email.utils
import json
import re
import time

from rsbot_beam.data.findings import Finding
from rsbot_beam.earthengine.caller import Answered, Caller
from rsbot_beam.earthengine.pixels import parse
from rsbot_beam.earthengine.refusals import Refusal, remedy_for
from rsbot_beam.earthengine.source import FetchBand, PixelSource
from rsbot_beam.errors import PermanentError, TransientError

# The description of the interface, which every client reads first; it needs no account.
_DISCOVERY = "/$discovery/rest?version=v1&prettyPrint=false"
ONE = {"expression": {"result": "0", "values": {"0": {"constantValue": 1}}}}
"""The smallest question there is: the number 1."""
# A public asset (SRTM, NASA) and 4 x 4 of its pixels, of one arc second each, in the Harz.
ASSET, BAND, _SIDE = "USGS/SRTMGL1_003", FetchBand("elevation", "int16"), 4
_SECOND = 1 / 3600
_LOAD = {"functionInvocationValue": {"functionName": "Image.load", "arguments": {"id": {"constantValue": ASSET}}}}

# Seconds that clocks may differ: what is worth a warning, and what makes Google refuse what a service account signs.
_SKEW_WARNING, _SKEW_FAILURE = 30.0, 300.0

# Ids of projects: 6 to 30 letters, digits and hyphens, before them the domain of old organisations; or their number
# (Google Cloud, "Creating and managing projects").
_PROJECT = re.compile(r"(?:[a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]|\d+")


def check_endpoint(caller: Caller) -> tuple[Finding, Answered]:
    """Whether Earth Engine is at a URL, and how long it takes to say so.

    Returns:
        The finding, and the answer for `check_clock`.
    """
    start = time.monotonic()
    answered = caller.get(_DISCOVERY)
    seconds, refusal = time.monotonic() - start, answered.refusal
    wrong = "correct --ee_url or RSBOT_EE_URL; in a public network, log in to it first"
    if answered.silent is not None or (refusal is not None and refusal.status >= 500):
        return answered.failure("endpoint", ""), answered
    if refusal is not None and refusal.status == 404:
        return Finding("endpoint", "failed", f"{caller.url} is no Earth Engine: {refusal}", wrong), answered
    if refusal is None and answered.json().get("name") != "earthengine":
        return Finding("endpoint", "failed", f"{caller.url} answers, but is no Earth Engine", wrong), answered
    return Finding("endpoint", "ok", f"{caller.url} answers in {seconds:.2f} s, connecting included"), answered


def check_clock(date: str | None, now: float) -> Finding:
    """Whether the clock of this machine is right.

    Args:
        date: The header `Date` of an answer.
        now: Seconds since the epoch by this machine when it came.
    """
    try:
        skew = now - email.utils.parsedate_to_datetime(date or "").timestamp()
    except (TypeError, ValueError):
        return Finding("clock", "skipped", "the endpoint does not say what time it is")
    found = f"within {max(1.0, abs(skew)):.0f} s of the endpoint's"
    if abs(skew) <= _SKEW_WARNING:
        return Finding("clock", "ok", found)
    found = f"{abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} the endpoint's"
    state = "failed" if abs(skew) > _SKEW_FAILURE else "warning"
    return Finding("clock", state, found, "set the clock (`timedatectl set-ntp true`): tokens are signed with its time")


def check_project(given: str | None, of_credentials: str | None, origin: str) -> tuple[Finding, str | None]:
    """Which project is charged.

    Args:
        given: By a flag or the environment.
        of_credentials: That the credentials belong to.
        origin: Where `given` comes from.

    Returns:
        The finding, and the project.
    """
    project = given or of_credentials
    if project is None:
        return Finding("project", "failed", "none is given", "name yours with --ee_project, or RSBOT_EE_PROJECT"), None
    found = f"{project} (from {origin if given else 'the credentials'})"
    if project != "local" and not _PROJECT.fullmatch(project):
        remedy = "give the project's id, not its name: `gcloud projects list` shows both"
        return Finding("project", "warning", f"{found} does not look like the id of a project", remedy), project
    return Finding("project", "ok", found), project


def check_access(caller: Caller, project: str) -> Finding:
    """Whether Earth Engine computes for the project: one small `value:compute`."""
    answered = caller.post(f"/v1/projects/{project}/value:compute", ONE)
    if not answered.good:
        return answered.failure("earth engine", project)
    if answered.json().get("result") != 1:
        return Finding("earth engine", "failed", f"{caller.url} computes 1 as something else", "correct --ee_url")
    return Finding("earth engine", "ok", f"computes for project {project}; one number takes {answered.seconds:.2f} s")


_REGISTERED = {
    "REGISTERED_COMMERCIALLY": "registered for commercial use",
    "REGISTERED_NOT_COMMERCIALLY": "registered for noncommercial use",
}


def check_registration(caller: Caller, project: str) -> Finding:
    """For which use the project is registered (`projects.getConfig`). Needs a project for which Earth Engine computes."""
    answered = caller.get(f"/v1/projects/{project}/config")
    if answered.refusal is not None:
        # It may be asked by fewer accounts than may compute; that it computes was seen before.
        return Finding("registration", "skipped", f"the endpoint does not tell it to this account: {answered.refusal}")
    if not answered.good:
        return answered.failure("registration", project)
    state = str(answered.json().get("registrationState", ""))
    if state == "NOT_REGISTERED":
        remedy = remedy_for(Refusal(403, "NOT_REGISTERED"), project)
        return Finding("registration", "failed", f"project {project} is not registered for Earth Engine", remedy)
    return Finding("registration", "ok", _REGISTERED.get(state, "of a kind that the endpoint does not tell"))


def check_pixels(caller: Caller, project: str, is_local: bool) -> Finding:
    """Whether pixels come: a tiny `image:computePixels` of a public asset."""
    source = PixelSource((BAND,), expression=json.dumps({"result": "0", "values": {"0": _LOAD}}))
    answered = caller.post(f"/v1/projects/{project}/image:computePixels", _pixel_request(source))
    refusal = answered.refusal
    if is_local and refusal is not None and refusal.status in (400, 404):
        return Finding("pixels", "skipped", f"this local Earth Engine does not serve {ASSET}: {refusal}")
    if not answered.good:
        return answered.failure("pixels", project)
    try:
        heights = parse(source, answered.body, (_SIDE, _SIDE))[BAND.name]
    except (PermanentError, TransientError) as error:
        return Finding("pixels", "failed", str(error), "correct --ee_url; a proxy may have changed the answer")
    found = f"{_SIDE} x {_SIDE} of {ASSET} in {answered.seconds:.2f} s, {heights.min()} to {heights.max()} m"
    return Finding("pixels", "ok", found)


def _pixel_request(source: PixelSource) -> bytes:
    transform = {
        "scaleX": _SECOND,
        "shearX": 0,
        "translateX": 10.6,
        "shearY": 0,
        "scaleY": -_SECOND,
        "translateY": 51.8,
    }
    grid = {"dimensions": {"width": _SIDE, "height": _SIDE}, "affineTransform": transform, "crsCode": "EPSG:4326"}
    return source.prefix + b',"grid":' + json.dumps(grid).encode() + b"}"
