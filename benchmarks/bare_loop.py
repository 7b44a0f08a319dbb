"""The least that has to be done: request, decode, normalise, write; with urllib3, numpy and `tf.io.TFRecordWriter`.

It knows mean and standard deviation beforehand, stores no raw shards, cannot be continued, retries nothing, and checks
nothing. It writes the same features as an export does.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import tensorflow as tf
import urllib3

from benchmarks.asset import BANDS, LABEL
from rsbot_beam.earthengine.source import PixelSource
from rsbot_beam.geometry import TileBlock, TileKey

HEADERS = {"Content-Type": "application/json", "Accept-Encoding": "identity"}


def body(source: PixelSource, block: TileBlock) -> bytes:
    """The request for a block."""
    t, (height, width) = block.transform, block.shape
    affine = {"scaleX": t.a, "shearX": 0, "translateX": t.c, "shearY": 0, "scaleY": t.e, "translateY": t.f}
    grid = {"dimensions": {"width": width, "height": height}, "affineTransform": affine, "crsCode": block.crs}
    return source.prefix + b',"grid":' + json.dumps(grid).encode() + b"}"


def fetch(pool: urllib3.HTTPConnectionPool, source: PixelSource, block: TileBlock) -> bytes:
    """The answer to the request for a block.

    Raises:
        RuntimeError: The endpoint refuses it.
    """
    path = "/" + source.method.format(project="local")
    answer = pool.urlopen("POST", path, body(source, block), HEADERS)
    if answer.status != 200:
        raise RuntimeError(f"the endpoint answered {answer.status}: {answer.data[:300]!r}")
    return answer.data


def fetch_all(url: str, source: PixelSource, blocks: Iterable[TileBlock], threads: int) -> int:
    """Fetch blocks with so many threads and drop the answers: what the endpoint gives. Returns the bytes received."""
    pool = urllib3.connection_from_url(url, maxsize=threads, block=True, retries=False)
    with ThreadPoolExecutor(threads) as executor:
        return sum(executor.map(lambda block: len(fetch(pool, source, block)), blocks))


def write_examples(
    url: str, source: PixelSource, blocks: Sequence[TileBlock], mean: np.ndarray, std: np.ndarray, path: Path
) -> int:
    """Fetch blocks one after the other and write their tiles as examples; returns their number."""
    pool = urllib3.connection_from_url(url, maxsize=1, retries=False)
    count = 0
    with tf.io.TFRecordWriter(str(path)) as writer:
        for block in blocks:
            pixels = np.load(io.BytesIO(fetch(pool, source, block)))
            for key, part in block.cut(pixels):
                writer.write(example(key, part, mean, std))
                count += 1
    return count


def example(key: TileKey, part: np.ndarray, mean: np.ndarray, std: np.ndarray) -> bytes:
    """One tile's pixels, a structured array, as an example."""
    image = np.stack([part[name] for name in BANDS], axis=-1).astype(np.float32)
    flags, label_bit = part["valid_0"], 1 << len(BANDS)
    valid = (flags & (label_bit - 1)) == label_bit - 1
    image = (image - mean) / std
    image[~valid] = 0
    values = {
        "image": image.tobytes(),
        "valid": valid.tobytes(),
        "label": part[LABEL].tobytes(),
        "label_valid": ((flags & label_bit) != 0).tobytes(),
        "tile": str(key).encode(),
        "crs": key.crs.encode(),
        "transform": np.array(tuple(key.transform)[:6]).tobytes(),
        "bounds": np.array(key.bounds).tobytes(),
        "period": b"2023-01-01/2024-01-01",
    }
    return tf.train.Example(features=tf.train.Features(feature=dict(_features(values)))).SerializeToString()


def _features(values: dict[str, bytes]) -> Iterator[tuple[str, tf.train.Feature]]:
    for name, value in values.items():
        yield name, tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
