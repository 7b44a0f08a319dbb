"""tf.Transform in Beam: the statistics of the train split become a transform_fn."""

from __future__ import annotations

from collections.abc import Callable

import apache_beam as beam
import tensorflow_transform.beam as tft_beam
from tfx_bsl.tfxio.tensor_adapter import TensorAdapterConfig

from rsbot_beam import storage


class AnalyzePatches(beam.PTransform):
    """Analyses record batches of raw patches and stores the transform_fn.

    PCollection[pa.RecordBatch] -> PCollection[str], the folder of the transform_fn.

    Args:
        preprocessing_fn: From `learning.preprocessing.make_preprocessing_fn`.
        config: From `learning.columns.adapter_config`.
        temp_folder: Where tf.Transform keeps its intermediate graphs, reachable by all workers.
        folder: Where the transform_fn goes, local or `gs://`.
    """

    def __init__(self, preprocessing_fn: Callable, config: TensorAdapterConfig, temp_folder: str, folder: str) -> None:
        super().__init__()
        self._preprocessing_fn, self._config = preprocessing_fn, config
        self._temp_folder, self._folder = temp_folder, folder

    def expand(self, batches: beam.PCollection) -> beam.PCollection:
        """Wire analysis and publication."""
        with tft_beam.Context(temp_dir=self._temp_folder):
            graph, _ = (batches, self._config) | "Analyze" >> tft_beam.AnalyzeDataset(self._preprocessing_fn)
        return graph | "Publish" >> beam.Map(publish_folder, self._folder)


def publish_folder(source: str, target: str) -> str:
    """Copy the graph to where it stays; returns that folder."""
    storage.copy_folder(source, target)
    return target
