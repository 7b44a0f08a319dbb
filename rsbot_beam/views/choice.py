"""Which patches of a dataset to look at."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from rsbot_beam.data.patch import Patch

# Share of the patches with something to see in them, where others have nothing: background is worth a look as well.
_SHARE_OF_OBJECTS = 2 / 3


def choose_patches(shards: Sequence[Iterable[Patch]], count: int) -> list[Patch]:
    """Take some patches from all over a dataset, two of three with objects where there are enough.

    Args:
        shards: The patches of each shard; one shard after the other is read, and few patches of it are kept.
        count: How many to take, 1 or more.

    Returns:
        At most `count` patches, in the order of the shards.
    """
    rich: list[tuple[int, Patch]] = []
    plain: list[tuple[int, Patch]] = []
    number = 0
    # Shards without objects leave room: each may give twice its part.
    part = 2 * math.ceil(count / max(1, len(shards)))
    for shard in shards:
        found: tuple[list[tuple[int, Patch]], list[tuple[int, Patch]]] = ([], [])
        for patch in shard:
            found[0 if shows_something(patch) else 1].append((number, patch))
            number += 1
        rich += _spread(found[0], part)
        plain += _spread(found[1], part)
    wanted = max(round(count * _SHARE_OF_OBJECTS), count - len(plain))
    chosen = _spread(rich, wanted)
    chosen += _spread(plain, count - len(chosen))
    return [patch for _, patch in sorted(chosen, key=lambda item: item[0])]


def shows_something(patch: Patch) -> bool:
    """Whether objects or features are in a patch; True for recipes that have neither."""
    if patch.objects is not None:
        return len(patch.objects) > 0
    if patch.layout.painted and patch.label is not None:
        return bool(patch.label.any())
    return True


def _spread(items: list[tuple[int, Patch]], count: int) -> list[tuple[int, Patch]]:
    """At most `count` of the items, evenly from the first to the last."""
    if len(items) <= count:
        return items
    return [items[int(index)] for index in (np.arange(count) + 0.5) * len(items) / max(1, count)]
