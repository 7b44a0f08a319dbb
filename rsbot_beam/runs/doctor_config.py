"""What `rsbot doctor` is asked to check."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from rsbot_beam.data.findings import Finding
from rsbot_beam.earthengine.allowance_checks import RESOURCE_MANAGER
from rsbot_beam.earthengine.endpoint import Endpoint
from rsbot_beam.errors import InputError

MARGIN = 5.0
"""Seconds that a check gets beside what its answers may take: for imports, and for connecting to several addresses."""
_ASSET = re.compile(r"projects/[^/]+/assets/.+")


@dataclass(frozen=True, kw_only=True)
class DoctorConfig:
    """What to check.

    Attributes:
        endpoint: Earth Engine; None if it could not even be started, and `before` says why.
        output: Folder of a run, local or `gs://`, or None.
        bucket: Another bucket, `gs://`, or None.
        asset: Asset that is to be uploaded, or None.
        deep: Whether to import TensorFlow as well and look for GPUs.
        timeout: Seconds that one answer may take.
        before: What was found before, shown first.
        resource_manager: Root of Google Cloud's Resource Manager, which knows the account's permissions.

    Raises:
        InputError: A value that cannot be checked.
    """

    endpoint: Endpoint | None = field(default_factory=Endpoint.from_env)
    output: str | None = None
    bucket: str | None = None
    asset: str | None = None
    deep: bool = False
    timeout: float = 10.0
    before: tuple[Finding, ...] = ()
    resource_manager: str = RESOURCE_MANAGER

    def __post_init__(self) -> None:
        if not self.timeout > 0:
            raise InputError(f"timeout={self.timeout} leaves no time for an answer: give seconds above 0")
        if self.bucket is not None and not re.match(r"gs://[^/]", self.bucket):
            raise InputError(f"--bucket {self.bucket!r} is no bucket: give gs://name")
        if self.asset is not None and not _ASSET.fullmatch(self.asset):
            raise InputError(f"--asset {self.asset!r} is no asset: give projects/<project>/assets/<name>")
