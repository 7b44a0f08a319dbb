"""The server of pages and maps, over real HTTP."""

from __future__ import annotations

import http.client
import io
import json
import os
import random
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
import rasterio
from PIL import Image

from pipelines.rsbot import main
from rsbot_beam import storage
from rsbot_beam.geometry import TileBlock
from rsbot_beam.maps.styles import raster_path
from rsbot_beam.pages.build import View
from rsbot_beam.pages.page import PageOptions
from rsbot_beam.pages.server import is_own_name, serving
from tests.maps.drawn_maps import lonlat_of, objects_at, write_map

pytestmark = pytest.mark.integration

BLOCKS = [TileBlock("EPSG:32633", 10.0, 256, -527_104, 47_616 + 512 * col, 2, 2) for col in range(2)]
TILE = "/maps/0/tiles/class/13/4430/2862.png"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a map, of which a neighbour keeps a secret."""
    folder = tmp_path_factory.mktemp("served")
    lon, lat = lonlat_of(BLOCKS[0])
    rng = np.random.default_rng(0)
    places = rng.uniform(lon.min(), lon.max(), 300), rng.uniform(lat.min(), lat.max(), 300)
    write_map(folder / "maps" / "one", BLOCKS, objects=objects_at(*places, rng.random(300)))
    (folder / "maps" / "one" / "note.html").write_text("<script>alert(1)</script>")
    (folder / "maps" / "secret.txt").write_text("a secret")
    (folder / "maps" / "one" / "link.txt").symlink_to(folder / "maps" / "secret.txt")
    (folder / "maps" / "one" / "inside.txt").symlink_to(folder / "maps" / "one" / "run.json")
    return folder / "maps"


@pytest.fixture(scope="module")
def url(root: Path) -> Iterator[str]:
    with serving(View.of(str(root / "one")), PageOptions(live=True)) as address:
        yield address


def ask(
    url: str, path: str, headers: dict[str, str] | None = None, method: str = "GET"
) -> tuple[int, dict[str, str], bytes]:
    """Asks for a path exactly as it is written: status, headers (small letters) and body."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
    try:
        connection.putrequest(method, path, skip_host="Host" in (headers or {}))
        for name, value in (headers or {}).items():
            connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def error_of(answer: tuple[int, dict[str, str], bytes]) -> str:
    """The message of an error, which is JSON and says nothing of our code."""
    _, headers, body = answer
    assert headers["content-type"] == "application/json"
    message = json.loads(body)["error"]
    assert "Traceback" not in message
    assert ".py" not in message
    return str(message)


def pixel(root: Path, name: str, row: int, col: int) -> np.ndarray:
    """What rasterio reads in a file of the first block."""
    with rasterio.open(root / "one" / raster_path(name, BLOCKS[0])) as dataset:
        return np.asarray(dataset.read()[:, row, col])


# What it answers ------------------------------------------------------------------------------------------------


def test_the_page(url: str) -> None:
    for path in ("/", "/view.html", "/maps/0"):
        status, headers, _ = ask(url, path)
        assert (status, headers["location"].removeprefix("/maps/")) == (307, "0/")
    status, headers, body = ask(url, "/maps/0/")
    assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert b"<h1>Map one</h1>" in body
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "server" not in headers


@pytest.mark.parametrize(("query", "side"), [("", 256), ("?size=512", 512), ("?size=256&band=1&v=x", 256)])
def test_tiles_are_pictures(url: str, query: str, side: int) -> None:
    status, headers, body = ask(url, TILE + query)
    assert (status, headers["content-type"]) == (200, "image/png")
    assert "max-age" in headers["cache-control"]
    image = np.array(Image.open(io.BytesIO(body)).convert("RGBA"))
    assert image.shape == (side, side, 4)
    seen = {tuple(colour) for colour in image[image[..., 3] > 0][:, :3].tolist()}
    assert seen == {(0, 100, 0), (255, 255, 76), (0, 100, 200)}


def test_tiles_without_data_are_transparent(url: str) -> None:
    status, _, body = ask(url, "/maps/0/tiles/class/13/0/0.png")
    assert status == 200
    assert not np.array(Image.open(io.BytesIO(body)).convert("RGBA")).any()


