"""A model that looks at single pixels: nearly no work, so that what surrounds it is what is measured."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import tensorflow as tf

from benchmarks.recipe import recipe
from rsbot_beam.data.manifest import layout_to_dict
from rsbot_beam.data.model_file import MODEL_FILE, SAVED_MODEL, VERSION
from rsbot_beam.data.period import Period


class _Pixels(tf.Module):
    def __init__(self, bands: int, classes: int) -> None:
        super().__init__()
        self.weights = tf.constant(np.random.default_rng(0).normal(0, 1e-3, (bands, classes)), tf.float32)

    @tf.function
    def serve(self, image: tf.Tensor, valid: tf.Tensor) -> dict[str, tf.Tensor]:
        seen = tf.cast(valid, tf.float32)
        return {"probabilities": tf.nn.softmax(tf.tensordot(image * seen, self.weights, 1))}


def write_pixel_model(folder: Path, crs: str, resolution: float) -> str:
    """Write the folder of a model for the benchmarks' recipe; returns its path."""
    layout = recipe.layout(Period.year(2023))
    module = _Pixels(len(layout.bands), len(layout.classes))
    shape = (None, None, None, len(layout.bands))
    inputs = {"image": tf.TensorSpec(shape, tf.float32, "image"), "valid": tf.TensorSpec(shape, tf.uint8, "valid")}
    signature = module.serve.get_concrete_function(**inputs)
    tf.saved_model.save(module, str(folder / SAVED_MODEL), signatures={"serving_default": signature})
    content = {
        "version": VERSION,
        "task": "segmentation",
        "model": {"name": "pixels", "source": "pixels", "parameters": {}},
        "recipe": {"name": recipe.name, "parameters": recipe.parameters()},
        "layout": layout_to_dict(layout),
        "classes": [asdict(item) for item in layout.classes],
        "grid": {"crs": crs, "resolution": resolution, "patch_size": 128, "origin": [0, 0], "rule": "centre"},
        "period": {"start": "2023-01-01", "end": "2024-01-01"},
        "receptive_field": {"radius": 0, "multiple": 1},
        "overlap": 0,
    }
    (folder / MODEL_FILE).write_text(json.dumps(content), encoding="utf-8")
    return str(folder)
