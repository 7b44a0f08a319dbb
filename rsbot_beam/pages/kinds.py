"""What lies in a folder: a dataset, a model, an evaluation, a map, or several of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rsbot_beam import storage
from rsbot_beam.data.dataset_file import DATASET_FILE
from rsbot_beam.data.map_file import RUN_FILE
from rsbot_beam.data.model_file import MODEL_FILE
from rsbot_beam.errors import InputError

DATASET, MODEL, MAP, FOLDER = "dataset", "model", "map", "folder"
# A part of a model, which has a page of its own when it is asked for.
EVALUATION, METRICS = "evaluation", "metrics.json"
# The file that is written last: a folder without it is not finished.
_FINISHED = {DATASET_FILE: DATASET, MODEL_FILE: MODEL, RUN_FILE: MAP}
# The file that is written first, what it begins, and the command that finishes it.
_BEGUN = {
    "export.json": (DATASET, "rsbot export"),
    "train.json": (MODEL, "rsbot train"),
    "predict.json": (MAP, "rsbot predict"),
}
# How far below a folder is looked.
LEVELS = 2


@dataclass(frozen=True, order=True)
class Found:
    """Something that a folder holds.

    Attributes:
        name: Its path below the folder, with `/`.
        path: Its full path, local or `gs://`.
        kind: "dataset", "model" or "map".
        unfinished: What to do to finish it; empty for what is finished.
    """

    name: str
    path: str
    kind: str
    unfinished: str = ""


def kind_of(path: str) -> str:
    """Tell what lies in a folder.

    Args:
        path: The folder, local or `gs://`.

    Returns:
        "dataset", "model", "evaluation", "map", or "folder" for one that holds some of them, up to two levels down.

    Raises:
        InputError: There is none of them, or it is half-written; says how to make or finish it.
    """
    if storage.exists(path):
        raise InputError(f"{path} is a file: give the folder of the dataset, model or map in which it lies")
    here = _look(path, {name for name in (*_FINISHED, *_BEGUN) if storage.exists(storage.join(path, name))})
    if here is not None:
        kind, unfinished = here
        if unfinished:
            raise InputError(f"the {kind} {path} is half-written: {unfinished}")
        return kind
    if storage.exists(storage.join(path, METRICS)):
        return EVALUATION
    if found_in(path):
        return FOLDER
    raise InputError(
        f"there is no dataset, model or map in {path} or {LEVELS} levels below it: no {', '.join(_FINISHED)}. Make one "
        "with `rsbot export`, `rsbot train` or `rsbot predict`, or give another path"
    )


def found_in(folder: str) -> list[Found]:
    """The datasets, models and maps up to two levels below a folder, sorted by name; half-written ones say so."""
    found: list[Found] = []
    for name, files in sorted(_folders(folder)):
        # What lies inside a dataset, a model or a map is a part of it.
        inside = any(name.startswith(part.name + "/") for part in found)
        seen = None if inside else _look(storage.join(folder, name), files)
        if seen is not None:
            found.append(Found(name, storage.join(folder, name), *seen))
    return found


def _look(path: str, files: set[str]) -> tuple[str, str] | None:
    """Kind, and what to do to finish it, by the names of the files of a folder."""
    for name, kind in _FINISHED.items():
        if name in files:
            return kind, ""
    for name, (kind, command) in _BEGUN.items():
        if name in files:
            return kind, f"start the same `{command}` again, with --output {path}, to finish it"
    return None


def _folders(folder: str) -> Iterator[tuple[str, set[str]]]:
    """Folders below another one, by their path below it, with the files directly in them."""
    if not storage.is_gcs(folder):
        yield from _local_folders(Path(folder), "", LEVELS)
        return
    files: dict[str, set[str]] = {}
    for file in storage.walk(folder):
        parent, _, name = file.path[len(storage.join(folder, "")) :].rpartition("/")
        if parent and parent.count("/") < LEVELS:
            files.setdefault(parent, set()).add(name)
    yield from files.items()


def _local_folders(folder: Path, above: str, levels: int) -> Iterator[tuple[str, set[str]]]:
    for entry in folder.iterdir() if folder.is_dir() else ():
        if not entry.is_dir() or entry.name.startswith("."):
            continue
        name = above + entry.name
        files = {file for file in (*_FINISHED, *_BEGUN) if (entry / file).is_file()}
        yield name, files
        if levels > 1 and not files:
            yield from _local_folders(entry, name + "/", levels - 1)
