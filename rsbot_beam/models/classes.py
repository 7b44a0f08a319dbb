"""Class codes of a label and the contiguous numbers that a network knows; weights of rare classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from rsbot_beam.data.bands import LabelClass
from rsbot_beam.errors import InputError

if TYPE_CHECKING:
    import tensorflow as tf

# Number of a pixel without a class; losses and scores pass over it.
UNLABELLED = -1
# Code that detectors do not search.
BACKGROUND = 0

Weighting = Literal["none", "sqrt", "effective"]
# A class counts at most this many times as much as the most frequent one: with more, a handful of wrong pixels of a rare
# class drives the whole network.
LARGEST_RATIO = 10.0
# Of the effective number of samples: pixels of one class beyond 100,000, six full patches of 128 x 128, say little new.
BETA = 1 - 1e-5


@dataclass(frozen=True)
class ClassIndex:
    """The classes of a model, in the order of its outputs.

    Attributes:
        codes: Label codes, any whole numbers; the position is the class's number.
        unlearned: Those of them that the train split lacks: a model gives them the probability 0.
    """

    codes: tuple[int, ...]
    unlearned: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        twice = sorted({code for code in self.codes if self.codes.count(code) > 1})
        if twice:
            raise InputError(f"class codes {twice} are listed twice: each class needs a code of its own")
        if not self.codes:
            raise InputError("there is no class to learn: give the recipe's `classes`")

    @classmethod
    def of(
        cls, classes: Sequence[LabelClass], background: bool = True, counts: Mapping[int, int] | None = None
    ) -> ClassIndex:
        """The classes of a recipe, in its order.

        Args:
            classes: The recipe's classes.
            background: Whether code 0 is one to tell apart; not for detectors.
            counts: Labels of the train split by class code; None takes all classes for learned.
        """
        codes = tuple(item.code for item in classes if background or item.code != BACKGROUND)
        return cls(codes, frozenset(() if counts is None else (code for code in codes if not counts.get(code))))

    @property
    def learned(self) -> tuple[bool, ...]:
        """Whether each class is learned, in the order of the numbers."""
        return tuple(code not in self.unlearned for code in self.codes)

    def __len__(self) -> int:
        return len(self.codes)

    def numbers(self, codes: np.ndarray) -> np.ndarray:
        """Codes as class numbers, int32 of the same shape; `UNLABELLED` where the code is of no class."""
        order, ordered = self._sorted()
        place = np.minimum(np.searchsorted(ordered, codes), len(order) - 1)
        return np.where(ordered[place] == codes, order[place], UNLABELLED).astype(np.int32)

    def tensor_numbers(self, codes: tf.Tensor) -> tf.Tensor:
        """As `numbers`, in a TensorFlow graph: int32 from whole numbers of any type."""
        import tensorflow as tf

        if codes.dtype in (tf.uint8, tf.uint16):  # a look into a table is a tenth of the work
            table = self.numbers(np.arange(codes.dtype.max + 1))
            return tf.gather(tf.constant(table), tf.cast(codes, tf.int32))
        order, ordered = (tf.constant(array) for array in self._sorted())
        flat = tf.cast(tf.reshape(codes, [-1]), tf.int64)
        place = tf.minimum(tf.searchsorted(ordered, flat), len(self) - 1)
        found = tf.where(tf.gather(ordered, place) == flat, tf.gather(order, place), UNLABELLED)
        return tf.reshape(found, tf.shape(codes))

    def _sorted(self) -> tuple[np.ndarray, np.ndarray]:
        codes = np.array(self.codes, np.int64)
        order = np.argsort(codes).astype(np.int32)
        return order, codes[order]

    def unknown(self, counts: Mapping[int, int]) -> dict[int, int]:
        """Counted codes that are of no class: their pixels are not learned from."""
        return {code: count for code, count in counts.items() if code not in self.codes and count}


def class_weights(
    index: ClassIndex,
    counts: Mapping[int, int],
    weighting: Weighting = "sqrt",
    largest_ratio: float = LARGEST_RATIO,
) -> tuple[float, ...]:
    """Weights that let rare classes count, by the train split's own counts.

    Args:
        index: The classes.
        counts: Number of valid label pixels by code.
        weighting: "sqrt": one over the square root of the count; "effective": one over the effective number of samples
            (Cui et al. 2019, arXiv 1901.05555); "none": all alike.
        largest_ratio: A class counts at most this many times as much as the least weighted one.

    Returns:
        A weight for each class; their mean over the labelled pixels is 1. That of a class without pixels is 0: it has no
        say in a validation loss either.

    Raises:
        InputError: No pixel has any of the classes.
    """
    found = np.array([counts.get(code, 0) for code in index.codes], float)
    if not found.sum():
        raise InputError(
            f"none of the classes {list(index.codes)} occurs in the train split: it holds the codes "
            f"{sorted(code for code, count in counts.items() if count)}. Check the recipe's classes, or the split"
        )
    seen = np.maximum(found, 1)
    rarity = {"none": np.ones_like(seen), "sqrt": seen**-0.5, "effective": (1 - BETA) / (1 - BETA**seen)}[weighting]
    capped = np.where(found > 0, np.minimum(rarity, rarity[found > 0].min() * largest_ratio), 0.0)
    return tuple((capped * found.sum() / (capped * found).sum()).tolist())
