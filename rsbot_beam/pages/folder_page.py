"""The page of a folder that holds datasets, models and maps: links to theirs."""

from __future__ import annotations

from rsbot_beam import storage
from rsbot_beam.pages.kinds import found_in
from rsbot_beam.pages.page import PageOptions, render


def page(path: str, options: PageOptions) -> str:
    """The page of a folder as HTML.

    Args:
        path: The folder, local or `gs://`.
        options: How pages are made.

    Raises:
        InputError: The extra `views` is not installed.
    """
    found = found_in(path)
    kinds = ("dataset", "model", "map")
    return render(
        "folder.html.j2",
        storage.name_of(path),
        options=options,
        path=path,
        parts_by_kind=[(kind, [part for part in found if part.kind == kind]) for kind in kinds],
    )
