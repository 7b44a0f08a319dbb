"""Raw shards as tf.Transform takes them: typed Arrow columns, one tensor for each band and one for its validity."""

from __future__ import annotations

import functools

import numpy as np
import pyarrow as pa
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx_bsl.tfxio.tensor_adapter import TensorAdapterConfig

from rsbot_beam.data.bands import Band, Layout
from rsbot_beam.data.patch import Patch

# Patches handed to TensorFlow at a time: a call costs as much as ten patches of 128 x 128 x 6, and the bytes bound the
# memory where a patch is a time series.
MAX_BATCH = 32
BATCH_BYTES = 16_000_000


@functools.lru_cache(maxsize=16)
def batch_size(layout: Layout, size: int) -> int:
    """Number of patches that are handed to TensorFlow at a time."""
    nbytes = sum(int(np.prod(layout.shape(band, size))) * band.numpy.itemsize for band in layout.all_bands)
    return max(1, min(MAX_BATCH, BATCH_BYTES // nbytes))


def valid_name(band: Band) -> str:
    """Name of the tensor that holds a band's validity."""
    return f"{band.name}_valid"


def adapter_config(layout: Layout, size: int) -> TensorAdapterConfig:
    """How record batches become tensors: (batch, height, width) or (batch, steps, height, width), native dtypes."""
    representations, columns = {}, []
    for band in layout.all_bands:
        for name, dtype in ((band.name, band.numpy), (valid_name(band), np.dtype(np.uint8))):
            columns.append((name, pa.large_list(pa.from_numpy_dtype(dtype))))
            representation = schema_pb2.TensorRepresentation()
            representation.dense_tensor.column_name = name
            for length in layout.shape(band, size):
                representation.dense_tensor.shape.dim.add().size = length
            representations[name] = representation
    return TensorAdapterConfig(pa.schema(columns), representations)


def record_batch(patches: list[Patch], layout: Layout) -> pa.RecordBatch:
    """Patches as one record batch in the schema of `adapter_config`."""
    columns = {}
    for band in layout.all_bands:
        columns[band.name] = _large_list([patch.pixels[band.name] for patch in patches])
        columns[valid_name(band)] = _large_list([patch.valid[band.name].view(np.uint8) for patch in patches])
    return pa.record_batch(list(columns.values()), names=list(columns))


def tensors(patches: list[Patch], layout: Layout) -> dict[str, np.ndarray]:
    """Patches as stacked arrays, keyed as the tensors of `adapter_config`."""
    arrays = {}
    for band in layout.all_bands:
        arrays[band.name] = np.stack([patch.pixels[band.name] for patch in patches])
        arrays[valid_name(band)] = _validity([patch.valid[band.name] for patch in patches])
    return arrays


def _validity(flags: list[np.ndarray]) -> np.ndarray:
    """Bool arrays stacked as uint8; where all are valid, as most are, a shared array of ones."""
    if all(flag.all() for flag in flags):
        return _ones((len(flags), *flags[0].shape))
    return np.stack([flag.view(np.uint8) for flag in flags])


@functools.lru_cache(maxsize=32)
def _ones(shape: tuple[int, ...]) -> np.ndarray:
    return np.ones(shape, np.uint8)


def _large_list(arrays: list[np.ndarray]) -> pa.Array:
    offsets = np.arange(len(arrays) + 1, dtype=np.int64) * arrays[0].size
    return pa.LargeListArray.from_arrays(pa.array(offsets), pa.array(np.concatenate([a.ravel() for a in arrays])))
