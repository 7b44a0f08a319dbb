"""How far a run is whose work is done by other processes of this machine: what they have stored so far is counted."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rsbot_beam import storage
from rsbot_beam.data.raw_store import RawStore
from rsbot_beam.data.receipts import ReceiptStore
from rsbot_beam.errors import RsbotError
from rsbot_beam.transforms.progress import PROGRESS

# Seconds between two looks.
_EVERY = 2.0


class StoredTiles:
    """Counts the tiles that files account for; each file is read once.

    Args:
        files: Lists them.
        tiles_of: Tiles of the file of this name, without its ending; None where it is gone again.
    """

    def __init__(
        self, files: Callable[[], Sequence[storage.StoredFile]], tiles_of: Callable[[str], int | None]
    ) -> None:
        self._files, self._tiles_of = files, tiles_of
        self._seen: set[str] = set()

    @staticmethod
    def of_shards(store: RawStore) -> StoredTiles:
        """Those of an export."""

        def tiles_of(name: str) -> int | None:
            header = store.header(name)
            return header.tiles if header else None

        return StoredTiles(store.files, tiles_of)

    @staticmethod
    def of_receipts(store: ReceiptStore) -> StoredTiles:
        """Those of a map."""

        def tiles_of(block: str) -> int | None:
            receipt = store.read(block)
            return receipt.tiles if receipt else None

        return StoredTiles(store.files, tiles_of)

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Keep the count `tiles` of `PROGRESS` up to date while the block runs."""
        stop = threading.Event()
        thread = threading.Thread(target=self._watch, args=(stop,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
        self._look()

    def _watch(self, stop: threading.Event) -> None:
        while not stop.wait(_EVERY):
            self._look()

    def _look(self) -> None:
        # What is damaged or out of reach is the run's to tell, and no reason to count no more.
        with contextlib.suppress(RsbotError, OSError):
            for file in self._files():
                name = storage.name_of(file.path).rpartition(".")[0]
                if name not in self._seen:
                    self._seen.add(name)
                    PROGRESS.add(tiles=self._tiles_of(name) or 0)
