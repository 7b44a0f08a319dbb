"""Receipts: a block counts as finished when its files are there, and sums do not depend on the order."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from rsbot_beam import storage
from rsbot_beam.data.receipts import MapTally, Receipt, ReceiptStore
from rsbot_beam.data.shards import DeadLetter
from rsbot_beam.errors import InputError

RECEIPT = Receipt("b1", 3, 1, 0, {"class/b1.tif": 4}, {"1": 100, "7": 5}, {"2": 1}, 900, (179.0, -1.0, -179.0, 1.0))
LETTERS = [DeadLetter("t2", "transient", "500", 8, {}), DeadLetter("t1", "too_large", "memory", 1, {})]


def test_a_receipt_survives_its_text() -> None:
    assert Receipt.from_json(RECEIPT.to_json()) == RECEIPT
    assert RECEIPT.tiles == 4
    assert "\n" not in RECEIPT.to_json()


def test_a_tally_survives_its_text() -> None:
    tally = MapTally.of(RECEIPT) + MapTally.of(Receipt("b2", 1, areas={"7": 1}))
    assert MapTally.from_json(tally.to_json()) == tally
    assert (tally.blocks, tally.predicted, tally.empty, tally.tiles, tally.nbytes) == (2, 4, 1, 5, 4)
    assert tally.areas == {"1": 100, "7": 6}


def test_sums_do_not_depend_on_the_order() -> None:
    tallies = [MapTally.of(Receipt(str(i), i, 1, 2, {"f": i}, {"1": 10**i, "2": i})) for i in range(4)]
    sums = {sum(order, MapTally()).to_json() for order in itertools.permutations(tallies)}
    assert len(sums) == 1


@pytest.fixture
def store(any_folder: str) -> ReceiptStore:
    return ReceiptStore(any_folder)


def test_a_block_without_a_receipt_is_not_finished(store: ReceiptStore) -> None:
    assert store.read("b1") is None
    assert store.finished("b1") is None
    assert list(store.all()) == []
    assert list(store.dead_letters()) == []


def test_a_block_is_finished_as_long_as_its_files_are_whole(store: ReceiptStore) -> None:
    path = storage.join(store.root, "class/b1.tif")
    store.write(RECEIPT)
    assert store.read("b1") == RECEIPT
    assert store.finished("b1") is None, "the file is not there"
    storage.write_bytes(path, b"1234")
    assert store.finished("b1") == RECEIPT
    storage.write_bytes(path, b"123")
    assert store.finished("b1") is None


def test_a_block_with_dead_letters_is_not_finished_until_it_has_none(store: ReceiptStore) -> None:
    store.write(Receipt("b1", dead=2), LETTERS)
    assert store.finished("b1") is None
    assert [letter.tile for letter in store.dead_letters()] == ["t1", "t2"]
    store.write(Receipt("b1", predicted=2))
    assert store.finished("b1") == Receipt("b1", predicted=2)
    assert list(store.dead_letters()) == []


def test_all_receipts_come_in_the_order_of_their_names(store: ReceiptStore) -> None:
    for name in ("b3", "b1", "b2"):
        store.write(Receipt(name, 1))
    assert [receipt.block for receipt in store.all()] == ["b1", "b2", "b3"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"blocks": 3}', '{"block": "b1"}'])
def test_a_damaged_receipt_is_told(text: str, tmp_path: Path) -> None:
    store = ReceiptStore(str(tmp_path))
    storage.write_bytes(store.path("b1"), text)
    with pytest.raises(InputError, match=r"b1.json is damaged .*remove it, and the block is predicted again"):
        store.finished("b1")


def test_a_damaged_receipt_among_all_is_told(tmp_path: Path) -> None:
    store = ReceiptStore(str(tmp_path))
    store.write(Receipt("b0", 1))
    storage.write_bytes(store.path("b1"), "{")
    with pytest.raises(InputError, match=r"b1.json is damaged"):
        list(store.all())
