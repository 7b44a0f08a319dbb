"""Limits, faults and statistics over HTTP, with a server of its own."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.client import IncompleteRead

import numpy as np
import pytest
import urllib3
from affine import Affine

from rsbot_beam.errors import InputError
from rsbot_beam.local_ee.faults import FaultPlan, Faults, parse_latency
from rsbot_beam.local_ee.limits import Limits, Quota, counted_bytes
from rsbot_beam.local_ee.provider import PixelGrid
from rsbot_beam.local_ee.rasters import RasterFolder
from rsbot_beam.local_ee.run import serving
from rsbot_beam.local_ee.server import LocalEarthEngine, Settings
from rsbot_beam.local_ee.types import Band, pixel_type_of

LOAD = {
    "result": "0",
    "values": {
        "0": {
            "functionInvocationValue": {
                "functionName": "Image.load",
                "arguments": {"id": {"constantValue": "projects/sample-project/assets/utm"}},
            }
        }
    },
}


class Client:
    """Plain HTTP without retries."""

    def __init__(self, url):
        self.url = url
        self.pool = urllib3.PoolManager(maxsize=50, retries=False, timeout=20)

    def pixels(self, grid, expression=LOAD, **more):
        body = {"expression": expression, "fileFormat": "NPY", "grid": grid, **more}
        return self.post("/v1/projects/p/image:computePixels", body)

    def post(self, path, body):
        return self.pool.request("POST", self.url + path, body=json.dumps(body).encode())

    def faults(self, **given):
        response = self.post("/_local/faults", given)
        assert response.status == 200, response.data

    def stats(self):
        return self.pool.request("GET", self.url + "/_local/stats").json()


@contextlib.contextmanager
def client_of(samples, **settings):
    engine = LocalEarthEngine([RasterFolder(samples.folder)], Settings(record=True, **settings))
    with serving(engine) as url:
        yield Client(url)


@pytest.fixture(scope="module")
def shared(samples):
    with client_of(samples, max_qps=0) as client:
        yield client


@pytest.fixture
def client(shared):
    shared.pool.request("POST", shared.url + "/_local/reset")
    return shared


def grid(column=0, row=0, width=16, height=16, resolution=10.0):
    return {
        "dimensions": {"width": width, "height": height},
        "affineTransform": {
            "scaleX": resolution,
            "translateX": 500000 + column * 10,
            "scaleY": -resolution,
            "translateY": 5000000 - row * 10,
        },
        "crsCode": "EPSG:32633",
    }


def message(response):
    return response.json()["error"]["message"]


def test_size_counts_a_mask_byte(client):
    # 6 bands of 2 + 1 bytes: 18 bytes a pixel; 1672 x 1672 x 18 = 50,320,512 fits, 1673 does not.
    refused = client.pixels(grid(width=1673, height=1673))
    assert refused.status == 400
    assert message(refused) == "Total request size (50380722 bytes) must be less than or equal to 50331648 bytes."
    accepted = client.pixels(grid(width=1672, height=1672))
    assert accepted.status == 200
    assert len(accepted.data) > 1672 * 1672 * 12


def test_counted_bytes():
    bands = [Band(name, pixel_type_of(np.dtype(name))) for name in ("uint8", "uint16", "float32")]
    assert counted_bytes((10, 20), bands) == 200 * (2 + 3 + 5)


def test_sides_bands_and_payload(client):
    wide = client.pixels(grid(width=32769, height=1))
    assert wide.status == 400
    assert "32768" in message(wide)
    long = client.post("/v1/projects/p/value:compute", {"expression": LOAD, "x": "y" * 10_485_760})
    assert long.status == 400
    assert message(long) == "Request payload size exceeds the limit: 10485760 bytes."
    with pytest.raises(Exception, match="maximum number of bands is 1024"):
        Limits().check_pixels((1, 1), [Band(str(n), pixel_type_of(np.dtype("uint8"))) for n in range(1025)])
    Limits(0, 0, 0, 0).check_pixels((99999, 99999), [Band("b", pixel_type_of(np.dtype("float64")))] * 2000)


def test_concurrency(samples):
    with client_of(samples, max_qps=0, max_concurrent=4, faults=Faults(latency="0.4")) as client:
        with ThreadPoolExecutor(10) as pool:
            answers = list(pool.map(lambda n: client.pixels(grid(n)), range(10)))
        statuses = sorted(answer.status for answer in answers)
        assert statuses == [200] * 4 + [429] * 6
        refused = next(answer for answer in answers if answer.status == 429)
        assert message(refused) == "Too many concurrent aggregations."
        assert refused.json()["error"]["status"] == "RESOURCE_EXHAUSTED"
        assert client.stats()["max_concurrent_seen"] == 4
        assert client.stats()["running"] == 0


def test_rate(samples):
    with client_of(samples, max_qps=10) as client:
        statuses = [client.pixels(grid(n)).status for n in range(15)]
        assert statuses[:10] == [200] * 10
        assert 429 in statuses
        time.sleep(0.35)
        assert client.pixels(grid()).status == 200


def test_quota_gives_places_back():
    quota = Quota(2, 0)
    assert quota.enter() is None
    assert quota.enter() is None
    assert "concurrent" in quota.enter()
    quota.leave()
    assert quota.enter() is None


def test_control_requests_cost_nothing(samples):
    with client_of(samples, max_qps=2) as client:
        for _ in range(10):
            assert client.pool.request("GET", client.url + "/v1/projects/p/algorithms").status == 200
            client.stats()
        assert client.pixels(grid()).status == 200


def test_latency_holds_the_answer(client):
    client.faults(latency="0.3")
    start = time.monotonic()
    assert client.pixels(grid()).status == 200
    assert 0.3 <= time.monotonic() - start < 1.5


def test_429_with_retry_after(client):
    client.faults(rate_429=1.0, retry_after=2)
    response = client.pixels(grid())
    assert response.status == 429
    assert response.headers["retry-after"] == "2"
    assert message(response) == "Too Many Requests"
    client.faults(rate_429=1.0)
    assert "retry-after" not in client.pixels(grid()).headers


@pytest.mark.parametrize("status", [500, 503])
def test_server_errors(client, status):
    client.faults(**{f"rate_{status}": 1.0})
    response = client.pixels(grid())
    assert response.status == status
    assert response.json()["error"]["code"] == status


def test_reset(client):
    client.faults(rate_reset=1.0)
    with pytest.raises(urllib3.exceptions.ProtocolError) as caught:
        client.pixels(grid())
    assert isinstance(caught.value.args[1], ConnectionResetError)
    assert client.stats()["requests"]["computePixels"] == {"reset": 1}


def test_truncation(client):
    client.faults(rate_truncate=1.0)
    with pytest.raises(urllib3.exceptions.ProtocolError) as caught:
        client.pixels(grid())
    assert isinstance(caught.value.args[1], (IncompleteRead, urllib3.exceptions.IncompleteRead))


def test_hang_ends_with_the_client(client):
    client.faults(rate_hang=1.0)
    with pytest.raises(urllib3.exceptions.TimeoutError):
        client.pool.request("POST", client.url + "/v1/projects/p/value:compute", body=b"{}", timeout=0.5)
    client.faults()
    deadline = time.monotonic() + 5
    while client.stats()["running"] and time.monotonic() < deadline:
        time.sleep(0.05)
    assert client.stats()["running"] == 0


def test_failing_places(client):
    place = {
        "bounds": [500160, 4999840, 500320, 5000000],
        "crs": "EPSG:32633",
        "status": 500,
        "message": "Broken tile.",
    }
    client.faults(fail_tiles=[place])
    inside = client.pixels(grid(16))
    assert (inside.status, message(inside)) == (500, "Broken tile.")
    assert client.pixels(grid(16)).status == 500  # every time
    assert client.pixels(grid(0)).status == 200  # the neighbour shares an edge only
    assert client.pixels(grid(32)).status == 200
    assert client.pixels(grid(0, 0, 64, 64)).status == 500  # a block that contains it


def test_failing_places_in_degrees(client):
    client.faults(fail_tiles=[{"bounds": [15.0, 45.1, 15.001, 45.2], "status": 400, "message": "Bad place."}])
    assert client.pixels(grid(0)).status == 400
    assert client.pixels(grid(100)).status == 200


def test_too_large_places_and_requests(client):
    client.faults(too_large_over_pixels=400)
    assert client.pixels(grid(0, 0, 20, 20)).status == 200
    refused = client.pixels(grid(0, 0, 21, 20))
    assert (refused.status, message(refused)) == (400, "User memory limit exceeded.")
    client.faults(
        too_large_tiles=[{"bounds": [500000, 4999000, 500100, 5000000], "crs": "EPSG:32633", "over_pixels": 256}]
    )
    assert client.pixels(grid(0, 0, 16, 16)).status == 200
    assert client.pixels(grid(0, 0, 17, 16)).status == 400
    assert client.pixels(grid(50, 0, 40, 40)).status == 200


def test_expired_and_required_tokens(client):
    client.faults(unauthorized=True)
    assert client.pixels(grid()).status == 401
    client.faults(required_token="sesame")
    assert client.pixels(grid()).status == 401
    body = json.dumps({"expression": LOAD, "fileFormat": "NPY", "grid": grid()}).encode()
    url = client.url + "/v1/projects/p/image:computePixels"
    assert client.pool.request("POST", url, body=body, headers={"Authorization": "Bearer sesame"}).status == 200
    assert client.pool.request("POST", client.url + "/token").json()["access_token"] == "sesame"


def test_faults_are_reproducible(client):
    def statuses():
        client.pool.request("POST", client.url + "/_local/reset")
        client.faults(rate_429=0.3, rate_500=0.2, seed=5)
        return [client.pixels(grid(n)).status for n in range(40) for _ in range(2)]

    first = statuses()
    assert first == statuses()
    assert {200, 429, 500} == set(first)


def test_rates_are_met():
    plan = FaultPlan(Faults(rate_429=0.2, rate_reset=0.05, seed=1))
    kinds = [plan.fate(str(number).encode()).kind for number in range(4000)]
    assert kinds.count("429") / 4000 == pytest.approx(0.2, abs=0.02)
    assert kinds.count("reset") / 4000 == pytest.approx(0.05, abs=0.01)


def test_the_same_request_has_another_fate_next_time():
    plan = FaultPlan(Faults(rate_500=0.5, seed=2))
    assert {plan.fate(b"same").kind for _ in range(20)} == {None, "500"}


PLACE = {"bounds": [0, 0, 10, 10], "crs": "EPSG:32633"}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"unknown": 1}, "Unknown faults ['unknown']"),
        ({"rate_429": 1.5}, "'rate_429' must be a number from 0 to 1, got 1.5"),
        ({"rate_500": -0.1}, "'rate_500' must be a number from 0 to 1, got -0.1"),
        ({"rate_429": "a"}, "'rate_429' must be a number from 0 to 1, got 'a'"),
        ({"rate_hang": True}, "'rate_hang' must be a number"),
        ({"rate_reset": None}, "'rate_reset' must be a number"),
        ({"rate_429": 0.6, "rate_500": 0.6}, "add up to at most 1"),
        ({"latency": "soon"}, "'soon' is not understood"),
        ({"latency": [1]}, "is not understood"),
        ({"retry_after": "later"}, "'retry_after' must be a number of 0 or more, got 'later'"),
        ({"retry_after": float("nan")}, "'retry_after' must be a number"),
        ({"token_lifetime": -1}, "'token_lifetime' must be a number of 0 or more"),
        ({"too_large_over_pixels": 1.5}, "'too_large_over_pixels' must be a whole number"),
        ({"seed": "x"}, "'seed' must be a number"),
        ({"unauthorized": "yes"}, "'unauthorized' must be true or false, got 'yes'"),
        ({"required_token": 5}, "'required_token' must be a text"),
        ({"fail_tiles": 5}, "'fail_tiles' must be a list of places, got 5"),
        ({"too_large_tiles": {"bounds": [0, 0, 1, 1]}}, "'too_large_tiles' must be a list of places"),
        ({"fail_tiles": [7]}, "A failing place is an object with bounds"),
        ({"fail_tiles": [{"crs": "EPSG:32633"}]}, "A failing place is an object with bounds"),
        ({"fail_tiles": [{**PLACE, "colour": 1}]}, "bounds, and perhaps crs, status, message, over_pixels, got"),
        ({"fail_tiles": [{"bounds": [1, 2]}]}, "four numbers (left, bottom, right, top), got [1, 2]"),
        ({"fail_tiles": [{"bounds": ["a", 0, 1, 1]}]}, "four numbers"),
        ({"fail_tiles": [{"bounds": [10, 0, 0, 10]}]}, "the smaller number first, got [10, 0, 0, 10]"),
        ({"fail_tiles": [{"bounds": [0, 10, 10, 0]}]}, "the smaller number first"),
        ({"fail_tiles": [{**PLACE, "crs": "EPSG:99999"}]}, "a code such as EPSG:32633, got 'EPSG:99999'"),
        ({"too_large_tiles": [{**PLACE, "crs": 32633}]}, "a code such as EPSG:32633, got 32633"),
        ({"fail_tiles": [{**PLACE, "crs": "EPSG:5773"}]}, "a code such as EPSG:32633"),
        ({"fail_tiles": [{**PLACE, "status": "500"}]}, "'status' must be a number from 400 to 599, got '500'"),
        ({"fail_tiles": [{**PLACE, "status": 200}]}, "'status' must be a number from 400 to 599"),
        ({"fail_tiles": [{**PLACE, "message": 1}]}, "'message' must be a text"),
        ({"too_large_tiles": [{**PLACE, "over_pixels": -1}]}, "'over_pixels' must be a number of 0 or more"),
        ([1], "an object is expected"),
    ],
)
def test_impossible_faults_are_refused(client, given, words):
    response = client.post("/_local/faults", given)
    assert response.status == 400
    assert words in message(response)
    assert client.pixels(grid()).status == 200  # nothing of it holds


def test_places_without_area_and_whole_rates_are_faults(client):
    client.faults(rate_429=0, rate_500=1, retry_after=2, seed=-3, fail_tiles=[{"bounds": [5, 5, 5, 5]}])
    assert client.pixels(grid()).status == 500


def test_latency_texts():
    assert parse_latency("0.5") == (0.5, 0)
    assert parse_latency("0.5±0.1") == (0.5, 0.1)
    assert parse_latency("2 +- 1") == (2, 1)
    with pytest.raises(InputError, match="'fast' is not understood"):
        parse_latency("fast")
    plan = FaultPlan(Faults(latency="0.5±0.1"))
    assert all(0.4 <= plan.fate(str(n).encode()).latency <= 0.6 for n in range(50))


def test_places_meet_grids():
    place = Faults.from_json({"fail_tiles": [{"bounds": [0, 0, 10, 10], "crs": "EPSG:32633"}]}).fail_tiles[0]
    assert place.meets(PixelGrid("EPSG:32633", Affine(1, 0, 5, 0, -1, 5), (3, 3)))
    assert not place.meets(PixelGrid("EPSG:32633", Affine(1, 0, 10, 0, -1, 5), (3, 3)))


def test_statistics_and_recorded_grids(client):
    client.pixels(grid(3, 4))
    client.pixels({**grid(), "dimensions": {"width": 0, "height": 1}})
    found = client.stats()
    assert found["requests"]["computePixels"] == {"200": 1, "400": 1}
    assert found["pixels"] == 256
    assert found["bytes"] > 256 * 12
    assert found["grids"] == [
        {
            "kind": "computePixels",
            "crs": "EPSG:32633",
            "transform": [10, 0, 500030, 0, -10, 4999960],
            "shape": [16, 16],
            "status": "200",
        }
    ]


def test_connections_are_kept(client):
    before = client.stats()["connections"]
    for number in range(5):
        client.pixels(grid(number))
    assert client.stats()["connections"] == before


def test_many_threads_get_their_own_answers(client, samples):
    import io

    def check(number):
        found = np.load(io.BytesIO(client.pixels(grid(number, number)).data))
        return (found["B2"] == samples.utm[1, number : number + 16, number : number + 16]).all()

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(check, range(100)))


def test_a_closed_connection_does_not_hurt(client):
    host, port = client.url.removeprefix("http://").split(":")
    before = threading.active_count()  # other tests of this process have left some
    for text in (
        b"",
        b"POST /v1/projects/p/value:compute HTTP/1.1\r\nContent-Length: 100\r\n\r\n{",
        b"nonsense\r\n\r\n",
    ):
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(text)
    assert client.pixels(grid()).status == 200
    assert threading.active_count() <= before + 3
