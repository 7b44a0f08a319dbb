"""Writing a file only where there is none."""

from __future__ import annotations

import threading
from pathlib import Path

from rsbot_beam import storage


def test_the_first_writer_wins(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "claim.json"
    assert storage.write_new(path, "one")
    assert not storage.write_new(path, "two")
    assert path.read_text(encoding="utf-8") == "one"
    assert [file.name for file in path.parent.iterdir()] == ["claim.json"], "no leftovers"


def test_of_many_writers_exactly_one_wins(tmp_path: Path) -> None:
    path, won = tmp_path / "claim.json", []
    start = threading.Barrier(8)

    def write(number: int) -> None:
        start.wait(10)
        if storage.write_new(path, str(number)):
            won.append(number)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert path.read_text(encoding="utf-8") == str(won[0])
