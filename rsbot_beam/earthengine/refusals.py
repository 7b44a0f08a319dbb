"""What Google's services mean by a refusal, and what the user can do about it.

Their answers carry a `google.rpc.ErrorInfo` with a reason (`google.api.ErrorReason`), or only words. Permissions and roles are
those of Google Cloud, "Google Earth Engine roles and permissions", and Earth Engine, "Roles and Permissions".
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_EARTH_ENGINE = "earthengine.googleapis.com"

# The smallest predefined role that has a permission, by the beginning of the permission's name.
_ROLES = {
    "serviceusage.services.use": "roles/serviceusage.serviceUsageConsumer",
    "earthengine.assets.create": "roles/earthengine.writer",
    "earthengine.assets.delete": "roles/earthengine.writer",
    "earthengine.assets.update": "roles/earthengine.writer",
    "earthengine.imports.": "roles/earthengine.writer",
    "earthengine.exports.": "roles/earthengine.writer",
    "earthengine.config.update": "roles/earthengine.admin",
    "earthengine.": "roles/earthengine.viewer",
    "storage.buckets.get": "roles/storage.legacyBucketReader",
    "storage.objects.": "roles/storage.objectUser",
    "dataflow.": "roles/dataflow.developer",
}

# Reasons that stand in the words of services which give no ErrorInfo: the texts are those of Earth Engine's and Cloud
# Storage's answers, as issue threads quote them.
_WORDS = (
    ("USER_PROJECT_DENIED", re.compile(r"does not have (?:the )?required permission to use project")),
    ("SERVICE_DISABLED", re.compile(r"has not been used in project|api .{0,80}disabled")),
    ("NOT_REGISTERED", re.compile(r"not registered to use earth engine|not signed up for earth engine")),
    ("CONSUMER_INVALID", re.compile(r"project .{0,80}(?:not found|was deleted|does not exist)|not found or deleted")),
    ("ACCESS_TOKEN_SCOPE_INSUFFICIENT", re.compile(r"insufficient (?:authentication )?scopes?")),
)
_PERMISSION = re.compile(
    r"\b((?:serviceusage|earthengine|storage|dataflow|resourcemanager)\.(?!google)[a-zA-Z]+\.[a-zA-Z]+)\b"
)


@dataclass(frozen=True)
class Refusal:
    """What a service said.

    Attributes:
        status: HTTP status.
        reason: `google.api.ErrorReason`, or one of our own where only words said so; empty if there is none.
        message: For people.
        permission: That is missing, such as `earthengine.computations.create`; empty if none is named.
        service: That refused, such as `earthengine.googleapis.com`; empty if it is not named.
        url: Page on which the service says that it can be cured; empty if it names none.
    """

    status: int
    reason: str = ""
    message: str = ""
    permission: str = ""
    service: str = ""
    url: str = ""

    def __str__(self) -> str:
        said = ", ".join(part for part in (f"HTTP {self.status}", self.reason, self.permission) if part)
        return f"{self.message.rstrip('. ') or 'no message'} ({said})"


def read_refusal(status: int, body: bytes) -> Refusal:
    """Read an answer other than 200.

    Args:
        status: HTTP status.
        body: JSON in the form of Google's services, or anything else.
    """
    text = body.decode("utf-8", "replace").strip()
    try:
        error = json.loads(text)["error"]
        message, details = str(error["message"]), error.get("details") or []
    except (ValueError, KeyError, TypeError, AttributeError):
        message, details = re.sub(r"<[^>]*>", " ", text), []
    info = _detail(details, "ErrorInfo")
    metadata = {str(name): str(value) for name, value in (info.get("metadata") or {}).items()}
    return Refusal(
        status,
        str(info.get("reason") or "") or _reason_of(message),
        message,
        metadata.get("permission") or permission_in(message),
        metadata.get("service", ""),
        metadata.get("activationUrl") or _link(details),
    )


def permission_in(text: str) -> str:
    """The permission that a message names, such as `storage.objects.create`; empty if it names none."""
    found = _PERMISSION.search(text)
    return found.group(1) if found else ""


def role_for(permission: str) -> str:
    """The predefined role to grant for a permission."""
    for start, role in _ROLES.items():
        if permission.startswith(start):
            return role
    return f"a role with the permission {permission}"


def grant(project: str, permission: str) -> str:
    """How somebody with the right to do so grants a permission in a project."""
    role = role_for(permission)
    if not role.startswith("roles/"):
        return f"have {role} granted to your account in project {project}"
    return (
        f"have the role {role} (permission {permission}) granted to your account: `gcloud projects add-iam-policy-binding "
        f"{project} --member=user:YOU --role={role}`, serviceAccount: for a service account; it takes some minutes to hold"
    )


def remedy_for(refusal: Refusal, project: str) -> str:
    """What to do about a refusal.

    Args:
        refusal: What the service said.
        project: That was charged.
    """
    remedy = _REMEDIES.get(refusal.reason)
    if remedy is not None:
        service = refusal.service or _EARTH_ENGINE
        return remedy.format(project=project, service=service, url=refusal.url or _page(service, project))
    if refusal.status == 401:
        return _REMEDIES["CREDENTIALS_MISSING"]
    if refusal.status == 403:
        return grant(project, refusal.permission or "earthengine.computations.create")
    if refusal.status == 404:
        return f"check that the project {project!r} exists (`gcloud projects list`) and that the URL is that of the service"
    if refusal.status == 429:
        return _REMEDIES["RATE_LIMIT_EXCEEDED"]
    if refusal.status >= 500:
        return "the service has an incident, or is overloaded: try again later, and see https://status.cloud.google.com"
    return "check the endpoint and the project; if they are right, please report it"


_REMEDIES = {
    "SERVICE_DISABLED": (
        "enable the API: `gcloud services enable {service} --project {project}`, or {url}; it takes some minutes to hold"
    ),
    "USER_PROJECT_DENIED": grant("{project}", "serviceusage.services.use"),
    "NOT_REGISTERED": (
        "register the project for Earth Engine, for commercial or noncommercial use: "
        "https://console.cloud.google.com/earth-engine/configuration?project={project}"
    ),
    "CONSUMER_INVALID": (
        "correct --ee_project: it takes the project's id, not its name (`gcloud projects list` shows both), and the project "
        "must not be deleted"
    ),
    "RESOURCE_PROJECT_INVALID": "correct the project: it takes its id, not its name (`gcloud projects list` shows both)",
    "CONSUMER_SUSPENDED": (
        "Google has suspended the project: see https://console.cloud.google.com/home/dashboard?project={project}, or use "
        "another"
    ),
    "BILLING_DISABLED": (
        "enable billing: https://console.cloud.google.com/billing/linkedaccount?project={project}; it takes some minutes"
    ),
    "ACCESS_TOKEN_SCOPE_INSUFFICIENT": (
        "log in again with the scopes of Earth Engine: `gcloud auth application-default login "
        "--scopes=https://www.googleapis.com/auth/earthengine,https://www.googleapis.com/auth/cloud-platform`; a virtual "
        "machine needs the scope cloud-platform"
    ),
    "CREDENTIALS_MISSING": (
        "log in again: `gcloud auth application-default login`, or name the key of a service account with --ee_credentials"
    ),
    "SECURITY_POLICY_VIOLATED": (
        "a perimeter of VPC Service Controls forbids it: run inside of it, or have its administrator allow this account"
    ),
    "RATE_LIMIT_EXCEEDED": (
        "something else is using up the project's quota now: wait for it, or give each job its part with --max_requests and "
        "--max_qps"
    ),
}
_REMEDIES["ACCESS_TOKEN_EXPIRED"] = _REMEDIES["CREDENTIALS_MISSING"]


def _page(service: str, project: str) -> str:
    return f"https://console.cloud.google.com/apis/library/{service}?project={project}"


def _reason_of(message: str) -> str:
    words = message.lower()
    return next((reason for reason, pattern in _WORDS if pattern.search(words)), "")


def _detail(details: Any, kind: str) -> Mapping[str, Any]:  # noqa: ANN401 - whatever the service sent
    found = [item for item in details if isinstance(item, dict) and str(item.get("@type", "")).endswith(kind)]
    return found[0] if found else {}


def _link(details: Any) -> str:  # noqa: ANN401
    links = _detail(details, "rpc.Help").get("links") or [{}]
    return str(links[0].get("url") or "")
