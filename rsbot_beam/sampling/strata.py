"""Stratified sampling: enough tiles of each class, drawn from all tiles of a region in any order and in any parts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from rsbot_beam.data.samples import Sample
from rsbot_beam.errors import DatasetError, InputError
from rsbot_beam.geometry import TileKey
from rsbot_beam.sampling.ground import Ground
from rsbot_beam.sampling.occupied import Occupied
from rsbot_beam.sampling.seeds import hashed_priority
from rsbot_beam.sampling.selection import Selection, Shortfall, only_short

SPARE = 2
"""Times the tiles wanted of a class that are kept of it: tiles of one grid do not overlap, but for those of two zones,
along the edges of zones only."""

_UNPRUNED = 2
"""Times as many tiles as were left by the last look that are gathered before those not needed are let go."""

_FEWEST = 1024
"""Tiles that are gathered in any case."""

_PRIORITIES = 2.0**64
"""Priorities are whole numbers below."""


class StrataAccumulator:
    """Of all tiles added, the ones with the smallest priorities in each class; tiles hold several classes.

    The priority of a tile is a hash of the seed and its key. So the result does not depend on the order of the tiles, nor
    on how they were parted among accumulators that are merged; and a tile added twice counts once.

    Args:
        per_class: Tiles wanted of each class.
        min_share: Share of a tile's pixels that a class takes at least, where the tile counts for it; above 0.
        seed: Not negative.

    Raises:
        InputError: A number that cannot be used.
    """

    def __init__(self, per_class: int, min_share: float, seed: int) -> None:
        if per_class < 1 or not 0 < min_share <= 1:
            raise InputError(
                f"{per_class} tiles of each class with a share of {min_share} at least: give 1 tile or more, and a share "
                "above 0 and up to 1"
            )
        self.per_class = per_class
        self.min_share = min_share
        self.seed = seed
        self._unseen = 0
        self._tiles: dict[str, tuple[int, tuple[int, ...]]] = {}
        self._prune_at = _FEWEST

    def __eq__(self, other: object) -> bool:
        return isinstance(other, StrataAccumulator) and self.to_dict() == other.to_dict()

    __hash__ = None  # type: ignore[assignment]

    @property
    def unseen(self) -> int:
        """Number of tiles that could not be looked at."""
        return self._unseen

    def add(self, tile: str, counts: Mapping[int, int], pixels: int | None = None) -> None:
        """Adds a tile.

        Args:
            tile: Text of its key.
            counts: Number of (coarse) pixels of each class code.
            pixels: Number of all its pixels, without a class as well; None: the sum of the counts.
        """
        total = sum(counts.values()) if pixels is None else pixels
        held = tuple(sorted(code for code, count in counts.items() if count > 0 and count >= self.min_share * total))
        if held:
            self._tiles[tile] = (hashed_priority(self.seed, tile), held)
            self._prune_if_many()

    def skip(self) -> None:
        """Counts a tile that could not be looked at."""
        self._unseen += 1

    def merge(self, other: StrataAccumulator) -> StrataAccumulator:
        """Returns an accumulator of the tiles of both.

        Raises:
            InputError: They have not the same settings.
        """
        if self._settings() != other._settings():
            raise InputError(
                f"strata of {self._settings()} and {other._settings()} do not go together: count them again"
            )
        merged = StrataAccumulator(**self._settings())
        merged._unseen = self._unseen + other._unseen
        merged._tiles = {**self._tiles, **other._tiles}
        merged._prune_if_many()
        return merged

    def classes(self) -> list[int]:
        """Returns the codes of all classes of which there are tiles, ordered."""
        return sorted({code for _, held in self._tiles.values() for code in held})

    def tiles_of(self, code: int) -> list[str]:
        """Returns the texts of the tiles kept of a class, those of the smallest priority first."""
        found = sorted((priority, tile) for tile, (priority, held) in self._tiles.items() if code in held)
        return [tile for _, tile in found[: SPARE * self.per_class]]

    def held_by(self, tile: str) -> tuple[int, ...]:
        """Returns the codes of the classes that a tile counts for."""
        return self._tiles[tile][1]

    def estimated_tiles(self, code: int) -> float:
        """Returns how many of the tiles added hold a class: exact up to the number kept, an estimate beyond.

        With k kept of which the last has priority p (as a share of the largest there is), there are (k - 1) / p (Beyer et
        al., "On synopses for distinct-value estimation under multiset operations", SIGMOD 2007).
        """
        kept = self.tiles_of(code)
        if len(kept) < SPARE * self.per_class:
            return len(kept)
        last = self._tiles[kept[-1]][0] / _PRIORITIES
        return max(len(kept), (len(kept) - 1) / last) if last else len(kept)

    def to_dict(self) -> dict[str, Any]:
        """Plain form for JSON, equal for equal accumulators."""
        self._prune()
        tiles = {tile: list(self._tiles[tile][1]) for tile in sorted(self._tiles)}
        return {**self._settings(), "unseen": self._unseen, "tiles": tiles}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> StrataAccumulator:
        """Inverse of `to_dict`; raises DatasetError for anything else."""
        try:
            found = cls(int(content["per_class"]), float(content["min_share"]), int(content["seed"]))
            found._unseen = int(content["unseen"])
            for tile, held in content["tiles"].items():
                found._tiles[tile] = (hashed_priority(found.seed, tile), tuple(map(int, held)))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DatasetError(f"these are no counted strata ({error!r}): remove them, and count again") from error
        return found

    def __getstate__(self) -> dict[str, Any]:
        return self.to_dict()

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(StrataAccumulator.from_dict(state).__dict__)

    def _settings(self) -> dict[str, Any]:
        return {"per_class": self.per_class, "min_share": self.min_share, "seed": self.seed}

    def _prune_if_many(self) -> None:
        if len(self._tiles) >= self._prune_at:
            self._prune()
            self._prune_at = max(_FEWEST, _UNPRUNED * len(self._tiles))

    def _prune(self) -> None:
        """Lets go of the tiles that are not among the first of any class: they will not be, whatever is added."""
        kept: set[str] = set()
        room: Counter[int] = Counter()
        for tile in sorted(self._tiles, key=lambda tile: (self._tiles[tile][0], tile)):
            held = self._tiles[tile][1]
            if any(room[code] < SPARE * self.per_class for code in held):
                kept.add(tile)
            room.update(held)
        self._tiles = {tile: value for tile, value in self._tiles.items() if tile in kept}


def choose_stratified(found: StrataAccumulator, names: Mapping[int, str], *, overlap: bool = False) -> Selection:
    """Chooses tiles until there are as many of each class as wanted, the rarest class first.

    A tile counts for every class that it holds, so that frequent classes may be there more often than asked.

    Args:
        found: What was counted.
        names: Classes wanted, by code.
        overlap: Whether tiles may overlap.

    Returns:
        Samples of kind "class n", n the code that the tile was drawn for; a shortfall for each class with too few tiles.

    Raises:
        GridError: A tile is not on the globe.
    """
    occupied = Occupied(overlap=overlap)
    chosen: dict[str, Sample] = {}
    have: Counter[int] = Counter()
    for code in sorted(names, key=lambda code: (found.estimated_tiles(code), code)):
        waiting = [tile for tile in found.tiles_of(code) if tile not in chosen]
        ground = Ground.of([TileKey.parse(tile) for tile in waiting])
        for n, tile in enumerate(waiting):
            if have[code] >= found.per_class:
                break
            if occupied.take(ground, n):
                chosen[tile] = Sample(ground.keys[n], kind=f"class {code}")
                have.update(found.held_by(tile))
    return Selection(list(chosen.values()), only_short(*_class_shortfalls(found, names, have)))


def _class_shortfalls(found: StrataAccumulator, names: Mapping[int, str], have: Counter[int]) -> Iterator[Shortfall]:
    """Yields one for each class that some tiles hold, and one for all others together: maps of crops have a hundred."""
    remedy = "; choose a larger region, or a smaller --min_share"
    absent = []
    for code, name in names.items():
        kept = len(found.tiles_of(code))
        if not kept:
            absent.append(f"{code} ({name})")
            continue
        why = f"no more than {kept} tiles of the region have it in {found.min_share:.0%} or more of their pixels"
        if kept >= found.per_class:
            why = f"{kept} tiles with it were looked at"
        if have[code] < kept:
            why += f", and {kept - have[code]} of them would overlap others"
        yield Shortfall(f"class {code} ({name})", found.per_class, have[code], why + remedy)
    if absent:
        what = f"class {absent[0]}" if len(absent) == 1 else f"each of the {len(absent)} classes {', '.join(absent)}"
        why = f"no tile of the region has {found.min_share:.0%} or more of its pixels in one of them{remedy}"
        yield Shortfall(what, found.per_class, 0, why)