def test_values_are_those_of_the_file(root: Path, url: str) -> None:
    lon, lat = lonlat_of(BLOCKS[0])
    known = 0
    for row, col in np.random.default_rng(1).integers(0, 512, (30, 2)).tolist():
        x, y = float(lon[row, col]), float(lat[row, col])
        status, _, body = ask(url, f"/maps/0/point?lon={x!r}&lat={y!r}")
        found = json.loads(body)
        assert status == 200
        code = int(pixel(root, "class", row, col)[0])
        assert found["found"] == (code != 255)
        if code == 255:
            continue
        known += 1
        assert found["code"] == code
        assert found["probability"] == float(pixel(root, "probability", row, col)[0])
        assert [p["probability"] for p in found["probabilities"]] == pixel(root, "probabilities", row, col).tolist()
    assert known > 10
    assert json.loads(ask(url, "/maps/0/point?lon=100&lat=50")[2]) == {"lon": 100.0, "lat": 50.0, "found": False}


def test_objects_of_a_window(url: str) -> None:
    lon, lat = lonlat_of(BLOCKS[0])
    west, south, east, north = lon.min(), lat.min(), (lon.min() + lon.max()) / 2, lat.max()
    found = json.loads(ask(url, f"/maps/0/detections?bbox={west},{south},{east},{north}&limit=20")[2])
    assert found["type"] == "FeatureCollection"
    assert len(found["features"]) == 20
    assert 100 < found["matched"] < 200
    assert sum(c["count"] for c in found["clusters"]) == found["matched"]
    scores = [f["properties"]["score"] for f in found["features"]]
    assert scores == sorted(scores, reverse=True)
    everything = json.loads(ask(url, "/maps/0/detections")[2])
    assert everything["matched"] == len(everything["features"]) == 300
    number = everything["features"][7]["properties"]["n"]
    (one,) = json.loads(ask(url, f"/maps/0/detections?object={number}")[2])["features"]
    assert one == everything["features"][7]


def test_the_patch_of_an_object(url: str) -> None:
    status, headers, body = ask(url, "/maps/0/patch/5.png")
    assert (status, headers["content-type"]) == (200, "image/png")
    assert np.array(Image.open(io.BytesIO(body))).shape[:2] == (384, 384)


# What it refuses ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "status", "message"),
    [
        ("/maps/0/tiles/class/31/0/0.png", 400, "zoom"),
        ("/maps/0/tiles/class/3/8/0.png", 400, "0 to 7"),
        ("/maps/0/tiles/class/3/-1/0.png", 400, "whole number"),
        ("/maps/0/tiles/class/3/1.5/0.png", 400, "whole number"),
        ("/maps/0/tiles/class/x/1/0.png", 400, "whole number"),
        ("/maps/0/tiles/class/3/99999999999999/0.png", 400, "whole number"),
        ("/maps/0/tiles/class/3/%C2%B2/0.png", 400, "whole number"),
        ("/maps/0/tiles/class/3/1/0.png?size=1000", 400, "256 or 512"),
        ("/maps/0/tiles/class/3/1/0.png?band=7", 400, "no band 7"),
        ("/maps/0/tiles/height/3/1/0.png", 400, "no raster"),
        ("/maps/0/tiles/%3Cscript%3E/3/1/0.png", 400, "no raster"),
        ("/maps/0/tiles/..%2f..%2fsecret/3/1/0.png", 404, ""),
        ("/maps/1/tiles/class/3/1/0.png", 404, "no map '1'"),
        ("/maps/x/", 404, "no map"),
        ("/maps/-1/point?lon=1&lat=1", 404, "no map"),
        ("/maps/%C2%B2/point?lon=1&lat=1", 404, "no map"),
        ("/maps/0/point", 400, "lon is missing"),
        ("/maps/0/point?lon=1", 400, "lat is missing"),
        ("/maps/0/point?lon=x&lat=1", 400, "no number of degrees"),
        ("/maps/0/point?lon=nan&lat=1", 400, "no number of degrees"),
        ("/maps/0/point?lon=1&lat=91", 400, "latitudes"),
        ("/maps/0/detections?bbox=1,2,3", 400, "no window"),
        ("/maps/0/detections?bbox=1,2,3,x", 400, "no number of degrees"),
        ("/maps/0/detections?bbox=1,3,2,2", 400, "west, south, east, north"),
        ("/maps/0/detections?limit=-1", 400, "whole number"),
        ("/maps/0/detections?object=300", 400, "no object 300"),
        ("/maps/0/patch/300.png", 400, "no object 300"),
        ("/maps/0/patch/x.png", 400, "whole number"),
        ("/nothing", 404, "no page"),
        ("/view.html/", 404, "no page"),
    ],
)
def test_nonsense_gets_a_message(url: str, path: str, status: int, message: str) -> None:
    answer = ask(url, path)
    assert answer[0] == status
    assert message in error_of(answer)


