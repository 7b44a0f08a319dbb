"""Every error that rsbot-beam raises on purpose.

A message names the offending value, the cause and the remedy. The command line prints it without a traceback and exits
with `exit_code`.
"""

from __future__ import annotations


class RsbotError(Exception):
    """Base of all errors of rsbot-beam."""

    exit_code = 1


class InputError(RsbotError, ValueError):
    """The user asked for something that cannot be done; the message says how to ask for it."""

    exit_code = 2


class RegionError(InputError):
    """A region that cannot be read, is empty, degenerate or lies outside the globe."""


class GridError(InputError):
    """A grid, tile key or coordinate reference system that cannot be used."""


class RecipeError(InputError):
    """A recipe that cannot be loaded, or that does not fit what Earth Engine holds."""


class DatasetError(InputError):
    """A dataset that is missing, half-written, damaged, or of another run."""


class DeadLettersError(RsbotError):
    """The run ended, but some tiles failed for good."""

    exit_code = 3


class StorageError(RsbotError):
    """A bucket does not do what it is asked, in spite of retries."""


class LostTilesError(RsbotError):
    """Tiles asked differ from stored + empty + dead: the runner lost elements."""


class EarthEngineError(RsbotError):
    """A request that Earth Engine did not answer with pixels.

    Attributes:
        kind: Short name of the failure's kind, the same for all instances of a class; counters are named by it.
        status: HTTP status, or None where no answer came.
    """

    kind = "unknown"

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status

    def __reduce__(self) -> tuple[type[EarthEngineError], tuple[str, int | None]]:
        return type(self), (str(self), self.status)


class ThrottledError(EarthEngineError):
    """429: over the quota of requests. Worth retrying, more slowly.

    Attributes:
        retry_after: Seconds that the server asked to wait, or None.
    """

    kind = "throttled"
    retry_after: float | None = None


class TransientError(EarthEngineError):
    """5xx, a reset or truncated connection, a deadline: worth retrying."""

    kind = "transient"


class TooLargeError(EarthEngineError):
    """Over the size, memory or time limit of one request: worth splitting, not retrying."""

    kind = "too_large"


class PermanentError(EarthEngineError):
    """The request itself is wrong: neither retrying nor splitting helps."""

    kind = "permanent"
    exit_code = 2


class AuthenticationError(EarthEngineError):
    """401 or 403: no credentials, expired ones, or no permission."""

    kind = "authentication"
    exit_code = 2


class UnservedError(EarthEngineError):
    """This endpoint does not answer questions of this kind; it may still have the pixels."""


class OutageError(EarthEngineError):
    """Earth Engine has not answered anything for so long that going on would only lose tiles."""

    kind = "outage"
