"""Pages by path: what lies there decides which page is made."""

from __future__ import annotations

import importlib
from dataclasses import dataclass

from rsbot_beam import storage
from rsbot_beam.pages.kinds import FOLDER, Found, found_in, kind_of
from rsbot_beam.pages.page import PageOptions

PAGE_FILE = "view.html"
# Where the page of each kind is made: a function `page(path, options)` that returns HTML.
_MAKERS = {
    "dataset": "rsbot_beam.pages.dataset_page",
    "model": "rsbot_beam.pages.model_page",
    "map": "rsbot_beam.pages.map_page",
    FOLDER: "rsbot_beam.pages.folder_page",
}


@dataclass(frozen=True)
class View:
    """What a path shows.

    Attributes:
        path: The path, local or `gs://`.
        kind: "dataset", "model", "map" or "folder".
        parts: What a folder holds; empty for the others.
    """

    path: str
    kind: str
    parts: tuple[Found, ...] = ()

    @classmethod
    def of(cls, path: str) -> View:
        """Look at a path; raises InputError where there is nothing to see."""
        root = path.rstrip("/") or path
        kind = kind_of(root)
        return cls(root, kind, tuple(found_in(root)) if kind == FOLDER else ())


def make_page(path: str, kind: str, options: PageOptions) -> str:
    """The page of a dataset, model, map or folder as HTML.

    Raises:
        InputError: It is damaged, or what pages need is not installed.
    """
    return str(importlib.import_module(_MAKERS[kind]).page(path, options))


def write_pages(view: View, options: PageOptions, output: str | None = None) -> list[str]:
    """Write the page of a path, and for a folder those of all that it holds.

    Args:
        view: What to show.
        options: How pages are made.
        output: File of the page; None for `view.html` in the folder itself. Pages of parts lie in their own folders.

    Returns:
        The files, that of the path itself first.

    Raises:
        InputError: Something is damaged, or what pages need is not installed.
    """
    parts = [part for part in view.parts if not part.unfinished]
    files = [output or storage.join(view.path, PAGE_FILE)]
    for part in parts:
        files.append(storage.join(part.path, PAGE_FILE))
        storage.write_bytes(files[-1], make_page(part.path, part.kind, options))
    storage.write_bytes(files[0], make_page(view.path, view.kind, options))
    return files
