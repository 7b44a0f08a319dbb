"""What Google's services answer instead of what was asked for, and what to do about it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rsbot_beam.earthengine.refusals import Refusal, grant, permission_in, read_refusal, remedy_for, role_for

INFO = "type.googleapis.com/google.rpc.ErrorInfo"
HELP = "type.googleapis.com/google.rpc.Help"


def answer(code: int, message: str, *details: dict[str, Any], status: str = "PERMISSION_DENIED") -> bytes:
    return json.dumps(
        {"error": {"code": code, "message": message, "status": status, "details": list(details)}}
    ).encode()


DISABLED = answer(
    403,
    "Google Earth Engine API has not been used in project 123 before or it is disabled. Enable it by visiting "
    "https://console.developers.google.com/apis/api/earthengine.googleapis.com/overview?project=123 then retry.",
    {
        "@type": HELP,
        "links": [{"description": "activation", "url": "https://console.developers.google.com/apis?project=123"}],
    },
    {
        "@type": INFO,
        "reason": "SERVICE_DISABLED",
        "domain": "googleapis.com",
        "metadata": {"consumer": "projects/123", "service": "earthengine.googleapis.com"},
    },
)
DENIED = answer(
    403,
    "Caller does not have required permission to use project my-project. Grant the caller the "
    "roles/serviceusage.serviceUsageConsumer role, or a custom role with the serviceusage.services.use permission.",
    {
        "@type": INFO,
        "reason": "USER_PROJECT_DENIED",
        "domain": "googleapis.com",
        "metadata": {"consumer": "projects/my-project", "service": "earthengine.googleapis.com"},
    },
)
UNREGISTERED = answer(
    403,
    "Project my-project is not registered to use Earth Engine. Visit "
    "https://code.earthengine.google.com/register?project=my-project to register your project.",
)
NO_ROLE = answer(
    403,
    "Permission 'earthengine.computations.create' denied on resource '//earthengine.googleapis.com/projects/my-project' "
    "(or it may not exist).",
)
IAM = answer(
    403,
    "Permission denied on resource.",
    {
        "@type": INFO,
        "reason": "IAM_PERMISSION_DENIED",
        "domain": "iam.googleapis.com",
        "metadata": {"permission": "earthengine.assets.create", "resource": "projects/my-project"},
    },
)
NO_PROJECT = answer(404, "Project 'projects/my-project' not found or deleted.", status="NOT_FOUND")
SCOPES = answer(
    403,
    "Request had insufficient authentication scopes.",
    {"@type": INFO, "reason": "ACCESS_TOKEN_SCOPE_INSUFFICIENT", "domain": "googleapis.com", "metadata": {}},
)
NO_TOKEN = answer(
    401,
    "Request is missing required authentication credential.",
    {"@type": INFO, "reason": "CREDENTIALS_MISSING", "domain": "googleapis.com"},
    status="UNAUTHENTICATED",
)


@pytest.mark.parametrize(
    ("status", "body", "reason", "permission", "remedy"),
    [
        (
            403,
            DISABLED,
            "SERVICE_DISABLED",
            "",
            "gcloud services enable earthengine.googleapis.com --project my-project",
        ),
        (403, DENIED, "USER_PROJECT_DENIED", "serviceusage.services.use", "roles/serviceusage.serviceUsageConsumer"),
        (403, UNREGISTERED, "NOT_REGISTERED", "", "earth-engine/configuration?project=my-project"),
        (403, NO_ROLE, "", "earthengine.computations.create", "--role=roles/earthengine.viewer"),
        (403, IAM, "IAM_PERMISSION_DENIED", "earthengine.assets.create", "--role=roles/earthengine.writer"),
        (404, NO_PROJECT, "CONSUMER_INVALID", "", "the project's id, not its name"),
        (403, SCOPES, "ACCESS_TOKEN_SCOPE_INSUFFICIENT", "", "--scopes=https://www.googleapis.com/auth/earthengine"),
        (401, NO_TOKEN, "CREDENTIALS_MISSING", "", "gcloud auth application-default login"),
        (401, b"<html>Sign in</html>", "", "", "gcloud auth application-default login"),
        (403, b"", "", "", "roles/earthengine.viewer"),
        (404, b"not here", "", "", "gcloud projects list"),
        (429, answer(429, "Too Many Requests"), "", "", "--max_requests"),
        (503, b"<html><h1>Service Unavailable</h1></html>", "", "", "https://status.cloud.google.com"),
        (400, answer(400, "Invalid JSON payload."), "", "", "please report it"),
    ],
)
def test_a_refusal_is_read_and_has_a_remedy(
    status: int, body: bytes, reason: str, permission: str, remedy: str
) -> None:
    refusal = read_refusal(status, body)
    assert (refusal.status, refusal.reason, refusal.permission) == (status, reason, permission)
    found = remedy_for(refusal, "my-project")
    assert remedy in found
    assert "{" not in found, "everything is filled in"
    assert f"HTTP {status}" in str(refusal)


def test_the_page_that_the_service_names_is_handed_on() -> None:
    assert read_refusal(403, DISABLED).url == "https://console.developers.google.com/apis?project=123"
    assert "https://console.developers.google.com/apis?project=123" in remedy_for(read_refusal(403, DISABLED), "p")


def test_another_service_that_is_disabled_is_named() -> None:
    refusal = Refusal(403, "SERVICE_DISABLED", "off", service="dataflow.googleapis.com")
    assert "gcloud services enable dataflow.googleapis.com --project p" in remedy_for(refusal, "p")


@pytest.mark.parametrize(
    "details", ["text", {"a": 1}, [1, None, "x"], [{"@type": 3}], [{"@type": INFO, "metadata": None}]]
)
def test_details_of_any_shape_are_survived(details: Any) -> None:
    body = json.dumps({"error": {"code": 403, "message": "no", "details": details}}).encode()
    assert read_refusal(403, body).message == "no"


@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"[]", b'{"error": "text"}', b'{"error": {}}', b"null"])
def test_bodies_of_any_kind_are_survived(body: bytes) -> None:
    assert str(read_refusal(500, body)).endswith("(HTTP 500)")


def test_html_is_told_as_text() -> None:
    assert read_refusal(502, b"<html><h1>Bad  Gateway</h1></html>").message.split() == ["Bad", "Gateway"]


@pytest.mark.parametrize(
    ("text", "permission"),
    [
        (
            "a@b does not have storage.objects.create access to the Google Cloud Storage object.",
            "storage.objects.create",
        ),
        ("Permission 'storage.buckets.get' denied on resource (or it may not exist).", "storage.buckets.get"),
        ("https://storage.googleapis.com/storage/v1/b/x: not found", ""),
        ("earthengine.googleapis.com is down", ""),
    ],
)
def test_permissions_in_messages(text: str, permission: str) -> None:
    assert permission_in(text) == permission


def test_roles_and_how_to_grant_them() -> None:
    assert role_for("storage.objects.delete") == "roles/storage.objectUser"
    assert role_for("dataflow.jobs.list") == "roles/dataflow.developer"
    assert role_for("pubsub.topics.get") == "a role with the permission pubsub.topics.get"
    assert "--role=roles/earthengine.viewer" in grant("p", "earthengine.assets.get")
    assert "permission pubsub.topics.get granted to your account in project p" in grant("p", "pubsub.topics.get")
