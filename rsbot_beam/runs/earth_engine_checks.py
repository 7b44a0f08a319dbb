"""The checks of one Earth Engine in their order, with what they hand on to each other."""

from __future__ import annotations

import os
import time

from rsbot_beam.data.findings import Finding
from rsbot_beam.earthengine import allowance_checks, service_checks
from rsbot_beam.earthengine.caller import Caller
from rsbot_beam.earthengine.endpoint import Endpoint
from rsbot_beam.earthengine.login_check import Login, check_login
from rsbot_beam.runs.checking import Check
from rsbot_beam.runs.doctor_config import MARGIN, DoctorConfig


class EarthEngineChecks:
    """The checks of an endpoint; they hand on the time, the login and the project.

    Args:
        config: With the endpoint.
    """

    def __init__(self, config: DoctorConfig) -> None:
        self._config, self._seconds = config, config.timeout
        self._endpoint = config.endpoint or Endpoint(credentials="none")
        self._login = Login(Finding("credentials", "skipped", "not checked"))
        self._project = ""
        self._date: tuple[str | None, float] = (None, 0.0)

    def checks(self) -> list[Check]:
        """All of them."""
        # Without an endpoint `before` holds a finding in its place, and whatever needs it is skipped.
        there = self._config.endpoint is not None
        limit, computes = self._seconds + MARGIN, ("earth engine",)
        first = [Check("endpoint", self._check_endpoint, limit=limit)] if there else []
        last = [Check("upload", self._check_upload, ("credentials",), limit)] if self._config.asset else []
        return [
            *first,
            Check("clock", lambda: service_checks.check_clock(*self._date), ("endpoint",)),
            Check("credentials", self._check_login, () if there else ("endpoint",), 2 * self._seconds + MARGIN),
            Check("project", self._check_project, () if there else ("endpoint",)),
            Check("earth engine", self._check_access, ("endpoint", "credentials", "project"), limit),
            Check("registration", lambda: service_checks.check_registration(*self._asked()), computes, limit),
            Check("pixels", self._check_pixels, computes, limit),
            Check("quota", self._check_quota, computes, limit),
            *last,
        ]

    def _caller(self, connections: int = 1) -> Caller:
        return Caller(self._endpoint.url, self._seconds, self._project, self._login.token, connections)

    def _asked(self) -> tuple[Caller, str]:
        return self._caller(), self._project

    def _check_endpoint(self) -> Finding:
        finding, answered = service_checks.check_endpoint(Caller(self._endpoint.url, self._seconds))
        self._date = (answered.header("Date"), time.time())
        return finding

    def _check_login(self) -> Finding:
        self._login = check_login(self._endpoint, self._seconds)
        return self._login.finding

    def _check_project(self) -> Finding:
        given = self._endpoint.project
        finding, project = service_checks.check_project(given, self._login.project, _origin(given))
        self._project = project or ""
        return finding

    def _check_access(self) -> Finding:
        return service_checks.check_access(*self._asked())

    def _check_pixels(self) -> Finding:
        return service_checks.check_pixels(*self._asked(), self._endpoint.is_local)

    def _check_quota(self) -> Finding:
        caller = self._caller(allowance_checks.BURST)
        return allowance_checks.check_quota(caller, self._project, self._endpoint)

    def _check_upload(self) -> Finding:
        if self._endpoint.is_local or self._login.token is None:
            return Finding("upload", "skipped", "a local Earth Engine has no roles")
        caller = Caller(self._config.resource_manager, self._seconds, self._project, self._login.token)
        return allowance_checks.check_upload(caller, self._config.asset or "")


def _origin(project: str | None) -> str:
    """What named the project."""
    for name in ("RSBOT_EE_PROJECT", "GOOGLE_CLOUD_PROJECT"):
        if project and os.environ.get(name) == project:
            return name
    return "the endpoint on loopback" if project == "local" else "--ee_project"
