"""Computations end: after their time, when nobody waits for them any more, and where they would never end."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import ee
import pytest

from pipelines import earth as command
from rsbot_beam.local_ee import deadlines
from rsbot_beam.local_ee.answers import RequestError
from rsbot_beam.local_ee.deadlines import Deadline
from rsbot_beam.local_ee.limits import Limits
from rsbot_beam.local_ee.processes import SlowImages
from rsbot_beam.local_ee.run import serving
from rsbot_beam.local_ee.server import LocalEarthEngine, Settings
from rsbot_beam.local_ee.world import World

ROOT = Path(command.__file__).resolve().parent.parent
SOLAR, WIND = "projects/rsbot/assets/world/solar_plants", "projects/rsbot/assets/world/wind_turbines"
VALUE = "/v1/projects/p/value:compute"


@pytest.fixture(scope="module")
def world():
    with serving(LocalEarthEngine([World()], Settings(max_qps=0))) as url:
        yield url


def endless() -> bytes:
    """The body of a request that computes for minutes."""
    globe = ee.Geometry.Rectangle([-179, -70, 179, 75], None, False)
    return body_of(ee.FeatureCollection(WIND).filterBounds(globe).size())


def body_of(value: ee.ComputedObject, **more) -> bytes:
    return json.dumps({"expression": ee.serializer.encode(value, for_cloud_api=True), **more}).encode()


def post(url: str, body: bytes) -> tuple[int, dict]:
    request = urllib.request.Request(url + VALUE, body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def stats(url: str) -> dict:
    return json.loads(urllib.request.urlopen(url + "/_local/stats", timeout=10).read())


def send(url: str, body: bytes) -> socket.socket:
    """Sends a request and waits for nothing but that it is computed."""
    place = urlsplit(url)
    sock = socket.create_connection((place.hostname, place.port))
    sock.sendall(f"POST {VALUE} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
    assert eventually(lambda: stats(url)["running"] == 1)
    return sock


def eventually(condition, seconds: float = 10.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return False


def test_a_deadline_in_the_future_lets_through():
    Deadline(60).check()
    Deadline(0).check()
    assert 59 < Deadline(60).seconds_left <= 60
    assert Deadline(0).seconds_left == 0


def test_a_deadline_that_is_over_is_told_in_earth_engines_words():
    late = Deadline(1e-9)
    time.sleep(0.001)
    with pytest.raises(RequestError, match=r"^Computation timed out\.$") as caught:
        late.check()
    assert caught.value.code == 400
    assert late.seconds_left > 0  # 0 would be no end at all


def test_a_deadline_holds_for_its_thread_and_block():
    deadlines.check()
    seen = []
    with deadlines.until(Deadline(0, lambda: True)):
        with pytest.raises(RequestError) as caught:
            deadlines.check()
        other = threading.Thread(target=lambda: (deadlines.check(), seen.append("unhindered")))
        other.start()
        other.join()
    assert caught.value.code == 499
    assert seen == ["unhindered"]
    deadlines.check()


@pytest.mark.parametrize("table", [SOLAR, WIND])
def test_a_table_of_the_whole_globe_is_refused_soon(earth, world, table):
    start = time.monotonic()
    status, answer = post(world, body_of(ee.FeatureCollection(table).size()))
    assert time.monotonic() - start < 28
    assert (status, answer["error"]["status"]) == (400, "INVALID_ARGUMENT")
    assert "filterBounds" in answer["error"]["message"]


def test_the_first_of_a_table_and_those_of_a_place_are_listed(earth, world):
    status, answer = post(world, body_of(ee.FeatureCollection(WIND).limit(100).size()))
    assert (status, answer) == (200, {"result": 100})
    place = ee.Geometry.Rectangle([10, 50, 12, 51], None, False)
    status, answer = post(world, body_of(ee.FeatureCollection(WIND).filterBounds(place).size()))
    assert status == 200
    assert answer["result"] > 100


def test_a_computation_times_out(earth):
    limits = Limits(max_seconds=0.5)
    with serving(LocalEarthEngine([World()], Settings(limits, max_qps=0))) as url:
        start = time.monotonic()
        status, answer = post(url, endless())
        assert time.monotonic() - start < 20
        assert stats(url)["running"] == 0
    assert (status, answer["error"]["message"]) == (400, "Computation timed out.")


def test_a_computation_ends_when_the_client_goes(earth, world):
    sock = send(world, endless())
    time.sleep(0.2)
    assert stats(world)["running"] == 1
    sock.close()
    assert eventually(lambda: stats(world)["running"] == 0, 5)


def test_a_computation_in_another_process_ends_when_it_is_given_up(earth):
    images = SlowImages(partial(command.providers, (), True, 0), Limits())
    season = ee.ImageCollection("COPERNICUS/S2_SR_HARMONIZED").filterDate("2021-01-01", "2024-01-01")
    utm = earth.make_grid("EPSG:32633", earth.UTM[1], 800, 800)
    body = body_of(season.select("B[2-8]").median(), fileFormat="NPY", grid=utm)
    gone = threading.Event()
    threading.Timer(3.0, gone.set).start()
    try:
        with (
            deadlines.until(Deadline(0, gone.is_set)),
            pytest.raises(RequestError, match="client has gone") as caught,
        ):
            images.compute_pixels(body)
        assert caught.value.code == 499
        assert eventually(lambda: not images.is_computing)
    finally:
        images.close()


def test_a_process_that_is_killed_is_replaced(earth):
    images = SlowImages(partial(command.providers, (), True, 0), Limits())
    season = ee.ImageCollection("COPERNICUS/S2_SR_HARMONIZED").filterDate("2021-01-01", "2024-01-01")

    def body(side: int) -> bytes:
        grid = earth.make_grid("EPSG:32633", earth.UTM[1], side, side)
        return body_of(season.select("B[2-8]").median(), fileFormat="NPY", grid=grid)

    def kill() -> None:
        assert eventually(lambda: images._pool is not None and images._pool._processes)
        os.kill(next(iter(images._pool._processes)), signal.SIGKILL)

    threading.Timer(1.0, kill).start()
    try:
        with pytest.raises(RequestError, match="currently unavailable") as caught:
            images.compute_pixels(body(800))
        assert caught.value.code == 503
        assert images.compute_pixels(body(4)).pixels == 16
        assert not images.is_computing
    finally:
        images.close()


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_signals_end_the_command_while_it_computes(earth, tmp_path, sign):
    code, seconds = signalled(["-m", "pipelines.earth"], tmp_path, sign)
    assert code == 0
    assert seconds < 20  # 1.2 on a machine that is at rest


def test_a_signal_ends_the_command_while_a_source_does_not_listen(earth, tmp_path):
    script = (
        "import sys, time\n"
        "from pipelines import earth\n"
        "from rsbot_beam.local_ee.world import World\n"
        "class Asleep(World):\n"
        "    def features(self, asset_id, bbox):\n"
        "        time.sleep(60)\n"
        "earth.providers = lambda assets, world, seed: [Asleep(seed)]\n"
        "sys.exit(earth.main(sys.argv[1:]))\n"
    )
    code, seconds = signalled(["-c", script], tmp_path, signal.SIGTERM)
    assert code == 0
    assert seconds < 20


def signalled(python: list[str], tmp_path: Path, sign: signal.Signals) -> tuple[int, float]:
    """Exit code of the command after a signal in the middle of a computation, and how long it took to end."""
    ready = tmp_path / "url"
    process = subprocess.Popen(
        [sys.executable, *python, "--ready_file", str(ready)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
    )
    try:
        assert eventually(ready.exists, 60)
        with send(ready.read_text(), endless()):
            time.sleep(0.3)
            start = time.monotonic()
            process.send_signal(sign)
            return process.wait(30), time.monotonic() - start
    finally:
        process.kill()
