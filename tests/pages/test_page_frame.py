"""Pages as text: what they hold, what is escaped, and what their policy lets run."""

from __future__ import annotations

import base64
import hashlib
import html.parser
import json
import re
import subprocess
import sys
import tarfile
from typing import Any

import pytest

from rsbot_beam.errors import InputError
from rsbot_beam.pages.page import (
    PageOptions,
    css_colour,
    json_for_script,
    leaflet_script,
    leaflet_style,
    number,
    period_text,
    render,
    score,
)
from rsbot_beam.runs.package import build_package
from tests.pages.made import EVIL


class Scripts(html.parser.HTMLParser):
    """Scripts of a page as a browser sees them: type and text; and addresses that it would ask for."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.scripts: list[tuple[str, str]] = []
        self.handlers: list[str] = []
        self.addresses: list[str] = []
        self._type: str | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.handlers += [name for name in found if name.startswith("on")]
        self.addresses += [str(found[name]) for name in ("src", "srcset", "data", "poster") if name in found]
        if tag == "link":
            self.addresses.append(str(found["href"]))
        if tag == "script":
            self._type = found.get("type") or "text/javascript"
            self.scripts.append((self._type, ""))

    def handle_endtag(self, tag: str) -> None:
        self._type = None if tag == "script" else self._type

    def handle_data(self, data: str) -> None:
        if self._type is not None:
            kind, text = self.scripts[-1]
            self.scripts[-1] = (kind, text + data)


def folder_page(**changes: Any) -> str:
    card = {"name": EVIL, "kind": "dataset", "lines": [EVIL], "picture": "", "wrong": ""}
    groups = [("dataset", "Datasets", [card])]
    return render("folder.html.j2", EVIL, **{"data": {"name": EVIL}, "path": EVIL, "groups": groups, **changes})


def test_names_stay_text_wherever_they_stand() -> None:
    page = Scripts(folder_page(with_map=True))
    assert all("alert(1)" not in text for kind, text in page.scripts if kind == "text/javascript")
    (data,) = [text for kind, text in page.scripts if kind == "application/json"]
    assert json.loads(data)["name"] == EVIL
    assert "<" not in data
    assert not page.handlers


def test_only_scripts_of_ours_may_run() -> None:
    text = folder_page(with_map=True)
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', text)
    policy = policy.replace("&#39;", "'")
    allowed = set(re.findall(r"'sha256-([^']*)'", policy))
    running = [body for kind, body in Scripts(text).scripts if kind == "text/javascript"]
    assert len(running) == 3
    assert {base64.b64encode(hashlib.sha256(body.encode()).digest()).decode() for body in running} == allowed
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["connect-src"] == "'none'"
    assert "unsafe-inline" not in rules["script-src"]
    assert rules["img-src"] == "data: blob:"


def test_a_page_asks_for_nothing() -> None:
    text = folder_page(with_map=True)
    assert all(address.startswith("data:") for address in Scripts(text).addresses)
    assert not re.findall(r"url\((?!data:|#)", text)
    assert not re.findall(r"@import", text)


def test_leaflet_is_whole_and_its_pictures_are_in_it() -> None:
    assert leaflet_script().startswith(("/*", "/* @preserve"))
    assert "sourceMappingURL" not in leaflet_script()
    assert leaflet_style().count("url(data:image/png;base64,") >= 3


def test_an_online_base_map_is_a_choice() -> None:
    options = PageOptions(base_map="https://{s}.tiles.example.org:8443/a/{z}/{x}/{y}.png")
    text = folder_page(options=options)
    assert "https://*.tiles.example.org:8443" in text
    assert json.loads(Scripts(text).scripts[0][1])["base_map"] == options.base_map


@pytest.mark.parametrize(
    "address",
    [
        *("https://tiles.example.org/{z}/{x}.png", "javascript:alert({z}{x}{y})", "tiles/{z}/{x}/{y}.png"),
        *("https://a.org; script-src *//{z}/{x}/{y}", "https://a b/{z}/{x}/{y}", "https:///{z}/{x}/{y}"),
    ],
)
def test_other_base_maps_are_refused(address: str) -> None:
    with pytest.raises(InputError, match=r"is no address of map tiles: it needs http\(s\)://"):
        PageOptions(base_map=address)


def test_json_that_cannot_leave_its_element() -> None:
    value = {"</script><!--": ["<b>&amp;", "\u2028", "ü", 1.5, None]}
    text = json_for_script(value)
    assert not set("<>&\u2028") & set(text)
    assert json.loads(text) == value
    with pytest.raises(ValueError, match="not JSON compliant"):
        json_for_script({"x": float("nan")})


@pytest.mark.parametrize("colour", ["red", "#fff", "#12345g", "#123456;background:url(//x)", "", "#123456\n"])
def test_what_is_no_colour_is_grey(colour: str) -> None:
    assert css_colour(colour) == "#808080"
    assert css_colour("#1a2B3c") == "#1a2B3c"


def test_numbers_for_people() -> None:
    assert [number(n) for n in (None, 0, 1234567, 1234567.0, 0.123456, 12.3456, 1234.5)] == [
        *("–", "0", "1,234,567", "1,234,567", "0.123", "12.3", "1,234"),
    ]
    assert [score(n) for n in (None, 0.0, 0.98765)] == ["–", "0.000", "0.988"]
    assert period_text({"start": "2023-04-01", "end": "2023-10-01"}) == "2023-04-01 to 2023-09-30"


@pytest.mark.parametrize("module", ["jinja2", "xstatic.pkg.leaflet", "PIL", "matplotlib"])
def test_what_is_not_installed_is_named(module: str) -> None:
    code = (
        f"import sys; sys.modules[{module!r}] = None\n"
        "from rsbot_beam.pages.extras import extra\n"
        "from rsbot_beam.pages.page import render\n"
        "extra('rsbot_beam.pages.dataset_page')\n"
        "render('folder.html.j2', 'x', with_map=True, path='x', groups=[])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120)
    library = module.partition(".")[0]
    assert f"pages need {library}, which is not installed: pip install 'rsbot-beam[views]'" in done.stderr


def test_templates_and_scripts_are_in_the_package() -> None:
    with tarfile.open(build_package()) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {
        "rsbot_beam/pages/templates/base.html.j2",
        "rsbot_beam/pages/static/map.js",
        "rsbot_beam/pages/static/page.css",
    } <= names
