"""Writing transformed examples in Beam."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

import apache_beam as beam

from rsbot_beam import storage
from rsbot_beam.data.splits import SPLITS
from rsbot_beam.learning.examples import ExamplesSettings, ExamplesTask, SplitTally, Tallies, write_examples
from rsbot_beam.learning.transform_fn import TransformFn
from rsbot_beam.transforms.progress import PROGRESS


class WriteExamples(beam.PTransform):
    """Transforms the patches of raw shards, writes them as TFRecords, and the sums of what was written as JSON.

    PCollection[ExamplesTask] -> PCollection[None].

    Args:
        settings: How to write.
        transform_folder: The folder of the transform_fn, local or `gs://`.
        totals_path: File for the sums by partition.
    """

    def __init__(self, settings: ExamplesSettings, transform_folder: str, totals_path: str) -> None:
        super().__init__()
        self._settings, self._folder, self._totals_path = settings, transform_folder, totals_path

    def expand(self, tasks: beam.PCollection) -> beam.PCollection:
        """Wire write, sum and the totals."""
        return (
            tasks
            | "WriteTask" >> beam.ParDo(_WriteTask(self._settings, self._folder))
            | "Sum" >> beam.CombineGlobally(sum_tallies)
            | "WriteTotals" >> beam.Map(write_totals, self._totals_path)
        )


class _WriteTask(beam.DoFn):
    """Loads the transform_fn when there is work, and keeps it."""

    def __init__(self, settings: ExamplesSettings, folder: str) -> None:
        self._settings, self._folder = settings, folder
        self._transform: TransformFn | None = None

    def process(self, task: ExamplesTask) -> Iterator[Tallies]:
        """Write one task's files."""
        tallies = write_examples(task, self._settings, self._load)
        PROGRESS.add(tasks=1, examples=sum(tally.examples for tally in tallies.values()))
        yield tallies

    def _load(self) -> TransformFn:
        if self._transform is None:
            self._transform = TransformFn(storage.local_folder(self._folder), self._settings.store.layout)
        return self._transform


def sum_tallies(tallies: Iterable[Tallies]) -> Tallies:
    """Add up tallies by partition."""
    total = {split: SplitTally() for split in SPLITS}
    for tally in tallies:
        total = {split: total[split] + tally[split] for split in SPLITS}
    return total


def write_totals(tallies: Tallies, path: str) -> None:
    """Write the sums."""
    storage.write_bytes(path, json.dumps({split: tally.to_dict() for split, tally in tallies.items()}))


def read_totals(path: str) -> Tallies:
    """Read what `write_totals` wrote."""
    return {split: SplitTally.from_dict(content) for split, content in json.loads(storage.read_text(path)).items()}
