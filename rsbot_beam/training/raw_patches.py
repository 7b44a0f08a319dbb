"""The raw patches of a dataset's partitions, all of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rsbot_beam.data.patch import Patch
from rsbot_beam.data.raw_store import RawStore, raw_fingerprint
from rsbot_beam.data.read_patches import read_patches
from rsbot_beam.data.splits import SPLITS, SpatialSplit
from rsbot_beam.errors import DatasetError
from rsbot_beam.training.description import layout_of

ALL = "all"
_REMEDY = "Start the same `rsbot export` again, which fetches them anew"


def split_names(split: str) -> tuple[str, ...]:
    """The partitions that a name means.

    Args:
        split: One of `SPLITS`, or "all".
    """
    return SPLITS if split == ALL else (split,)


def check_raw(root: str, dataset: Mapping[str, Any]) -> None:
    """Refuse a dataset whose raw shards are not those that it was made of: what is left would be scored as if it were all.

    A look at names and sizes.

    Args:
        root: The dataset's folder.
        dataset: Content of `dataset.json`.

    Raises:
        DatasetError: Raw shards are missing, cut off, or others.
    """
    files, written = RawStore(root, layout_of(dataset)).files(), dataset["raw"]
    if raw_fingerprint(files) == written["fingerprint"]:
        return
    problem = (
        f"{len(files)} raw shards of {written['files']} are there"
        if len(files) != written["files"]
        else "raw shards are cut off, or others than those that it was made of"
    )
    raise DatasetError(f"the raw patches of {root} are not whole: {problem}, in {root}/raw. {_REMEDY}")


def split_patches(root: str, dataset: Mapping[str, Any], split: str) -> Iterator[Patch]:
    """The raw patches of a split, or of all.

    Args:
        root: The dataset's folder.
        dataset: Content of `dataset.json`.
        split: One of `SPLITS`, or "all".

    Raises:
        DatasetError: Some are missing, or a shard is damaged; names it.
    """
    check_raw(root, dataset)
    told, names = dataset["split"], split_names(split)
    rule = SpatialSplit(tuple(told["shares"]), told["block"], zoned=dataset["grid"]["crs"] == "utm")
    found = 0
    for patch in read_patches(root):
        if rule.split_of(patch.key, patch.group) in names:
            found += 1
            yield patch
    expected = sum(dataset["splits"][name]["examples"] for name in names)
    if found != expected:
        raise DatasetError(f"{root}/raw has {found} of the {expected} patches of the split {split}. {_REMEDY}")
