"""Pages and maps served on this machine: `rsbot view --serve`.

Only this machine is answered, unless asked otherwise, and only under its own names: a page from elsewhere that has its name
point here (DNS rebinding) gets nothing. What is served is read, never written.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import logging
import mimetypes
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import anyio
import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from rsbot_beam import storage
from rsbot_beam.errors import DatasetError, InputError, RsbotError
from rsbot_beam.listening import listen, url_of
from rsbot_beam.pages.build import PAGE_FILE, View, make_page
from rsbot_beam.pages.kinds import MAP, Found
from rsbot_beam.pages.live_map import LiveMap
from rsbot_beam.pages.page import PageOptions

LOGGER = logging.getLogger("rsbot_beam")
# Seconds that requests under way get when the server is stopped.
GRACE = 1
# Requests that are worked on at a time: tiles are computed, so that more only wait for each other; buckets are waited for.
THREADS = max(4, 2 * (os.cpu_count() or 1))
# What a browser may keep for as long as it likes: the page asks for tiles of another map by another address.
_KEPT = {"cache-control": "private, max-age=86400, immutable"}
_ANEW = {"cache-control": "no-store"}
# On all answers: a page from elsewhere can neither read nor show them, and no file is taken for what it is not.
_HEADERS = {
    "x-content-type-options": "nosniff",
    "cross-origin-resource-policy": "same-origin",
    "x-frame-options": "SAMEORIGIN",
    "referrer-policy": "no-referrer",
}
# A file of a map is shown, but nothing in it runs.
_SANDBOX = {"content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"}


class NotHereError(InputError):
    """What was asked for is not served."""


class Site:
    """What is served.

    Args:
        view: What lies at a path.
        options: How pages are made.
    """

    def __init__(self, view: View, options: PageOptions) -> None:
        self.view = view
        self._options = options
        here = Found("", view.path, view.kind)
        self.parts = [here] if view.kind != "folder" else [part for part in view.parts if not part.unfinished]
        self.maps = [part for part in self.parts if part.kind == MAP]
        self._live: dict[int, LiveMap] = {}
        self._lock = threading.Lock()

    def home(self) -> str:
        """Where the page of the path itself is."""
        return self.address(self.parts[0]) if self.view.kind != "folder" else "/"

    def address(self, part: Found) -> str:
        """Where the page of a part is."""
        if part.kind == MAP:
            return f"/maps/{self.maps.index(part)}/"
        return f"/{quote(part.name)}/{PAGE_FILE}" if part.name else f"/{PAGE_FILE}"

    def page(self, path: str, kind: str) -> Response:
        """The page of a dataset, model, map or folder; made when it is asked for."""
        text = make_page(path, kind, self._options)
        return Response(text, media_type="text/html", headers=_ANEW)

    def map(self, number: str) -> LiveMap:
        """A map by its number.

        Raises:
            NotHereError: There is none.
        """
        if not (number.isdecimal() and len(number) < 6 and int(number) < len(self.maps)):
            raise NotHereError(
                f"there is no map {number[:40]!r} here: they are counted from 0, and there are {len(self.maps)}"
            )
        with self._lock:
            if int(number) not in self._live:
                self._live[int(number)] = LiveMap(self.maps[int(number)].path)
            return self._live[int(number)]

    def close(self) -> None:
        """Close all files."""
        for live in self._live.values():
            live.close()


def make_app(site: Site, host: str = "127.0.0.1") -> ASGIApp:
    """The application that serves a site.

    Args:
        site: What is served.
        host: The address that is listened on: its name is one under which requests are answered.
    """
    limiter = anyio.CapacityLimiter(THREADS)

    def route(path: str, answer: Callable[[Request], Response]) -> Route:
        async def endpoint(request: Request) -> Response:
            return await anyio.to_thread.run_sync(answer, request, limiter=limiter)

        return Route(path, endpoint, methods=["GET"])

    def live(request: Request) -> LiveMap:
        return site.map(request.path_params["map"])

    def tile(request: Request) -> Response:
        raster, z, x, y = (request.path_params[name] for name in ("raster", "z", "x", "y"))
        content = live(request).tile(raster, z, x, y, request.query_params)
        return Response(content, media_type="image/png", headers=_KEPT)

    def patch(request: Request) -> Response:
        content = live(request).object_picture(request.path_params["number"])
        return Response(content, media_type="image/png", headers=_KEPT)

    app = Starlette(
        routes=[
            route("/", lambda _: _front(site)),
            route("/maps/{map}", lambda request: _moved(site, request)),
            route("/maps/{map}/", lambda request: site.page(live(request).root, MAP)),
            route("/maps/{map}/tiles/{raster}/{z}/{x}/{y}.png", tile),
            route("/maps/{map}/point", lambda request: _json(live(request).values(request.query_params))),
            route("/maps/{map}/detections", lambda request: _json(live(request).objects(request.query_params))),
            route("/maps/{map}/patch/{number}.png", patch),
            route("/maps/{map}/files/{path:path}", lambda r: file_of(live(r).root, r.path_params["path"])),
            route("/{page:path}", lambda request: _page(site, request.path_params["page"])),
        ],
        exception_handlers={
            NotHereError: lambda _, error: _error(404, str(error)),
            DatasetError: lambda _, error: _error(500, str(error)),
            InputError: lambda _, error: _error(400, str(error)),
            RsbotError: lambda _, error: _error(500, str(error)),
            HTTPException: lambda _, error: _error(error.status_code, error.detail),
            Exception: _failed,
        },
    )
    return Guard(app, host)


class Guard:
    """Answers only what is asked of this machine by its own name, and marks all answers as its own.

    Args:
        app: What answers.
        host: The address that is listened on.
    """

    def __init__(self, app: ASGIApp, host: str) -> None:
        self._app, self._host = app, host

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request."""
        if scope["type"] != "http":
            return
        names = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
        app: ASGIApp = self._app
        if len(names) != 1 or not is_own_name(names[0], self._host):
            app = _error(421, f"this server does not answer under the name {', '.join(names)[:80]!r}: use its address")

        async def marked(message: Any) -> None:  # noqa: ANN401 - of ASGI
            if message["type"] == "http.response.start":
                headers = message.setdefault("headers", [])
                message["headers"] = [*headers, *((k.encode(), v.encode()) for k, v in _HEADERS.items())]
            await send(message)

        await app(scope, receive, marked)


