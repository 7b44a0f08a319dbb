"""Where Earth Engine is, who asks, and how much the whole job may ask for."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import SplitResult, urlsplit

from rsbot_beam.errors import InputError

# Less caching, meant for many small requests (Earth Engine, "Processing environments").
HIGH_VOLUME_URL = "https://earthengine-highvolume.googleapis.com"

# Concurrent requests and requests per second of a project without an application for more (Earth Engine, "Quotas").
DEFAULT_MAX_REQUESTS = 40
DEFAULT_MAX_QPS = 100.0

# Seconds that one request is retried: long enough for an incident of minutes, short enough to notice one of hours.
DEFAULT_TOTAL_TIME = 900.0

# Command-line flag -> field. `rsbot --help` documents them.
FLAGS = {
    "ee_url": "url",
    "ee_project": "project",
    "ee_credentials": "credentials",
    "max_requests": "max_requests",
    "max_qps": "max_qps",
    "ee_deadline": "deadline",
    "ee_total_time": "total_time",
    "workload_tag": "workload_tag",
}

# What Earth Engine takes as a tag (`ee._state.WorkloadTag.validate`, earthengine-api 1.7).
_TAG = re.compile(r"[a-z0-9]([-_a-z0-9]{0,61}[a-z0-9])?")


@dataclass(frozen=True)
class Endpoint:
    """An Earth Engine to ask. Picklable; holds the path of a key file at most, never a secret.

    Attributes:
        url: Root of the REST interface, without a path. Plain http is for loopback only.
        project: Cloud project that is charged; None takes the one of the credentials, "local" on loopback.
        credentials: "default" (Application Default Credentials), "none", or the path of a service account's JSON file.
            Empty chooses "none" for a URL on loopback and "default" otherwise.
        max_requests: Requests in flight at any time, of the whole job.
        max_qps: Requests started per second, of the whole job.
        deadline: Seconds that one request may take; None adapts to the latencies seen (see `retry.Deadline`).
        total_time: Seconds that one request is retried before it is given up.
        workload_tag: Label under which Earth Engine accounts for the cost, or None.

    Raises:
        InputError: A value that cannot be used; the message says which.
    """

    url: str = HIGH_VOLUME_URL
    project: str | None = None
    credentials: str = ""
    max_requests: int = DEFAULT_MAX_REQUESTS
    max_qps: float = DEFAULT_MAX_QPS
    deadline: float | None = None
    total_time: float = DEFAULT_TOTAL_TIME
    workload_tag: str | None = None

    def __post_init__(self) -> None:
        parts = _split_url(self.url)
        loopback = _is_loopback(parts.hostname or "")
        if not self.credentials:
            object.__setattr__(self, "credentials", "none" if loopback else "default")
        if parts.scheme == "http" and not loopback and self.credentials != "none":
            raise InputError(f"the URL {self.url!r} would carry your token unencrypted: use https, or credentials none")
        object.__setattr__(self, "url", f"{parts.scheme}://{parts.netloc}")
        if self.project is None and loopback:
            object.__setattr__(self, "project", "local")
        self._check_numbers()

        if self.workload_tag is not None and not _TAG.fullmatch(self.workload_tag):
            raise InputError(
                f"workload_tag={self.workload_tag!r} is none that Earth Engine takes: 1 to 63 of a-z, 0-9, - and _, with a "
                "letter or digit at both ends"
            )

    def _check_numbers(self) -> None:
        if self.max_requests < 1:
            raise InputError(f"max_requests={self.max_requests} leaves nothing to ask: give 1 or more")
        for name in ("max_qps", "total_time", "deadline"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise InputError(f"{name}={value} must be above 0")

    @classmethod
    def from_env(cls, **values: Any) -> Endpoint:  # noqa: ANN401
        """The endpoint of the given fields; what is missing or None comes from the environment, then the defaults.

        Reads `RSBOT_EE_URL` for the URL and `RSBOT_EE_PROJECT`, then `GOOGLE_CLOUD_PROJECT`, for the project.
        """
        found = {
            "url": os.environ.get("RSBOT_EE_URL"),
            "project": os.environ.get("RSBOT_EE_PROJECT") or os.environ.get("GOOGLE_CLOUD_PROJECT"),
        }
        given = {name: value for name, value in values.items() if value is not None}
        merged = {**{name: value for name, value in found.items() if value}, **given}
        if "project" not in given and _is_loopback(urlsplit(merged.get("url", HIGH_VOLUME_URL)).hostname or ""):
            merged.pop("project", None)  # A local endpoint has no use for the project of another service.
        return cls(**merged)

    @classmethod
    def from_flags(cls, flags: object) -> Endpoint:
        """The endpoint of parsed flags.

        Args:
            flags: A mapping or an argparse namespace with any of `FLAGS`; missing and None ones come from the
                environment, then the defaults.
        """
        values = flags if isinstance(flags, Mapping) else vars(flags)
        return cls.from_env(**{name: values.get(flag) for flag, name in FLAGS.items()})

    @property
    def is_local(self) -> bool:
        """Whether the URL is on loopback."""
        return _is_loopback(urlsplit(self.url).hostname or "")

    def share(self, workers: int) -> Endpoint:
        """The part of the budget that one of `workers` processes may use.

        Raises:
            InputError: There are more workers than requests to share, or less than one worker.
        """
        if workers < 1:
            raise InputError(f"{workers} workers cannot share a budget: give 1 or more")
        if workers > self.max_requests:
            raise InputError(
                f"{workers} workers cannot share {self.max_requests} requests in flight, as each needs one: "
                f"use at most {self.max_requests} workers, or raise --max_requests if your project's quota allows"
            )
        return replace(self, max_requests=self.max_requests // workers, max_qps=self.max_qps / workers)


def _split_url(url: str) -> SplitResult:
    parts = urlsplit(url.rstrip("/"))
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InputError(f"{url!r} is not the URL of an Earth Engine: give one like {HIGH_VOLUME_URL}")
    if parts.username or parts.path or parts.query:
        raise InputError(f"the Earth Engine URL must be scheme and host only, like {HIGH_VOLUME_URL}")
    return parts


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
