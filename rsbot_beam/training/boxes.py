"""How large the objects of a train split usually are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rsbot_beam.training.feed import Examples, ordered_batches

FEATURES = ("boxes", "box_classes", "box_count")


def usual_boxes(examples: Examples, codes: Sequence[int]) -> dict[int, tuple[float, float]]:
    """Median height and width in pixels of the objects of each class that occurs.

    Args:
        examples: Of the train split, with `FEATURES`.
        codes: The classes.
    """
    sizes: dict[int, list[np.ndarray]] = {code: [] for code in codes}
    for boxes, labels in ordered_batches(examples, lambda e: (e["boxes"], (e["box_classes"], e["box_count"])), 32):
        found, count = (tensor.numpy() for tensor in labels)
        there = np.arange(found.shape[1]) < count[:, None]
        for code in codes:
            chosen = boxes.numpy()[there & (found == code)]
            sizes[code].append(chosen[:, 2:] - chosen[:, :2])
    joined = {code: np.concatenate(parts) for code, parts in sizes.items() if parts}
    return {
        code: (float(np.median(size[:, 0])), float(np.median(size[:, 1]))) for code, size in joined.items() if len(size)
    }
