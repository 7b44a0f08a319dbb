"""Which partition a tile belongs to: by place, the same in every run."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass

from rsbot_beam.errors import InputError
from rsbot_beam.geometry import TileKey, near_zone_edge
from rsbot_beam.geometry.units import resolution_in_metres

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class SpatialSplit:
    """Assigns tiles to train, validation and test by the block of ground in which they lie.

    The plane of each CRS is cut into squares of whole tiles; a stable hash of the square decides. Tiles of a `utm` grid
    that may overlap a tile of the neighbouring zone go to the first partition with a share, whatever their square: so no
    two partitions see the same ground. Of sampled tiles that belong together, a hash of their group decides instead.

    Attributes:
        shares: Relative shares of train, validation and test.
        block: Side of a square in metres; rounded to whole tiles, at least one.
        zoned: Whether the grid has a CRS for each UTM zone.
    """

    shares: tuple[float, float, float] = (80.0, 10.0, 10.0)
    block: float = 5000.0
    zoned: bool = False

    def __post_init__(self) -> None:
        finite = all(math.isfinite(share) for share in self.shares)
        if not finite or len(self.shares) != len(SPLITS) or min(self.shares) < 0 or sum(self.shares) <= 0:
            raise InputError(f"the split {self.shares} needs three shares, train,validation,test, such as 80,10,10")
        if not 0 < self.block < math.inf:
            raise InputError(f"the split block of {self.block} m must be positive, e.g. --split_block 5000")

    @classmethod
    def parse(cls, text: str, block: float, zoned: bool) -> SpatialSplit:
        """Read shares from text like `80,10,10`; raises InputError where it is not that."""
        try:
            train, validation, test = (float(part) for part in text.split(","))
        except ValueError as error:
            raise InputError(
                f"the split {text!r} is not three numbers like 80,10,10 (train,validation,test)"
            ) from error
        return cls((train, validation, test), block, zoned)

    def block_tiles(self, key: TileKey) -> int:
        """Side of a square, in tiles of the key's size."""
        return max(1, round(self.block / (key.size * resolution_in_metres(key.crs, key.resolution))))

    def split_of(self, key: TileKey, group: str = "") -> str:
        """The partition of a tile, one of `SPLITS`.

        Args:
            key: The tile.
            group: Name of the tiles that stay together with it, wherever they are; empty: its place decides.
        """
        if group:
            # No zone's edge matters: tiles that see the same ground are of one group.
            return SPLITS[self._partition(_draw(f"group {group}"))]
        if self.zoned and near_zone_edge(key):
            return SPLITS[next(i for i, share in enumerate(self.shares) if share > 0)]
        side = self.block_tiles(key) * key.size
        square = f"{key.crs} {key.resolution!r} {key.origin} {side} {key.row // side} {key.col // side}"
        return SPLITS[self._partition(_draw(square))]

    def _partition(self, draw: float) -> int:
        bound = 0.0
        for index, share in enumerate(self.shares):
            bound += share / math.fsum(self.shares)
            if draw < bound and share > 0:
                return index
        return max(i for i, share in enumerate(self.shares) if share > 0)


def _draw(text: str) -> float:
    """A number in [0, 1) that belongs to a text."""
    # 8 bytes of a cryptographic hash are uniform and, unlike Python's hash(), the same in every process.
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") / 2**64
