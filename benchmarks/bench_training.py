"""The input road of training: alone, and against the same model fed from memory."""

from __future__ import annotations

import itertools
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf

from benchmarks.asset import PATCH
from benchmarks.exports import bench_folder, config, earth, export
from benchmarks.measure import cpu_of
from benchmarks.report import figure, heading, note
from rsbot_beam.data.dataset_file import require_dataset_file
from rsbot_beam.models.definition import InputShape
from rsbot_beam.models.registry import load_model_definition
from rsbot_beam.training.description import layout_of
from rsbot_beam.training.feed import Examples, find_examples, training_batches
from rsbot_beam.training.tasks import TrainingTask, training_task

# Patches a side of the export; epochs of a measured `fit`; and how often each is measured, by turns.
SIDE, EPOCHS, ROUNDS = 18, 1, 6
BATCH = 8
# Of the steps' durations: what else runs on the machine only ever makes a step longer, and comes and goes within seconds,
# so that the quick steps of both are compared. The first steps of a `fit` fill its buffers.
QUICK, FIRST_STEPS = 0.2, 4


@dataclass(frozen=True)
class Bench:
    """A dataset and a model."""

    examples: Examples
    task: TrainingTask
    model: keras.Model

    @classmethod
    def of(cls, root: str) -> Bench:
        """The dataset in a folder, and a compiled U-Net for it."""
        content = require_dataset_file(root)
        definition = load_model_definition("unet")
        task = training_task(definition, layout_of(content), content, "sqrt")
        model = task.network(InputShape.of(layout_of(content)))
        task.parts.compile(model, keras.optimizers.Adam(), jit_compile=False)
        return cls(find_examples(root, "train", content, task.features), task, model)

    @property
    def patches(self) -> int:
        """Patches of all epochs."""
        return self.examples.count * EPOCHS

    def batches(self) -> tf.data.Dataset:
        """As `rsbot train` is fed."""
        inputs = frozenset(tensor.name for tensor in self.model.inputs)
        return training_batches(
            self.examples, lambda example: self.task.pair(example, inputs), BATCH, range(EPOCHS), 0, augment=True
        )

    def fit(self, batches: tf.data.Dataset) -> list[float]:
        """Seconds of each step."""
        steps, clock = self.examples.steps(BATCH), StepClock()
        arguments: dict[str, Any] = {"steps_per_epoch": steps, "epochs": EPOCHS, "verbose": 0, "shuffle": False}
        self.model.fit(batches, callbacks=[clock], **arguments)
        return clock.seconds


class StepClock(keras.callbacks.Callback):
    """Notes when steps end."""

    def __init__(self) -> None:
        super().__init__()
        self._ends: list[float] = []

    def on_train_batch_end(self, batch: int, logs: object = None) -> None:  # noqa: D102 - Keras'
        self._ends.append(time.perf_counter())

    @property
    def seconds(self) -> list[float]:
        """Of the steps after the first ones."""
        return [after - before for before, after in itertools.pairwise(self._ends[FIRST_STEPS:])]


def quick_rate(rounds: Sequence[Sequence[float]]) -> float:
    """Patches a second in the quick steps of all rounds."""
    return BATCH / float(np.quantile([seconds for steps in rounds for seconds in steps], QUICK))


def in_memory(batches: tf.data.Dataset) -> tf.data.Dataset:
    """The same batches, held as tensors; nothing is read, decoded or turned."""
    held = list(batches)

    def generate() -> Iterator[Any]:
        yield from held

    spec = batches.element_spec
    made = tf.data.Dataset.from_generator(generate, output_signature=spec)
    cached = made.cache()
    for _ in cached:
        pass
    return cached.apply(tf.data.experimental.assert_cardinality(len(held))).prefetch(tf.data.AUTOTUNE)


def main() -> None:
    heading("training a U-Net with its defaults")
    with bench_folder() as folder, tempfile.TemporaryDirectory(dir=folder) as name:
        with earth(folder) as url:
            export(config(url, folder, Path(name), SIDE * PATCH))
        bench = Bench.of(name)
        note(
            f"{bench.examples.count} patches of 128 x 128 x 6, batches of {BATCH}, augmented, in a new order each epoch"
        )
        cpu, wall = min((cpu_of(lambda: sum(1 for _ in bench.batches())) for _ in range(ROUNDS)), key=lambda t: t[1])
        reader = bench.patches / wall
        memory = in_memory(bench.batches())
        bench.model.fit(bench.batches(), steps_per_epoch=1, epochs=1, verbose=0, shuffle=False)
        rates = [(bench.fit(memory), bench.fit(bench.batches())) for _ in range(ROUNDS)]
        from_memory, from_files = (quick_rate(side) for side in zip(*rates, strict=True))
        figure("reader alone: read, decode, order, turn, label", reader, "patches/s")
        figure("  CPU", 1e3 * cpu / bench.patches, "ms/patch", digits=2)
        figure("training, fed from memory", from_memory, "patches/s")
        figure("training, fed from TFRecords", from_files, "patches/s")
        figure("reader over model", reader / from_memory, "times", at_least=5.0)
        figure("training from TFRecords over from memory", from_files / from_memory, "of 1", at_least=0.95, digits=3)
        sums = [sum(map(sum, side)) for side in zip(*rates, strict=True)]
        figure("  by all steps, with what else the machine did in them", sums[0] / sums[1], "of 1", digits=3)


if __name__ == "__main__":
    main()
