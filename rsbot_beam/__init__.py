"""rsbot-beam: Earth Engine to TensorFlow and back to maps, at continental scale, with Apache Beam.

What is listed here is the public interface. Names are loaded when they are first used: importing the package loads
neither Earth Engine's client nor TensorFlow nor Beam.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rsbot_beam.data.bands import Band, LabelClass, Layout
    from rsbot_beam.data.findings import Diagnosis, Finding
    from rsbot_beam.data.label_features import LabelFeatures
    from rsbot_beam.data.objects import Objects
    from rsbot_beam.data.patch import Patch
    from rsbot_beam.data.period import Period
    from rsbot_beam.data.raw_store import RawStore
    from rsbot_beam.data.read_patches import read_patches
    from rsbot_beam.data.samples import Sample
    from rsbot_beam.data.shards import Shard
    from rsbot_beam.data.splits import SpatialSplit
    from rsbot_beam.earth_process import local_earth
    from rsbot_beam.earthengine.endpoint import Endpoint
    from rsbot_beam.errors import RsbotError
    from rsbot_beam.geometry import Cover, Grid, Region, TileBlock, TileKey, read_region, resolve_grid
    from rsbot_beam.learning.dataset import load_dataset
    from rsbot_beam.pages.shown import show
    from rsbot_beam.recipes import (
        Asset,
        Crops,
        LandCover,
        PlainAsset,
        PowerPlants,
        Preprocessing,
        Recipe,
        Solar,
        Wind,
        load_recipe,
    )
    from rsbot_beam.runs.config import ExportConfig
    from rsbot_beam.runs.doctor import run_doctor
    from rsbot_beam.runs.doctor_config import DoctorConfig
    from rsbot_beam.runs.export import run_export
    from rsbot_beam.runs.map_config import PredictConfig
    from rsbot_beam.runs.plan_report import PlanReport
    from rsbot_beam.runs.plan_settings import PlanSettings
    from rsbot_beam.runs.planning import plan_run
    from rsbot_beam.runs.predict import run_predict
    from rsbot_beam.sampling import SamplingSettings
    from rsbot_beam.training.config import TrainConfig
    from rsbot_beam.training.evaluate import EvaluateConfig, run_evaluation
    from rsbot_beam.training.train import run_training
    from rsbot_beam.transforms.analyze import AnalyzePatches
    from rsbot_beam.transforms.detections import UniqueDetections
    from rsbot_beam.transforms.enumerate import EnumerateSamples, EnumerateShards
    from rsbot_beam.transforms.examples import WriteExamples
    from rsbot_beam.transforms.fetch import FetchPatches
    from rsbot_beam.transforms.map_blocks import MapSettings
    from rsbot_beam.transforms.predict import PredictBlocks
    from rsbot_beam.transforms.raw import WriteRawShards
    from rsbot_beam.transforms.shard_requests import FetchSettings

__version__ = (Path(__file__).parent / "VERSION").read_text(encoding="utf-8").strip()

_MODULES = {
    "rsbot_beam.data.bands": ("Band", "LabelClass", "Layout"),
    "rsbot_beam.data.findings": ("Diagnosis", "Finding"),
    "rsbot_beam.data.patch": ("Patch",),
    "rsbot_beam.data.period": ("Period",),
    "rsbot_beam.data.raw_store": ("RawStore",),
    "rsbot_beam.data.read_patches": ("read_patches",),
    "rsbot_beam.data.shards": ("Shard",),
    "rsbot_beam.data.splits": ("SpatialSplit",),
    "rsbot_beam.earth_process": ("local_earth",),
    "rsbot_beam.earthengine.endpoint": ("Endpoint",),
    "rsbot_beam.errors": ("RsbotError",),
    "rsbot_beam.geometry": ("Cover", "Grid", "Region", "TileBlock", "TileKey", "read_region", "resolve_grid"),
    "rsbot_beam.learning.dataset": ("load_dataset",),
    "rsbot_beam.data.label_features": ("LabelFeatures",),
    "rsbot_beam.data.objects": ("Objects",),
    "rsbot_beam.data.samples": ("Sample",),
    "rsbot_beam.recipes": (
        *("Asset", "PlainAsset", "Preprocessing", "Recipe", "load_recipe"),
        *("Crops", "LandCover", "PowerPlants", "Solar", "Wind"),
    ),
    "rsbot_beam.pages.shown": ("show",),
    "rsbot_beam.sampling": ("SamplingSettings",),
    "rsbot_beam.runs.config": ("ExportConfig",),
    "rsbot_beam.runs.doctor": ("run_doctor",),
    "rsbot_beam.runs.doctor_config": ("DoctorConfig",),
    "rsbot_beam.runs.export": ("run_export",),
    "rsbot_beam.runs.map_config": ("PredictConfig",),
    "rsbot_beam.runs.plan_report": ("PlanReport",),
    "rsbot_beam.runs.plan_settings": ("PlanSettings",),
    "rsbot_beam.runs.planning": ("plan_run",),
    "rsbot_beam.runs.predict": ("run_predict",),
    "rsbot_beam.training.config": ("TrainConfig",),
    "rsbot_beam.training.evaluate": ("EvaluateConfig", "run_evaluation"),
    "rsbot_beam.training.train": ("run_training",),
    "rsbot_beam.transforms.analyze": ("AnalyzePatches",),
    "rsbot_beam.transforms.enumerate": ("EnumerateSamples", "EnumerateShards"),
    "rsbot_beam.transforms.examples": ("WriteExamples",),
    "rsbot_beam.transforms.detections": ("UniqueDetections",),
    "rsbot_beam.transforms.fetch": ("FetchPatches",),
    "rsbot_beam.transforms.map_blocks": ("MapSettings",),
    "rsbot_beam.transforms.predict": ("PredictBlocks",),
    "rsbot_beam.transforms.raw": ("WriteRawShards",),
    "rsbot_beam.transforms.shard_requests": ("FetchSettings",),
}
_HOME = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [
    "AnalyzePatches",
    "Asset",
    "Band",
    "Cover",
    "Crops",
    "Diagnosis",
    "DoctorConfig",
    "Endpoint",
    "EnumerateSamples",
    "EnumerateShards",
    "EvaluateConfig",
    "ExportConfig",
    "FetchPatches",
    "FetchSettings",
    "Finding",
    "Grid",
    "LabelClass",
    "LabelFeatures",
    "LandCover",
    "Layout",
    "MapSettings",
    "Objects",
    "Patch",
    "Period",
    "PlainAsset",
    "PlanReport",
    "PlanSettings",
    "PowerPlants",
    "PredictBlocks",
    "PredictConfig",
    "Preprocessing",
    "RawStore",
    "Recipe",
    "Region",
    "RsbotError",
    "Sample",
    "SamplingSettings",
    "Shard",
    "Solar",
    "SpatialSplit",
    "TileBlock",
    "TileKey",
    "TrainConfig",
    "UniqueDetections",
    "Wind",
    "WriteExamples",
    "WriteRawShards",
    "__version__",
    "load_dataset",
    "load_recipe",
    "local_earth",
    "plan_run",
    "read_patches",
    "read_region",
    "resolve_grid",
    "run_doctor",
    "run_evaluation",
    "run_export",
    "run_predict",
    "run_training",
    "show",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return __all__
