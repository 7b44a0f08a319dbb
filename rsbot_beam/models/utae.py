"""U-TAE: a class for each pixel from its surroundings at all dates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import keras

from rsbot_beam.errors import InputError
from rsbot_beam.models.attention import CollapseTime, MergeTime, SplitTime, TemporalAttention
from rsbot_beam.models.definition import InputShape, ModelDefinition, TimeAxis
from rsbot_beam.models.encoders import check_levels, decode, encode
from rsbot_beam.models.layers import PadToMultiple, TimeToChannels, ValidChannel, conv, join_inputs, probabilities


@dataclass(frozen=True, kw_only=True)
class UTAE(ModelDefinition):
    """U-Net with temporal attention after Garnot and Landrieu 2021 (https://arxiv.org/abs/2107.07933).

    The same encoder looks at each step; attention at the coarsest level says which steps count where, and weighs the
    features of all levels; one decoder makes the map. Steps that are missing at a place have no weight there.

    Beside the paper's mean over time the finest level keeps what each pixel was at each step, in order: crops differ in when
    they are green, and a few hundred patches teach that directly sooner than by way of the attention.

    Attributes:
        width: Channels at full resolution; each level down has twice as many.
        depth: Number of times that the resolution is halved.
        heads: Heads of the attention; each weighs its share of the channels, so it must divide `width`.
    """

    name: ClassVar[str] = "utae"
    description: ClassVar[str] = "U-Net with temporal attention: surroundings and course in time, gaps allowed"
    time: ClassVar[TimeAxis] = "required"

    width: int = 16
    depth: int = 2
    heads: int = 8

    def __post_init__(self) -> None:
        check_levels(self.name, self.width, self.depth, "plain")
        if self.heads < 1 or self.width % self.heads:
            raise InputError(f"utae: heads={self.heads} must divide width={self.width}")

    @property
    def multiple(self) -> int:
        """Pixels between the cells of the coarsest level."""
        return 2**self.depth

    def build(self, inputs: InputShape, classes: int) -> keras.Model:
        """See `ModelDefinition.build`."""
        tensors = inputs.keras_inputs()
        x = join_inputs(tensors, self.multiple, fold_time=False)
        levels = encode(MergeTime(name="merge_time")(x), self.width, self.depth, "plain")
        levels = [SplitTime(inputs.steps, name=f"split_time{i}")(level) for i, level in enumerate(levels)]
        logits = TemporalAttention(self.heads, name="attention")(levels[-1])
        valid = self._valid(tensors["valid"])
        merged = [
            CollapseTime(name=f"collapse{i}")(level, logits, seen)
            for i, (level, seen) in enumerate(zip(levels, valid, strict=True))
        ]
        merged[0] = keras.layers.Concatenate(name="course_join")([merged[0], self._course(levels[0], valid[0])])
        return probabilities(decode(merged, width=self.width), classes, tensors)

    def _course(self, x: keras.KerasTensor, valid: keras.KerasTensor) -> keras.KerasTensor:
        """Each pixel's features at all steps, in order; 0 at those that are missing."""
        seen = keras.layers.Multiply(name="course_seen")([x, valid])
        side_by_side = TimeToChannels(name="course_steps")(seen)
        return conv(side_by_side, 2 * self.width, name="course", kernel=1)

    def _valid(self, valid: keras.KerasTensor) -> list[keras.KerasTensor]:
        """Validity at each level: a coarse cell is there if any pixel of it is."""
        # In float32 also under mixed precision: TensorFlow has no such pooling of float16 on processors.
        plain = ValidChannel(dtype="float32", name="valid_channel")(valid)
        levels = [PadToMultiple(self.multiple, dtype="float32", name="valid_pad")(plain)]
        for level in range(1, self.depth + 1):
            pool = keras.layers.MaxPooling3D((1, 2, 2), dtype="float32", name=f"valid{level}")
            levels.append(pool(levels[-1]))
        return levels
