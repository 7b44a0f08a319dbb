"""The page of a map in a real browser: from a file, and served."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import rasterio

from pipelines.rsbot import main
from rsbot_beam.geometry import TileBlock
from rsbot_beam.maps.styles import raster_path
from rsbot_beam.pages.build import View
from rsbot_beam.pages.page import PageOptions
from rsbot_beam.pages.server import serving
from tests.browser import OpenPage, has_no_sideways_scroll
from tests.maps.drawn_maps import CLASSES, lonlat_of, objects_at, said_at, write_map
from tests.pages.made import EVIL

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.integration

BLOCK = TileBlock("EPSG:32633", 10.0, 256, -527_104, 47_616, 2, 2)
NAMED = (replace(CLASSES[0], name=EVIL), *CLASSES[1:])


def known_places(count: int) -> list[tuple[int, int, float, float]]:
    """Row, column, longitude and latitude of pixels that have data and lie inside of stripes and rows of gaps."""
    lon, lat = lonlat_of(BLOCK)
    codes = said_at(lon, lat)["class"][0].astype(int)
    inner = codes != 255
    for axis, step in ((0, 8), (0, -8), (1, 8), (1, -8)):
        inner &= np.roll(codes, step, axis) == codes
    inner[:20], inner[-20:], inner[:, :20], inner[:, -20:] = False, False, False, False
    found = np.argwhere(inner)
    chosen = found[np.linspace(0, len(found) - 1, count).astype(int)]
    return [(row, col, float(lon[row, col]), float(lat[row, col])) for row, col in chosen.tolist()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A map with all rasters and sixty objects; a class is called like a script."""
    root = tmp_path_factory.mktemp("page") / "map"
    places = known_places(60)
    objects = objects_at(
        np.array([p[2] for p in places]), np.array([p[3] for p in places]), np.linspace(0.3, 0.99, 60), 150.0
    )
    write_map(root, [BLOCK], objects=objects, classes=NAMED)
    assert main(["view", str(root)]) == 0
    return root


@pytest.fixture(scope="module")
def served(folder: Path) -> Iterator[str]:
    with serving(View.of(str(folder)), PageOptions(live=True)) as url:
        yield url


@pytest.fixture(params=["file", "served"])
def page(request: pytest.FixtureRequest, folder: Path, open_page: OpenPage) -> Page:
    """The page, open in a browser; at the end it must have said no error and asked nobody else."""
    if request.param == "file":
        return open_page((folder / "view.html").as_uri())
    url = request.getfixturevalue("served")
    return open_page(url + "/maps/0/", hosts=(url,))


def is_live(page: Page) -> bool:
    return page.url.startswith("http")


def show(page: Page, lon: float, lat: float, zoom: int = 15) -> None:
    """Moves the map so that a place is in its middle, under the cross."""
    page.evaluate("([lon, lat, zoom]) => rsbot.page.map.setView([lat, lon], zoom, {animate: false})", [lon, lat, zoom])


def show_aside(page: Page, lon: float, lat: float, zoom: int = 15) -> None:
    """Moves the map so that a place is left of its middle, where the slider lies."""
    show(page, lon, lat, zoom)
    page.evaluate("rsbot.page.map.panBy([150, 0], {animate: false})")


def click_at(page: Page, lon: float, lat: float) -> None:
    """Clicks a place of the map with the mouse."""
    x, y = page.evaluate(
        "([lon, lat]) => { const p = rsbot.page.map.latLngToContainerPoint([lat, lon]); return [p.x, p.y]; }",
        [lon, lat],
    )
    page.locator("#map").click(position={"x": x, "y": y})


def said(page: Page, name: str) -> None:
    """Waits until the page says this of a place."""
    page.wait_for_function("name => document.getElementById('said').textContent.startsWith(name)", arg=name)