def test_only_questions_are_answered(url: str) -> None:
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        answer = ask(url, "/maps/0/", method=method)
        assert answer[0] == 405
        assert error_of(answer)


def test_files_of_the_map_are_read(root: Path, url: str) -> None:
    status, headers, body = ask(url, "/maps/0/files/run.json")
    assert (status, headers["content-type"]) == (200, "application/json")
    assert body == (root / "one" / "run.json").read_bytes()
    assert ask(url, "/maps/0/files/inside.txt")[2] == body
    path = raster_path("class", BLOCKS[0])
    assert ask(url, f"/maps/0/files/{path}")[2] == (root / "one" / path).read_bytes()
    status, headers, body = ask(url, f"/maps/0/files/{path}", {"Range": "bytes=0-3"})
    assert (status, len(body)) == (206, 4)
    # A page that somebody laid into the folder runs nothing here.
    status, headers, _ = ask(url, "/maps/0/files/note.html")
    assert status == 200
    assert "sandbox" in headers["content-security-policy"]
    assert "default-src 'none'" in headers["content-security-policy"]


@pytest.mark.parametrize(
    "path",
    [
        "../secret.txt",
        "..%2fsecret.txt",
        "%2e%2e/secret.txt",
        "%2e%2e%2fsecret.txt",
        "..%5csecret.txt",
        "%252e%252e/secret.txt",
        "class/../../secret.txt",
        "./../secret.txt",
        "link.txt",
        "/etc/passwd",
        "%2fetc%2fpasswd",
        "",
        "class",
        "class/",
        "run.json%00.txt",
        "run.json/",
        "nothing.txt",
    ],
)
def test_nothing_outside_of_the_map_is_read(url: str, path: str) -> None:
    answer = ask(url, f"/maps/0/files/{path}")
    assert answer[0] == 404
    assert "no file" in error_of(answer)
    assert b"secret" not in answer[2] or "secret" in path
    assert b"a secret" not in answer[2]


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "localhost.evil", "8.8.8.8", ""]
)
def test_other_names_get_nothing(url: str, host: str) -> None:
    for path in ("/maps/0/", TILE, "/maps/0/point?lon=1&lat=1", "/maps/0/files/run.json"):
        answer = ask(url, path, {"Host": host})
        assert answer[0] in (400, 421)
        assert b"stripes" not in answer[2]


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "localhost:1234", "LOCALHOST", "[::1]:8080", "127.0.0.2"])
def test_own_names_are_answered(url: str, host: str) -> None:
    assert ask(url, "/maps/0/", {"Host": host})[0] == 200


def test_which_names_are_own() -> None:
    assert not is_own_name("10.0.0.7:80", "127.0.0.1")
    assert is_own_name("10.0.0.7:80", "10.0.0.7")
    assert is_own_name("10.0.0.7", "0.0.0.0")
    assert is_own_name("[fe80::1]:80", "::")
    assert not is_own_name("evil.example", "0.0.0.0")
    assert not is_own_name("[", "127.0.0.1")


def test_two_names_are_one_too_many(url: str) -> None:
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as sock:
        sock.sendall(b"GET /maps/0/ HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\nConnection: close\r\n\r\n")
        received = b"".join(iter(lambda: sock.recv(65536), b""))
    assert received.split(b" ", 2)[1] in (b"400", b"421")


