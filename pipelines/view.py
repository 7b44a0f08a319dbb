"""`rsbot view`: a page for the browser of a dataset, a model, a map, or a folder that holds them."""

from __future__ import annotations

from collections.abc import Sequence

from pipelines.command_line import CommandParser

EXAMPLE = """

examples:
  rsbot view crops/                                  writes crops/view.html, one file with everything in it
  rsbot view demo/                                   a page for each thing in it, and one that links to them
  rsbot view map/ --serve                            a map at every zoom, on http://127.0.0.1:8080, until Ctrl-C

Nothing is fetched from the internet unless --base_map says so.
"""


def parser() -> CommandParser:
    """The flags of the command."""
    p = CommandParser("view", "Look at a dataset, a model, a map, or all of a folder, in a browser." + EXAMPLE)
    add = p.add_argument
    add("path", help="folder of a dataset, model or map, or one that holds some, two levels down; local or gs://")
    add("--output", help="file of the page (default: PATH/view.html)")
    add("--serve", action="store_true", help="serve the pages on this machine until Ctrl-C, and write no file")
    add("--port", type=int, default=8080, help="of --serve; 0 takes a free one (default: %(default)s)")
    add("--host", default="127.0.0.1", help="address that --serve listens on (default: %(default)s, this machine only)")
    add("--base_map", metavar="URL", help="online base map, https://.../{z}/{x}/{y}.png (default: none, no request)")
    add("--no_examples", action="store_true", help="do not read transformed examples, which takes TensorFlow")
    return p


def main(argv: Sequence[str] | None = None) -> int:
    """Run `rsbot view`; returns the exit code."""
    flags, _ = parser().parse(argv or [])
    from rsbot_beam.pages.build import View, write_pages
    from rsbot_beam.pages.extras import extra
    from rsbot_beam.pages.page import PageOptions

    options = PageOptions(flags.base_map, live=flags.serve, examples=not flags.no_examples)
    view = View.of(flags.path)
    if flags.serve:
        extra("rsbot_beam.pages.server").serve(view, options, flags.host, flags.port)
        return 0
    print(summary(write_pages(view, options, flags.output)))
    return 0


def summary(files: Sequence[str]) -> str:
    """Where the pages are, that of the path itself first."""
    return "\n".join([f"{files[0]}: open it in a browser", *(f"  {file}" for file in files[1:])])