def is_own_name(name: str, host: str) -> bool:
    """Whether a request's `Host` is this machine itself.

    Names of the internet can be made to point here, addresses and `localhost` cannot.

    Args:
        name: As in the request, with its port.
        host: The address that is listened on; 0.0.0.0 and :: are all of this machine's.
    """
    bare = name.rpartition("]")[0][1:] if name.startswith("[") else name.partition(":")[0]
    if bare.lower() in ("localhost", host.lower()):
        return True
    try:
        address = ipaddress.ip_address(bare)
    except ValueError:
        return False
    return address.is_loopback or host in ("0.0.0.0", "::")  # noqa: S104 - compared


def file_of(root: str, path: str) -> Response:
    """A file of a map.

    Args:
        root: The map's folder, local or `gs://`.
        path: Below it.

    Raises:
        NotHereError: There is none, or it lies elsewhere.
    """
    missing = NotHereError(f"the map has no file {path[:80]!r}")
    parts = path.split("/")
    if any(part in ("", ".", "..") or "\\" in part or "\0" in part for part in parts):
        raise missing
    kind = mimetypes.guess_type(path)[0] or "application/octet-stream"
    headers = _SANDBOX | _ANEW
    if storage.is_gcs(root):
        try:
            return Response(storage.read_bytes(storage.join(root, path)), media_type=kind, headers=headers)
        except FileNotFoundError as error:
            raise missing from error
    folder = Path(root).resolve()
    file = (folder / path).resolve()
    # A link that leads out of the folder is not followed.
    if not (file.is_relative_to(folder) and file.is_file()):
        raise missing
    return FileResponse(file, media_type=kind, headers=headers)


def _front(site: Site) -> Response:
    if site.home() == "/":
        return site.page(site.view.path, site.view.kind)
    return RedirectResponse(site.home())


def _moved(site: Site, request: Request) -> Response:
    site.map(request.path_params["map"])
    return RedirectResponse(request.path_params["map"] + "/")


def _page(site: Site, path: str) -> Response:
    for part in site.parts:
        if path in (f"{part.name}/{PAGE_FILE}".lstrip("/"), f"{part.name}/".lstrip("/")):
            return RedirectResponse(site.address(part)) if part.kind == MAP else site.page(part.path, part.kind)
    raise NotHereError(f"there is no page {path[:80]!r} here")


def _json(content: object, status: int = 200) -> Response:
    text = json.dumps(content, allow_nan=False, separators=(",", ":"), ensure_ascii=False)
    return Response(text, status, media_type="application/json", headers=_ANEW)


def _error(status: int, message: str) -> Response:
    return _json({"error": message}, status)


def _failed(request: Request, error: Exception) -> Response:
    # The traceback is for whoever started the server, not for the browser.
    LOGGER.debug("%s failed", request.url.path, exc_info=error)
    LOGGER.warning("%s failed: %s: %s", request.url.path, type(error).__name__, error)
    return _error(500, "the server failed at this; its terminal says more")


class _Server(uvicorn.Server):
    def __init__(self, app: ASGIApp, ready: Callable[[], None]) -> None:
        config = uvicorn.Config(
            app,
            ws="none",
            lifespan="off",
            log_level="critical",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=GRACE,
        )
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()


def serve(view: View, options: PageOptions, host: str, port: int) -> None:
    """Serve until Ctrl-C, or SIGTERM. To be called from the main thread.

    Args:
        view: What to show.
        options: How pages are made.
        host: Address to listen on.
        port: 0 takes a free one.

    Raises:
        InputError: The address cannot be listened on, or something to show is damaged.
    """
    with contextlib.ExitStack() as stack:
        sock = stack.enter_context(contextlib.closing(listen(host, port)))
        site = stack.enter_context(contextlib.closing(Site(view, options)))

        def say() -> None:
            print(f"{view.path} at {url_of(sock)}{site.home()}    Ctrl-C ends it", flush=True)

        # uvicorn handles both signals itself, and raises them again when it has ended: by then all is done.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda _number, _frame: None)
        _Server(make_app(site, host), say).run(sockets=[sock])


@contextlib.contextmanager
def serving(view: View, options: PageOptions, host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    """Serve in a thread of this process as long as the context is open; yields the URL, without a slash at its end."""
    started = threading.Event()
    with contextlib.ExitStack() as stack:
        sock = stack.enter_context(contextlib.closing(listen(host, port)))
        site = stack.enter_context(contextlib.closing(Site(view, options)))
        server = _Server(make_app(site, host), started.set)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]}, daemon=True)
        thread.start()
        started.wait(30)
        try:
            yield url_of(sock)
        finally:
            server.should_exit = True
            thread.join(10)