# Many at once, and how it ends ----------------------------------------------------------------------------------


def test_many_at_once(url: str) -> None:
    paths = [
        f"/maps/0/tiles/{name}/{z}/{4430 * 2**z // 8192}/{2862 * 2**z // 8192}.png"
        for name in ("class", "probability")
        for z in range(9, 15)
    ]
    paths += ["/maps/0/detections?limit=5", "/maps/0/point?lon=14.7&lat=47.55", "/maps/0/patch/1.png"]
    paths += ["/maps/0/tiles/class/99/0/0.png"]
    alone = {path: ask(url, path)[::2] for path in paths}
    many = paths * 8
    random.Random(0).shuffle(many)
    with ThreadPoolExecutor(24) as pool:
        answers = list(pool.map(lambda path: ask(url, path), many))
    assert all(answer[::2] == alone[path] for path, answer in zip(many, answers, strict=True))


def test_a_damaged_raster_is_an_error_of_its_own(tmp_path: Path) -> None:
    write_map(tmp_path / "map", BLOCKS[:1], ("class",))
    with serving(View.of(str(tmp_path / "map")), PageOptions(live=True)) as address:
        path = tmp_path / "map" / raster_path("class", BLOCKS[0])
        content = path.read_bytes()
        path.write_bytes(b"no TIFF")
        answer = ask(address, "/maps/0/tiles/class/14/8861/5724.png")
        assert answer[0] == 500
        assert "cannot be read" in json.loads(answer[2])["error"]
        path.write_bytes(content)
        assert ask(address, "/maps/0/tiles/class/14/8861/5724.png")[0] == 200


def test_a_folder_of_several(root: Path) -> None:
    with serving(View.of(str(root)), PageOptions(live=True)) as address:
        status, _, body = ask(address, "/")
        assert status == 200
        assert b'one/view.html"' in body
        assert ask(address, "/one/view.html")[1]["location"] == "/maps/0/"
        assert ask(address, "/maps/0/")[0] == 200
        assert ask(address, "/secret.txt")[0] == 404


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_says_where_it_is_and_ends_cleanly(root: Path, number: int) -> None:
    command = [sys.executable, "-m", "pipelines.rsbot", "view", str(root / "one"), "--serve", "--port", "0"]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            address = next(word for word in line.split() if word.startswith("http://127.0.0.1:"))
            assert ask(address, TILE)[0] == 200
            # A browser keeps its connection open: it does not hold the server.
            parts = urlsplit(address)
            with socket.create_connection((parts.hostname, parts.port)):
                process.send_signal(number)
                out, err = process.communicate(timeout=20)
        finally:
            process.kill()
    assert process.returncode == 0, err
    assert (out, err) == ("", "")


def test_a_port_that_is_taken(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["view", str(root / "one"), "--serve", "--port", str(port)]) == 2
    message = capsys.readouterr().err
    assert f"127.0.0.1:{port}" in message
    assert "--port" in message
    assert "Traceback" not in message


def test_a_map_in_a_bucket(gcs: str, root: Path) -> None:
    storage.copy_folder(root / "one", gcs)
    with (
        serving(View.of(gcs), PageOptions(live=True)) as address,
        serving(View.of(str(root / "one")), PageOptions(live=True)) as local,
    ):
        asked = (TILE, *(f"/maps/0/{path}" for path in ("detections?limit=3", "patch/2.png", "files/run.json")))
        for path in (*asked, "/maps/0/point?lon=14.7&lat=47.55"):
            assert ask(address, path)[::2] == ask(local, path)[::2]
        assert ask(address, "/maps/0/files/nothing.txt")[0] == 404
        assert ask(address, "/maps/0/files/../x")[0] == 404
        assert ask(address, "/maps/0/")[0] == 200


def test_urllib_reads_it_as_well(url: str) -> None:
    with urllib.request.urlopen(url + TILE, timeout=30) as answer:
        assert answer.read(4) == b"\x89PNG"
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(url + "/nothing", timeout=30)
