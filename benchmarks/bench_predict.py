"""Maps: the model beside a bare loop of it, pixels and requests for each pixel of the map, memory, and finished blocks."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.asset import CRS, PATCH, RESOLUTION, square
from benchmarks.exports import IN_FLIGHT, MAX_QPS, bench_folder, config, earth, export
from benchmarks.measure import cores, peak_resident_bytes
from benchmarks.report import figure, heading, note
from rsbot_beam import storage
from rsbot_beam.data.period import Period
from rsbot_beam.earthengine.endpoint import Endpoint
from rsbot_beam.learning.predictor import Predictor
from rsbot_beam.runs.map_config import PredictConfig
from rsbot_beam.runs.predict import RUN_FILE, run_predict
from rsbot_beam.training.config import TrainConfig
from rsbot_beam.training.train import run_training
from rsbot_beam.transforms.progress import PROGRESS

LATENCY = "0.5"
TILE, OVERLAP, BATCH = 256, 32, 8
# Tiles a side of the map whose throughput is measured: 2 x 2 blocks of 8 x 8 tiles.
SIDE = 16
# Patches of the bare loop.
BARE_PATCHES = 48
# Pixels a side of the small tiles, metres a pixel, and blocks a side, each of one tile: 1,024 and 10,000 blocks.
SMALL_TILE, METRES, SIDES = 64, 5.0, (32, 100)


def train(url: str, folder: Path) -> str:
    """A U-Net with its defaults, trained for a moment on a small export: its speed does not depend on what it has learnt."""
    dataset, model = folder / "predict-dataset", folder / "predict-model"
    export(config(url, folder, dataset, 8 * PATCH))
    run_training(TrainConfig(dataset=str(dataset), model="unet", output=str(model), epochs=1))
    return str(model)


def predict_config(url: str, folder: Path, output: Path, model: str, tiles: int, **changes: Any) -> PredictConfig:
    """The map of a square of tiles in the asset's top-left corner."""
    size, resolution = changes.pop("tile_size", TILE), changes.pop("resolution", RESOLUTION)
    return PredictConfig(
        model=model,
        region=square(folder, round(tiles * size * resolution / RESOLUTION)),
        period=Period.year(2023),
        output=str(output),
        recipe=str(Path(__file__).with_name("recipe.py")),
        bands=("class",),
        crs=CRS,
        resolution=resolution,
        tile_size=size,
        rule="centre",
        endpoint=Endpoint(url=url, max_requests=IN_FLIGHT, max_qps=MAX_QPS),
        **changes,
    )


class PredictClock:
    """When the model, once loaded, was first called, in this process."""

    def __enter__(self) -> PredictClock:
        self.first_call, self._call = float("nan"), Predictor._call
        original, clock = self._call, self

        def stamped(predictor: Predictor, inputs: Mapping[str, Any]) -> dict[str, np.ndarray]:
            Predictor._call = original  # type: ignore[method-assign]
            clock.first_call = time.perf_counter()
            return original(predictor, inputs)

        Predictor._call = stamped  # type: ignore[assignment, method-assign]
        return self

    def __exit__(self, *error: object) -> None:
        Predictor._call = self._call  # type: ignore[method-assign]


