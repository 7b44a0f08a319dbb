"""What notebooks show of datasets, models, evaluations and maps: their pages, or why there is none.

Loading this module costs nothing: what makes pages is loaded when one is made.
"""

from __future__ import annotations

import html
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from rsbot_beam.errors import RsbotError

HEIGHT = 640
"""Screen pixels of a page in a notebook: it is scrolled within its frame."""


class Shown:
    """A result that lies in a folder: notebooks show the page of that folder."""

    def _shown_at(self) -> str | None:
        """Its folder, local or `gs://`; None where nothing was made."""
        raise NotImplementedError

    def _repr_html_(self) -> str:
        """Its page in a frame, or a few words on why there is none: a result is not lost for want of a page."""
        return _html_of(self, HEIGHT)


@dataclass(eq=False)
class Page:
    """A page as notebooks show it.

    Attributes:
        name: What it shows.
        html: The page in a frame, as a fragment of HTML.
    """

    name: str
    html: str = field(repr=False)
    _cell: int | None = field(default=None, repr=False)

    def _repr_html_(self) -> str:
        return self.html

    def _ipython_display_(self) -> None:
        """Display it, but not again as the value of the cell in which `show` has done so."""
        if self._cell is None or self._cell != _running_cell():
            _display(self)


def show(what: str | os.PathLike[str] | Shown, height: int = HEIGHT) -> Page:
    """Show a dataset, a model, an evaluation, a map, or all that a folder holds.

    In IPython and notebooks it is displayed at once, also in the middle of a cell. Elsewhere nothing is.

    Args:
        what: Its folder, local or `gs://`, or what `run_export`, `run_training`, `run_evaluation` or `run_predict` returned.
        height: Of the frame, in screen pixels.

    Returns:
        The page, with `_repr_html_`. Where it cannot be made, such as without the extra `views`, it says why.

    Raises:
        InputError: There is nothing to see at the path; says how to make or finish it.
    """
    if isinstance(what, Shown):
        page = Page(repr(what), _html_of(what, height))
    else:
        page = _page_of_path(os.fspath(what), height)
    if _running_cell() is not None:
        _display(page)
        page._cell = _running_cell()
    return page


def _page_of_path(path: str, height: int) -> Page:
    from rsbot_beam.pages.build import View
    from rsbot_beam.pages.notebook import view_html

    view = View.of(path)
    name = f"{view.kind} {view.path}"
    return Page(name, _page_or_reason(lambda: view_html(view, height), name))


def _html_of(result: Shown, height: int) -> str:
    from rsbot_beam.pages.notebook import path_html

    path = result._shown_at()
    if path is None:
        return _text(repr(result), "A job was described, not run: there is nothing to see yet.")
    return _page_or_reason(lambda: path_html(path, height), repr(result))


def _page_or_reason(make: Callable[[], str], name: str) -> str:
    try:
        return make()
    except RsbotError as error:
        return _text(name, f"There is no page of it: {error}.")


def _text(name: str, reason: str) -> str:
    return f"<p><code>{html.escape(name)}</code></p><p>{html.escape(reason)}</p>"


def _shell() -> Any:  # noqa: ANN401 - IPython's, or None
    ipython = sys.modules.get("IPython")
    return None if ipython is None else ipython.get_ipython()


def _running_cell() -> int | None:
    """Number of the cell that runs; None outside of IPython."""
    shell = _shell()
    return None if shell is None else int(shell.execution_count)


def _display(page: Page) -> None:
    from IPython.display import display

    display({"text/html": page.html, "text/plain": repr(page)}, raw=True)
