"""Pages inside notebooks: the same pages, each in a frame of its own."""

from __future__ import annotations

import html
import sys

from rsbot_beam.pages.build import View, make_page
from rsbot_beam.pages.kinds import DATASET, MAP, MODEL
from rsbot_beam.pages.page import PageOptions
from rsbot_beam.pages.shown import HEIGHT


def dataset_html(path: str, height: int = HEIGHT) -> str:
    """A dataset's page as a fragment of HTML, for `_repr_html_`.

    Args:
        path: Its folder, local or `gs://`.
        height: Of the frame, in screen pixels.

    Raises:
        InputError: It is half-written or damaged, or the extra `views` is not installed.
    """
    return framed(make_page(path, DATASET, _options()), f"Dataset {path}", height)


def model_html(path: str, height: int = HEIGHT) -> str:
    """A model's page as a fragment of HTML; arguments and errors as for `dataset_html`."""
    return framed(make_page(path, MODEL, _options()), f"Model {path}", height)


def map_html(path: str, height: int = HEIGHT) -> str:
    """A map's page as a fragment of HTML; arguments and errors as for `dataset_html`."""
    return framed(make_page(path, MAP, _options()), f"Map {path}", height)


def path_html(path: str, height: int = HEIGHT) -> str:
    """The page of whatever lies at a path as a fragment of HTML; arguments and errors as for `dataset_html`."""
    return view_html(View.of(path), height)


def view_html(view: View, height: int = HEIGHT) -> str:
    """The page of what was found at a path as a fragment of HTML; errors as for `dataset_html`."""
    return framed(make_page(view.path, view.kind, _options()), f"{view.kind} {view.path}", height)


def framed(page: str, title: str, height: int = HEIGHT) -> str:
    """A page in a frame: its scripts run, but reach nothing of the notebook.

    Args:
        page: HTML, complete in itself.
        title: For those who cannot see it.
        height: Of the frame, in screen pixels.
    """
    return (
        f'<iframe sandbox="allow-scripts" title="{html.escape(title)}" srcdoc="{html.escape(page)}" '
        f'style="width:100%;height:{height}px;border:1px solid #8888;border-radius:6px"></iframe>'
    )


def _options() -> PageOptions:
    # Loading TensorFlow takes ten seconds: a notebook that has done so shows the transformed values as well.
    return PageOptions(examples="tensorflow" in sys.modules)