def colour_at(page: Page, x: float, y: float) -> tuple[int, int, int]:
    """The colour that the browser shows at a place of the map, as shares of its width and height."""
    import io

    from PIL import Image

    image = np.array(Image.open(io.BytesIO(page.locator("#map").screenshot())).convert("RGB"))
    height, width, _ = image.shape
    red, green, blue = image[int(y * height), int(x * width)].tolist()
    return red, green, blue


def only_the_layer(page: Page) -> None:
    """Leaves nothing on the map but its layer, and waits for it."""
    for name in ("countries and degrees", "objects ("):
        page.get_by_label(name).uncheck()
    page.get_by_label("Beside it,").select_option("")
    loaded(page)


def loaded(page: Page) -> None:
    """Waits until all pictures of layers are there."""
    page.wait_for_function(
        """() => Array.from(document.querySelectorAll('.leaflet-shown-pane img, .leaflet-beside-pane img'))
                 .every(image => image.complete && image.naturalWidth && getComputedStyle(image).opacity === '1')"""
    )


# Start ----------------------------------------------------------------------------------------------------------


def test_it_loads_and_shows_the_map(page: Page) -> None:
    assert page.locator("h1").inner_text() == "Map map"
    loaded(page)
    assert page.locator(".leaflet-shown-pane img").count() >= 1
    assert page.locator(".leaflet-beside-pane img").count() >= 1
    assert page.locator(".leaflet-control-scale-line").inner_text().endswith("m")
    assert re.fullmatch(r"[\d.]+° N [\d.]+° E", page.locator(".readout").inner_text())


def test_the_legend_has_names_colours_and_areas(folder: Path, page: Page) -> None:
    rows = page.locator(".legend tbody tr")
    run = json.loads((folder / "run.json").read_text())
    assert rows.count() == 3
    for index, item in enumerate(run["classes"]):
        cells = rows.nth(index).locator("th, td")
        assert cells.nth(0).inner_text() == item["name"]
        colour = rows.nth(index).locator(".swatch").evaluate("s => getComputedStyle(s).backgroundColor")
        red, green, blue = (int(item["colour"][i : i + 2], 16) for i in (1, 3, 5))
        assert colour == f"rgb({red}, {green}, {blue})"
        assert float(cells.nth(1).inner_text().replace(",", "")) == pytest.approx(item["hectares"], abs=0.51)
        assert float(cells.nth(2).inner_text().replace(",", "")) == pytest.approx(item["hectares"] / 100, abs=0.51)
    shares = [float(rows.nth(i).locator("td").nth(2).inner_text().rstrip(" %")) for i in range(3)]
    assert sum(shares) == pytest.approx(100, abs=0.2)


def test_a_class_called_like_a_script_stays_text(page: Page) -> None:
    assert page.locator(".legend tbody th").first.inner_text() == EVIL
    row, col, lon, lat = next(p for p in known_places(60) if said_at(*lonlat_of(BLOCK))["class"][0, p[0], p[1]] == 10)
    show_aside(page, lon + 0.0008, lat)
    page.get_by_label("objects (").uncheck()
    click_at(page, lon + 0.0008, lat)
    page.wait_for_selector(".leaflet-popup-content")
    assert EVIL in page.locator(".leaflet-popup-content").inner_text()
    assert (row, col) != (0, 0)
    assert page.locator("script:not([type])", has_text="alert(1)").count() == 0


# Layers ---------------------------------------------------------------------------------------------------------


def test_layers_are_switched_by_mouse_and_keyboard(page: Page) -> None:
    loaded(page)
    switch = page.get_by_label("the layer", exact=True)
    switch.click()
    assert page.locator(".leaflet-shown-pane img").count() == 0
    switch.focus()
    page.keyboard.press("Space")
    page.wait_for_selector(".leaflet-shown-pane img", state="attached")
    loaded(page)


