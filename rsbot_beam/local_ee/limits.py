"""Earth Engine's limits on requests: sizes, concurrency and rate."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from rsbot_beam.local_ee.answers import RequestError
from rsbot_beam.local_ee.types import Band

# https://developers.google.com/earth-engine/guides/usage and the service's own messages (2026).
MAX_REQUEST_BYTES = 50_331_648  # 48 MiB of uncompressed pixels, a mask byte for each band and pixel included
MAX_SIDE = 32_768  # pixels
MAX_BANDS = 1_024
MAX_PAYLOAD = 10_485_760  # bytes of a request's body
MAX_CONCURRENT = 40  # requests of a project at the same time
MAX_QPS = 100.0  # requests of a project in a second
MAX_SECONDS = 300.0  # that an interactive request is computed


@dataclass(frozen=True)
class Limits:
    """Sizes that are refused, and the time that a request is computed; 0 switches a limit off.

    Attributes:
        max_bytes: Uncompressed bytes of a pixel request, mask bytes included.
        max_side: Pixels of a side.
        max_bands: Bands of a pixel request.
        max_payload: Bytes of a request's body.
        max_seconds: Seconds of computing.
    """

    max_bytes: int = MAX_REQUEST_BYTES
    max_side: int = MAX_SIDE
    max_bands: int = MAX_BANDS
    max_payload: int = MAX_PAYLOAD
    max_seconds: float = MAX_SECONDS

    def check_pixels(self, shape: tuple[int, int], bands: Sequence[Band]) -> None:
        """Refuses a pixel request that is too large, in Earth Engine's words.

        Raises:
            RequestError: 400.
        """
        if self.max_side and max(shape) > self.max_side:
            raise RequestError(
                f"Pixel grid dimensions ({shape[1]}x{shape[0]}) must be less than or equal to {self.max_side}."
            )
        if self.max_bands and len(bands) > self.max_bands:
            raise RequestError(f"Too many bands ({len(bands)}): the maximum number of bands is {self.max_bands}.")
        size = counted_bytes(shape, bands)
        if self.max_bytes and size > self.max_bytes:
            raise RequestError(
                f"Total request size ({size} bytes) must be less than or equal to {self.max_bytes} bytes."
            )

    def check_payload(self, size: int) -> None:
        """Refuses a body that is too long.

        Raises:
            RequestError: 400.
        """
        if self.max_payload and size > self.max_payload:
            raise RequestError(f"Request payload size exceeds the limit: {self.max_payload} bytes.")


def counted_bytes(shape: tuple[int, int], bands: Sequence[Band]) -> int:
    """Bytes of a pixel request as Earth Engine counts them: the bands' own and one mask byte for each."""
    return shape[0] * shape[1] * sum(band.type.dtype.itemsize + 1 for band in bands)


class Quota:
    """Requests at the same time and in a second. 0 switches a limit off.

    Args:
        max_concurrent: Requests at the same time.
        max_qps: Requests in any second.
    """

    def __init__(self, max_concurrent: int = MAX_CONCURRENT, max_qps: float = MAX_QPS) -> None:
        self.max_concurrent = max_concurrent
        self.max_qps = max_qps
        self.running = 0
        self.most = 0
        self._tokens = max_qps
        self._filled = time.monotonic()
        self._lock = threading.Lock()

    def enter(self) -> str | None:
        """Takes a place for a request; `leave` gives it back. Returns the refusal's message if there is none free."""
        with self._lock:
            if self.max_concurrent and self.running >= self.max_concurrent:
                return "Too many concurrent aggregations."
            if self.max_qps and not self._take():
                return f"Quota exceeded for quota metric 'Requests' and limit 'Requests per second' ({self.max_qps:g})."
            self.running += 1
            self.most = max(self.most, self.running)
            return None

    def leave(self) -> None:
        """Gives a place back."""
        with self._lock:
            self.running -= 1

    def _take(self) -> bool:
        # A bucket of one second's worth of tokens, refilled evenly.
        now = time.monotonic()
        self._tokens = min(self.max_qps, self._tokens + (now - self._filled) * self.max_qps)
        self._filled = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
