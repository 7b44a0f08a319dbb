"""Checks of assets against a local Earth Engine over HTTP, with a gate before it that refuses and delays on demand."""

from __future__ import annotations

import json
import re
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import ee
import numpy as np
import pytest
import rasterio
from affine import Affine
from google.auth.exceptions import RefreshError
from requests.exceptions import ConnectionError as NoConnection

from rsbot_beam.data.period import Period
from rsbot_beam.earth_process import local_earth
from rsbot_beam.earthengine import Endpoint
from rsbot_beam.earthengine import asset_requests as requests_of
from rsbot_beam.earthengine.asset_checks import AssetChecks, check_resolution, wrong_kind
from rsbot_beam.earthengine.asset_contents import AssetQuery, names_of
from rsbot_beam.earthengine.asset_graph import loaded_assets
from rsbot_beam.earthengine.asset_inputs import input_questions, judge_inputs
from rsbot_beam.earthengine.asset_labels import LabelChecks, LabelQuery
from rsbot_beam.earthengine.asset_problems import CODES, Problem, listed, nearest
from rsbot_beam.earthengine.asset_region import boxes, pieces
from rsbot_beam.earthengine.asset_requests import Answer, Deadline, ask, compute, compute_groups
from rsbot_beam.earthengine.images import check_source, compose
from rsbot_beam.earthengine.session import initialize
from rsbot_beam.earthengine.source import FetchBand
from rsbot_beam.errors import AuthenticationError, RecipeError
from rsbot_beam.geometry import Region, read_region

pytestmark = pytest.mark.integration

ROOT = "projects/test/assets/"
# Longitudes 10.0 to 10.1, latitudes 45.0 to 45.1: 100 x 100 pixels of 0.001 degrees.
PLACE = "10.0,45.0,10.1,45.1"
FAR = "20.0,45.0,20.1,45.1"
SUMMER = Period.parse("2022-05-01,2022-10-01")
# Degrees of latitude 45 in metres at the equator, as Earth Engine counts a degree.
NATIVE = 111.319


def write(path: Path, data: np.ndarray, nodata: float | None = 0) -> None:
    profile = {"driver": "GTiff", "crs": "EPSG:4326", "transform": Affine(0.001, 0, 10, 0, -0.001, 45.1)}
    with rasterio.open(
        path, "w", count=len(data), height=100, width=100, dtype=data.dtype.name, nodata=nodata, **profile
    ) as target:
        target.write(data)


def codes() -> np.ndarray:
    """A label: 1 in the north, 2 in the middle, 9 in three pixels, nothing in the southern half."""
    label = np.zeros((1, 100, 100), np.uint8)
    label[0, :30], label[0, 30:50] = 1, 2
    label[0, 10, :3] = 9
    return label


