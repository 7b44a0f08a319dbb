"""Receipts of a map's finished blocks: what was written, so that a later run knows what is there."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from rsbot_beam import storage
from rsbot_beam.data.shards import DeadLetter
from rsbot_beam.errors import InputError

FOLDER = "blocks"
DEAD_LETTERS = "dead_letters"
# Receipts read at a time: a bucket answers each in some 50 ms.
_READERS = 32


@dataclass(frozen=True)
class Receipt:
    """What became of one block.

    Attributes:
        block: Its name.
        predicted: Tiles that were predicted.
        empty: Tiles without a valid pixel.
        dead: Tiles that failed for good.
        files: Bytes of each file that was written, by its path below the map's folder.
        areas: Square metres of each class by code, whole numbers, so that their sums do not depend on the order.
        objects: Number of objects found by class code, before duplicates at borders are removed.
        fetched_pixels: Pixels that were received, margins included.
        bbox: west, south, east, north of the block in degrees; west > east across the antimeridian.
    """

    block: str
    predicted: int = 0
    empty: int = 0
    dead: int = 0
    files: Mapping[str, int] = field(default_factory=dict)
    areas: Mapping[str, int] = field(default_factory=dict)
    objects: Mapping[str, int] = field(default_factory=dict)
    fetched_pixels: int = 0
    bbox: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)

    @property
    def tiles(self) -> int:
        """All tiles accounted for."""
        return self.predicted + self.empty + self.dead

    def to_json(self) -> str:
        """One line of JSON, the same for equal receipts."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Receipt:
        """Inverse of `to_json`."""
        content: dict[str, Any] = json.loads(text)
        return cls(**{**content, "bbox": tuple(content["bbox"])})


@dataclass(frozen=True)
class MapTally:
    """Sums of receipts.

    Attributes:
        blocks: Number of blocks.
        predicted: As in `Receipt`, as are the following.
        empty: Tiles.
        dead: Tiles.
        areas: Square metres by class code.
        objects: By class code.
        fetched_pixels: Of all blocks, whichever run fetched them.
        nbytes: Of all files.
    """

    blocks: int = 0
    predicted: int = 0
    empty: int = 0
    dead: int = 0
    areas: Mapping[str, int] = field(default_factory=dict)
    objects: Mapping[str, int] = field(default_factory=dict)
    fetched_pixels: int = 0
    nbytes: int = 0

    @property
    def tiles(self) -> int:
        """All tiles accounted for."""
        return self.predicted + self.empty + self.dead

    @classmethod
    def of(cls, receipt: Receipt) -> MapTally:
        """The tally of one block."""
        return cls(
            1,
            receipt.predicted,
            receipt.empty,
            receipt.dead,
            receipt.areas,
            receipt.objects,
            receipt.fetched_pixels,
            sum(receipt.files.values()),
        )

    def __add__(self, other: MapTally) -> MapTally:
        numbers = ("blocks", "predicted", "empty", "dead", "fetched_pixels", "nbytes")
        added = {name: getattr(self, name) + getattr(other, name) for name in numbers}
        return replace(
            self, **added, areas=_added(self.areas, other.areas), objects=_added(self.objects, other.objects)
        )

    def to_json(self) -> str:
        """JSON."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> MapTally:
        """Inverse of `to_json`."""
        return cls(**json.loads(text))


def _added(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, Any]:
    total: Counter[str] = Counter(a)
    for name, value in b.items():
        total[name] += value
    return dict(total)


@dataclass(frozen=True)
class ReceiptStore:
    """The receipts below a map's folder.

    Attributes:
        root: The map's folder, local or `gs://`.
    """

    root: str

    def path(self, block: str) -> str:
        """File of a block's receipt."""
        return storage.join(self.root, FOLDER, block + ".json")

    def dead_letters_path(self, block: str) -> str:
        """File of a block's dead letters; there only when it has some."""
        return storage.join(self.root, DEAD_LETTERS, block + ".jsonl")

    def read(self, block: str) -> Receipt | None:
        """The receipt of a block, or None where there is none.

        Raises:
            InputError: It is damaged.
        """
        try:
            return _read(self.path(block))
        except FileNotFoundError:
            return None

    def finished(self, block: str) -> Receipt | None:
        """The receipt of a block that need not be predicted again: it has no dead letters and all its files are whole."""
        receipt = self.read(block)
        if receipt is None or receipt.dead:
            return None
        whole = all(storage.size(storage.join(self.root, path)) == nbytes for path, nbytes in receipt.files.items())
        return receipt if whole else None

    def write(self, receipt: Receipt, dead: Iterable[DeadLetter] = ()) -> None:
        """Say that a block is finished; its dead letters go first, so that none is counted that cannot be found."""
        lines = [letter.to_json() + "\n" for letter in sorted(dead, key=lambda letter: letter.tile)]
        if lines:
            storage.write_bytes(self.dead_letters_path(receipt.block), "".join(lines))
        else:
            storage.remove(self.dead_letters_path(receipt.block))
        storage.write_bytes(self.path(receipt.block), receipt.to_json())

    def files(self) -> list[storage.StoredFile]:
        """All receipts' files, sorted by name."""
        return list(storage.list_files(storage.join(self.root, FOLDER), ".json"))

    def all(self) -> Iterator[Receipt]:
        """All receipts, in the order of their blocks' names; many are read at a time.

        Raises:
            InputError: One is damaged.
        """
        paths = [file.path for file in self.files()]
        with ThreadPoolExecutor(_READERS) as pool:
            yield from pool.map(_read, paths)

    def dead_letters(self) -> Iterator[DeadLetter]:
        """All dead letters."""
        for file in storage.list_files(storage.join(self.root, DEAD_LETTERS), ".jsonl"):
            yield from (DeadLetter.from_json(line) for line in storage.read_text(file.path).splitlines())


def _read(path: str) -> Receipt:
    content = storage.read_bytes(path)
    try:
        return Receipt.from_json(content.decode())
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(f"{path} is damaged ({error}): remove it, and the block is predicted again") from error