def test_the_map_has_the_colours_of_the_classes(page: Page) -> None:
    only_the_layer(page)
    for _, _, lon, lat in known_places(3):
        show(page, lon, lat, 16)
        loaded(page)
        code = int(said_at(np.array([[lon]]), np.array([[lat]]))["class"][0, 0, 0])
        assert colour_at(page, 0.5, 0.5) == {10: (0, 100, 0), 20: (255, 255, 76), 30: (0, 100, 200)}[code]


def test_another_raster_is_shown_with_its_scale(page: Page) -> None:
    only_the_layer(page)
    _, _, lon, lat = known_places(3)[1]
    show(page, lon, lat, 16)
    loaded(page)
    before = colour_at(page, 0.5, 0.5)
    assert page.locator(".scale").count() == 0
    page.get_by_label("Layer", exact=True).select_option("probability")
    page.wait_for_timeout(300)
    loaded(page)
    assert colour_at(page, 0.5, 0.5) != before
    assert page.locator(".scale").inner_text().split("\n")[0] == "Probability of the class"
    names = page.locator("#layer option").all_inner_texts()
    assert f"Probability of {EVIL}" in names
    assert names[:4] == ["Classes", "Probability of the class", "Entropy", "Input composite"]


def test_opacity(page: Page) -> None:
    only_the_layer(page)
    _, _, lon, lat = known_places(3)[1]
    show(page, lon, lat, 16)
    loaded(page)
    full = np.array(colour_at(page, 0.5, 0.5), int)
    slider = page.get_by_label("Opacity")
    slider.focus()
    for _ in range(10):
        page.keyboard.press("ArrowLeft")
    assert page.locator("#opacity-said").inner_text() == "50 %"
    half = np.array(colour_at(page, 0.5, 0.5), int)
    slider.fill("0")
    nothing = np.array(colour_at(page, 0.5, 0.5), int)
    np.testing.assert_allclose(half, (full + nothing) / 2, atol=2)
    assert (full != nothing).any()


# The slider -----------------------------------------------------------------------------------------------------


def test_the_slider_divides_the_map_by_mouse_and_keyboard(page: Page) -> None:
    only_the_layer(page)
    _, _, lon, lat = known_places(3)[1]
    show(page, lon, lat, 17)
    page.get_by_label("Beside it,").select_option("composite")
    loaded(page)
    slider = page.get_by_role("slider", name="Divides")
    assert slider.get_attribute("aria-valuenow") == "50"
    classes = {(0, 100, 0), (255, 255, 76), (0, 100, 200)}
    assert colour_at(page, 0.45, 0.5) in classes
    composite = colour_at(page, 0.55, 0.5)
    assert composite not in classes
    # With the mouse, to the left: what was class there is composite now.
    box = page.locator("#map").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.4 * box["width"], box["y"] + 60, steps=4)
    page.mouse.up()
    assert slider.get_attribute("aria-valuenow") == "40"
    assert colour_at(page, 0.45, 0.5) not in classes
    assert colour_at(page, 0.35, 0.5) in classes
    centre = page.evaluate("rsbot.page.map.getCenter().lng")
    # With the keyboard, all the way to the right.
    slider.focus()
    page.keyboard.press("ArrowRight")
    assert slider.get_attribute("aria-valuenow") == "42"
    for _ in range(3):
        page.keyboard.press("PageUp")
    assert slider.get_attribute("aria-valuenow") == "72"
    assert colour_at(page, 0.55, 0.5) in classes
    page.keyboard.press("End")
    assert slider.get_attribute("aria-valuenow") == "100"
    assert page.evaluate("rsbot.page.map.getCenter().lng") == centre, "the map itself stays"
    # What is cut off goes with the map.
    page.keyboard.press("Home")
    for _ in range(5):
        page.keyboard.press("PageUp")
    page.evaluate("rsbot.page.map.panBy([150, 0], {animate: false})")
    assert colour_at(page, 0.45, 0.5) in classes
    assert colour_at(page, 0.55, 0.5) not in classes


