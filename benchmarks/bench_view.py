"""Pages: how long it takes from `rsbot view` to the first picture, and how large pages are, with 10 and 100,000 tiles.

It takes two minutes, most of which writes the larger dataset. Its patches are small (16 x 16 pixels), so that 100,000 of
them are 200 MB; what a page reads of pixels is bounded in any case.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.report import figure, heading, note
from rsbot_beam.data.bands import Band, LabelClass, Layout
from rsbot_beam.data.dataset_file import write_dataset_file
from rsbot_beam.data.manifest import layout_to_dict
from rsbot_beam.data.patch import Patch
from rsbot_beam.data.raw_store import RawStore
from rsbot_beam.data.shards import FetchedShard, Shard, Tally
from rsbot_beam.data.splits import SPLITS, SpatialSplit
from rsbot_beam.geometry import TileBlock, TileKey

TILES = (10, 100_000)
SIZE, SIDE = 16, 8  # Pixels of a patch; tiles of a shard, each way.
SPLIT = SpatialSplit((80, 10, 10), block=5000)
CLASSES = tuple(
    LabelClass(code, f"class {code}", f"#{code * 23 % 256:02x}80{code * 71 % 256:02x}") for code in range(1, 9)
)
LAYOUT = Layout(
    tuple(Band(name, "uint16", "reflectance * 10000") for name in ("B2", "B3", "B4", "B8")),
    label=Band("landcover", "uint8"),
    classes=CLASSES,
)
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


def shards(tiles: int) -> Iterator[Shard]:
    """Squares of tiles around Berlin, as an export lays them out, with so many tiles in all."""
    across = max(1, round((tiles / SIDE**2) ** 0.5))
    left = tiles
    for number in range(-(-tiles // SIDE**2)):
        row, column = divmod(number, across)
        first = TileKey("EPSG:32633", 10.0, SIZE, -580_000 // SIZE * SIZE + row * SIDE * SIZE, column * SIDE * SIZE)
        block = TileBlock.of(first, SIDE, SIDE)
        keys = tuple(block.tiles())[:left]
        left -= len(keys)
        yield Shard(str(block), keys)


def patch(key: TileKey) -> Patch:
    """A patch of two fields and noise."""
    rng = np.random.default_rng([abs(key.row), abs(key.col)])
    label = np.full((SIZE, SIZE), rng.integers(1, 9), np.uint8)
    label[:, SIZE // 2 :] = rng.integers(1, 9)
    pixels = {
        band.name: (label.astype(int) * 300 + rng.integers(0, 400, label.shape)).astype(np.uint16)
        for band in LAYOUT.bands
    }
    valid = dict.fromkeys([*pixels, "landcover"], np.ones(label.shape, bool))
    return Patch(key, LAYOUT, {**pixels, "landcover": label}, valid)


def write_dataset(root: Path, tiles: int) -> None:
    """A dataset without examples: pages read those through TensorFlow, in the same time whatever the size."""
    store, tally = RawStore(str(root), LAYOUT), Tally()
    for shard in shards(tiles):
        header = store.write(FetchedShard(shard, tuple(patch(key) for key in shard.keys)))
        tally += Tally.of(header, SPLIT)
    counts = {split: getattr(tally, split) for split in SPLITS}
    pixels = {split: count * SIZE**2 // len(CLASSES) for split, count in counts.items()}
    nothing = dict.fromkeys(SPLITS, 0)
    content: dict[str, Any] = {
        "recipe": {"name": "made", "description": "for benchmarks"},
        "region": {"source": "made", "area_m2": tiles * (SIZE * 10.0) ** 2},
        "period": {"start": "2023-04-01", "end": "2023-10-01"},
        "grid": {"crs": "EPSG:32633", "resolution": 10.0, "patch_size": SIZE},
        "layout": layout_to_dict(LAYOUT),
        "bands": [],
        "preprocessing": {"normalise": "standard"},
        "features": {},
        "raw": {"files": len(store.files())},
        "classes": [{**vars(item), "pixels": pixels, "objects": nothing} for item in CLASSES],
        "split": {"shares": list(SPLIT.shares), "block": SPLIT.block},
        "splits": {split: {"examples": count, "nbytes": 0} for split, count in counts.items()},
        "tiles": {"asked": tiles, "stored": tally.stored, "empty": 0, "dead": 0, **counts},
    }
    write_dataset_file(str(root), content)


def write_page(root: Path) -> float:
    """Seconds of `rsbot view`, in a process of its own."""
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "pipelines.rsbot", "view", str(root), "--no_examples"], check=True, capture_output=True
    )
    return time.perf_counter() - start


def open_page(page: Path) -> tuple[float, float, float]:
    """Seconds until a browser paints, until the map's tiles are drawn, and of drawing them anew after a zoom."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        tab = browser.new_page(viewport={"width": 1280, "height": 900})
        tab.goto(page.as_uri())
        while not tab.evaluate("performance.getEntriesByName('first-contentful-paint').length"):
            tab.wait_for_timeout(20)
        paint, drawn = tab.evaluate(
            "[performance.getEntriesByName('first-contentful-paint')[0].startTime,"
            " performance.getEntriesByType('navigation')[0].domContentLoadedEventStart]"
        )
        redraw = tab.evaluate(
            "() => { const d = rsbot.data().footprints;"
            " const layer = new rsbot.Footprints(d, d.styles.map((name) => ({ name, colour: '#0072b2' })));"
            " const canvas = document.createElement('canvas'); canvas.width = 1200; canvas.height = 540;"
            " const [[s, w], [n, e]] = d.view.bounds; const scale = 1200 / (rsbot.worldX(e) - rsbot.worldX(w));"
            " const f = { scale, left: rsbot.worldX(w) * scale, top: rsbot.worldY(n) * scale };"
            " const start = performance.now(); layer.draw(canvas.getContext('2d'), { x: 1200, y: 540 }, f);"
            " canvas.getContext('2d').getImageData(0, 0, 1, 1); return performance.now() - start; }"
        )
        browser.close()
    return paint / 1000, drawn / 1000, redraw / 1000


def measure(root: Path, tiles: int) -> None:
    """Print the figures of a dataset of so many tiles."""
    write_dataset(root, tiles)
    heading(f"view: the page of a dataset of {tiles:,} tiles")
    made = write_page(root)
    page = root / "view.html"
    figure("rsbot view, the whole command", made, "s")
    figure("size of the page", page.stat().st_size / 1e6, "MB", digits=2)
    if CHROMIUM is None:
        note("no browser is installed: apt-get install chromium")
        return
    paint, drawn, redraw = open_page(page)
    figure("from opening it to the first picture", paint, "s", digits=2)
    figure("from opening it to all tiles on the map", drawn, "s", digits=2)
    figure("all tiles drawn anew, after a move or zoom", redraw, "s", digits=3)
    figure("from the command to the first picture", made + paint, "s")


def main() -> None:
    """Measure both sizes."""
    for tiles in TILES:
        with tempfile.TemporaryDirectory(prefix="rsbot-bench-view-") as folder:
            measure(Path(folder) / "dataset", tiles)


if __name__ == "__main__":
    main()
