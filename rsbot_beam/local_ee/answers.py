"""The refusals of Earth Engine: HTTP status, Google's status word and Earth Engine's own message texts."""

from __future__ import annotations

from typing import Any

from rsbot_beam.errors import RsbotError

# HTTP status -> canonical status word, https://cloud.google.com/apis/design/errors#handling_errors
STATUS_WORDS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    413: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
}


class RequestError(RsbotError):
    """A request that is answered with an error in Google's JSON shape.

    Attributes:
        code: HTTP status.
    """

    def __init__(self, message: str, code: int = 400) -> None:
        super().__init__(message)
        self.code = code


def error_body(message: str, code: int) -> dict[str, Any]:
    """Google's JSON shape of an error: `{"error": {"code", "message", "status"}}`."""
    return {"error": {"code": code, "message": message, "status": STATUS_WORDS.get(code, "UNKNOWN")}}


def image_not_found(asset_id: str, code: int = 400) -> RequestError:
    """What Earth Engine says where an expression loads an image that is not there."""
    return RequestError(
        f"Image.load: Image asset '{asset_id}' not found (does not exist or caller does not have access).", code
    )


def collection_not_found(function: str, kind: str, asset_id: str) -> RequestError:
    """What Earth Engine says where an expression loads a collection (`kind`) that is not there."""
    return RequestError(
        f"{function}: {kind} asset '{asset_id}' not found (does not exist or caller does not have access)."
    )


def asset_not_found(asset_id: str) -> RequestError:
    """What Earth Engine says where an asset that is asked for by name is not there: 404."""
    return RequestError(f"Asset '{asset_id}' does not exist or doesn't allow this operation.", 404)


def wrong_type(function: str, argument: str, expected: str, value: object) -> RequestError:
    """What Earth Engine says of an argument of the wrong type."""
    return RequestError(
        f"{function}, argument '{argument}': Invalid type.\nExpected type: {expected}.\n"
        f"Actual type: {type(value).__name__}.\nActual value: {str(value)[:200]}"
    )
