"""A strict little Earth Engine on loopback whose misbehaviour each test scripts."""

from __future__ import annotations

import io
import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest

from rsbot_beam.earthengine.endpoint import Endpoint
from rsbot_beam.earthengine.source import FetchBand, Flag, PixelSource

RGBN = tuple(FetchBand(name, "uint16") for name in ("B2", "B3", "B4", "B8", "B11", "B12"))


def made_source(bands: tuple[FetchBand, ...] = RGBN, name: str = "world") -> PixelSource:
    """A source whose "expression" tells the server below what to answer."""
    flags = tuple(Flag(f"valid_{i // 16}", i % 16) for i in range(len(bands)))
    last = flags[-1]
    flag_bands = [FetchBand(f"valid_{n}", "uint16") for n in range(len(bands) // 16 + bool(len(bands) % 16))]
    if last.bit < 8:
        flag_bands[-1] = FetchBand(last.band, "uint8")
    made = {"name": name, "bands": [[band.name, band.dtype] for band in (*bands, *flag_bands)], "data": len(bands)}
    return PixelSource((*bands, *flag_bands), expression=json.dumps(made), flags=flags)


def world(index: int, dtype: str, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Value of band `index` at pixels of 10 m whose corners are at x, y: differs between places and bands."""
    mixed = (x // 10).astype(np.int64) * 7919 + (y // 10).astype(np.int64) * 104_729 + index * 1_299_709
    kind = np.dtype(dtype)
    return (mixed % 251).astype(kind) if kind.itemsize == 1 else (mixed % 30_011).astype(kind)


def valid_world(index: int, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Validity of band `index`: a few scattered pixels are masked, others in each band."""
    return ((x // 10) * 31 + (y // 10) * 17 + index) % 23 != 0


@dataclass
class Asked:
    """One request as the server saw it."""

    number: int
    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    time: float

    @property
    def shape(self) -> tuple[int, int]:
        return self.body["grid"]["dimensions"]["height"], self.body["grid"]["dimensions"]["width"]

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        grid = self.body["grid"]["affineTransform"]
        height, width = self.shape
        left, top = grid["translateX"], grid["translateY"]
        return left, top + height * grid["scaleY"], left + width * grid["scaleX"], top

    def holds(self, x: float, y: float) -> bool:
        left, bottom, right, top = self.bounds
        return left <= x < right and bottom < y <= top


@dataclass
class Say:
    """What to answer: status and message, or pixels with a fault."""

    status: int = 200
    message: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    latency: float = 0.0
    fault: str = ""  # reset | truncate | drip | hang | garbage
    body: bytes | None = None


Behave = Callable[[Asked], "Say | None"]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    earth: StubEarth

    def handle_error(self, *args: Any) -> None:
        """Clients that hang up are what these tests are about."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    wbufsize = 65_536
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        with self.server.earth.lock:
            self.server.earth.connections += 1

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.earth.lock:
            asked = Asked(len(self.server.earth.asked), self.path, dict(self.headers), body, time.monotonic())
            self.server.earth.asked.append(asked)
            self.server.earth.in_flight += 1
            self.server.earth.most_in_flight = max(self.server.earth.most_in_flight, self.server.earth.in_flight)
        try:
            self.answer(asked, _complaint(asked) or self.server.earth.behave(asked) or Say())
        except OSError:
            self.close_connection = True
        finally:
            with self.server.earth.lock:
                self.server.earth.in_flight -= 1

    def answer(self, asked: Asked, say: Say) -> None:
        if say.latency:
            self.server.earth.closing.wait(say.latency)
        if say.fault == "hang":
            self.server.earth.closing.wait(30)
        if say.fault in ("reset", "hang"):
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            self.connection.close()
            return
        body = say.body if say.body is not None else _body(asked, say)
        self.send_response(say.status)
        for name, value in say.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.send(body, say.fault)

    def send(self, body: bytes, fault: str) -> None:
        if fault == "truncate":
            body, self.close_connection = body[: len(body) // 2], True
        if fault == "drip":
            self.close_connection = True
            for index in range(len(body)):
                self.wfile.write(body[index : index + 1])
                self.wfile.flush()
                if self.server.earth.closing.wait(0.05):
                    return
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, *args: Any) -> None:
        pass


class StubEarth:
    """Counts requests, connections and concurrency; answers pixels of `world` unless `behave` says otherwise."""

    def __init__(self) -> None:
        self.behave: Behave = lambda asked: None
        self.asked: list[Asked] = []
        self.connections = self.in_flight = self.most_in_flight = 0
        self.lock = threading.Lock()
        self.closing = threading.Event()
        self.server = _Server(("127.0.0.1", 0), _Handler)
        self.server.earth = self
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def endpoint(self, **values: Any) -> Endpoint:
        return Endpoint(url=self.url, **{"max_requests": 8, "max_qps": 10_000.0, **values})

    def close(self) -> None:
        self.closing.set()
        self.server.shutdown()
        self.server.server_close()


def _complaint(asked: Asked) -> Say | None:
    """Earth Engine's strictness, so that no test passes with a request that the real one would refuse."""
    grid = asked.body.get("grid", {})
    height, width = asked.shape
    wanted = {"fileFormat", "grid"} | ({"expression"} if "computePixels" in asked.path else {"bandIds"})
    if not wanted <= set(asked.body) <= wanted | {"bandIds", "workloadTag"} or asked.body["fileFormat"] != "NPY":
        return Say(400, f"Invalid JSON payload received: {sorted(asked.body)}")
    if set(grid) != {"dimensions", "affineTransform", "crsCode"} or not grid["crsCode"].startswith("EPSG:"):
        return Say(400, f"Invalid grid: {grid}")
    if asked.headers.get("Content-Type") != "application/json" or not asked.headers.get("X-Goog-User-Project"):
        return Say(400, "missing headers")
    counted = height * width * sum(np.dtype(dtype).itemsize + 1 for _, dtype in _bands(asked.body))
    if counted > 50_331_648:
        return Say(400, f"Total request size ({counted} bytes) must be less than or equal to 50331648 bytes.")
    return None


def _bands(body: dict[str, Any]) -> list[list[str]]:
    made = body.get("expression", {"bands": [[name, "int16"] for name in body.get("bandIds", [])]})["bands"]
    return [band for band in made if band[0] in body.get("bandIds", [band[0]])]


def _body(asked: Asked, say: Say) -> bytes:
    if say.fault == "garbage":
        return b"<html>Sorry</html>" * 10
    if say.status != 200:
        return json.dumps({"error": {"code": say.status, "message": say.message, "status": "X"}}).encode()
    return pixels_body(asked)


def pixels_body(asked: Asked) -> bytes:
    """The NPY file that Earth Engine would answer."""
    grid, (height, width) = asked.body["grid"]["affineTransform"], asked.shape
    x = (grid["translateX"] + grid["scaleX"] * np.arange(width))[None, :]
    y = (grid["translateY"] + grid["scaleY"] * np.arange(height))[:, None]
    bands = _bands(asked.body)
    answer = np.zeros((height, width), [(name, np.dtype(dtype)) for name, dtype in bands])
    made = asked.body.get("expression", {"bands": bands, "data": len(bands)})
    for index, (name, dtype) in enumerate(made["bands"][: made["data"]]):
        valid = valid_world(index, x, y) if "expression" in asked.body else np.ones((height, width), bool)
        if name in answer.dtype.names:
            answer[name] = np.where(valid, world(index, dtype, x, y), 0)
        flag = f"valid_{index // 16}"
        if flag in answer.dtype.names:
            answer[flag] |= (valid * (1 << index % 16)).astype(answer.dtype[flag])
    file = io.BytesIO()
    np.save(file, answer, allow_pickle=False)
    return file.getvalue()


@pytest.fixture
def earth() -> Iterator[StubEarth]:
    server = StubEarth()
    yield server
    server.close()


@pytest.fixture
def say() -> type[Say]:
    return Say


@pytest.fixture
def source() -> PixelSource:
    return made_source()


@pytest.fixture
def source_of() -> Callable[..., PixelSource]:
    return made_source


@pytest.fixture
def expected() -> Callable[..., tuple[np.ndarray, np.ndarray]]:
    """Values and validity of a band of `world` at a geobox, as they must arrive."""

    def pixels(index: int, dtype: str, geobox: Any) -> tuple[np.ndarray, np.ndarray]:
        height, width = geobox.shape
        x = (geobox.affine.c + geobox.affine.a * np.arange(width))[None, :]
        y = (geobox.affine.f + geobox.affine.e * np.arange(height))[:, None]
        valid = valid_world(index, x, y)
        return np.where(valid, world(index, dtype, x, y), 0).astype(dtype), valid

    return pixels