def test_the_slider_by_touch(served: str, browser: Any) -> None:
    context = browser.new_context(viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.goto(served + "/maps/0/")
    slider = page.get_by_role("slider", name="Divides")
    box = slider.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 3
    session = context.new_cdp_session(page)
    for kind, at in (("touchStart", x), ("touchMove", x - 40), ("touchMove", x - 80), ("touchEnd", None)):
        points = [] if at is None else [{"x": at, "y": y}]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    assert int(slider.get_attribute("aria-valuenow")) in range(22, 30)
    context.close()


# Values ---------------------------------------------------------------------------------------------------------


def test_a_click_shows_what_the_rasters_say(folder: Path, page: Page) -> None:
    page.get_by_label("objects (").uncheck()
    for row, col, lon, lat in known_places(3):
        show_aside(page, lon, lat, 17)
        page.evaluate("() => (document.getElementById('said').textContent = '')")  # of the place before
        click_at(page, lon, lat)
        with rasterio.open(folder / raster_path("class", BLOCK)) as dataset:
            code = int(dataset.read(1)[row, col])
        name = next(item.name for item in NAMED if item.code == code)
        said(page, name)
        names, texts = (page.locator(f".leaflet-popup-content {tag}").all_inner_texts() for tag in ("dt", "dd"))
        values = dict(zip(names, texts, strict=True))
        assert values["class"] == name
        with rasterio.open(folder / raster_path("probability", BLOCK)) as dataset:
            probability = float(dataset.read(1)[row, col])
        if not is_live(page):
            assert float(values["probability"]) == pytest.approx(probability, abs=0.05)
            assert "pixel of this page" in page.locator(".leaflet-popup-content .note").inner_text()
            continue
        assert values["probability"] == f"{probability:.3f}"
        with rasterio.open(folder / raster_path("entropy", BLOCK)) as dataset:
            assert values["entropy"] == f"{float(dataset.read(1)[row, col]):.3f}"
        with rasterio.open(folder / raster_path("probabilities", BLOCK)) as dataset:
            wanted = dataset.read()[:, row, col]
        shown = {
            line.locator("th").inner_text(): line.locator("td").last.inner_text()
            for line in page.locator(".probabilities tr").all()
        }
        assert shown == {item.name: f"{float(value):.3f}" for item, value in zip(NAMED, wanted, strict=True)}


def test_the_keyboard_shows_it_as_well(page: Page) -> None:
    page.get_by_label("objects (").uncheck()
    _, _, lon, lat = known_places(3)[1]
    show(page, lon, lat, 17)
    page.locator("#map").focus()
    page.keyboard.press("Enter")
    code = int(said_at(np.array([[lon]]), np.array([[lat]]))["class"][0, 0, 0])
    name = next(item.name for item in NAMED if item.code == code)
    said(page, name)


def test_outside_of_the_map_there_is_nothing(page: Page) -> None:
    lon, lat = lonlat_of(BLOCK)
    show(page, float(lon.max()) + 0.02, float(lat.mean()), 13)
    page.locator("#map").focus()
    page.keyboard.press("Enter")
    said(page, "no data")


# Objects --------------------------------------------------------------------------------------------------------


def test_an_object_is_clicked_and_its_patch_opens(page: Page) -> None:
    _, _, lon, lat = known_places(60)[-1]  # the highest score
    show_aside(page, lon, lat, 16)
    page.wait_for_timeout(500)
    click_at(page, lon, lat)
    page.wait_for_selector(".leaflet-popup-content a.object-picture")
    text = page.locator(".leaflet-popup-content").inner_text()
    assert "0.990" in text
    assert "150 m × 150 m" in text
    page.locator(".leaflet-popup-content a.object-picture").click()
    dialog = page.locator("dialog#picture")
    assert dialog.is_visible()
    page.wait_for_function("() => document.getElementById('picture-image').naturalWidth === 384")
    assert "score 0.990" in dialog.inner_text()
    page.keyboard.press("Escape")
    assert not dialog.is_visible()


def test_objects_are_reached_by_keyboard(page: Page) -> None:
    items = page.locator("ol.objects li")
    assert items.count() == 36
    scores = [float(re.findall(r"score ([\d.]+)", text)[0]) for text in items.all_inner_texts()]
    assert scores == sorted(scores, reverse=True)
    assert page.locator("ol.objects img").count() == 36
    items.nth(2).get_by_role("button", name="Show on the map").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector(".leaflet-popup-content")
    assert float(page.locator(".leaflet-popup-content dd").nth(1).inner_text()) == pytest.approx(scores[2], abs=0.006)
    items.nth(1).locator("a.object-picture").focus()
    page.keyboard.press("Enter")
    page.locator("dialog#picture[open]").wait_for()
    page.wait_for_function("() => document.getElementById('picture-image').naturalWidth > 0")
    page.locator("#picture-close").click()
    assert not page.locator("dialog#picture").is_visible()


def test_the_cross_finds_an_object_under_it(page: Page) -> None:
    _, _, lon, lat = known_places(60)[30]
    show(page, lon, lat, 16)
    page.wait_for_timeout(500)
    page.locator("#map").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector(".leaflet-popup-content dt:has-text('score')")


# Sizes and other maps -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dark", [False, True])
def test_on_a_phone(page: Page, dark: bool) -> None:
    page.emulate_media(color_scheme="dark" if dark else "light")
    page.set_viewport_size({"width": 360, "height": 740})
    assert has_no_sideways_scroll(page)
    assert page.get_by_role("slider", name="Divides").is_visible()


def test_all_that_can_be_clicked_can_be_reached_by_keyboard(page: Page) -> None:
    reached = set()
    page.locator("body").click(position={"x": 2, "y": 2})
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("(e => e.id || e.className || e.tagName)(document.activeElement)"))
    assert {"map", "swipe", "layer", "opacity", "beside", "object-picture", "go"} <= reached


