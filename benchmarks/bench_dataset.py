"""Bytes per patch, raw and final, and how fast the final ones are read."""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.asset import PATCH
from benchmarks.exports import bench_folder, config, earth, export
from benchmarks.measure import cpu_of
from benchmarks.report import figure, heading
from rsbot_beam import load_dataset, storage
from rsbot_beam.data.splits import SPLITS

# Patches a side of the export, and passes over its train split: the first opens the files.
SIDE, PASSES = 24, 3
PIXEL_BYTES = PATCH * PATCH * (6 * 2 + 1)


def folder_bytes(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(file.size for file in storage.walk(folder))


def read(output: Path) -> int:
    """Read the train split once; returns the number of its patches."""
    return sum(int(batch["image"].shape[0]) for batch in load_dataset(output, "train", batch_size=16))


def main() -> None:
    heading(f"dataset of {SIDE * SIDE} patches of 128 x 128 x (6 uint16 + uint8)")
    with bench_folder() as folder, tempfile.TemporaryDirectory(dir=folder) as name:
        output = Path(name)
        with earth(folder) as url:
            tiles = export(config(url, folder, output, SIDE * PATCH)).tiles["stored"]
        figure("raw shards: pixels, validity, checksums, headers", folder_bytes(output / "raw") / tiles, "bytes/patch")
        figure("  of the pixels alone", folder_bytes(output / "raw") / tiles / PIXEL_BYTES, "times", digits=3)
        final = sum(folder_bytes(output / split) for split in SPLITS) / tiles
        figure("TFRecords: float32 inputs, label, validity, place", final, "bytes/patch")
        figure("  of the pixels alone", final / PIXEL_BYTES, "times", digits=3)
        patches = PASSES * read(output)
        cpu, seconds = cpu_of(lambda: [read(output) for _ in range(PASSES)])
        figure("load_dataset, batches of 16, files in the page cache", patches / seconds, "patches/s")
        figure("  as bytes", patches * final / seconds / 1e6, "MB/s")
        figure("  CPU", 1e3 * cpu / patches, "ms/patch", digits=2)


if __name__ == "__main__":
    main()
