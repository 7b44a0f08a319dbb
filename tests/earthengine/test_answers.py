"""From status and message to the kind of error."""

from __future__ import annotations

import json
import math

import pytest

from rsbot_beam.earthengine.answers import MAX_RETRY_AFTER, MESSAGE_LENGTH, error_of, retry_after
from rsbot_beam.errors import (
    AuthenticationError,
    EarthEngineError,
    PermanentError,
    ThrottledError,
    TooLargeError,
    TransientError,
)


def google(status: int, message: str, code: str = "X") -> bytes:
    return json.dumps({"error": {"code": status, "message": message, "status": code}}).encode()


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (400, "Total request size (60000000 bytes) must be less than or equal to 50331648 bytes.", TooLargeError),
        (400, "Pixel grid dimensions (40000x128) must be less than or equal to 32768.", TooLargeError),
        (400, "Total number of bands (1030) must be less than or equal to 1024.", TooLargeError),
        (400, "User memory limit exceeded.", TooLargeError),
        (400, "Computation timed out.", TooLargeError),
        (503, "Computation timed out.", TooLargeError),
        (400, "Response size exceeds limit of 268435456 bytes.", TooLargeError),
        (413, "Payload Too Large", TooLargeError),
        (400, "Image.sample: Parameter 'scale' must be less than or equal to 5.", PermanentError),
        (400, "Image.select: Band pattern 'B99' did not match any bands. Available bands: [B1]", PermanentError),
        (400, "Request payload size exceeds the limit: 10485760 bytes.", PermanentError),
        (404, "Asset not found.", PermanentError),
        (302, "", PermanentError),
        (429, "Too many concurrent aggregations.", ThrottledError),
        (400, "Too many concurrent aggregations.", ThrottledError),
        (429, "User memory limit exceeded.", ThrottledError),
        (403, "Quota exceeded for quota metric 'Requests' of service.", ThrottledError),
        (401, "Request had invalid authentication credentials.", AuthenticationError),
        (403, "Caller does not have required permission to use project p.", AuthenticationError),
        (408, "Request Timeout", TransientError),
        (500, "An internal error has occurred", TransientError),
        (502, "", TransientError),
        (503, "The service is currently unavailable.", TransientError),
        (504, "Deadline expired before operation could complete.", TransientError),
    ],
)
def test_kind_by_status_and_words(status: int, message: str, kind: type[EarthEngineError]) -> None:
    error = error_of(status, {}, google(status, message))
    assert type(error) is kind
    assert error.status == status
    assert message.rstrip(".") in str(error) and f"HTTP {status}" in str(error)


def test_a_rate_limit_hidden_in_the_details_is_throttled() -> None:
    body = json.dumps({"error": {"message": "no", "errors": [{"reason": "rateLimitExceeded"}]}}).encode()
    assert isinstance(error_of(403, {}, body), ThrottledError)


def test_a_redirection_says_where_to() -> None:
    error = error_of(302, {"Location": "https://login.example/x"}, b"")
    assert "sends requests on to https://login.example/x (HTTP 302)" in str(error)
    assert "--ee_url" in str(error)


def test_remedies_name_what_to_do() -> None:
    assert "gcloud auth application-default login" in str(error_of(401, {}, b""))
    assert "--ee_project" in str(error_of(403, {}, b""))


@pytest.mark.parametrize("body", [b"", b"<html>\n<b>Bad Gateway</b></html>", b'{"error": "text"}', b"\xff\xfe", b"[]"])
def test_bodies_that_are_not_googles_are_quoted(body: bytes) -> None:
    error = error_of(502, {}, body)
    assert isinstance(error, TransientError)
    assert "\n" not in str(error)
    assert ("no message" if not body else "HTTP 502") in str(error)


def test_long_messages_are_cut() -> None:
    text = str(error_of(400, {}, google(400, "x" * 10_000)))
    assert "x" * MESSAGE_LENGTH in text and len(text) < MESSAGE_LENGTH + 100


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("", None),
        ("3", 3.0),
        ("0.5", 0.5),
        ("-4", 0.0),
        ("86400", MAX_RETRY_AFTER),
        ("Sun, 06 Nov 1994 08:49:47 GMT", 10.0),
        ("Sun, 06 Nov 1994 08:49:07 GMT", 0.0),
        ("soon", None),
        ("nan", None),
        ("inf", MAX_RETRY_AFTER),
    ],
)
def test_retry_after_is_a_number_or_a_date(value: str | None, seconds: float | None) -> None:
    found = retry_after(value, now=784_111_777.0)
    assert found == seconds or (found is not None and seconds is not None and math.isclose(found, seconds))


def test_retry_after_comes_with_the_error() -> None:
    error = error_of(429, {"Retry-After": "7"}, b"")
    assert isinstance(error, ThrottledError) and error.retry_after == 7.0
