"""Files that are being written: how they are called, and what becomes of those that a killed process left behind."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import socket
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

# Beginning of the names of files that are being written. Readers and listings pass over them; a killed process leaves
# some behind.
TEMPORARY_PREFIX = ".writing-"
# The machine, as it stands in such names: a process number means something on its own machine only.
_MACHINE = hashlib.blake2b(socket.gethostname().encode(), digest_size=4).hexdigest()
_TEMPORARY_NAME = re.compile(re.escape(TEMPORARY_PREFIX) + r"(?P<machine>[0-9a-f]{8})-(?P<process>\d+)-")
# Seconds after which a file that another machine began to write is taken for left behind: no write takes an hour.
_ABANDONED_AFTER = 3600.0


def temporary_name(name: str = "") -> str:
    """A new name for something that this process is writing, which `remove_leftovers` spares while it lives."""
    return f"{TEMPORARY_PREFIX}{_MACHINE}-{os.getpid()}-{uuid.uuid4().hex}-{name}"


def remove_leftovers(folder: str | os.PathLike[str]) -> int:
    """Remove what killed processes left half-written anywhere below a local folder; returns how many files that were.

    What a living process is writing is spared: two runs may share a folder.
    """
    leftovers = [path for path in _temporaries(Path(folder)) if not _is_being_written(path)]
    for path in leftovers:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return len(leftovers)


def _temporaries(folder: Path) -> Iterator[Path]:
    # os.walk, unlike Path.rglob, passes over folders that another process removes meanwhile.
    for parent, folders, files in os.walk(folder):
        found = [name for name in (*folders, *files) if name.startswith(TEMPORARY_PREFIX)]
        folders[:] = [name for name in folders if name not in found]
        yield from (Path(parent, name) for name in found)


def _is_being_written(path: Path) -> bool:
    writer = _TEMPORARY_NAME.match(path.name)
    if writer is None:
        return False
    try:
        if writer["machine"] != _MACHINE:
            return time.time() - path.stat().st_mtime < _ABANDONED_AFTER
        os.kill(int(writer["process"]), 0)
    except (ProcessLookupError, FileNotFoundError, OverflowError):
        return False
    except PermissionError:  # Somebody else's process, but it lives.
        return True
    return True
