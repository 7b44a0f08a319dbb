"""Bearer tokens: issued by the token endpoint, and refused on demand."""

from __future__ import annotations

import secrets
import threading
import time

from rsbot_beam.local_ee.faults import Faults

EXPIRED = (
    "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid "
    "authentication credential."
)
MISSING = "Request is missing required authentication credential. " + EXPIRED.split(". ", 1)[1]


class Tokens:
    """Remembers when tokens were issued."""

    def __init__(self) -> None:
        self._issued: dict[str, float] = {}
        self._lock = threading.Lock()

    def issue(self) -> str:
        """A new token."""
        token = secrets.token_urlsafe(24)
        with self._lock:
            self._issued[token] = time.monotonic()
        return token

    def refusal(self, header: str, faults: Faults) -> str | None:
        """The message of the 401 that a request with this Authorization header gets, or None."""
        token = header.removeprefix("Bearer ").strip()
        if faults.unauthorized:
            return EXPIRED
        if faults.required_token:
            if not token:
                return MISSING
            return None if secrets.compare_digest(token.encode(), faults.required_token.encode()) else EXPIRED
        if faults.token_lifetime:
            with self._lock:
                issued = self._issued.get(token)
            if issued is None:
                return EXPIRED if token else MISSING
            return None if time.monotonic() - issued < faults.token_lifetime else EXPIRED
        return None