def table(path: Path, points: list[tuple[float, float]]) -> None:
    features = [
        {"type": "Feature", "properties": {"kind": "solar"}, "geometry": {"type": "Point", "coordinates": point}}
        for point in points
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Assets of each kind: whole, empty, of changing bands, of a year, of a summer's days."""
    folder = tmp_path_factory.mktemp("assets")
    write(folder / "label.tif", codes())
    write(folder / "void.tif", np.zeros((1, 100, 100), np.uint8))
    write(folder / "red.tif", np.full((1, 100, 100), 7, np.uint16))
    write(folder / "both.tif", np.full((2, 100, 100), 7, np.uint16))
    table(folder / "plants.geojson", [(10.05, 45.05), (10.06, 45.06)])
    table(folder / "no_plants.geojson", [])
    reds = [
        {"index": f"r{i}", "file": "red.tif", "bands": ["red"], "time_start": f"2022-06-{i:02d}T00:00:00Z"}
        for i in range(1, 9)
    ]
    both = {"index": "b", "file": "both.tif", "bands": ["red", "nir"], "time_start": "2022-08-01T00:00:00Z"}
    year = {"index": "y", "file": "label.tif", "bands": ["code"]}
    year |= {"time_start": "2022-01-01T00:00:00Z", "time_end": "2023-01-01T00:00:00Z"}
    assets = {
        "label": {"type": "IMAGE", "file": "label.tif", "bands": ["code"]},
        "void": {"type": "IMAGE", "file": "void.tif", "bands": ["code"]},
        "series": {"type": "IMAGE_COLLECTION", "images": [*reds, both]},
        "yearly": {"type": "IMAGE_COLLECTION", "images": [year]},
        "undated": {"type": "IMAGE_COLLECTION", "images": [{"index": "u", "file": "label.tif", "bands": ["code"]}]},
        "no_plants": {"type": "TABLE", "file": "no_plants.geojson"},
        "nothing": {"type": "IMAGE_COLLECTION", "images": []},
        "plants": {"type": "TABLE", "file": "plants.geojson"},
    }
    manifest = {"version": 1, "assets": {ROOT + name: asset for name, asset in assets.items()}}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


@dataclass
class Gate:
    """A proxy before the local Earth Engine. `behave(path, body)` says status and message, or seconds to wait."""

    target: str
    behave: Callable[[str, str], tuple[int, str] | float | None] = lambda path, body: None
    asked: list[str] = field(default_factory=list)
    url: str = ""
    closing: threading.Event = field(default_factory=threading.Event)

    def answer(self, method: str, path: str, body: bytes, host: str) -> tuple[int, bytes]:
        self.asked.append(path)
        said = self.behave(path, body.decode())
        if isinstance(said, tuple):
            return said[0], json.dumps({"error": {"code": said[0], "message": said[1], "status": "X"}}).encode()
        if said is not None and self.closing.wait(said):
            return 503, b"{}"
        headers = {"Content-Type": "application/json", "Host": host}
        request = urllib.request.Request(self.target + path, body or None, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def computed(self) -> int:
        return sum("value:compute" in path for path in self.asked)


@pytest.fixture(scope="module")
def gate_of_module(folder: Path) -> Iterator[Gate]:
    with local_earth(assets=str(folder), world=False, max_qps=1000) as url:
        gate = Gate(url)

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                host = self.headers["Host"]
                status, body = gate.answer(self.command, self.path, self.rfile.read(length), host)
                try:
                    self.send_response(status)
                    self.send_header("Content-Length", str(len(body)))
                    self.send_header("Content-Type", "application/json")
                    self.end_headers()
                    self.wfile.write(body)
                except OSError:
                    self.close_connection = True

            do_POST = do_GET  # noqa: N815

            def log_message(self, *args: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        gate.url = f"http://127.0.0.1:{server.server_address[1]}"
        initialize(Endpoint(url=gate.url))
        yield gate
        gate.closing.set()
        server.shutdown()
        server.server_close()


@pytest.fixture
def gate(gate_of_module: Gate) -> Iterator[Gate]:
    initialize(Endpoint(url=gate_of_module.url))
    before = ee.data._get_state().max_retries
    ee.data.setMaxRetries(0)
    gate_of_module.asked.clear()
    yield gate_of_module
    ee.data.setMaxRetries(before)
    gate_of_module.behave = lambda path, body: None


def soon(seconds: float = 20.0) -> Deadline:
    return Deadline.after(seconds)


def check(*queries: AssetQuery, region: str = PLACE, period: Period = SUMMER, seconds: float = 20.0) -> AssetChecks:
    """All steps of the checks."""
    deadline = soon(seconds)
    where = read_region(region)
    checks = AssetChecks(queries, boxes(where), period, f"the region {region!r}")
    checks.look_up(deadline)
    checks.explain(compute(checks.judge(compute(checks.questions(), deadline)), deadline))
    return checks


def problems_of(*queries: AssetQuery, **more: Any) -> list[Problem]:
    return check(*queries, **more).problems


def codes_of(problems: list[Problem]) -> list[str]:
    return [problem.code for problem in problems]


def only(problems: list[Problem]) -> Problem:
    assert len(problems) == 1, problems
    return problems[0]


IMAGE = AssetQuery(ROOT + "label", "IMAGE", ("code",))
SERIES = AssetQuery(ROOT + "series", "IMAGE_COLLECTION", ("red", "nir"), dated=True)
PLANTS = AssetQuery(ROOT + "plants", "TABLE", ("kind",))


class TestAssets:
    def test_what_is_there_has_no_problem_and_costs_one_request_and_one_for_each_asset(self, gate: Gate) -> None:
        checks = check(IMAGE, SERIES, PLANTS)
        assert checks.problems == []
        assert gate.computed() == 2  # One more looks for `nir` beyond the first images of the series.
        assert len(gate.asked) == 2 + 3
        assert [round(content.scale, 2) for content in checks.contents.values()] == [111.32, 111.32, 0]
        assert checks.judge_resolution(NATIVE) == []
        assert codes_of(checks.judge_resolution(10.0)) == ["resolution-fine"]

    def test_nothing_to_ask_is_not_asked(self, gate: Gate) -> None:
        assert problems_of() == []
        assert gate.asked == []

    @pytest.mark.parametrize("kind", ["IMAGE", "IMAGE_COLLECTION", "TABLE"])
    def test_a_missing_asset_is_named(self, gate: Gate, kind: str) -> None:
        problem = only(problems_of(AssetQuery(ROOT + "lable", kind), IMAGE)[:1])
        assert (problem.severity, problem.code) == ("error", "asset-missing")
        assert f"there is no asset '{ROOT}lable', or your account may not see it" in problem.text
        assert "does not exist or doesn't allow this operation" in problem.text
        assert "correct the id, or have its owner share it" in problem.text

    def test_the_others_are_checked_beside_a_missing_one(self, gate: Gate) -> None:
        wrong = AssetQuery(ROOT + "label", "IMAGE", ("cod",))
        assert [p.code for p in problems_of(AssetQuery(ROOT + "no", "TABLE"), wrong)] == [
            "asset-missing",
            "band-missing",
        ]

    def test_an_asset_that_may_not_be_read_says_which_right_is_missing(self, gate: Gate) -> None:
        denied = "Permission 'earthengine.assets.get' denied on resource 'projects/test/assets/label'."
        gate.behave = lambda path, body: (403, denied) if path.split("?")[0].endswith("assets/label") else None
        problem = only(problems_of(IMAGE, PLANTS))
        assert (problem.severity, problem.code) == ("error", "asset-denied")
        assert f"your account may not read the asset '{ROOT}label'" in problem.text
        assert "earthengine.assets.get" in problem.text and "Earth Engine Resource Viewer" in problem.text

    def test_a_denied_project_ends_all_at_once(self, gate: Gate) -> None:
        said = "Caller does not have required permission to use project local."
        gate.behave = lambda path, body: (403, said)
        with pytest.raises(AuthenticationError, match=r"required permission to use project local.*--ee_project"):
            check(IMAGE)

    def test_credentials_that_are_not_accepted_end_all_at_once(self, gate: Gate) -> None:
        gate.behave = lambda path, body: (401, "Request had invalid authentication credentials.")
        with pytest.raises(AuthenticationError, match=r"does not accept the credentials.*gcloud auth"):
            check(IMAGE)

    def test_credentials_that_end_between_the_requests(self, gate: Gate) -> None:
        gate.behave = lambda path, body: (401, "Request had invalid credentials.") if "value:compute" in path else None
        with pytest.raises(AuthenticationError, match="does not accept the credentials"):
            check(IMAGE)

    @pytest.mark.parametrize(
        ("name", "kind", "words"),
        [
            (
                "label",
                "IMAGE_COLLECTION",
                "is an image, and the recipe takes it for an image collection: open it with ee.Image,",
            ),
            ("series", "IMAGE", "is an image collection, and the recipe takes it for an image: open it with ee.ImageC"),
            ("plants", "IMAGE", "is a table, and the recipe takes it for an image: open it with ee.FeatureCollection,"),
            ("label", "TABLE", "is an image, and the recipe takes it for a table"),
        ],
    )
    def test_another_kind(self, gate: Gate, name: str, kind: str, words: str) -> None:
        problem = only(problems_of(AssetQuery(ROOT + name, kind)))
        assert (problem.severity, problem.code) == ("error", "asset-kind")
        assert words in problem.text

    def test_a_folder_is_none_of_the_kinds(self) -> None:
        found = wrong_kind(IMAGE, {"type": "FOLDER"})
        assert (
            found is not None and "is a folder, and the recipe takes it for an image: name another asset" in found.text
        )


class TestBands:
    def test_a_wrong_band_names_the_nearest_and_those_that_exist(self, gate: Gate) -> None:
        problem = only(problems_of(AssetQuery(ROOT + "label", "IMAGE", ("Code",))))
        assert (problem.severity, problem.code) == ("error", "band-missing")
        assert problem.text.startswith(f"'{ROOT}label' has no band 'Code'; did you mean 'code'? It has code: correct")

    def test_each_wrong_band_is_told(self, gate: Gate) -> None:
        found = problems_of(AssetQuery(ROOT + "series", "IMAGE_COLLECTION", ("red", "swir", "Nir"), dated=True))
        assert [problem.code for problem in found] == ["band-missing"] * 2
        assert "no band 'swir'" in found[0].text
        assert "no band 'Nir'; did you mean 'nir'? It has red, nir" in found[1].text

    def test_a_band_that_only_some_images_have_is_found(self, gate: Gate) -> None:
        # The first eight images have `red` only.
        assert problems_of(SERIES) == []

    def test_a_band_that_only_images_out_of_the_period_have_is_missing(self, gate: Gate) -> None:
        problem = only(problems_of(SERIES, period=Period.parse("2022-06-02,2022-07-01")))
        assert (problem.code, "no band 'nir'" in problem.text) == ("band-missing", True)

    def test_a_wrong_column(self, gate: Gate) -> None:
        problem = only(problems_of(AssetQuery(ROOT + "plants", "TABLE", ("knd",))))
        assert (problem.severity, problem.code) == ("error", "column-missing")
        assert "has no column 'knd'; did you mean 'kind'? It has kind: correct" in problem.text


class TestPlacesAndTimes:
    def test_another_year_names_the_days_of_the_images(self, gate: Gate) -> None:
        problem = only(problems_of(SERIES, period=Period.year(2019)))
        assert (problem.severity, problem.code) == ("error", "no-image")
        assert (
            f"'{ROOT}series' has no image over the region '{PLACE}' in the period 2019-01-01/2020-01-01" in problem.text
        )
        assert "there it has images from 2022-06-01 to 2022-08-01. The period is the cause: choose" in problem.text

    def test_a_gap_between_the_images(self, gate: Gate) -> None:
        problem = only(problems_of(SERIES, period=Period.parse("2022-07-01,2022-07-15")))
        assert "The period is the cause: lengthen the period" in problem.text

    def test_another_place_is_the_cause(self, gate: Gate) -> None:
        problem = only(problems_of(SERIES, region=FAR))
        assert (problem.severity, problem.code) == ("error", "no-image")
        assert "it has none there at any time. The region is the cause: choose one that it covers" in problem.text

    def test_neither_place_nor_time(self, gate: Gate) -> None:
        problem = only(problems_of(SERIES, region=FAR, period=Period.year(2019)))
        assert "it has none there at any time, nor any image elsewhere in the period" in problem.text

    def test_a_map_of_the_year_holds_for_a_summer(self, gate: Gate) -> None:
        assert problems_of(AssetQuery(ROOT + "yearly", "IMAGE_COLLECTION", ("code",), dated=True)) == []
        late = AssetQuery(ROOT + "yearly", "IMAGE_COLLECTION", ("code",), dated=True)
        assert only(problems_of(late, period=Period.parse("2023-05-01,2023-09-01"))).code == "no-image"

    def test_a_collection_that_is_not_filtered_by_the_period_may_be_elsewhere(self, gate: Gate) -> None:
        still = AssetQuery(ROOT + "series", "IMAGE_COLLECTION", ("red",))
        assert problems_of(still, period=Period.year(2019)) == []
        problem = only(problems_of(still, region=FAR))
        assert (problem.severity, problem.code) == ("warning", "no-image-here")
        assert "its pixels will all be masked there" in problem.text

    def test_an_empty_collection(self, gate: Gate) -> None:
        problem = only(problems_of(AssetQuery(ROOT + "nothing", "IMAGE_COLLECTION", ("red",), dated=True)))
        assert (problem.severity, problem.code) == ("error", "asset-empty")
        assert f"'{ROOT}nothing' is empty" in problem.text

    def test_a_table_that_is_elsewhere_says_where(self, gate: Gate) -> None:
        problem = only(problems_of(PLANTS, region=FAR))
        assert (problem.severity, problem.code) == ("error", "no-feature")
        assert (
            f"no feature in the region '{FAR}' (its first one is near longitude 10.05, latitude 45.05)" in problem.text
        )

    def test_an_empty_table(self, gate: Gate) -> None:
        problem = only(problems_of(AssetQuery(ROOT + "no_plants", "TABLE", ("kind",))))
        assert (problem.severity, problem.code) == ("error", "asset-empty")

    def test_images_without_a_date(self, gate: Gate) -> None:
        problem = only(problems_of(AssetQuery(ROOT + "undated", "IMAGE_COLLECTION", ("code",), dated=True)))
        assert problem.code == "no-image" and "its images there have no date (system:time_start)" in problem.text


class TestWhatIsNotAnswered:
    @pytest.mark.parametrize(
        ("status", "message"),
        [
            (400, "Computation timed out."),
            (400, "User memory limit exceeded."),
            (400, "Image.reduceRegion: Too many pixels in the region. Found 9, but maxPixels allows only 1."),
            (429, "Too Many Requests"),
            (503, "The service is currently unavailable."),
        ],
    )
    def test_is_a_warning(self, gate: Gate, status: int, message: str) -> None:
        gate.behave = lambda path, body: (status, message) if "value:compute" in path else None
        problem = only(problems_of(IMAGE))
        assert (problem.severity, problem.code) == ("warning", "not-checked")
        assert message.rstrip(".") in problem.text and "The run goes on" in problem.text

    def test_descriptions_too(self, gate: Gate) -> None:
        gate.behave = lambda path, body: (503, "The service is currently unavailable.")
        problem = only(problems_of(IMAGE))
        assert problem.code == "not-checked" and f"the asset '{IMAGE.id}', and what the recipe makes" in problem.text

    def test_waiting_ends_at_the_deadline(self, gate: Gate) -> None:
        gate.behave = lambda path, body: 5.0 if "value:compute" in path else None
        start = time.monotonic()
        problem = only(problems_of(IMAGE, seconds=1.0))
        assert time.monotonic() - start < 2.5
        assert (problem.code, "did not answer within 1 s" in problem.text) == ("not-checked", True)

    def test_a_wrong_question_does_not_take_the_others_with_it(self, gate: Gate) -> None:
        answers = compute({"good": ee.Number(1).add(1), "bad": ee.Image(ROOT + "no").bandNames()}, soon())
        assert answers["good"] == Answer(2)
        assert answers["bad"].failure is not None and answers["bad"].failure.kind == "refused"
        assert gate.computed() == 3

    def test_an_asset_that_cannot_be_read(self, gate: Gate) -> None:
        gate.behave = lambda path, body: (400, "Asset is corrupted.") if "plants" in body else None
        problem = only(problems_of(IMAGE, PLANTS))
        assert (problem.severity, problem.code) == ("error", "asset-refused")
        assert f"cannot read the asset '{PLANTS.id}' (Asset is corrupted)" in problem.text

    def test_an_id_that_is_refused(self, gate: Gate) -> None:
        gate.behave = lambda path, body: (400, "Invalid asset id.") if "getAsset" in path or "assets/" in path else None
        problem = only(problems_of(IMAGE))
        assert (problem.code, "refuses the asset id" in problem.text) == ("asset-refused", True)

    def test_without_a_reason_nothing_is_invented(self, gate: Gate) -> None:
        # Of the questions about a collection only the first is answered: only the reason asks for the first day.
        gate.behave = lambda path, body: (
            (400, "Computation timed out.") if "AggregateFeatureCollection.min" in body else None
        )
        problem = only(problems_of(SERIES, period=Period.year(2019)))
        assert (problem.code, problem.text.endswith("in the period 2019-01-01/2020-01-01: check both")) == (
            "no-image",
            True,
        )

    def test_groups_are_asked_at_the_same_time_and_fail_apart(self, gate: Gate) -> None:
        gate.behave = lambda path, body: (400, "Computation timed out.") if "label" in body else 0.5
        start = time.monotonic()
        answers = compute_groups(
            {
                "a": {"x": ee.Number(1)},
                "b": {"y": ee.Image(ROOT + "label").bandNames()},
                "c": {"z": ee.Number(3)},
                "d": {},
            },
            soon(),
        )
        assert time.monotonic() - start < 2.0
        assert (answers["x"].value, answers["z"].value) == (1, 3)
        assert answers["y"].failure is not None and answers["y"].failure.kind == "too_much"


class TestFailures:
    @pytest.mark.parametrize("error", [NoConnection("reset"), TimeoutError("slow"), KeyError("result")])
    def test_what_the_network_does_says_nothing_of_the_question(self, error: Exception) -> None:
        def fail() -> None:
            raise error

        failure = ask({"it": fail}, soon(5))["it"].failure
        assert failure is not None and failure.says_nothing and type(error).__name__ in failure.text

    def test_a_token_that_is_not_renewed(self) -> None:
        with pytest.raises(AuthenticationError, match="does not accept the credentials: revoked"):
            requests_of.failure_of(RefreshError("revoked"))

    def test_an_error_of_the_client_itself_is_a_wrong_question(self) -> None:
        assert requests_of.failure_of(ee.EEException("Invalid argument")).kind == "refused"

    @pytest.mark.parametrize(
        ("status", "said"),
        [
            (404, "Not Found"),
            (404, "Method not found."),
            (405, "Method Not Allowed"),
            (501, "anything"),
            (400, "Unknown function 'Image.bandTypes'."),
            (400, "The function Reducer.frequencyHistogram is not supported."),
        ],
    )
    def test_an_endpoint_that_serves_less_says_nothing_of_the_recipe(self, gate: Gate, status: int, said: str) -> None:
        """Whatever is really wrong is told when pixels are asked for."""
        gate.behave = lambda path, body: (status, said)
        found = problems_of(SERIES)
        assert {(problem.severity, problem.code) for problem in found} == {("warning", "not-checked")}
        assert all("does not serve this" in problem.text for problem in found)

    def test_an_image_that_nobody_describes_is_fetched_as_the_recipe_says(
        self, gate: Gate, caplog: pytest.LogCaptureFixture
    ) -> None:
        image = ee.Image(ROOT + "label")
        source = compose(image, [FetchBand("code", "uint8")])
        gate.behave = lambda path, body: (404, "Not Found") if "value:compute" in path else None
        check_source(source, image)
        assert "not checked: the endpoint does not serve this" in caplog.text
        gate.behave = lambda path, body: (404, f"Image.load: Image asset '{ROOT}label' not found.")
        with pytest.raises(RecipeError, match="not found"):
            check_source(source, image)

    def test_after_the_deadline_nothing_is_asked(self) -> None:
        called: list[int] = []
        answer = ask({"it": lambda: called.append(1)}, Deadline.after(0))["it"]
        assert answer.failure is not None and answer.failure.kind == "unanswered" and not called

    def test_all_are_called_at_the_same_time(self) -> None:
        barrier = threading.Barrier(8, timeout=5)
        answers = ask({str(n): barrier.wait for n in range(8)}, soon(10))
        assert sorted(answer.value for answer in answers.values()) == list(range(8))


class TestGraph:
    def test_the_assets_of_an_expression(self, gate: Gate) -> None:
        images = ee.ImageCollection("A/B").filterBounds(ee.FeatureCollection("projects/p/assets/t"))
        image = images.map(lambda one: one.addBands(ee.Image("A/C/1"))).median()
        assert loaded_assets(image) == {
            "A/B": "IMAGE_COLLECTION",
            "projects/p/assets/t": "TABLE",
            "A/C/1": "IMAGE",
        }

    def test_ids_that_are_computed_are_not_seen(self, gate: Gate) -> None:
        assert loaded_assets(ee.Image.constant(1)) == {}

    def test_long_chains(self, gate: Gate) -> None:
        image = ee.Image("A/B")
        for _ in range(150):
            image = image.add(1)
        assert loaded_assets(image) == {"A/B": "IMAGE"}


def look(
    region: str = PLACE,
    classes: dict[int, str] | None = None,
    resolution: float = NATIVE,
    pixels: int = 40_000,
    image: ee.Image | None = None,
    sparse: bool = False,
) -> list[Problem]:
    """All steps of the checks of the label."""
    chosen = ee.Image(ROOT + "label") if image is None else image
    query = LabelQuery(chosen, "code", {1: "one", 2: "two", 9: "rare"} if classes is None else classes, sparse)
    checks = LabelChecks(query, read_region(region), f"the region {region!r}", resolution)
    answers = compute(checks.questions(pixels), soon())
    answers |= compute(checks.closer_questions(answers, 1_000_000), soon())
    return checks.judge(answers)


class TestLabels:
    def test_a_label_with_all_its_classes(self, gate: Gate) -> None:
        assert look() == []
        assert gate.computed() == 1

    def test_a_class_that_does_not_occur(self, gate: Gate) -> None:
        problem = only(look(classes={1: "one", 2: "two", 9: "rare", 4: "four"}))
        assert (problem.severity, problem.code) == ("warning", "classes-unseen")
        assert (
            f"1 of 4 classes of the label 'code' were not seen in the region '{PLACE}' (looked at all pixels): 4 four"
            in (problem.text)
        )

    def test_a_coarse_look_does_not_claim_to_be_sure(self, gate: Gate) -> None:
        problem = only(look(pixels=100))
        assert problem.code == "classes-unseen" and "though rare ones may be there" in problem.text
        assert re.search(r"looked at pixels of 1,1\d\d m", problem.text)

    def test_a_code_without_a_name(self, gate: Gate) -> None:
        problem = only(look(classes={1: "one", 2: "two"}))
        assert (problem.severity, problem.code) == ("warning", "codes-unknown")
        assert "do not name: 9 (0.06 %). Name them" in problem.text

    def test_codes_of_another_legend(self, gate: Gate) -> None:
        problem = only(look(classes={211: "wheat", 216: "maize"}))
        assert (problem.severity, problem.code) == ("error", "classes-absent")
        assert "holds the codes 1 (60 %), 2 (40 %), 9 (0.06 %)" in problem.text and "classes 211, 216" in problem.text

    @pytest.mark.parametrize("region", [FAR, "10.02,45.01,10.05,45.03"])
    def test_a_region_outside_of_the_label_or_in_its_gap(self, gate: Gate, region: str) -> None:
        problem = only(look(region))
        assert (problem.severity, problem.code) == ("error", "label-outside")
        assert f"has no valid pixel in the region '{region}'" in problem.text

    def test_nothing_seen_from_afar_is_looked_at_again(self, gate: Gate) -> None:
        # Three pixels of ten thousand: none of four is one of them.
        image = ee.Image(ROOT + "label")
        found = look(classes={9: "rare"}, pixels=4, image=image.updateMask(image.eq(9)))
        assert found == [] and gate.computed() == 2

    def test_a_mask_of_objects_may_be_empty_from_afar(self, gate: Gate) -> None:
        nothing = ee.Image(ROOT + "void")
        assert only(look(image=nothing, sparse=True, resolution=0.01)).severity == "warning"
        assert only(look(image=nothing, sparse=True)).severity == "error"

    def test_a_quantity_has_valid_pixels_or_not(self, gate: Gate) -> None:
        assert look(classes={}) == []
        assert only(look(FAR, classes={})).code == "label-outside"

    def test_a_wrong_band_is_the_recipe_s_fault(self, gate: Gate) -> None:
        problem = only(look(image=ee.Image(ROOT + "label").rename("other")))
        assert (problem.severity, problem.code) == ("error", "label-refused")
        assert "cannot compute the label 'code'" in problem.text and "Check the recipe's band names" in problem.text

    def test_too_much_to_compute_is_a_warning(self, gate: Gate) -> None:
        gate.behave = lambda path, body: (400, "Computation timed out.") if "reduceRegion" in body else None
        problem = only(look())
        assert (problem.severity, problem.code) == ("warning", "not-checked")
        assert "the label 'code'" in problem.text

    def test_across_the_antimeridian_both_sides_are_counted(self, gate: Gate) -> None:
        image = ee.Image.pixelLonLat().select("longitude").gt(0).add(1).rename("code").toUint8()
        assert look("179.9,10,-179.9,10.1", {1: "west", 2: "east"}, image=image) == []
        assert [p.code for p in look("179.9,10,179.99,10.1", {1: "west", 2: "east"}, image=image)] == ["classes-unseen"]


class TestRegion:
    def test_a_small_region_is_looked_at_in_full(self) -> None:
        part = only_piece(read_region(PLACE), NATIVE, 40_000)
        assert part.scale == NATIVE
        assert part.pixels == pytest.approx(10_000, rel=0.01)

    @pytest.mark.parametrize("region", ["-180,-85,180,85", "-125,25,-66,49", PLACE])
    def test_a_large_one_in_so_many_pixels_at_most(self, region: str) -> None:
        parts = pieces(read_region(region), 10.0, 40_000)
        assert sum(part.pixels for part in parts) == pytest.approx(40_000, rel=0.01)

    def test_a_long_outline_is_made_short(self, gate: Gate) -> None:
        from shapely import Point

        circle = Region.from_geometry(Point(10, 45).buffer(1, quad_segs=20_000))
        sent = ee.serializer.toJSON(only_piece(circle, 10.0, 40_000).geometry, for_cloud_api=True)
        assert len(sent) < 20_000


def only_piece(region: Region, resolution: float, pixels: int) -> Any:
    found = pieces(region, resolution, pixels)
    assert len(found) == 1
    return found[0]


class TestInputs:
    def test_bands_are_there(self, gate: Gate) -> None:
        images = [ee.Image(ROOT + "label")]
        assert judge_inputs(["code"], "here", images, compute(input_questions(images), soon())) == []

    def test_missing_bands_and_empty_collections(self, gate: Gate) -> None:
        images = [
            ee.ImageCollection(ROOT + "series").filterDate("2019-01-01", "2020-01-01").median(),
            ee.Image(ROOT + "label"),
            ee.ImageCollection(ROOT + "nothing").first(),
        ]
        found = judge_inputs(["cod"], "over there", images, compute(input_questions(images), soon()))
        assert [problem.code for problem in found] == ["no-image", "band-missing", "inputs-refused"]
        assert "step 0 of the recipe's inputs have no image over there: a collection is empty" in found[0].text
        assert "no band 'cod'; did you mean 'code'? There is code" in found[1].text
        assert "first()` of a collection in which nothing is left is null" in found[2].text

    def test_the_same_fault_of_many_steps_is_told_once(self, gate: Gate) -> None:
        answers = {f"input {n}": Answer([]) for n in range(12)}
        assert len(judge_inputs(["a"], "here", [ee.Image(1)] * 12, answers)) == 1

    def test_unanswered(self, gate: Gate) -> None:
        gate.behave = lambda path, body: (400, "Computation timed out.")
        images = [ee.Image(ROOT + "label")]
        assert (
            only(judge_inputs(["code"], "here", images, compute(input_questions(images), soon()))).code == "not-checked"
        )


class TestResolution:
    @pytest.mark.parametrize("resolution", [10, 40, 5, 20])
    def test_sensible(self, resolution: float) -> None:
        assert check_resolution({"fine": 10.0, "coarse": 30.0}, resolution) == []

    def test_too_coarse_names_both(self) -> None:
        problem = only(check_resolution({"fine": 10.0, "coarse": 30.0}, 100))
        assert (problem.severity, problem.code) == ("warning", "resolution-coarse")
        assert "pixels of 100 m, and those of 'fine' have 10 m: only one of about 100 is read" in problem.text

    def test_too_fine_names_both(self) -> None:
        problem = only(check_resolution({"fine": 10.0}, 1))
        assert (problem.severity, problem.code) == ("warning", "resolution-fine")
        assert "pixels of 1 m, and those of 'fine' have 10 m: each is fetched about 100 times" in problem.text

    def test_an_asset_of_which_nothing_is_known_might_be_finer(self) -> None:
        assert check_resolution({"fine": 10.0}, 1, complete=False) == []
        assert codes_of(check_resolution({"fine": 10.0}, 100, complete=False)) == ["resolution-coarse"]

    def test_of_tables_alone(self) -> None:
        assert check_resolution({}, 10) == []


def test_lists_are_short_and_names_are_found() -> None:
    assert listed([]) == "none"
    assert listed(range(3)) == "0, 1, 2"
    assert listed(range(300)).endswith("10, 11 and 288 more")
    assert nearest("b8a", ["B8", "B8A"]) == "; did you mean 'B8A'?"
    assert nearest("zzz", ["B8"]) == "."


def test_names_are_each_listed_once_and_those_of_the_system_left_out() -> None:
    assert names_of([["a", "system:index"], ["b", "a"]]) == ("a", "b")


def test_every_code_is_made_somewhere_and_explained() -> None:
    root = Path(__file__).parents[2]
    explained = (root / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    sources = [*root.glob("rsbot_beam/earthengine/asset_*.py"), root / "rsbot_beam/recipes/checks.py"]
    text = "".join(path.read_text(encoding="utf-8") for path in sources)
    for code in CODES:
        assert text.count(f'"{code}"') >= 2, f"nothing makes {code}"
        assert f"`{code}`" in explained, f"docs/troubleshooting.md does not explain {code}"
