"""`rsbot upload` with the unmodified `ee` client, against a small server that keeps what it is sent."""

from __future__ import annotations

import contextlib
import io
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from pipelines import rsbot
from rsbot_beam import storage
from rsbot_beam.data.bands import LabelClass
from rsbot_beam.data.period import Period
from rsbot_beam.geometry import TileBlock
from rsbot_beam.local_ee import protocol
from rsbot_beam.maps.stac import COLLECTION_FILE, ItemEntry, collection_of
from rsbot_beam.maps.styles import map_styles, raster_path

pytestmark = pytest.mark.integration

ASSET = "projects/my-project/assets/map"
STYLES = {
    name: style
    for name, style in map_styles((LabelClass(10, "Trees", "#006400"), LabelClass(20, "Grass", "#ffff4c"))).items()
    if name in ("class", "probability")
}
ONE_ZONE = [TileBlock("EPSG:32633", 10.0, 256, -527_104, 39_168 + 512 * n, 2, 2) for n in range(3)]
TWO_ZONES = [*ONE_ZONE, TileBlock("EPSG:32632", 10.0, 256, -527_104, 72_192, 2, 2)]


class Assets(ThreadingHTTPServer):
    """The part of Earth Engine's REST interface that makes assets."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.assets: dict[str, str] = {}
        self.imports: list[tuple[str, dict[str, Any]]] = []
        self.refuse_after = 10**9
        self.refusal = (403, "Permission 'earthengine.assets.create' denied")
        self.lock = threading.Lock()


class Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    server: Assets

    def log_message(self, *_: Any) -> None:
        """Stay silent."""

    def answer(self, found: Any, code: int = 200) -> None:
        body = found if isinstance(found, bytes) else json.dumps(found).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def refuse(self, code: int, message: str) -> None:
        self.answer({"error": {"code": code, "message": message, "status": "REFUSED"}}, code)

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        if path == "/$discovery/rest":
            self.answer(discovery(self.server.url))
        elif path.endswith("/algorithms"):
            self.answer(protocol.algorithms())
        elif path.endswith(":listAssets"):
            parent = path.removeprefix("/v1/").removesuffix(":listAssets")
            inside = [name for name in self.server.assets if name.startswith(parent + "/")]
            # In pages of two, as the real one has pages.
            start = int(parse_qs(urlsplit(self.path).query).get("pageToken", ["0"])[0])
            page = {"assets": [{"name": n, "type": self.server.assets[n]} for n in inside[start : start + 2]]}
            self.answer(page | ({"nextPageToken": str(start + 2)} if start + 2 < len(inside) else {}))
        elif (name := path.removeprefix("/v1/")) in self.server.assets:
            self.answer({"name": name, "id": name, "type": self.server.assets[name]})
        else:
            self.refuse(404, f"Asset '{path}' not found (does not exist or caller does not have access).")

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        parts = urlsplit(self.path)
        with self.server.lock:
            if len(self.server.imports) >= self.server.refuse_after:
                self.refuse(*self.server.refusal)
            elif parts.path.endswith("/assets"):
                name = f"{parts.path.removeprefix('/v1/')}/{parse_qs(parts.query)['assetId'][0]}"
                self.server.assets[name] = body["type"]
                self.answer({"name": name, "type": body["type"]})
            else:
                self.take(parts.path.rpartition("image:")[2], body)

    def take(self, method: str, body: dict[str, Any]) -> None:
        name = body["imageManifest"]["name"]
        if name in self.server.assets and not body["overwrite"]:
            self.refuse(400, f"Cannot overwrite asset '{name}'.")
            return
        self.server.imports.append((method, body))
        self.server.assets[name] = "IMAGE"
        operation = f"projects/my-project/operations/{len(self.server.imports)}"
        self.answer({"name": operation} if method == "import" else {"name": name})


def discovery(url: str) -> bytes:
    """The client's own description of the interface, and the method that it is too old to have."""
    document = json.loads(protocol.discovery(url))
    methods = document["resources"]["projects"]["resources"]["image"]["methods"]
    text = json.dumps(methods["import"]).replace("image:import", "image:importExternal")
    methods["importExternal"] = json.loads(text) | {"id": "earthengine.projects.image.importExternal"}
    return json.dumps(document).encode()


@pytest.fixture
def server() -> Iterator[Assets]:
    with Assets() as found:
        thread = threading.Thread(target=found.serve_forever, daemon=True)
        thread.start()
        yield found
        found.shutdown()
        thread.join()


@pytest.fixture
def in_bucket(gcs: str) -> str:
    return write_map(gcs, TWO_ZONES)


def write_map(folder: str, blocks: list[TileBlock]) -> str:
    for block in blocks:
        for name in STYLES:
            storage.write_bytes(storage.join(folder, raster_path(name, block)), b"")
    entries = [ItemEntry(str(block), (10, 47, 11, 48)) for block in blocks]
    collection = collection_of("m", entries, STYLES, Period.year(2023), "a map", {"model": "unet"})
    storage.write_bytes(storage.join(folder, COLLECTION_FILE), json.dumps(collection))
    return folder


def run(*flags: str) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = rsbot.main(["upload", *flags])
    return code, out.getvalue(), err.getvalue()


