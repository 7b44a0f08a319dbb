"""The HTTP server: routes, authorisation, limits and faults around the evaluation of requests.

The unmodified client connects to it like this:

    import ee
    from google.auth.credentials import AnonymousCredentials

    ee.Initialize(credentials=AnonymousCredentials(), project="local", url="http://127.0.0.1:8791")

`ee.Initialize` also asks storage.googleapis.com for a list of deprecated assets, whatever the url. Without internet that
fails at once and only means that no deprecation warnings are shown; `ee.deprecation.InitializeDeprecatedAssets = lambda:
None` before `ee.Initialize` leaves it out.
"""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from rsbot_beam.errors import InputError
from rsbot_beam.local_ee import deadlines, protocol
from rsbot_beam.local_ee.answers import RequestError, error_body
from rsbot_beam.local_ee.asgi import (
    JsonResponse,
    PartsResponse,
    ResetResponse,
    SilentResponse,
    TruncatedResponse,
    closing,
    gone,
)
from rsbot_beam.local_ee.catalog import Catalog
from rsbot_beam.local_ee.faults import Fate, FaultPlan, Faults
from rsbot_beam.local_ee.limits import MAX_CONCURRENT, MAX_QPS, Limits, Quota
from rsbot_beam.local_ee.listing import list_assets
from rsbot_beam.local_ee.processes import SlowImages
from rsbot_beam.local_ee.profiles import REQUEST_HEADER, RESPONSE_HEADER, Profiles
from rsbot_beam.local_ee.provider import PixelGrid, Provider
from rsbot_beam.local_ee.requests import Evaluator, PixelAnswer
from rsbot_beam.local_ee.stats import Stats
from rsbot_beam.local_ee.threads import worker_pool
from rsbot_beam.local_ee.tokens import Tokens

logger = logging.getLogger(__name__)

REFUSALS = {
    "429": (429, "Too Many Requests"),
    "500": (500, "Internal error encountered."),
    "503": (503, "The service is currently unavailable."),
}


@dataclass(frozen=True)
class Settings:
    """How the server behaves.

    Attributes:
        limits: Sizes that are refused.
        max_concurrent: Requests at the same time; 0 = any number.
        max_qps: Requests in a second; 0 = any number.
        faults: What goes wrong.
        record: Whether the grids of pixel requests are kept for `/_local/stats`.
    """

    limits: Limits = field(default_factory=Limits)
    max_concurrent: int = MAX_CONCURRENT
    max_qps: float = MAX_QPS
    faults: Faults = field(default_factory=Faults)
    record: bool = False


@dataclass
class Job:
    """One request for pixels, values or features on its way.

    Attributes:
        kind: What is asked for, as it is counted.
        body: As sent.
        grid: Of a pixel request, as soon as it is known.
        pixels: Pixels of the answer.
        seconds: CPU time that it took, in whichever process.
        abandoned: Whether nobody waits for the answer any more.
    """

    kind: str
    body: bytes
    grid: PixelGrid | None = None
    pixels: int = 0
    seconds: float = 0.0
    abandoned: Callable[[], bool] = lambda: False

    def json(self) -> Mapping[str, Any]:
        """The body as a JSON object.

        Raises:
            RequestError: When it is none.
        """
        try:
            found = json.loads(self.body)
        except ValueError as error:
            raise RequestError(f"Invalid JSON payload received: {error}.") from error
        if not isinstance(found, dict):
            raise RequestError("Invalid JSON payload received: an object is expected.")
        return found


Work = Callable[[Job], Response]


