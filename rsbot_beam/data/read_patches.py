"""Reading the raw patches of an export."""

from __future__ import annotations

import os
from collections.abc import Iterator

from rsbot_beam.data.manifest import layout_from_dict, read_manifest
from rsbot_beam.data.patch import Patch
from rsbot_beam.data.raw_store import RawStore
from rsbot_beam.errors import DatasetError


def read_patches(path: str | os.PathLike[str]) -> Iterator[Patch]:
    """The stored raw patches of an export, also of one that is not finished.

    Args:
        path: The dataset's folder, local or `gs://`.

    Yields:
        Patches in the order of their shards' names, checked against their checksums. Arrays are read-only.

    Raises:
        DatasetError: There is no export in the folder, or a shard is damaged; names it.
    """
    root = os.fspath(path)
    manifest = read_manifest(root)
    if manifest is None:
        raise DatasetError(f"there is no export in {root}: it has no export.json; make one with `rsbot export`")
    store = RawStore(root, layout_from_dict(manifest["layout"]))
    for file in store.files():
        yield from store.patches(file.path)
