"""Whole runs on a local Earth Engine: the server, a recipe whose pixels can be computed by hand, and the command."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import pytest

from pipelines import rsbot
from rsbot_beam.data.raw_shard import ShardHeader, read_header
from rsbot_beam.earth_process import local_earth
from rsbot_beam.earthengine import fetcher
from rsbot_beam.geometry import TileKey
from tests.integration.made_models import Models
from tests.warm_start import Process, Warm

REPOSITORY = Path(__file__).parents[2]

# Longitude, latitude and what follows from them, so that any pixel anywhere can be computed without Earth Engine. The
# factors are odd, so that no pixel centre of a round grid lies where cutting off a fraction depends on the last digit.
RECIPE = """
from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import ee

from rsbot_beam import Band, LabelClass, Recipe


@dataclass(frozen=True, kw_only=True)
class LonLat(Recipe):
    name: ClassVar[str] = "lonlat"
    bands: ClassVar[tuple[Band, ...]] = (Band("lon", "float32", "degree"), Band("lat", "int16"), Band("fine", "uint16"))
    label_band: ClassVar[Band] = Band("kind", "uint8")
    classes: ClassVar[tuple[LabelClass, ...]] = (LabelClass(1, "one", "#ff0000"), LabelClass(2, "two", "#00ff00"))

    scale: float = 1.0
    hole: float = 0.0

    def inputs(self, region, period):
        place = ee.Image.pixelLonLat()
        lon, lat = place.select("longitude"), place.select("latitude")
        fine = lon.add(180).multiply(173893.7).mod(6000)
        image = ee.Image.cat(
            [
                lon.multiply(self.scale).rename("lon"),
                lat.multiply(313.7).rename("lat").updateMask(fine.gte(900)),
                fine.rename("fine").updateMask(fine.gte(600)),
            ]
        )
        # West of `hole` there is nothing at all.
        return image.updateMask(lon.gte(self.hole)) if self.hole else image

    def label(self, region, period):
        place = ee.Image.pixelLonLat()
        kind = place.select("longitude").add(180).multiply(2117.3).floor().mod(3).add(1)
        known = place.select("latitude").add(90).multiply(1511.9).mod(7).gte(1)
        return kind.rename("kind").toByte().updateMask(known)


recipe = LonLat()
"""

BANDS = ("lon", "lat", "fine", "kind")


def computed(
    key: TileKey, scale: float = 1.0, hole: float = 0.0
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Pixels and validity that the recipe has at a tile, by pyproj at the pixel centres alone."""
    left, _, _, top = key.bounds
    centres = (np.arange(key.size) + 0.5) * key.resolution
    x, y = np.meshgrid(left + centres, top - centres)
    lon, lat = pyproj.Transformer.from_crs(key.crs, "EPSG:4326", always_xy=True).transform(x, y)
    fine = (lon + 180) * 173893.7 % 6000
    there = lon >= hole if hole else np.ones(lon.shape, bool)
    values = {
        "lon": (lon * scale).astype(np.float32),
        "lat": np.trunc(lat * 313.7).astype(np.int16),
        "fine": np.trunc(fine).astype(np.uint16),
        "kind": (np.floor((lon + 180) * 2117.3) % 3 + 1).astype(np.uint8),
    }
    valid = {
        "lon": there,
        "lat": there & (fine >= 900),
        "fine": there & (fine >= 600),
        "kind": (lat + 90) * 1511.9 % 7 >= 1,
    }
    return {name: np.where(valid[name], values[name], 0).astype(values[name].dtype) for name in BANDS}, valid


@dataclass
class Earth:
    """A local Earth Engine in a process of its own."""

    url: str

    def _ask(self, path: str, body: bytes | None = None) -> dict[str, Any]:
        with urllib.request.urlopen(urllib.request.Request(self.url + path, body), timeout=30) as answer:
            found: dict[str, Any] = json.loads(answer.read())
            return found

    def reset(self) -> None:
        self._ask("/_local/reset", b"")

    def faults(self, **faults: Any) -> None:
        """What goes wrong from now on; without arguments nothing does."""
        self._ask("/_local/faults", json.dumps(faults).encode())

    def stats(self) -> dict[str, Any]:
        return self._ask("/_local/stats")

    def settle(self) -> dict[str, Any]:
        """Wait until nothing is computed any more; the counts then."""
        deadline = time.monotonic() + 30
        while (stats := self.stats())["running"]:
            assert time.monotonic() < deadline, stats
            time.sleep(0.05)
        return stats

    def pixel_requests(self, status: str | None = None) -> int:
        counts = self.stats()["requests"].get("computePixels", {})
        return counts.get(status, 0) if status else sum(counts.values())

    def grids(self, status: str | None = None) -> list[dict[str, Any]]:
        """The grids that pixels were asked for."""
        return [grid for grid in self.settle()["grids"] if status in (None, grid["status"])]


