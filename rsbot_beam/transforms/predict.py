"""Predicting blocks in Beam: shards of tile keys in, receipts of written blocks out, pixels never shuffled."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.ml.inference.base import ModelHandler, RunInference

from rsbot_beam import storage
from rsbot_beam.data.map_layout import covering_block
from rsbot_beam.data.receipts import MapTally, Receipt, ReceiptStore
from rsbot_beam.data.shards import Shard
from rsbot_beam.earthengine.ahead import Request
from rsbot_beam.earthengine.pixels import Pixels
from rsbot_beam.earthengine.tiles import FailedFetch
from rsbot_beam.learning.predictor import Predictor
from rsbot_beam.transforms.ahead import FetchAheadFn
from rsbot_beam.transforms.counters import NAMESPACE
from rsbot_beam.transforms.map_blocks import (
    FetchedBlock,
    MapSettings,
    collect_block,
    parts_of,
    requests_for_parts,
)
from rsbot_beam.transforms.map_files import write_block
from rsbot_beam.transforms.predict_block import PredictedBlock, predict_block
from rsbot_beam.transforms.progress import PROGRESS


class PredictBlocks(beam.PTransform):
    """Fetches, predicts and writes blocks; what an earlier run has written is only counted.

    PCollection[Shard] -> PCollection[Receipt], one for each block. The steps are fused: pixels end here.

    Args:
        settings: What to predict, with what, and where to.
    """

    def __init__(self, settings: MapSettings) -> None:
        super().__init__()
        self._settings = settings

    def expand(self, shards: beam.PCollection) -> beam.PCollection:
        """Wire fetch, inference and write."""
        settings = self._settings
        return (
            shards
            | "FetchBlocks" >> beam.ParDo(_FetchBlocks(settings)).with_output_types(FetchedBlock)
            | "RunInference" >> RunInference(BlockModelHandler(settings)).with_output_types(PredictedBlock)
            | "WriteBlock" >> beam.Map(_write, settings).with_output_types(Receipt)
        )


class _FetchBlocks(FetchAheadFn[Shard, FetchedBlock]):
    """Fetches the padded pixels of blocks that are not there yet."""

    def __init__(self, settings: MapSettings) -> None:
        super().__init__(settings.endpoint, settings.receive_bytes)
        self._settings = settings

    def start_bundle(self) -> None:
        """Forget the last bundle's blocks."""
        self._done: dict[str, Receipt] = {}
        super().start_bundle()

    def plan(self, element: Shard) -> list[Request]:
        """Requests for the pixels of a block; none for one that is there."""
        settings = self._settings
        name = str(covering_block(element.keys))
        found = ReceiptStore(settings.root).finished(name) if settings.resume else None
        if found is not None:
            self._done[element.name] = found
            return []
        return requests_for_parts(parts_of(element, settings.map.seams.overlap), settings, self.fetcher)

    def complete(self, element: Shard, answers: Sequence[Pixels | FailedFetch]) -> FetchedBlock:
        """Put the answers together."""
        done = self._done.pop(element.name, None)
        if done is not None:
            return FetchedBlock(element, done=done)
        return collect_block(element, answers, self._settings, self.fetcher)


class BlockModelHandler(ModelHandler[FetchedBlock, PredictedBlock, Predictor]):
    """Applies a SavedModel of `rsbot train` to blocks; Beam's own handlers do not load what Keras 3 exports.

    An element is a block, whose patches are batched here: so batches do not mix blocks, and each block is written as soon as
    it is predicted. The pixels are not in what comes out.

    Args:
        settings: Of the map.
    """

    def __init__(self, settings: MapSettings) -> None:
        super().__init__(min_batch_size=1, max_batch_size=1)
        self._settings = settings

    def load_model(self) -> Predictor:
        """The model, shared by all threads of the process; read when the first block asks for it."""
        return Predictor(self._settings.model, self._settings.batch_size, self._settings.threads)

    def run_inference(
        self, batch: Sequence[FetchedBlock], model: Predictor, inference_args: Mapping[str, Any] | None = None
    ) -> Iterable[PredictedBlock]:
        """Predict blocks."""
        return [predict_block(fetched, model.predict, self._settings) for fetched in batch]

    def get_metrics_namespace(self) -> str:
        """Where RunInference counts."""
        return NAMESPACE


def _write(predicted: PredictedBlock, settings: MapSettings) -> Receipt:
    """Write a block and count it."""
    if predicted.done is not None:
        receipt = predicted.done
        Metrics.counter(NAMESPACE, "tiles_kept").inc(receipt.tiles)
    else:
        receipt = write_block(predicted, settings)
        for name in ("predicted", "empty", "dead"):
            if number := getattr(receipt, name):
                Metrics.counter(NAMESPACE, f"tiles_{name}").inc(number)
    Metrics.counter(NAMESPACE, "blocks").inc()
    PROGRESS.add(blocks=1, tiles=receipt.tiles, empty=receipt.empty, dead=receipt.dead)
    return receipt


class SumReceipts(beam.CombineFn):
    """Adds up receipts."""

    def create_accumulator(self) -> MapTally:
        """Nothing yet."""
        return MapTally()

    def add_input(self, mutable_accumulator: MapTally, element: Receipt) -> MapTally:
        """Add one."""
        return mutable_accumulator + MapTally.of(element)

    def merge_accumulators(self, accumulators: Iterable[MapTally]) -> MapTally:
        """Add sums."""
        return sum(accumulators, MapTally())

    def extract_output(self, accumulator: MapTally) -> MapTally:
        """The sum."""
        return accumulator


class WriteMapTotals(beam.PTransform):
    """Sums the receipts of all blocks into a small JSON file, for the main program to check.

    Args:
        path: The file.
    """

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path

    def expand(self, receipts: beam.PCollection) -> beam.PCollection:
        """Wire sum and write."""
        return receipts | "Sum" >> beam.CombineGlobally(SumReceipts()) | "Write" >> beam.Map(_write_totals, self._path)


def _write_totals(tally: MapTally, path: str) -> None:
    storage.write_bytes(path, tally.to_json())


def read_map_totals(path: str) -> MapTally:
    """Read what `WriteMapTotals` wrote."""
    return MapTally.from_json(storage.read_text(path))