class LocalEarthEngine:
    """The server's state and its ASGI application (`app`).

    Args:
        providers: Sources of assets, in order of precedence.
        settings: Limits and faults.
        slow_images: Computes slow images in other processes; None computes all in this one.
    """

    def __init__(
        self, providers: Sequence[Provider], settings: Settings | None = None, slow_images: SlowImages | None = None
    ) -> None:
        self._settings = settings or Settings()
        self._slow_images = slow_images
        self.profiles = Profiles()
        self.evaluator = Evaluator(Catalog(providers), self._settings.limits, self.profiles)
        self.stats = Stats(self._settings.record)
        self.tokens = Tokens()
        self._pool = worker_pool()
        self._computing: set[int] = set()  # threads
        self._closed = False
        self.reset()
        self.app = Starlette(routes=self._routes(), exception_handlers={HTTPException: _no_route})

    def reset(self) -> None:
        """Counts back to 0, limits and faults as at the start."""
        self.quota = Quota(self._settings.max_concurrent, self._settings.max_qps)
        self.plan = FaultPlan(self._settings.faults)
        self.stats.reset()

    def close(self) -> None:
        """Ends the worker threads; what is computed in them is given up as soon as it looks."""
        self._closed = True
        self._pool.shutdown(wait=False, cancel_futures=True)
        if self._slow_images is not None:
            self._slow_images.close()

    @property
    def is_computing(self) -> bool:
        """Whether something is still computed for a request."""
        return bool(self._computing) or (self._slow_images is not None and self._slow_images.is_computing)

    def _routes(self) -> list[Route]:
        project = "/v1/projects/{project}"
        asset = project + "/assets/{asset:path}"
        return [
            Route("/$discovery/rest", self._discovery),
            Route("/token", self._token, methods=["POST"]),
            Route("/_local/stats", self._show_stats),
            Route("/_local/faults", self._set_faults, methods=["POST"]),
            Route("/_local/reset", self._reset, methods=["POST"]),
            Route(project + "/algorithms", self._algorithms),
            Route(project + "/config", self._config),
            Route(project + "/value:compute", self._compute_value, methods=["POST"]),
            Route(project + "/image:computePixels", self._compute_pixels, methods=["POST"]),
            Route(project + "/table:computeFeatures", self._compute_features, methods=["POST"]),
            Route(asset + ":getPixels", self._get_pixels, methods=["POST"]),
            Route(asset + ":listFeatures", self._list_features),
            Route(asset + ":listAssets", self._list_assets),
            Route(project + ":listAssets", self._list_assets),
            Route(asset, self._get_asset),
        ]

    # Requests that cost quota -------------------------------------------------------------------------------------

    async def _compute_value(self, request: Request) -> Response:
        return await self._costly(
            request, "computeValue", lambda job: JsonResponse(self.evaluator.compute_value(job.json()))
        )

    async def _compute_features(self, request: Request) -> Response:
        return await self._costly(
            request, "computeFeatures", lambda job: JsonResponse(self.evaluator.compute_features(job.json()))
        )

    async def _compute_pixels(self, request: Request) -> Response:
        def work(job: Job) -> Response:
            return self._pixels(job, self._computed(job))

        return await self._costly(request, "computePixels", work)

    async def _get_pixels(self, request: Request) -> Response:
        name = asset_name(request)

        def work(job: Job) -> Response:
            return self._pixels(job, self.evaluator.get_pixels(name, job.json(), self._inspector(job)))

        return await self._costly(request, "getPixels", work)

    async def _costly(self, request: Request, kind: str, work: Work) -> Response:
        """Authorisation, quota, faults, then the work; whatever happens is counted."""
        job = Job(kind, await request.body(), abandoned=self._abandoned(request))
        denial = self._unauthorised(request)
        if denial is not None:
            return self._counted(job, denial)
        quota, plan = self.quota, self.plan
        message = quota.enter()
        if message is not None:
            return self._refused(job, 429, message)
        try:
            fate = plan.fate(job.body)
            await asyncio.sleep(fate.latency)
            return await self._fulfilled(request, job, work, fate)
        finally:
            quota.leave()

    async def _fulfilled(self, request: Request, job: Job, work: Work, fate: Fate) -> Response:
        if fate.kind == "hang":
            self._note(job, "hang")
            await gone(request.receive)
            return SilentResponse()
        if fate.kind == "reset":
            self._note(job, "reset")
            return ResetResponse()
        if fate.kind in REFUSALS:
            return self._refused(job, *REFUSALS[fate.kind])
        response = await asyncio.get_running_loop().run_in_executor(self._pool, self._safely, job, work)
        if fate.kind == "truncate" and response.status_code == 200:
            self._note(job, "truncate")
            parts = response.parts if isinstance(response, PartsResponse) else [bytes(response.body)]
            return TruncatedResponse(parts, str(response.media_type))
        if request.headers.get(REQUEST_HEADER):
            response.headers[RESPONSE_HEADER] = self.profiles.add(job.kind, job.seconds)
        return self._counted(job, response)

    def _safely(self, job: Job, work: Work) -> Response:
        """The work's answer, or the answer that says why there is none. Runs in a worker thread."""
        start, thread = time.thread_time(), threading.get_ident()
        self._computing.add(thread)
        try:
            with deadlines.until(deadlines.Deadline(self._settings.limits.max_seconds, job.abandoned)):
                return self._answered(job, work)
        finally:
            self._computing.discard(thread)
            job.seconds += time.thread_time() - start

    def _abandoned(self, request: Request) -> Callable[[], bool]:
        return lambda: self._closed or closing(request.scope)

    def _answered(self, job: Job, work: Work) -> Response:
        try:
            self._settings.limits.check_payload(len(job.body))
            return work(job)
        except RequestError as error:
            return JsonResponse(error_body(str(error), error.code), error.code)
        except RecursionError:
            return JsonResponse(error_body("The expression is nested too deeply.", 400), 400)
        except MemoryError:
            return JsonResponse(error_body("User memory limit exceeded.", 400), 400)
        except Exception as error:
            # A defect of this server. Not 500: clients would ask five times more and hide it behind the retries.
            logger.exception("%s failed", job.kind)
            return JsonResponse(error_body(f"Internal error of the local Earth Engine: {error!r}", 400), 400)

    def _computed(self, job: Job) -> PixelAnswer:
        if self._slow_images is None:
            return self.evaluator.compute_pixels(job.json(), self._inspector(job))
        if self._slow_images.is_slow(job.body):
            self.evaluator.check_pixels(job.json(), self._inspector(job))
            return self._slow_images.compute_pixels(job.body)
        with self._slow_images.timing(job.body):
            return self.evaluator.compute_pixels(job.json(), self._inspector(job))

    def _pixels(self, job: Job, answer: PixelAnswer) -> Response:
        job.pixels = answer.pixels
        job.seconds += answer.seconds
        return PartsResponse(answer.parts, answer.media_type)

    def _inspector(self, job: Job) -> Callable[[PixelGrid], None]:
        def inspect(grid: PixelGrid) -> None:
            job.grid = grid
            refusal = self.plan.refusal(grid)
            if refusal is not None:
                raise RequestError(refusal[1], refusal[0])

        return inspect

    def _refused(self, job: Job, code: int, message: str) -> Response:
        after = self.plan.faults.retry_after
        headers = {"retry-after": f"{after:g}"} if code == 429 and after is not None else {}
        return self._counted(job, JsonResponse(error_body(message, code), code, headers))

    def _counted(self, job: Job, response: Response) -> Response:
        size = response.length if isinstance(response, PartsResponse) else len(response.body)
        self._note(job, str(response.status_code), size, job.pixels)
        return response

    def _note(self, job: Job, status: str, size: int = 0, pixels: int = 0) -> None:
        self.stats.count(job.kind, status, size, pixels)
        if job.grid is not None:
            self.stats.grid(job.kind, job.grid, status)

    # Requests that cost nothing -----------------------------------------------------------------------------------

    async def _free(self, request: Request, kind: str, work: Callable[[], bytes | Mapping[str, Any]]) -> Response:
        job = Job(kind, b"", abandoned=self._abandoned(request))
        denial = self._unauthorised(request)
        if denial is not None:
            return self._counted(job, denial)

        def answer(_job: Job) -> Response:
            found = work()
            return Response(found, media_type="application/json") if isinstance(found, bytes) else JsonResponse(found)

        response = await asyncio.get_running_loop().run_in_executor(self._pool, self._safely, job, answer)
        return self._counted(job, response)

    async def _discovery(self, request: Request) -> Response:
        url = str(request.base_url).rstrip("/")
        return self._counted(Job("discovery", b""), Response(protocol.discovery(url), media_type="application/json"))

    async def _algorithms(self, request: Request) -> Response:
        return await self._free(request, "algorithms", protocol.algorithms)

    async def _config(self, request: Request) -> Response:
        name = f"{asset_name(request)}/config"
        return await self._free(
            request, "config", lambda: {"name": name, "registrationState": "REGISTERED_NOT_COMMERCIALLY"}
        )

    async def _get_asset(self, request: Request) -> Response:
        return await self._free(
            request, "getAsset", lambda: protocol.describe_asset(self.evaluator.catalog, asset_name(request))
        )

    async def _list_assets(self, request: Request) -> Response:
        parent = asset_name(request)
        return await self._free(
            request, "listAssets", lambda: list_assets(self.evaluator.catalog, parent, request.query_params)
        )

    async def _list_features(self, request: Request) -> Response:
        return await self._free(
            request,
            "listFeatures",
            lambda: self.evaluator.list_features(asset_name(request), request.query_params),
        )

    async def _token(self, request: Request) -> Response:
        await request.body()
        token = self.plan.faults.required_token or self.tokens.issue()
        answer = {"access_token": token, "expires_in": 3600, "token_type": "Bearer"}
        return self._counted(Job("token", b""), JsonResponse(answer))

    def _unauthorised(self, request: Request) -> Response | None:
        message = self.tokens.refusal(request.headers.get("authorization", ""), self.plan.faults)
        return None if message is None else JsonResponse(error_body(message, 401), 401)

    # Control ------------------------------------------------------------------------------------------------------

    async def _show_stats(self, request: Request) -> Response:
        return JsonResponse(
            {**self.stats.to_json(), "running": self.quota.running, "max_concurrent_seen": self.quota.most}
        )

    async def _set_faults(self, request: Request) -> Response:
        try:
            given = Job("faults", await request.body() or b"{}").json()
            self.plan = FaultPlan(Faults.from_json(given))
        except (InputError, RequestError) as error:
            return JsonResponse(error_body(str(error), 400), 400)
        return JsonResponse({})

    async def _reset(self, request: Request) -> Response:
        self.reset()
        return JsonResponse({})


def asset_name(request: Request) -> str:
    """The resource name in a request's path, `projects/P` or `projects/P/assets/ID`."""
    project, asset = request.path_params["project"], request.path_params.get("asset")
    return f"projects/{project}" if asset is None else f"projects/{project}/assets/{asset}"


async def _no_route(request: Request, error: Exception) -> Response:
    code = error.status_code if isinstance(error, HTTPException) else 404
    return JsonResponse(error_body(f"{request.method} {request.url.path}: no such method of the API.", code), code)
