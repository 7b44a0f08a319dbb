"""The steps of an export that need TensorFlow: analysis of the train split, and transformed examples."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import GoogleCloudOptions, PipelineOptions
from google.protobuf import text_format
from tensorflow_transform.tf_metadata import schema_utils

from rsbot_beam import storage
from rsbot_beam.data.dataset_file import DATASET_FILE
from rsbot_beam.data.examples import feature_table
from rsbot_beam.data.splits import SPLITS
from rsbot_beam.errors import DatasetError, InputError, LostTilesError
from rsbot_beam.learning.columns import adapter_config
from rsbot_beam.learning.examples import RECEIPTS, ExamplesSettings, Tallies, plan_examples
from rsbot_beam.learning.features import feature_spec
from rsbot_beam.learning.preprocessing import make_preprocessing_fn
from rsbot_beam.learning.transform_fn import TransformFn
from rsbot_beam.runs.beam_options import is_local
from rsbot_beam.runs.dataflow import is_dataflow, with_requirements
from rsbot_beam.runs.launch import progress, run_pipeline
from rsbot_beam.runs.plan import ExportPlan
from rsbot_beam.runs.steps import TOTALS
from rsbot_beam.transforms.analyze import AnalyzePatches
from rsbot_beam.transforms.examples import WriteExamples, read_totals
from rsbot_beam.transforms.train_batches import ReadTrainBatches

TRANSFORM_FN = "transform_fn"
TRANSFORM_RECEIPT = "transform.json"
# Where `tft.TFTransformOutput` looks for the schema of the examples.
SCHEMA = "transformed_metadata/schema.pbtxt"
# Raw bytes of the patches of one TFRecord task: its train file has about twice as many, as float32, which is in the 100
# to 200 MB that TensorFlow's guide to input pipelines recommends.
EXAMPLES_BYTES = 64_000_000
# What workers of these steps need beside the package (see `learning` in setup.py).
REQUIREMENTS = "tensorflow>=2.21,<2.22\ntensorflow-transform>=1.21,<1.22\n"


def analyze_step(
    plan: ExportPlan, options: PipelineOptions, files: list[storage.StoredFile], raw: str
) -> dict[str, Any]:
    """Learn the transform_fn from the train split; what an earlier run learned of the same shards is kept.

    Args:
        plan: The export.
        options: Beam's.
        files: The raw shards.
        raw: Their fingerprint.

    Returns:
        Statistics of the train split (see `TransformFn.statistics`).

    Raises:
        InputError: It was to become a template.
        JobDescribed: The job was not to be run now.
    """
    root, size = plan.config.output, plan.grid.patch_size
    receipt = storage.join(root, TRANSFORM_RECEIPT)
    if storage.exists(receipt) and storage.exists(storage.join(root, TRANSFORM_FN, "saved_model.pb")):
        content = json.loads(storage.read_text(receipt))
        if content["raw"] == raw:
            return dict(content["statistics"])
    if options.view_as(GoogleCloudOptions).template_location and is_dataflow(options):
        raise InputError(
            "the step analyze cannot be a template, as this program completes what its job has learnt: leave out "
            "--template_location for --steps analyze"
        )
    discard_learned(root)
    folder = storage.join(root, TRANSFORM_FN)
    with progress("analyze", None, "patches", options), _temp_folder(options) as temp:
        analyze = AnalyzePatches(
            make_preprocessing_fn(plan.layout, plan.recipe.preprocessing),
            adapter_config(plan.layout, size),
            temp,
            folder,
        )
        run_pipeline(
            "analyze",
            with_learning(options),
            lambda pipeline: (
                pipeline
                | "Shards" >> beam.Create([file.path for file in files])
                | "Read" >> ReadTrainBatches(plan.store, plan.split)
                | "Analyze" >> analyze
            ),
        )
    storage.local_folder.cache_clear()  # This process may have a copy of an earlier one.
    statistics = TransformFn(storage.local_folder(folder), plan.layout).statistics(size)
    schema = schema_utils.schema_from_feature_spec(feature_spec(feature_table(plan.layout, size)))
    storage.write_bytes(storage.join(root, SCHEMA), text_format.MessageToString(schema))
    storage.write_bytes(receipt, json.dumps({"raw": raw, "statistics": statistics}, indent=2))
    return statistics


def transform_step(plan: ExportPlan, options: PipelineOptions, files: list[storage.StoredFile]) -> Tallies:
    """Write the transformed examples of all partitions; tasks that an earlier run finished are kept.

    Raises:
        DatasetError: There is no transform_fn yet.
        JobDescribed: The job was not to be run now.
    """
    root = plan.config.output
    if not storage.exists(storage.join(root, TRANSFORM_RECEIPT)):
        raise DatasetError(f"{root} has no transform_fn yet: add the step analyze before transform")
    tasks = plan_examples(files, EXAMPLES_BYTES)
    settings = ExamplesSettings(plan.store, plan.split, plan.period, feature_table(plan.layout, plan.grid.patch_size))
    totals = storage.join(root, TOTALS, "examples.json")
    storage.remove(totals)
    write = WriteExamples(settings, storage.join(root, TRANSFORM_FN), totals)
    with progress("transform", None, "examples", options):
        run_pipeline(
            "transform",
            with_learning(options),
            lambda pipeline: pipeline | "Tasks" >> beam.Create(tasks) | "Examples" >> write,
        )
    try:
        return read_totals(totals)
    except FileNotFoundError as error:
        raise LostTilesError(
            f"the transform pipeline ended without its totals ({totals}): start the same command again"
        ) from error


def discard_learned(root: str) -> None:
    """Remove what was learned and written from other raw shards: the dataset is half-written from now on.

    The transform_fn stays until the next one takes its place, file by file: another run may be reading it.
    """
    storage.remove(storage.join(root, DATASET_FILE))
    storage.remove(storage.join(root, TRANSFORM_RECEIPT))
    for folder in (RECEIPTS, *SPLITS):
        for file in storage.walk(storage.join(root, folder)):
            storage.remove(file.path)


@contextmanager
def _temp_folder(options: PipelineOptions) -> Iterator[str]:
    """Where tf.Transform keeps intermediate graphs: a local folder, or Beam's own where workers are elsewhere.

    Raises:
        InputError: Workers are elsewhere, and there is no --temp_location.
    """
    if is_local(options):
        with tempfile.TemporaryDirectory(prefix="rsbot-transform-") as folder:
            yield folder
        return
    location = options.view_as(GoogleCloudOptions).temp_location
    if not location:
        raise InputError(
            "workers on other machines share intermediate graphs: give --temp_location, e.g. gs://bucket/tmp"
        )
    yield storage.join(location, "rsbot-transform")


def with_learning(options: PipelineOptions) -> PipelineOptions:
    """The options, with TensorFlow and tf.Transform for workers that install the package themselves."""
    return with_requirements(options, REQUIREMENTS)