def test_what_a_page_without_a_composite_offers(tmp_path: Path, open_page: OpenPage) -> None:
    root = write_map(tmp_path / "map", [BLOCK], ("class", "probability"))
    assert main(["view", root]) == 0
    page = open_page((tmp_path / "map" / "view.html").as_uri())
    assert "--bands class,probability,composite" in page.locator(".side").inner_text()
    page.get_by_label("Beside it,").select_option("probability")
    loaded(page)
    assert page.get_by_role("slider", name="Divides Classes from Probability").is_visible()


def test_a_map_of_objects_alone(tmp_path: Path, open_page: OpenPage) -> None:
    places = known_places(5)
    objects = objects_at(np.array([p[2] for p in places]), np.array([p[3] for p in places]), np.full(5, 0.5))
    root = write_map(tmp_path / "map", [BLOCK], (), objects=objects)
    assert main(["view", root]) == 0
    with serving(View.of(root), PageOptions(live=True)) as url:
        for address in ((tmp_path / "map" / "view.html").as_uri(), url + "/maps/0/"):
            page = open_page(address, hosts=(url,))
            page.wait_for_timeout(300)
            assert page.locator("ol.objects li").count() == 5
            assert page.locator("ol.objects img").count() == 0
            page.get_by_role("button", name="Show on the map").first.click()
            page.wait_for_selector(".leaflet-popup-content dt:has-text('score')")
            assert not page.get_by_role("slider", name="Divides").is_visible()