def bare_rate(model: str, bands: Sequence[str]) -> float:
    """Patches per second of the SavedModel called in a loop, with patches in memory."""
    import tensorflow as tf

    loaded = tf.saved_model.load(storage.join(model, "saved_model"))
    side = TILE + 2 * OVERLAP
    pixels = np.random.default_rng(0).integers(200, 5000, (BATCH, side, side, len(bands))).astype(np.float32)
    inputs = {"image": tf.constant(pixels), "valid": tf.ones(pixels.shape, tf.uint8)}
    signature = loaded.signatures["serving_default"]
    signature(**inputs)
    start = time.perf_counter()
    for _ in range(BARE_PATCHES // BATCH):
        signature(**inputs)["probabilities"].numpy()
    return BARE_PATCHES / (time.perf_counter() - start)


def measure_speed(url: str, folder: Path, model: str) -> None:
    before = bare_rate(model, ("B2", "B3", "B4", "B8", "B11", "B12"))
    with tempfile.TemporaryDirectory(dir=folder) as output, PredictClock() as clock:
        wanted = predict_config(url, folder, Path(output), model, SIDE, overlap=OVERLAP, batch_size=BATCH)
        PROGRESS.reset()
        ended = [0.0]
        run = _timed_run(wanted, ended)
    after = bare_rate(model, ("B2", "B3", "B4", "B8", "B11", "B12"))
    bare = (before + after) / 2
    rate = SIDE * SIDE / (ended[0] - clock.first_call)
    pixels = run["pixels"]
    figure(f"bare loop of the SavedModel, batches of {BATCH}, patches in memory", bare, "patches/s")
    figure(f"rsbot predict, {SIDE * SIDE} tiles, first call to last block", rate, "patches/s")
    figure("  beside the bare loop", rate / bare, "times", at_least=0.9, digits=2)
    figure("pixels fetched for a pixel predicted", pixels["fetched"] / pixels["predicted"], "", at_most=1.15, digits=3)
    megapixels = pixels["predicted"] / 1e6
    figure("requests for a megapixel of the map", run["requests"] / megapixels, "", digits=2)
    figure("  tile by tile", SIDE * SIDE / megapixels, "", digits=2)


def _timed_run(wanted: PredictConfig, ended: list[float]) -> dict[str, Any]:
    """Run, and note when the last block was written: what follows is made once for a map of any size."""
    from rsbot_beam.runs import map_steps

    original = map_steps.predict_step
    requests = [0]

    def timed(*args: Any) -> Any:
        tally = original(*args)
        ended[0] = time.perf_counter()
        requests[0] = PROGRESS.snapshot()["requests"]
        return tally

    map_steps.predict_step = timed  # type: ignore[assignment]
    try:
        run = run_predict(wanted).run
    finally:
        map_steps.predict_step = original
    return {**run, "requests": requests[0]}


def small_config(url: str, folder: Path, output: Path, side: int) -> PredictConfig:
    model = str(folder / "pixel-model")
    return predict_config(url, folder, output, model, side, tile_size=SMALL_TILE, resolution=METRES, block_side=1)


def print_peak(url: str, folder: Path, output: Path, side: int) -> None:
    if side:
        tiles = run_predict(small_config(url, folder, output, side)).run["tiles"]
        if tiles["predicted"] + tiles["empty"] != side * side:
            raise RuntimeError(f"{side * side} tiles were to be predicted, but: {tiles}")
    print(peak_resident_bytes() / 1e6)


def peak_mb(url: str, folder: Path, output: Path, side: int) -> float:
    """Peak resident MB of a fresh process that predicts side x side blocks."""
    command = [sys.executable, "-m", "benchmarks.bench_predict", url, str(folder), str(output), str(side)]
    answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return float(answer.stdout.split()[-1])


@contextmanager
def cores_apart() -> Iterator[set[int]]:
    """Cores for a worker, yielded, and the others for all that is started by this thread meanwhile: the endpoint.

    Where there is one core only, or the system does not tell, all share all.
    """
    known = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    if len(known) < 2:
        yield set(known)
        return
    half = len(known) // 2
    os.sched_setaffinity(0, known[half:])
    try:
        yield set(known[:half])
    finally:
        os.sched_setaffinity(0, known)


def run_speed(url: str, folder: Path, model: str, own: set[int]) -> None:
    """Measure the speed in a fresh process that has cores of its own, as a worker has."""
    command = [sys.executable, "-m", "benchmarks.bench_predict", "speed", url, str(folder), model]
    subprocess.run(command, check=True, preexec_fn=lambda: os.sched_setaffinity(0, own) if own else None)


def measure_blocks(url: str, folder: Path) -> None:
    from benchmarks.pixel_model import write_pixel_model

    (folder / "pixel-model").mkdir(exist_ok=True)
    write_pixel_model(folder / "pixel-model", CRS, METRES)
    with tempfile.TemporaryDirectory(dir=folder) as small, tempfile.TemporaryDirectory(dir=folder) as large:
        peaks = [peak_mb(url, folder, Path(out), side) for out, side in zip((small, large), SIDES, strict=True)]
        for side, peak in zip(SIDES, peaks, strict=True):
            figure(f"peak memory, {side * side:,} blocks", peak, "MB")
        figure("  large beside small", peaks[1] / peaks[0], "times", at_most=1.3, digits=2)
        wanted = small_config(url, folder, Path(large), SIDES[1])
        start = time.perf_counter()
        run_predict(wanted)
        figure(f"a finished map of {SIDES[1] ** 2:,} blocks, started again", time.perf_counter() - start, "s")
        storage.remove(storage.join(large, RUN_FILE))
        start = time.perf_counter()
        run_predict(replace(wanted))
        figure("  with only its last file missing: all blocks are skipped", time.perf_counter() - start, "s")


def main() -> None:
    if sys.argv[1:2] == ["speed"]:
        measure_speed(sys.argv[2], Path(sys.argv[3]), sys.argv[4])
        return
    if len(sys.argv) == 5:
        print_peak(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]))
        return
    heading(f"predict: tiles of {TILE} px, overlap {OVERLAP} px, 6 bands, latency {LATENCY} s, {cores()} cores")
    with bench_folder() as folder:
        with earth(folder) as url:
            model = train(url, folder)
        note("half of the cores are the worker's, the others the endpoint's")
        with cores_apart() as own, earth(folder, LATENCY) as url:
            run_speed(url, folder, model, own)
        note(f"blocks of one tile of {SMALL_TILE} px, a model of single pixels, no latency, a fresh process each")
        with earth(folder) as url:
            measure_blocks(url, folder)


if __name__ == "__main__":
    main()
