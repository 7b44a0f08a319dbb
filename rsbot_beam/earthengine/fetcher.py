"""The pixels of places, fetched as fast as the endpoint allows: one fetcher for a process, any number of threads."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rsbot_beam.earthengine.answers import error_of
from rsbot_beam.earthengine.credentials import TokenSource
from rsbot_beam.earthengine.endpoint import Endpoint
from rsbot_beam.earthengine.pixels import Pixels, extract, parse, request_body
from rsbot_beam.earthengine.places import Common
from rsbot_beam.earthengine.profiles import ASK_FOR_PROFILE, Profiles
from rsbot_beam.earthengine.quota import Quota
from rsbot_beam.earthengine.retry import Deadline, Health, Trial
from rsbot_beam.earthengine.sizes import SizeMemory
from rsbot_beam.earthengine.source import PixelSource
from rsbot_beam.earthengine.stats import Stats
from rsbot_beam.earthengine.tiles import BlockFetch, FailedFetch
from rsbot_beam.earthengine.transport import Reply, Transport, is_deadline
from rsbot_beam.errors import (
    AuthenticationError,
    InputError,
    OutageError,
    PermanentError,
    ThrottledError,
    TooLargeError,
    TransientError,
)
from rsbot_beam.geometry.tile import TileBlock, TileKey

if TYPE_CHECKING:
    from odc.geo.geobox import GeoBox

# Called before the body of an answer is read; may block.
BeforeBody = Callable[[], None]

# Seconds between two probes of a service that seems to be out.
_PROBE_EVERY = 30.0


@dataclass(frozen=True)
class _Request:
    """One request, ready to be posted."""

    source: PixelSource
    path: str
    body: bytes
    shape: tuple[int, int]

    @property
    def nbytes(self) -> int:
        """Bytes of the pixels that answer it."""
        return self.shape[0] * self.shape[1] * sum(band.itemsize for band in self.source.bands)


class PixelFetcher:
    """Fetches pixels from one endpoint, with retries, within its quota. Thread-safe; one per process, never pickled.

    Args:
        endpoint: Where to ask, with the share of the budget that this process may use (see `Endpoint.share`).
        profiles: Gets what answers say of their cost, which is then asked for; None does not ask.

    Attributes:
        stats: Counts since they were last drained.
    """

    def __init__(self, endpoint: Endpoint, profiles: Profiles | None = None) -> None:
        self.endpoint = endpoint
        self._profiles = profiles
        self.stats = Stats()
        self._health = Health()
        self._tokens = TokenSource(endpoint.credentials)
        self._transport = Transport(endpoint)
        self._quota = Quota(endpoint.max_requests, endpoint.max_qps, self._health.check)
        self._deadline = Deadline(endpoint.deadline)
        cores = threading.BoundedSemaphore(os.cpu_count() or 1)
        self._common = Common(SizeMemory(), self._health, self.stats, endpoint.total_time, cores)
        self._smallest: _Request | None = None  # that was answered: what to ask for to see whether the service lives
        self._probed = float("-inf")
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"PixelFetcher({self.endpoint!r})"

    def __reduce__(self) -> tuple[Callable[[Endpoint], PixelFetcher], tuple[Endpoint]]:
        return shared_fetcher, (self.endpoint,)

    @property
    def stopped(self) -> bool:
        """Whether an error has stopped the run; every further call raises it."""
        return self._health.stopped

    @property
    def limit(self) -> float:
        """Requests that may be in flight now, by what the service has borne so far."""
        return self._quota.limit

    def fetch(self, source: PixelSource, geobox: GeoBox, before_body: BeforeBody | None = None) -> Pixels:
        """The pixels of a place in one request, with retries. Blocks; call it from many threads.

        Args:
            source: What to fetch.
            geobox: Where: any shape and affine, a CRS with an EPSG code.
            before_body: Called each time before a body with pixels is read; may block, to bound the memory in use.

        Raises:
            InputError: The request cannot be put.
            ThrottledError: 429 for all of the endpoint's `total_time`, while others were answered.
            TransientError: It failed again and again while others were answered.
            TooLargeError: Earth Engine cannot compute that much at once.
            PermanentError: Earth Engine refuses it.
            AuthenticationError: No permission; every further call raises it.
            OutageError: Earth Engine has not answered anything for too long; every further call raises it.
        """
        answer = self._ask(source, geobox, Trial(self._health, self.endpoint.total_time), before_body)
        with self._common.cores:
            return extract(source, answer)

    def fetch_tiles(
        self, source: PixelSource, block: TileBlock, before_body: BeforeBody | None = None
    ) -> dict[TileKey, Pixels | FailedFetch]:
        """The tiles of a block, in as few requests as Earth Engine can compute. Blocks; call it from many threads.

        What is too large is cut in space, at tile edges first, then within the tile, then in bands. Where a block fails
        for another reason it is cut until only the guilty tile fails. 429 never cuts anything.

        Args:
            source: What to fetch.
            block: Which tiles.
            before_body: As in `fetch`.

        Returns:
            Pixels or failure of every tile of the block, in the order of `block.tiles()`.

        Raises:
            InputError: The request cannot be put.
            PermanentError: Earth Engine refused many requests in a row; every further call raises it.
            AuthenticationError: As in `fetch`.
            OutageError: As in `fetch`.
        """
        return self._block_fetch(source, before_body).run(block)

    def fetch_place(
        self, source: PixelSource, geobox: GeoBox, before_body: BeforeBody | None = None
    ) -> Pixels | FailedFetch:
        """A place of any shape, in as few requests as Earth Engine can compute. Blocks; call it from many threads.

        What is too large is cut in space, then in bands, as in `fetch_tiles`.

        Args:
            source: What to fetch.
            geobox: Where.
            before_body: As in `fetch`.

        Raises:
            InputError: The request cannot be put.
            PermanentError: As in `fetch_tiles`.
            AuthenticationError: As in `fetch`.
            OutageError: As in `fetch`.
        """
        return self._block_fetch(source, before_body).run_place(geobox)

    def _block_fetch(self, source: PixelSource, before_body: BeforeBody | None) -> BlockFetch:
        def ask(part: PixelSource, geobox: GeoBox, trial: Trial) -> np.ndarray:
            return self._ask(part, geobox, trial, before_body)

        return BlockFetch(ask, source, self._common)

    def close(self) -> None:
        """Close idle connections."""
        self._transport.close()

    def _ask(
        self, source: PixelSource, geobox: GeoBox, trial: Trial, before_body: BeforeBody | None = None
    ) -> np.ndarray:
        """The answer as a structured array, with retries."""
        self._health.check()
        try:
            request = self._request(source, geobox)
            while True:
                try:
                    return self._once(request, trial, before_body)
                except (ThrottledError, TransientError) as error:
                    self._wait(trial, error)
        except (AuthenticationError, OutageError) as error:
            self._health.stop(error)
            raise

    @property
    def _project(self) -> str:
        project = self.endpoint.project or self._tokens.project
        if project is None:
            raise InputError("no project is known that Earth Engine could charge: name yours with --ee_project")
        return project

    def _request(self, source: PixelSource, geobox: GeoBox) -> _Request:
        height, width = geobox.shape
        body = request_body(source, geobox, self.endpoint.workload_tag)
        path = "/" + source.method.format(project=self._project)
        return _Request(source, path, body, (int(height), int(width)))

    def _wait(self, trial: Trial, error: ThrottledError | TransientError) -> None:
        """Wait before the next try; raises when there shall be none."""
        trial.deadlines += isinstance(error, TransientError) and is_deadline(error)
        if trial.exhausted and self._health.is_out:
            self._probe()
        delay = trial.delay(error)
        self.stats.add(**{f"retries_{error.kind}": 1})
        self._health.sleep(delay)

    def _once(self, request: _Request, trial: Trial, before_body: BeforeBody | None) -> np.ndarray:
        """One try: the answer, or the error of its kind."""
        reply = self._post(request, trial, before_body)
        pixels = parse(request.source, reply.body, request.shape)
        self._quota.succeeded()
        self._health.succeeded()
        self._deadline.answered(reply.seconds)
        self.stats.answered(reply.seconds, len(reply.body))
        if self._smallest is None or request.nbytes < self._smallest.nbytes:
            self._smallest = request
        return pixels

    def _post(self, request: _Request, trial: Trial, before_body: BeforeBody | None, renewed: bool = False) -> Reply:
        token = self._tokens.token()
        with self._quota.place() as started, trial.asking():
            self.stats.add(requests=1)
            reply = self._transport.post(
                request.path,
                request.body,
                self._headers(token),
                deadline=self._deadline.seconds(trial.deadlines),
                most_bytes=request.nbytes,
                before_body=before_body,
            )
        if reply.status == 200:
            if self._profiles is not None:
                self._profiles.note(reply.headers)
            return reply
        error = error_of(reply.status, reply.headers, bytes(reply.body))
        if reply.status == 401 and token is not None and not renewed:
            self._tokens.renew(token)
            self.stats.add(retries_authentication=1)
            return self._post(request, trial, before_body, renewed=True)
        if isinstance(error, ThrottledError):
            self._quota.throttled(started, error.retry_after)
        raise error

    def _headers(self, token: str | None) -> dict[str, str]:
        headers = {
            "Content-Type": "application/json",
            # Gzip saves a third of the bytes (Sentinel-2, 6 bands), but unpacking 128x128 pixels takes 2.5 ms of CPU, more
            # than all the rest of a fetch.
            "Accept-Encoding": "identity",
            "User-Agent": "rsbot-beam",
            "X-Goog-User-Project": self._project,
        }
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        if self._profiles is not None:
            headers |= ASK_FOR_PROFILE
        return headers

    def _probe(self) -> None:
        """Ask for something that was answered before, to tell a service that is out from a place that always fails.

        At the end of a run such a place can be all that is left to ask for, and then nothing else shows that the
        service lives.
        """
        with self._lock:
            due = self._smallest is not None and time.monotonic() - self._probed > _PROBE_EVERY
            self._probed = time.monotonic() if due else self._probed
        if due and self._smallest is not None:
            self.stats.add(probes=1)
            try:
                self._once(self._smallest, Trial(self._health, self.endpoint.total_time), None)
            except (ThrottledError, TransientError):
                return  # So it is the service; the caller goes on waiting.
            except (PermanentError, TooLargeError):
                self._health.succeeded()  # An answer all the same.


_fetchers: dict[Endpoint, PixelFetcher] = {}
_fetchers_lock = threading.Lock()


def shared_fetcher(endpoint: Endpoint) -> PixelFetcher:
    """The fetcher of this process for an endpoint: all its threads share connections, quota and what was learned.

    One that an error has stopped is replaced: whoever asks again has perhaps cured the cause.
    """
    with _fetchers_lock:
        fetcher = _fetchers.get(endpoint)
        if fetcher is None or fetcher.stopped:
            fetcher = _fetchers[endpoint] = PixelFetcher(endpoint)
        return fetcher


def _forget_fetchers() -> None:
    """A forked process must not use its parent's sockets, nor wait for locks that a thread of the parent held."""
    global _fetchers_lock
    _fetchers_lock = threading.Lock()
    _fetchers.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_fetchers)
