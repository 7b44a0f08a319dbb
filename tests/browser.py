"""A real browser that looks at pages and notices what they must not do."""

from __future__ import annotations

import base64
import functools
import http.server
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Request, Route

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
# A browser that runs as root in a container, without a graphics card, and leaves its maker's servers alone.
_FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
)

# A grey pixel.
_PICTURE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg=="
)
# Opens a page: `open_page(url, width=..., height=..., dark=..., hosts=(...))`.
OpenPage = Callable[..., "Page"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium; tests are skipped where there is none.

    While it runs there is an event loop in this thread: other files must be free to begin one of their own.
    """
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("there is no chromium on the PATH")
    with sync_api.sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=list(_FLAGS))
        yield launched
        launched.close()


class Watch:
    """What a page said and asked for that it must not.

    Attributes:
        hosts: Beginnings of addresses that the page may ask for.
        answer: Beginning of addresses that are answered here with a picture, as nobody is there.
        wrong: Errors, warnings, and requests to anywhere else.
    """

    def __init__(self, hosts: tuple[str, ...], answer: str = "") -> None:
        self.hosts = hosts
        self.answer = answer
        self.wrong: list[str] = []

    def attach(self, page: Page) -> None:
        page.context.route("**/*", self._route)
        page.on("request", self._request)
        page.on("pageerror", lambda error: self.wrong.append(f"page error: {error}"))
        page.on("console", self._console)
        page.on("dialog", self._dialog)

    def _is_own(self, url: str) -> bool:
        return url.startswith(("data:", "blob:", "about:", *self.hosts))

    def _route(self, route: Route) -> None:
        if self.answer and route.request.url.startswith(self.answer):
            route.fulfill(body=_PICTURE, content_type="image/png")
        elif self._is_own(route.request.url):
            route.continue_()
        else:
            route.abort()

    def _request(self, request: Request) -> None:
        if not self._is_own(request.url):
            self.wrong.append(f"request: {request.url}")

    def _console(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.wrong.append(f"console: {message.text}")

    def _dialog(self, dialog: Any) -> None:
        self.wrong.append(f"dialog: {dialog.message}")
        dialog.dismiss()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[OpenPage]:
    """Opens pages; at the end of the test none may have said an error, or asked for anything but its own address.

    `hosts` are beginnings of further addresses that a page may ask for; those that begin with `answer` get a picture.
    """
    opened: list[tuple[Any, Watch]] = []

    def open_it(
        url: str,
        *,
        width: int = 1280,
        height: int = 900,
        dark: bool = False,
        hosts: tuple[str, ...] = (),
        answer: str = "",
    ) -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light"
        )
        watch = Watch((url, *hosts), answer)
        opened.append((context, watch))
        page = context.new_page()
        watch.attach(page)
        page.set_default_timeout(60_000)
        page.goto(url)
        return page

    yield open_it
    wrong = [line for _, watch in opened for line in watch.wrong]
    for context, _ in opened:
        context.close()
    assert not wrong, "\n".join(wrong)


@pytest.fixture
def serve_folder() -> Iterator[Callable[[Path], str]]:
    """Serves folders over HTTP on loopback; returns the address of one, which ends in `/`."""
    servers = []

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments: object) -> None:
            pass

    def serve(folder: Path) -> str:
        handler = functools.partial(Quiet, directory=str(folder))
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_address[1]}/"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


def has_no_sideways_scroll(page: Page) -> bool:
    """Whether a page is no wider than its window."""
    return bool(page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"))