def test_across_the_antimeridian(tmp_path: Path, open_page: OpenPage) -> None:
    blocks = [
        TileBlock("EPSG:32760", 10.0, 256, -800_256, 80_896, 2, 2),
        TileBlock("EPSG:32701", 10.0, 256, -800_256, 18_432, 2, 2),
    ]
    root = write_map(tmp_path / "map", blocks, ("class",))
    assert main(["view", root]) == 0
    with serving(View.of(root), PageOptions(live=True)) as url:
        for address in ((tmp_path / "map" / "view.html").as_uri(), url + "/maps/0/"):
            page = open_page(address, hosts=(url,))
            west, east = page.evaluate("[rsbot.page.map.getBounds().getWest(), rsbot.page.map.getBounds().getEast()]")
            assert west < 180 < east
            assert east - west < 1, "both sides side by side"
            page.get_by_label("countries and degrees").uncheck()
            for block in blocks:
                lon, lat = lonlat_of(block)
                row = int(np.flatnonzero(said_at(lon, lat)["class"][0, 200:, 250] != 255)[15]) + 200
                x, y = float(lon[row, 250]) % 360, float(lat[row, 250])
                show(page, x, y, 15)
                page.wait_for_timeout(200)
                loaded(page)
                page.locator("#map").focus()
                page.keyboard.press("Enter")
                code = int(said_at(np.array([[x]]), np.array([[y]]))["class"][0, 0, 0])
                name = next(item.name for item in CLASSES if item.code == code)
                said(page, name)


def test_many_objects_are_circles_that_say_how_many(tmp_path: Path, open_page: OpenPage) -> None:
    rng = np.random.default_rng(0)
    lon, lat = lonlat_of(BLOCK)
    x, y = rng.uniform(lon.min(), lon.max(), 6000), rng.uniform(lat.min(), lat.max(), 6000)
    root = write_map(tmp_path / "map", [BLOCK], ("composite",), objects=objects_at(x, y, rng.random(6000), 30.0))
    assert main(["view", root]) == 0
    with serving(View.of(root), PageOptions(live=True)) as url:
        for address, said in (
            ((tmp_path / "map" / "view.html").as_uri(), "holds 2,000 of 6,000 objects"),
            (url + "/maps/0/", "6,000 objects here"),
        ):
            page = open_page(address, hosts=(url,))
            page.wait_for_function(
                "text => document.getElementById('objects-note').textContent.includes(text)", arg=said
            )
            before = page.evaluate("rsbot.page.map.getZoom()")
            lon_of, lat_of = page.evaluate("(c => [c.lon, c.lat])(rsbot.page.objects._clusters[0])")
            click_at(page, lon_of, lat_of)
            page.wait_for_function("zoom => rsbot.page.map.getZoom() > zoom", arg=before)


def test_a_page_in_a_notebook(folder: Path, tmp_path: Path, open_page: OpenPage) -> None:
    from rsbot_beam.pages.notebook import map_html

    head = "<!doctype html><meta charset=utf-8><link rel=icon href='data:,'>"
    (tmp_path / "notebook.html").write_text(head + map_html(str(folder)))
    page = open_page((tmp_path / "notebook.html").as_uri())
    frame = page.frame_locator("iframe")
    frame.locator(".leaflet-shown-pane img").first.wait_for()
    frame.locator("#map").focus()
    page.keyboard.press("Enter")
    frame.locator(".leaflet-popup-content").wait_for()


def test_the_base_map_is_asked_for_by_choice_only(
    folder: Path, serve_folder: Callable[[Path], str], open_page: OpenPage, tmp_path: Path
) -> None:
    (tmp_path / "tiles").mkdir()
    host = serve_folder(tmp_path / "tiles")
    target = tmp_path / "view.html"
    assert main(["view", str(folder), "--output", str(target), "--base_map", host + "{z}_{x}_{y}.png"]) == 0
    asked: list[str] = []
    page = open_page("about:blank", hosts=(host, target.as_uri()))
    page.on("request", lambda request: asked.append(request.url))
    page.route(host + "**", lambda route: route.fulfill(body=b"", content_type="image/png"))
    page.goto(target.as_uri())
    page.wait_for_timeout(500)
    assert any(url.startswith(host) for url in asked)
