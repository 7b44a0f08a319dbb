"""The checks of what Earth Engine allows: how much at once, and whether assets may be made."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from rsbot_beam.data.findings import Finding
from rsbot_beam.earthengine.answers import retry_after
from rsbot_beam.earthengine.caller import Answered, Caller
from rsbot_beam.earthengine.endpoint import DEFAULT_MAX_QPS, DEFAULT_MAX_REQUESTS, Endpoint
from rsbot_beam.earthengine.refusals import grant, remedy_for
from rsbot_beam.earthengine.service_checks import ONE

BURST = 8
"""Questions that are asked at once to see whether others use up the quota: a fifth of the 40 requests in flight."""
_QUOTA_PAGE = "https://developers.google.com/earth-engine/guides/usage"

RESOURCE_MANAGER = "https://cloudresourcemanager.googleapis.com"
UPLOAD = ("earthengine.assets.create", "earthengine.assets.get", "earthengine.imports.create")
"""Permissions that `rsbot upload` needs."""


def check_quota(caller: Caller, project: str, endpoint: Endpoint) -> Finding:
    """Whether the quota is used up by others, by a few small questions at once, and whether more than it is asked for."""
    count = min(BURST, endpoint.max_requests)
    start = time.monotonic()
    with ThreadPoolExecutor(count) as pool:
        path = f"/v1/projects/{project}/value:compute"
        answers = list(pool.map(lambda _: caller.post(path, ONE), range(count)))
    return quota_finding(answers, endpoint, time.monotonic() - start, project)


def quota_finding(answers: list[Answered], endpoint: Endpoint, seconds: float, project: str) -> Finding:
    """What a burst of questions says about the quota.

    Args:
        answers: To the questions.
        endpoint: With the settings of the run.
        seconds: That all answers took.
        project: That is charged.
    """
    asked = f"{endpoint.max_requests} requests in flight and {endpoint.max_qps:g} a second are asked for"
    throttled = [answer for answer in answers if answer.refusal is not None and answer.refusal.status == 429]
    if throttled and throttled[0].refusal is not None:
        wait = retry_after(throttled[0].header("Retry-After"))
        told = f"; the endpoint asks to wait {wait:g} s" if wait else ""
        found = f"{len(throttled)} of {len(answers)} questions at once met the quota: {throttled[0].refusal}{told}"
        return Finding("quota", "warning", found, remedy_for(throttled[0].refusal, project))
    failed = [answer for answer in answers if not answer.good]
    if failed:
        found = f"{len(failed)} of {len(answers)} questions at once failed: {failed[0].failure('quota', project).found}"
        return Finding("quota", "warning", found, "runs retry them; if it lasts, see https://status.cloud.google.com")
    more = [
        f"{name} {default:g}"
        for name, value, default in (
            ("--max_requests", endpoint.max_requests, DEFAULT_MAX_REQUESTS),
            ("--max_qps", endpoint.max_qps, DEFAULT_MAX_QPS),
        )
        if value > default
    ]
    if more:
        remedy = f"leave it if Google has raised your project's quota ({_QUOTA_PAGE}); otherwise {' and '.join(more)}"
        return Finding("quota", "warning", f"{asked}, more than Earth Engine gives by default", remedy)
    return Finding("quota", "ok", f"{asked}; {len(answers)} at once were answered in {seconds:.2f} s")


def check_upload(caller: Caller, asset: str) -> Finding:
    """Whether the account may make assets in the project of an asset (Resource Manager's `projects.testIamPermissions`).

    Args:
        caller: Of the Resource Manager.
        asset: projects/<project>/assets/<name>
    """
    project = asset.split("/")[1]
    path = f"/v1/projects/{project}:testIamPermissions"
    answered = caller.post(path, {"permissions": list(UPLOAD)})
    if answered.refusal is not None and answered.refusal.reason == "SERVICE_DISABLED":
        return Finding(
            "upload", "warning", f"cannot be told: {answered.refusal}", remedy_for(answered.refusal, project)
        )
    if not answered.good:
        return answered.failure("upload", project)
    missing = sorted(set(UPLOAD) - set(answered.json().get("permissions", [])))
    if missing:
        found = f"the account lacks {', '.join(missing)} in project {project}"
        return Finding("upload", "failed", found, grant(project, missing[0]))
    return Finding("upload", "ok", f"the account may make assets in project {project}")