def tiles_of(grid: dict[str, Any], key: TileKey) -> set[TileKey]:
    """The tiles, of the size and grid of `key`, that share pixels with a recorded grid of a request."""
    if grid["crs"] != key.crs:
        return set()
    row, col = round(-grid["transform"][5] / key.resolution), round(grid["transform"][2] / key.resolution)
    height, width = grid["shape"]
    size = key.size
    return {
        TileKey(key.crs, key.resolution, size, r * size, c * size)
        for r in range(row // size, -(-(row + height) // size))
        for c in range(col // size, -(-(col + width) // size))
    }


@dataclass
class Outcome:
    """What a command ended with."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        return self.out + self.err

    @property
    def error(self) -> str:
        """The error's message; there must be exactly one, without a traceback."""
        assert "Traceback" not in self.text, self.text
        assert self.err.count("rsbot: error:") == 1, self.text
        return self.err.split("rsbot: error:", 1)[1].strip()


def arguments(flags: dict[str, Any]) -> list[str]:
    """Flags as they are written; a list repeats its flag."""
    pairs = [(name, item) for name, value in flags.items() for item in (value if isinstance(value, list) else [value])]
    return [f"--{name}" if value is True else f"--{name}={value}" for name, value in pairs if value is not None]


def run_here(flags: dict[str, Any], command: str = "export") -> Outcome:
    """A command of `rsbot` in this process."""
    out, err = io.StringIO(), io.StringIO()
    root = logging.getLogger()
    before, root.handlers = root.handlers, []
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = rsbot.main([*command.split(), *arguments(flags)])
    finally:
        root.handlers = before
    return Outcome(code, out.getvalue(), err.getvalue())


@dataclass
class Child:
    """A command of `rsbot` as a process, and group, of its own."""

    process: subprocess.Popen[str] | Process
    log: Path = field(repr=False)

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, 9)
        self.process.wait()

    def wait(self, seconds: float = 300) -> Outcome:
        try:
            self.process.wait(seconds)
        finally:
            self.kill()
        text = self.log.read_text(errors="replace")
        return Outcome(self.process.returncode, text, text)


@pytest.fixture(scope="session")
def run_command_here() -> Callable[..., Outcome]:
    """Runs a command of `rsbot` in this process: flags, and its name."""
    return run_here


@pytest.fixture(scope="session")
def recipe_file(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("recipe") / "lonlat.py"
    path.write_text(RECIPE)
    return str(path)


@pytest.fixture(scope="session")
def earth_of_session() -> Iterator[Earth]:
    with local_earth(world=False, record=True, max_qps=1000) as url:
        yield Earth(url)


@pytest.fixture
def earth(earth_of_session: Earth) -> Iterator[Earth]:
    """A local Earth Engine without faults or counts, which nobody in this process has learned anything about."""
    fetcher._fetchers.clear()
    earth_of_session.settle()
    earth_of_session.reset()
    yield earth_of_session
    earth_of_session.faults()


@pytest.fixture(scope="session")
def base_flags(recipe_file: str, earth_of_session: Earth) -> dict[str, Any]:
    """Flags of a small export: tiles of 320 m, four to a request, in Franconia."""
    return {
        "recipe": recipe_file,
        "region": "10.0,50.0,10.06,50.04",
        "year": 2023,
        "patch_size": 32,
        "block_mib": 0.1,
        "split_block": 1000,
        "max_qps": 1000,
        "ee_url": earth_of_session.url,
    }


@pytest.fixture(scope="session")
def export(base_flags: dict[str, Any]) -> Callable[..., Outcome]:
    """Runs an export here; takes flags that replace those of `base_flags`."""

    def run(output: object, **flags: Any) -> Outcome:
        return run_here({**base_flags, "output": output, **flags})

    return run


@pytest.fixture(scope="session")
def fetch(export: Callable[..., Outcome]) -> Callable[..., Outcome]:
    """Runs the first step of an export here."""

    def run(output: object, **flags: Any) -> Outcome:
        return export(output, steps="fetch", **flags)

    return run


@pytest.fixture(scope="session")
def warm() -> Iterator[Warm]:
    """Starts processes that need not load TensorFlow and Beam."""
    with contextlib.closing(Warm()) as found:
        yield found


@pytest.fixture
def start_command(tmp_path: Path, warm: Warm) -> Iterator[Callable[..., Child]]:
    """Starts a command of `rsbot` as a process of its own; `prelude` is Python code that runs first.

    The process starts warm; `cold` starts Python anew, as a user does.
    """
    children: list[Child] = []

    def run(command: str, flags: dict[str, Any], prelude: str = "", cold: bool = False) -> Child:
        log = tmp_path / f"child-{len(children)}.log"
        order = [command, *arguments(flags)]
        children.append(Child(start_cold(order, log, prelude) if cold else warm.start(order, log, prelude), log))
        return children[-1]

    yield run
    for child in children:
        child.kill()


def start_cold(order: list[str], log: Path, prelude: str) -> subprocess.Popen[str]:
    code = f"{prelude}\nfrom pipelines.rsbot import console\nconsole()"
    how = ["-c", code] if prelude else ["-m", "pipelines.rsbot"]
    with log.open("w") as file:
        return subprocess.Popen(
            [sys.executable, *how, *order], stdout=file, stderr=file, cwd=REPOSITORY, start_new_session=True, text=True
        )


@pytest.fixture
def start(base_flags: dict[str, Any], start_command: Callable[..., Child]) -> Callable[..., Child]:
    """Starts an export as a process of its own; `prelude` is Python code that runs first."""

    def run(output: object, prelude: str = "", cold: bool = False, **flags: Any) -> Child:
        return start_command("export", {**base_flags, "output": output, **flags}, prelude, cold)

    return run


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    """Models made by hand, and the recipe that they are for; each is written when it is first asked for."""
    return Models(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="session")
def predict_flags(models: Models, earth_of_session: Earth) -> dict[str, Any]:
    """Flags of a small map: 105 tiles of 320 m in Franconia, of a model that tells the pixels' own place."""
    return {
        "model": models.place,
        "recipe": models.recipe,
        "region": "10.0,50.0,10.03,50.02",
        "year": 2024,
        "tile_size": 32,
        "max_qps": 1000,
        "ee_url": earth_of_session.url,
    }


@pytest.fixture(scope="session")
def predict(predict_flags: dict[str, Any]) -> Callable[..., Outcome]:
    """Makes a map here; takes flags that replace those of `predict_flags`."""

    def run(output: object, **flags: Any) -> Outcome:
        return run_here({**predict_flags, "output": output, **flags}, "predict")

    return run


@pytest.fixture
def start_predict(predict_flags: dict[str, Any], start_command: Callable[..., Child]) -> Callable[..., Child]:
    """Starts making a map as a process of its own; `prelude` is Python code that runs first."""

    def run(output: object, prelude: str = "", **flags: Any) -> Child:
        return start_command("predict", {**predict_flags, "output": output, **flags}, prelude)

    return run


@pytest.fixture(scope="session")
def compute() -> Callable[..., tuple[dict[str, np.ndarray], dict[str, np.ndarray]]]:
    return computed


@pytest.fixture(scope="session")
def headers() -> Callable[[object], dict[str, ShardHeader]]:
    """Reads what a dataset's folder holds, by shard: file after file, without the code that wrote them."""

    def read(output: object) -> dict[str, ShardHeader]:
        files = sorted(path for path in Path(str(output), "raw").glob("*.arrow") if path.name[0] != ".")
        return {file.stem: read_header(file.read_bytes(), str(file)) for file in files}

    return read


@pytest.fixture(scope="session")
def asked_tiles() -> Callable[[list[dict[str, Any]], TileKey], list[TileKey]]:
    """Lists the tiles of recorded grids, as often as each was asked for; `key` is any tile of the export."""

    def listed(grids: list[dict[str, Any]], key: TileKey) -> list[TileKey]:
        return [tile for grid in grids for tile in sorted(tiles_of(grid, key))]

    return listed


@pytest.fixture(scope="session")
def snapshot() -> Callable[[Path], dict[str, bytes]]:
    """Reads all files below a folder, by relative path."""

    def read(folder: Path) -> dict[str, bytes]:
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        return {str(path.relative_to(folder)): path.read_bytes() for path in files}

    return read
