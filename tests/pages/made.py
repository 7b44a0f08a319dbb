"""Datasets of made patches with all that their pages read, but without examples: quick to write."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rsbot_beam import storage
from rsbot_beam.data.bands import Layout
from rsbot_beam.data.dataset_file import write_dataset_file
from rsbot_beam.data.manifest import layout_to_dict
from rsbot_beam.data.patch import Patch
from rsbot_beam.data.raw_store import RawStore
from rsbot_beam.data.shards import DeadLetter, FetchedShard, Shard
from rsbot_beam.data.splits import SPLITS, SpatialSplit
from rsbot_beam.geometry import TileKey
from rsbot_beam.pages.dataset_sheet import classes_of
from tests.training.conftest import describe

# A name that would run where it is taken for HTML.
EVIL = "<script>alert(1)</script>"


def write_raw_dataset(
    root: Path,
    patches: Sequence[Patch],
    *,
    empty: Sequence[TileKey] = (),
    dead: Sequence[TileKey] = (),
    shares: tuple[float, float, float] = (60, 20, 20),
    edit: Callable[[dict[str, Any]], None] = lambda content: None,
) -> str:
    """Write patches of one layout as a dataset of raw shards of 20 tiles, each tile in a split of its own."""
    layout = patches[0].layout
    store, split = RawStore(str(root), layout), SpatialSplit(shares, block=1)
    for start in range(0, len(patches), 20):
        part = tuple(patches[start : start + 20])
        store.write(FetchedShard(Shard(f"s{start:06}", tuple(patch.key for patch in part)), part))
    if empty or dead:
        letters = tuple(DeadLetter(str(key), "permanent", f"no band {EVIL}", 3, {"crs": key.crs}) for key in dead)
        store.write(FetchedShard(Shard("without", (*empty, *dead)), (), tuple(empty), letters))
    storage.write_bytes(root / "export.json", json.dumps({"layout": layout_to_dict(layout)}))
    content = describe(store, patches[0].key, layout, split, _tallies(layout, patches, split))
    in_split = Counter(split.split_of(patch.key) for patch in patches)
    content["tiles"] = {
        "asked": len(patches) + len(empty) + len(dead),
        "stored": len(patches),
        "empty": len(empty),
        "dead": len(dead),
        **{name: in_split[name] for name in SPLITS},
    }
    edit(content)
    write_dataset_file(str(root), content)
    return str(root)


def _tallies(layout: Layout, patches: Sequence[Patch], split: SpatialSplit) -> dict[str, Any]:
    found: dict[str, Any] = {
        name: {"examples": 0, "nbytes": 0, "classes": Counter(), "objects": Counter(), "most_objects": 0}
        for name in SPLITS
    }
    for patch in patches:
        tally = found[split.split_of(patch.key)]
        tally["examples"] += 1
        tally["nbytes"] += 1000
        which = "objects" if layout.objects else "classes"
        for code, share in classes_of(patch).items():
            tally[which][str(code)] += round(share if layout.objects else share * patch.key.size**2)
    return found
