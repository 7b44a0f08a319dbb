"""The folder of raw shards of a dataset: what is there, what is missing, reading and writing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rsbot_beam import storage
from rsbot_beam.data.bands import Layout
from rsbot_beam.data.patch import Patch
from rsbot_beam.data.raw_shard import SUFFIX, ShardHeader, decode_patches, encode_shard, open_shard, read_header
from rsbot_beam.data.shards import DeadLetter, FetchedShard
from rsbot_beam.errors import DatasetError
from rsbot_beam.geometry import TileKey

FOLDER = "raw"
DEAD_LETTERS = "dead_letters"
# Enough for the header of a shard of some 500 tiles; a longer one is read in a second request.
HEAD_BYTES = 65_536


@dataclass(frozen=True)
class RawStore:
    """Raw shards and dead letters below a dataset's folder.

    Attributes:
        root: The dataset's folder, local or `gs://`.
        layout: What the patches hold.
    """

    root: str
    layout: Layout

    def path(self, name: str) -> str:
        """File of a shard."""
        return storage.join(self.root, FOLDER, name + SUFFIX)

    def dead_letters_path(self, name: str) -> str:
        """File of a shard's dead letters; there only when it has some."""
        return storage.join(self.root, DEAD_LETTERS, name + ".jsonl")

    def files(self) -> list[storage.StoredFile]:
        """All raw shards, sorted by name."""
        return list(storage.list_files(storage.join(self.root, FOLDER), SUFFIX))

    def header(self, name: str) -> ShardHeader | None:
        """Header of a shard, or None where it was not written yet.

        Raises:
            DatasetError: The file is damaged.
        """
        path = self.path(name)
        try:
            try:
                return read_header(storage.read_bytes(path, HEAD_BYTES), path)
            except EOFError:
                return read_header(storage.read_bytes(path), path)
        except FileNotFoundError:
            return None
        except EOFError as error:
            raise DatasetError(f"the raw shard {path} is cut off; remove it and start the export again") from error

    def patches(self, path: str) -> Iterator[Patch]:
        """Patches of a shard's file, checked; raises DatasetError for a damaged or missing one."""
        try:
            content = storage.read_bytes(path)
        except FileNotFoundError as error:
            raise DatasetError(f"the raw shard {path} is gone; start the export again to fetch it") from error
        _, batch = open_shard(content, path)
        yield from decode_patches(batch, self.layout, path)

    def write(self, fetched: FetchedShard) -> ShardHeader:
        """Store what was fetched, with what an earlier run stored of the same shard; returns the shard's header."""
        if fetched.is_done_before and fetched.stored:
            return fetched.stored
        patches = {patch.key: patch for patch in fetched.patches}
        empty = set(fetched.empty)
        name = fetched.shard.name
        if fetched.stored:
            patches |= {patch.key: patch for patch in self.patches(self.path(name))}
            empty |= set(fetched.stored.empty)
        header = _header(fetched, set(patches), empty)
        self._write_dead_letters(name, fetched.dead)
        storage.write_bytes(self.path(name), encode_shard(header, self.layout, [patches[key] for key in header.stored]))
        return header

    def _write_dead_letters(self, name: str, dead: tuple[DeadLetter, ...]) -> None:
        # Before the shard itself: its header must not speak of dead letters that cannot be found.
        if dead:
            lines = [letter.to_json() + "\n" for letter in sorted(dead, key=lambda letter: letter.tile)]
            storage.write_bytes(self.dead_letters_path(name), "".join(lines))
        else:
            storage.remove(self.dead_letters_path(name))

    def dead_letters(self) -> Iterator[DeadLetter]:
        """All dead letters."""
        for file in storage.list_files(storage.join(self.root, DEAD_LETTERS), ".jsonl"):
            yield from (DeadLetter.from_json(line) for line in storage.read_text(file.path).splitlines())


def raw_fingerprint(files: Sequence[storage.StoredFile]) -> str:
    """Changes with the set of raw shards and their sizes: what was computed from other shards is not kept."""
    listed = [(storage.name_of(file.path), file.size) for file in files]
    return hashlib.sha256(json.dumps(listed).encode()).hexdigest()[:16]


def _header(fetched: FetchedShard, stored: set[TileKey], empty: set[TileKey]) -> ShardHeader:
    dead = {letter.tile for letter in fetched.dead}
    group_of = {sample.key: sample.group for sample in fetched.shard.samples}
    groups = (stored, empty, {key for key in fetched.shard.keys if str(key) in dead})
    ordered = [tuple(key for key in fetched.shard.keys if key in group) for group in groups]
    if sum(map(len, ordered)) != len(fetched.shard.keys):
        raise DatasetError(
            f"shard {fetched.shard.name}: {len(fetched.shard.keys)} tiles asked, {ordered} accounted for"
        )
    of_tiles = tuple(group_of[key] for key in ordered[0]) if any(group_of.values()) else ()
    return ShardHeader(fetched.shard.name, ordered[0], ordered[1], ordered[2], of_tiles)