def test_several_crss_are_ingested_into_a_collection(server: Assets, in_bucket: str) -> None:
    code, out, _ = run("--map", in_bucket, "--asset", ASSET, "--ee_url", server.url)
    assert code == 0
    assert server.assets[ASSET] == "IMAGE_COLLECTION"
    assert [method for method, _ in server.imports] == ["import", "import"]
    sent = [body["imageManifest"] for _, body in server.imports]
    # What the client has sent is what was written for people, untouched.
    for manifest in sent:
        name = manifest["name"].rsplit("/", 1)[1]
        assert json.loads(storage.read_text(f"{in_bucket}/ee/manifest_{name}.json")) == manifest
        assert manifest["uriPrefix"] == in_bucket + "/"
    assert sorted(m["name"] for m in sent) == [f"{ASSET}/EPSG32632_10", f"{ASSET}/EPSG32633_10"]
    assert all(body["overwrite"] is False for _, body in server.imports)
    assert out.count("earthengine task list") == 2
    assert "projects/my-project/operations/1" in out


def test_one_crs_is_one_image(server: Assets, gcs: str) -> None:
    folder = write_map(gcs, ONE_ZONE)
    assert run("--map", folder, "--asset", ASSET, "--ee_url", server.url, "--property", "version=3")[0] == 0
    ((method, body),) = server.imports
    assert (method, body["imageManifest"]["name"]) == ("import", ASSET)
    assert body["imageManifest"]["properties"]["version"] == "3"
    assert body["imageManifest"]["properties"]["model"] == "unet"
    assert server.assets == {ASSET: "IMAGE"}


def test_images_that_are_there_are_skipped_or_overwritten(server: Assets, in_bucket: str) -> None:
    flags = ("--map", in_bucket, "--asset", ASSET, "--ee_url", server.url)
    run(*flags)
    code, out, _ = run(*flags)
    assert (code, len(server.imports)) == (0, 2)
    assert "skipped 2 images" in out
    assert run(*flags, "--overwrite")[0] == 0
    assert [body["overwrite"] for _, body in server.imports] == [False, False, True, True]


def test_images_backed_by_cogs(server: Assets, in_bucket: str) -> None:
    code, out, _ = run("--map", in_bucket, "--asset", ASSET, "--ee_url", server.url, "--cog_backed")
    assert code == 0
    assert "made 4 images" in out
    assert server.assets[ASSET] == "IMAGE_COLLECTION"
    assert {method for method, _ in server.imports} == {"importExternal"}
    lines = storage.read_text(f"{in_bucket}/ee/manifests_cog_backed.jsonl").splitlines()
    by_name = {body["imageManifest"]["name"]: body["imageManifest"] for _, body in server.imports}
    assert [by_name[json.loads(line)["name"]] for line in lines] == [json.loads(line) for line in lines]


def test_an_interrupted_registration_goes_on(server: Assets, in_bucket: str) -> None:
    flags = ("--map", in_bucket, "--asset", ASSET, "--ee_url", server.url, "--cog_backed")
    server.refuse_after = 3
    code, _, err = run(*flags)
    assert code == 2
    assert "Earth Engine Resource Writer" in err
    assert "Traceback" not in err
    server.refuse_after = 10**9
    code, out, _ = run(*flags)
    assert code == 0
    assert "made 1 images" in out
    assert "skipped 3 images" in out
    names = [body["imageManifest"]["name"] for _, body in server.imports]
    assert len(names) == len(set(names)) == 4, "none is registered twice"


def test_dry_run_sends_nothing(server: Assets, in_bucket: str) -> None:
    for mode in ((), ("--cog_backed",)):
        code, out, _ = run("--map", in_bucket, "--asset", ASSET, "--ee_url", server.url, "--dry_run", *mode)
        assert code == 0
        assert '"pyramidingPolicy": "MODE"' in out or mode
        assert f'"uriPrefix": "{in_bucket}/"' in out
        assert "nothing was sent" in out
    assert not server.imports
    assert not server.assets


def test_a_local_map_whose_copy_is_in_a_bucket(server: Assets, tmp_path: Path) -> None:
    folder = write_map(str(tmp_path / "map"), ONE_ZONE)
    flags = ("--map", folder, "--asset", ASSET, "--ee_url", server.url)
    code, _, err = run(*flags)
    assert code == 2
    assert "--cogs gs://" in err
    assert run(*flags, "--cogs", "gs://bucket/map/")[0] == 0
    assert server.imports[0][1]["imageManifest"]["uriPrefix"] == "gs://bucket/map/"


def test_a_name_that_is_taken_by_something_else(server: Assets, in_bucket: str) -> None:
    server.assets[ASSET] = "TABLE"
    code, _, err = run("--map", in_bucket, "--asset", ASSET, "--ee_url", server.url)
    assert code == 2
    assert "is an asset of type TABLE" in err
    assert not server.imports


def test_what_earth_engine_refuses_is_said(server: Assets, gcs: str) -> None:
    server.refuse_after, server.refusal = 0, (400, "Bucket location must be US.")
    code, _, err = run("--map", write_map(gcs, ONE_ZONE), "--asset", ASSET, "--ee_url", server.url)
    assert code == 2
    assert "Bucket location must be US." in err
    assert "Traceback" not in err


def test_a_property_without_value(in_bucket: str) -> None:
    code, _, err = run("--map", in_bucket, "--asset", ASSET, "--property", "version")
    assert code == 2
    assert "NAME=VALUE" in err


def test_help_names_the_command() -> None:
    assert "upload" in rsbot.usage()
