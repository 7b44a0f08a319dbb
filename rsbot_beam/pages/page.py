"""A page is one HTML file: its styles, scripts, data and pictures are in it, and it asks nobody for anything.

Templates escape all that they are given. Data for scripts is JSON in an element of its own, in which no `<` can end the
element. A Content-Security-Policy names the scripts of the page by their hashes: nothing else runs.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rsbot_beam import __version__
from rsbot_beam.data.period import period_text
from rsbot_beam.errors import InputError
from rsbot_beam.pages.extras import extra
from rsbot_beam.views.amounts import share_text

_FILES = "rsbot_beam.pages"
# What JSON may not hold where HTML reads it: `<` begins a tag, the two separators end lines in old JavaScript.
_UNSAFE = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
_UNKNOWN_COLOUR = "#808080"


@dataclass(frozen=True)
class PageOptions:
    """How pages are made.

    Attributes:
        base_map: Address of an online base map, with {z}, {x} and {y}; None: no request leaves the page.
        live: Whether a server of ours stands behind the page.
        examples: Whether transformed examples are read; it takes TensorFlow.

    Raises:
        InputError: The base map's address is none.
    """

    base_map: str | None = None
    live: bool = False
    examples: bool = True

    def __post_init__(self) -> None:
        if self.base_map is None:
            return
        parts = urlsplit(self.base_map)
        wanted = all(name in self.base_map for name in ("{z}", "{x}", "{y}"))
        if parts.scheme not in ("http", "https") or not re.fullmatch(r"[\w.:{}-]+", parts.netloc) or not wanted:
            raise InputError(
                f"--base_map {self.base_map!r} is no address of map tiles: it needs http(s):// and {{z}}, {{x}} and "
                "{y}, such as https://tiles.example.org/{z}/{x}/{y}.png"
            )

    @property
    def base_map_origin(self) -> str:
        """Where base map tiles come from, as a Content-Security-Policy names it; empty without one."""
        if not self.base_map:
            return ""
        parts = urlsplit(self.base_map)
        # Servers a, b and c are one wildcard to a policy.
        return f"{parts.scheme}://{re.sub(r'^.*{s}[^.]*', '*', parts.netloc)}"


def render(
    template: str,
    title: str,
    *,
    data: Mapping[str, Any] | None = None,
    scripts: Sequence[str] = (),
    with_map: bool = False,
    options: PageOptions | None = None,
    **context: object,
) -> str:
    """Make a page.

    Args:
        template: File in `templates/`; extends `base.html.j2`.
        title: Title of the page.
        data: For scripts, which get it from `rsbot.data()`.
        scripts: Files in `static/`, run in this order after `page.js`.
        with_map: Whether Leaflet and `map.js` are in the page.
        options: How pages are made.
        context: Names for the template.

    Returns:
        The HTML, complete in itself.

    Raises:
        InputError: The extra `views` is not installed.
    """
    options = options or PageOptions()
    texts = [static("page.js"), *([leaflet_script(), static("map.js")] if with_map else []), *map(static, scripts)]
    styles = [static("page.css"), *([leaflet_style(), static("map.css")] if with_map else [])]
    markup = extra("markupsafe").Markup
    return str(
        _environment()
        .get_template(template)
        .render(
            title=title,
            version=__version__,
            policy=policy(texts, options),
            scripts=[markup(text) for text in texts],
            styles=[markup(text) for text in styles],
            data=markup(json_for_script({**(data or {}), "base_map": options.base_map, "live": options.live})),
            options=options,
            **context,
        )
    )


@functools.lru_cache(maxsize=1)
def _environment() -> Any:  # noqa: ANN401 - Jinja's
    jinja2 = extra("jinja2")
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda name: file_text("templates", name)),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {"colour": css_colour, "number": number, "amount": amount, "share": share}
    environment.filters |= {"score": score, "period": period_text}
    return environment


def file_text(*parts: str) -> str:
    """Text of a file that belongs to the pages."""
    return resources.files(_FILES).joinpath(*parts).read_text(encoding="utf-8")


def static(name: str) -> str:
    """A script or style of ours."""
    return file_text("static", name)


def leaflet_script() -> str:
    """Leaflet, from the package that carries it, without the link to its source map."""
    text = (_leaflet_folder() / "leaflet.js").read_text(encoding="utf-8")
    return re.sub(r"//# sourceMappingURL=\S*", "", text).replace("</script", "<\\/script")


def leaflet_style() -> str:
    """Leaflet's style, with its pictures in it."""
    folder = _leaflet_folder()
    style = (folder / "leaflet.css").read_text(encoding="utf-8")
    return re.sub(r"url\((images/[\w.-]+)\)", lambda m: f"url({data_uri((folder / m[1]).read_bytes(), 'png')})", style)


def _leaflet_folder() -> Path:
    return Path(extra("xstatic.pkg.leaflet").BASE_DIR)


def data_uri(content: bytes, kind: str) -> str:
    """A picture as an address that holds it; `kind` is png or webp."""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"


def json_for_script(value: object) -> str:
    """JSON that can stand in a script element: texts from data cannot end it. NaN and infinity are refused."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"), ensure_ascii=False)
    return re.sub("|".join(_UNSAFE), lambda found: _UNSAFE[found[0]], text)


def policy(scripts: Sequence[str], options: PageOptions) -> str:
    """The Content-Security-Policy of a page: what it may load and run."""
    own = "'self'" if options.live else ""
    hashes = [f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in scripts]
    rules = {
        "default-src": "'none'",
        "script-src": " ".join(hashes),
        # Widths of bars and colours of classes are in attributes; styles can load nothing from elsewhere.
        "style-src": "'unsafe-inline'",
        "img-src": f"data: blob: {own} {options.base_map_origin}",
        "connect-src": own or "'none'",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    return "; ".join(" ".join(f"{name} {value}".split()) for name, value in rules.items())


def css_colour(text: str) -> str:
    """A class's colour if it is one (#rrggbb), grey if it is any other text."""
    return text if _COLOUR.fullmatch(text) else _UNKNOWN_COLOUR


def number(value: float | None, digits: int = 3) -> str:
    """A number for people: whole ones with separators, others with some digits, none as a dash."""
    if value is None:
        return "–"
    if isinstance(value, int) or (float(value).is_integer() and abs(value) >= 1000):
        return f"{int(value):,}"
    return f"{value:,.{digits}g}" if abs(value) < 10**digits else f"{value:,.0f}"


def amount(value: float) -> str:
    """An area for people: whole units, or hundredths of them where there are few; what is there is not said to be nothing."""
    if 0 < value < 0.005:
        return "< 0.01"
    return f"{value:,.0f}" if value >= 100 or not value else f"{value:.2f}"


def share(value: float | None) -> str:
    """A share as per cent; none as a dash."""
    return "–" if value is None else share_text(value)


def score(value: float | None) -> str:
    """A score between 0 and 1 with three digits; a dash where there is none."""
    return "–" if value is None else f"{value:.3f}"
