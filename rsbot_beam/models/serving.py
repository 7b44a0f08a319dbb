"""From a trained model to what users are served: probabilities of pixels, or boxes."""

from __future__ import annotations

from dataclasses import dataclass

import keras
import tensorflow as tf

from rsbot_beam.models.classes import ClassIndex
from rsbot_beam.models.definition import Detector, ModelDefinition
from rsbot_beam.models.labels import cells_with, seen_pixels
from rsbot_beam.models.layers import register


@dataclass(frozen=True)
class BoxSettings:
    """How boxes are read from a detector's maps.

    Attributes:
        most: Boxes of a patch, the best ones.
        least_score: Boxes below are not given.
        overlap: Intersection over union above which the worse of two boxes of one class is dropped.
    """

    most: int = 100
    least_score: float = 0.05
    overlap: float = 0.5


@register
class DecodeBoxes(keras.layers.Layer):
    """Boxes, scores and classes from a detector's maps.

    Args:
        stride: Pixels between cells.
        codes: Class codes, in the order of the heatmap.
        most: As in `BoxSettings`.
        least_score: As in `BoxSettings`.
        overlap: As in `BoxSettings`.
    """

    def __init__(
        self, stride: int, codes: tuple[int, ...], most: int, least_score: float, overlap: float, **kwargs: object
    ) -> None:
        super().__init__(dtype="float32", **kwargs)
        self.arguments = {
            "stride": stride, "codes": tuple(codes), "most": most, "least_score": least_score, "overlap": overlap,
        }  # fmt: skip
        self.stride, self.codes = stride, tuple(codes)
        self.most, self.least_score, self.overlap = most, least_score, overlap

    def call(self, maps: dict[str, tf.Tensor], image: tf.Tensor, valid: tf.Tensor) -> dict[str, tf.Tensor]:
        """Boxes of each patch, best first; behind the last one there are zeros.

        Args:
            maps: `heatmap`, `size` and `offset` (see `ModelDefinition.build`).
            image: The patch, whose edges clip the boxes.
            valid: Its validity: no object is centred in a cell without a valid pixel.

        Returns:
            `boxes` float32 (batch, most, 4) ymin, xmin, ymax, xmax in pixels, `scores` float32 (batch, most), `classes`
            int32 (batch, most), codes, and `count` int32 (batch,), how many there are.
        """
        seen = cells_with(seen_pixels(valid), self.stride)[..., tf.newaxis]
        scores, cells, number = self._peaks(tf.where(seen, maps["heatmap"], 0.0))
        boxes = self._boxes(maps, cells, tf.shape(image)[-3:-1])
        by_class = tf.one_hot(number, len(self.codes)) * scores[..., tf.newaxis]
        found = tf.image.combined_non_max_suppression(
            boxes[:, :, tf.newaxis], by_class, self.most, self.most, self.overlap, self.least_score, clip_boxes=False
        )
        there = tf.range(self.most) < found.valid_detections[:, tf.newaxis]
        codes = tf.gather(tf.constant(self.codes, tf.int32), tf.cast(found.nmsed_classes, tf.int32))
        return {
            "boxes": found.nmsed_boxes,
            "scores": found.nmsed_scores,
            "classes": tf.where(there, codes, 0),
            "count": found.valid_detections,
        }

    def _peaks(self, heatmap: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Scores, cells (row * columns + column) and class numbers, each (batch, k), of the highest local maxima."""
        peaks = tf.where(tf.nn.max_pool2d(heatmap, 3, 1, "SAME") == heatmap, heatmap, 0.0)
        flat = tf.reshape(peaks, [tf.shape(heatmap)[0], -1])
        scores, place = tf.math.top_k(flat, tf.minimum(self.most, tf.shape(flat)[1]))
        return scores, place // len(self.codes), place % len(self.codes)

    def _boxes(self, maps: dict[str, tf.Tensor], cells: tf.Tensor, shape: tf.Tensor) -> tf.Tensor:
        columns = tf.shape(maps["heatmap"])[2]
        values = tf.concat([maps["size"], maps["offset"]], axis=-1)
        here = tf.gather(tf.reshape(values, [tf.shape(values)[0], -1, 4]), cells, batch_dims=1)
        corner = tf.cast(tf.stack([cells // columns, cells % columns], axis=-1), tf.float32)
        centre, half = (corner + here[..., 2:]) * self.stride, tf.exp(here[..., :2]) * (self.stride / 2)
        edge = tf.cast(shape, tf.float32)
        return tf.concat([tf.clip_by_value(centre - half, 0.0, edge), tf.clip_by_value(centre + half, 0.0, edge)], -1)

    def get_config(self) -> dict[str, object]:
        """The layer's arguments."""
        return {**super().get_config(), **self.arguments}


def serving_model(
    model: keras.Model, definition: ModelDefinition, index: ClassIndex, boxes: BoxSettings | None = None
) -> keras.Model:
    """The model that users are served; it shares its weights with the trained one.

    Args:
        model: What `build_model` gave.
        definition: What it was built from.
        index: The classes.
        boxes: How boxes are read, for a detector.

    Returns:
        A model from the same inputs to `probabilities`, or from them and `valid` to `boxes`, `scores`, `classes` and `count`.
    """
    if not isinstance(definition, Detector):
        return keras.Model(model.input, {"probabilities": model.output})
    settings = boxes or BoxSettings()
    decoder = DecodeBoxes(
        definition.stride, index.codes, settings.most, settings.least_score, settings.overlap, name="decode"
    )
    inputs = dict(model.input)
    if "valid" not in inputs:
        # The network does not look at it; whether there is anything to see has to be known all the same.
        inputs["valid"] = keras.Input(inputs["image"].shape[1:-1], name="valid", dtype="uint8")
    return keras.Model(inputs, decoder(model.output, inputs["image"], inputs["valid"]))
