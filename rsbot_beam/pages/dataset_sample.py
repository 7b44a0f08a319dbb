"""What a page reads of a dataset's pixels: some shards, from all over it, within a bound of bytes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rsbot_beam import storage
from rsbot_beam.data.bands import Layout
from rsbot_beam.data.raw_store import RawStore
from rsbot_beam.data.splits import SPLITS, SpatialSplit
from rsbot_beam.pages.dataset_histograms import Values
from rsbot_beam.pages.dataset_series import Series
from rsbot_beam.pages.dataset_sheet import Sheet
from rsbot_beam.pages.dataset_tiles import Tiles
from rsbot_beam.views.amounts import share_text

# Bytes of raw shards that are read, unless a single shard of each split has more; and the most shards.
MOST_BYTES, MOST_SHARDS = 256 << 20, 32


@dataclass(frozen=True)
class Sample:
    """What was seen of a dataset's patches.

    Attributes:
        sheet: The patches to show.
        values: Values of their bands.
        series: Pixels over time.
        classes_of_tiles: What the patches that were read hold, in words, by the text of the tile's key.
        patches: How many were read.
        shards: From how many shards.
    """

    sheet: Sheet
    values: Values
    series: Series
    classes_of_tiles: dict[str, str]
    patches: int
    shards: int


def read_sample(store: RawStore, tiles: Tiles, split: SpatialSplit) -> Sample:
    """Read some patches of a dataset.

    Args:
        store: The dataset's raw shards.
        tiles: All tiles.
        split: The dataset's split.

    Raises:
        DatasetError: A shard is damaged or gone.
    """
    present = sorted({group for group in tiles.groups if group < len(SPLITS)})
    sheet = Sheet(store.layout, [SPLITS[group] for group in present])
    values, series = Values(), Series(store.layout)
    classes: dict[str, str] = {}
    files = choose_files(tiles)
    for file in files:
        for patch in store.patches(file.path):
            name = split.split_of(patch.key, patch.group)
            found = sheet.add(name, patch)
            values.add_patch(name, patch)
            series.add(patch)
            if found:
                classes[str(patch.key)] = classes_text(store.layout, found)
    return Sample(sheet, values, series, classes, sheet.seen, len(files))


def classes_text(layout: Layout, found: dict[int, float]) -> str:
    """Classes of a patch in words: shares of the label, or numbers of objects."""
    names = {item.code: item.name for item in layout.classes}
    parts = []
    for code, share in found.items():
        name = names.get(code, f"code {code}")
        parts.append(f"{share:.0f} × {name}" if layout.objects else f"{name} {share_text(share)}")
    return ", ".join(parts)


def choose_files(tiles: Tiles) -> list[storage.StoredFile]:
    """Shards from all over a dataset, at least one of each split, as many as the bounds allow.

    Returns:
        Files in their order.
    """
    chosen: dict[int, None] = {}
    for group in range(len(SPLITS)):
        of_group = [shard for shard, of_tile in zip(tiles.shards, tiles.groups, strict=True) if of_tile == group]
        if of_group and not chosen.keys() & set(of_group):
            chosen[of_group[len(of_group) // 2]] = None
    total = sum(tiles.files[index].size for index in chosen)
    for index in _spread(len(tiles.files)):
        if index not in chosen and total + tiles.files[index].size <= MOST_BYTES and len(chosen) < MOST_SHARDS:
            chosen[index] = None
            total += tiles.files[index].size
    return [tiles.files[index] for index in sorted(chosen)]


def _spread(count: int) -> Iterator[int]:
    """All numbers below `count`, any first few of them far apart: in steps of the golden ratio, then the rest."""
    seen: set[int] = set()
    for number in range(2 * count):
        index = int(number * 0.6180339887498949 % 1.0 * count)
        if index not in seen:
            seen.add(index)
            yield index
    yield from (index for index in range(count) if index not in seen)
