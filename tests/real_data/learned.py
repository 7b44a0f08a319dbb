"""The transformed side of an export against a NumPy computation of the same transform."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rsbot_beam import Patch, TileKey, load_dataset
from rsbot_beam.data.bands import Band
from rsbot_beam.data.splits import SPLITS

from .exports import Exported, assert_same

# Largest difference of a transformed value, which is of the order of 1: computed in float32 there and in float64 here.
TOLERANCE = 1e-5


@dataclass(frozen=True)
class Scale:
    """What a band is shifted and divided by, and whether the result is cut to 0..1."""

    offset: float
    spread: float
    clip: bool

    def __call__(self, values: np.ndarray) -> np.ndarray:
        scaled = (values.astype(np.float64) - self.offset) / (self.spread or 1.0)
        return np.clip(scaled, 0, 1) if self.clip else scaled


def check_learned(found: Exported, normalise: str = "standard") -> dict[str, set[TileKey]]:
    """Compare all examples, the statistics and the class counts with NumPy's.

    Args:
        found: An export with all its steps.
        normalise: The recipe's, with quantiles 0.02 and 0.98.

    Returns:
        The tiles of each split.
    """
    splits: dict[str, set[TileKey]] = {}
    examples: list[tuple[Patch, Mapping[str, np.ndarray]]] = []
    for split in SPLITS:
        read = _read_examples(found, split)
        keys = [TileKey.parse(bytes(one["tile"]).decode()) for one in read]
        splits[split] = set(keys)
        assert len(splits[split]) == len(keys) == found.dataset["splits"][split]["examples"]
        examples += [(found.patches[key], one) for key, one in zip(keys, read, strict=True)]
        _check_class_counts(found, split, [found.patches[key] for key in keys])
    assert sum(map(len, splits.values())) == len(found.patches)
    assert set.union(*splits.values()) == set(found.patches)
    assert splits["train"], "nothing to learn from"
    _check_tiles(found, splits)
    train = [found.patches[key] for key in splits["train"]]
    layout = train[0].layout
    for feature, bands in (("image", layout.bands), ("static", layout.static)):
        scales = [_check_statistics(found, band, train, normalise) for band in bands]
        for patch, example in examples if bands else ():
            _check_feature(patch, example, feature, bands, scales)
    for patch, example in examples:
        _check_place(patch, example, found.dataset["period"])
    return splits


def _check_tiles(found: Exported, splits: Mapping[str, set[TileKey]]) -> None:
    numbers = {split: len(keys) for split, keys in splits.items()}
    asked = {"asked": len(found.tiles), "stored": len(found.patches), "empty": len(found.empty), "dead": 0}
    assert found.dataset["tiles"] == asked | numbers


def _read_examples(found: Exported, split: str) -> list[dict[str, np.ndarray]]:
    if not found.dataset["splits"][split]["examples"]:
        return []
    batches = load_dataset(found.folder, split, 32).as_numpy_iterator()
    return [{name: batch[name][i] for name in batch} for batch in batches for i in range(len(batch["tile"]))]


def _check_statistics(found: Exported, band: Band, train: Sequence[Patch], normalise: str) -> Scale:
    """Compare a band's statistics with those of its valid pixels in the train split; returns its scale."""
    values = np.concatenate([patch.pixels[band.name][patch.valid[band.name]] for patch in train]).astype(np.float64)
    said: dict[str, Any] = next(b["statistics"] for b in found.dataset["bands"] if b["name"] == band.name)
    assert said["count"] == len(values) > 0
    assert (said["min"], said["max"]) == (np.float32(values.min()), np.float32(values.max()))
    np.testing.assert_allclose([said["mean"], said["std"]], [values.mean(), values.std()], rtol=1e-6)
    ordered = np.sort(values)
    ranks = {q: float(ordered[int(np.floor(q * (len(ordered) - 1)))]) for q in map(float, said["quantiles"])}
    # Exact for whole numbers; otherwise to a bin of the histogram of 65536 bins.
    width = 0.0 if band.numpy.kind in "iu" else (values.max() - values.min()) / 65_535
    np.testing.assert_allclose(list(said["quantiles"].values()), list(ranks.values()), rtol=1e-6, atol=width)
    if normalise == "quantile":
        return Scale(ranks[0.02], ranks[0.98] - ranks[0.02], clip=True)
    return Scale(float(values.mean()), float(values.std()), clip=False)


def _check_feature(
    patch: Patch, example: Mapping[str, np.ndarray], feature: str, bands: Sequence[Band], scales: Sequence[Scale]
) -> None:
    valid = np.stack([patch.valid[band.name] for band in bands], axis=-1)
    scaled = [scale(patch.pixels[band.name]) for band, scale in zip(bands, scales, strict=True)]
    image = np.where(valid, np.stack(scaled, axis=-1), 0)
    assert example[feature].dtype == np.float32
    assert example[feature].shape == image.shape
    assert np.abs(example[feature] - image).max() <= TOLERANCE, f"{feature} of {patch.key}"
    name = "valid" if feature == "image" else f"{feature}_valid"
    assert_same(example[name], np.asarray(valid.all(axis=-1), np.uint8), f"{name} of {patch.key}")


def _check_place(patch: Patch, example: Mapping[str, np.ndarray], period: Mapping[str, str]) -> None:
    """The label is as it was fetched, and the example says where and when it is."""
    if patch.label is not None and patch.label_valid is not None:
        assert example["label"].dtype == patch.label.dtype
        assert_same(example["label"], patch.label, f"label of {patch.key}")
        assert_same(example["label_valid"], patch.label_valid.astype(np.uint8), f"label_valid of {patch.key}")
    key = patch.key
    left, top = key.origin[0] + key.col * key.resolution, key.origin[1] - key.row * key.resolution
    side = key.size * key.resolution
    np.testing.assert_allclose(example["transform"], [key.resolution, 0, left, 0, -key.resolution, top], rtol=1e-12)
    np.testing.assert_allclose(example["bounds"], [left, top - side, left + side, top], rtol=1e-12)
    assert bytes(example["crs"]).decode() == key.crs
    assert bytes(example["period"]).decode() == f"{period['start']}/{period['end']}"


def _check_class_counts(found: Exported, split: str, patches: Sequence[Patch]) -> None:
    labels = [patch.label[patch.label_valid] for patch in patches if patch.label is not None]
    counts = np.bincount(np.concatenate(labels).astype(np.int64), minlength=256) if labels else np.zeros(256, int)
    said = {item["code"]: item["pixels"][split] for item in found.dataset["classes"]}
    assert {code: count for code, count in said.items() if count} == {
        code: int(counts[code]) for code in np.flatnonzero(counts).tolist()
    }
