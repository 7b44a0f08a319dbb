"""Pages by path: what lies there decides which page is made."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from rsbot_beam import storage
from rsbot_beam.data.description_file import READING_ERRORS, what_is_wrong
from rsbot_beam.errors import InputError
from rsbot_beam.pages.extras import extra
from rsbot_beam.pages.kinds import FOLDER, Found, found_in, kind_of
from rsbot_beam.pages.page import PageOptions

PAGE_FILE = "view.html"
# Where the page of each kind is made: a function `page(path, options)` that returns HTML.
_MAKERS = {
    "dataset": "rsbot_beam.pages.dataset_page",
    "model": "rsbot_beam.pages.model_page",
    "map": "rsbot_beam.pages.map_page",
    "evaluation": "rsbot_beam.pages.evaluation_page",
    FOLDER: "rsbot_beam.pages.folder_page",
}
LOGGER = logging.getLogger("rsbot_beam")


@dataclass(frozen=True)
class View:
    """What a path shows.

    Attributes:
        path: The path, local or `gs://`.
        kind: "dataset", "model", "evaluation", "map" or "folder".
        parts: What a folder holds; empty for the others.
    """

    path: str
    kind: str
    parts: tuple[Found, ...] = ()

    @classmethod
    def of(cls, path: str) -> View:
        """Look at a path; raises InputError where there is nothing to see."""
        if not path:  # as of a variable of the shell that is not set: its page would land in the root folder
            raise InputError("the path is empty: give the folder of a dataset, model or map, or . for the current one")
        root = path.rstrip("/") or path
        try:
            kind = kind_of(root)
            return cls(root, kind, tuple(found_in(root)) if kind == FOLDER else ())
        except OSError as error:
            raise InputError(f"{root} cannot be looked at ({error.strerror or error}): give another path") from error


def make_page(path: str, kind: str, options: PageOptions, broken: Mapping[str, str] | None = None) -> str:
    """The page of a dataset, model, evaluation, map or folder as HTML.

    Args:
        path: What to show, local or `gs://`.
        kind: What it is, as `kind_of` tells.
        options: How pages are made.
        broken: For a folder: why some of its parts have no page, by name.

    Raises:
        InputError: It is damaged, or what pages need is not installed.
    """
    maker = extra(_MAKERS[kind]).page
    return str(maker(path, options, broken) if kind == FOLDER else maker(path, options))


def write_pages(view: View, options: PageOptions, output: str | None = None) -> list[str]:
    """Write the page of a path, and for a folder those of all that it holds.

    What is half-written or damaged in a folder has no page; that of the folder says why.

    Args:
        view: What to show.
        options: How pages are made.
        output: File of the page; None for `view.html` in the folder itself. Pages of parts lie in their own folders.

    Returns:
        The files, that of the path itself first.

    Raises:
        InputError: The path itself is damaged, a file cannot be written, or what pages need is not installed.
    """
    files = [output or storage.join(view.path, PAGE_FILE)]
    broken: dict[str, str] = {}
    for part in view.parts:
        if part.unfinished:
            continue
        try:
            text = make_page(part.path, part.kind, options)
        except READING_ERRORS as error:  # InputError among them
            broken[part.name] = str(error) if isinstance(error, InputError) else f"damaged: {what_is_wrong(error)}"
            LOGGER.warning("no page of %s: %s", part.path, broken[part.name])
            LOGGER.debug("as follows", exc_info=error)
            continue
        files.append(storage.join(part.path, PAGE_FILE))
        _write(files[-1], text)
    _write(files[0], make_page(view.path, view.kind, options, broken))
    return files


def _write(file: str, text: str) -> None:
    try:
        storage.write_bytes(file, text)
    except OSError as error:
        raise InputError(
            f"{file} cannot be written ({error.strerror or error}): name another file with --output"
        ) from error
