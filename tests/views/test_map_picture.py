"""Maps as pictures: what is drawn where, in which colour, and whether the scale and the coordinates are true."""

from __future__ import annotations

import io

import numpy as np
import pytest
import shapely
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.image import imread
from pyproj import Geod

from rsbot_beam.data.bands import LabelClass
from rsbot_beam.errors import InputError
from rsbot_beam.geometry import read_region
from rsbot_beam.geometry.crs import transformer
from rsbot_beam.views.amounts import area_text, share_text
from rsbot_beam.views.colour_vision import CLEAR, PATTERNS, pattern_mask, patterns, perceived
from rsbot_beam.views.detections_picture import MOST_POINTS, detections_picture
from rsbot_beam.views.map_frame import LONGEST_SIDE, View, _crossings, _degrees, _nice, _step, draw_scale
from rsbot_beam.views.map_picture import map_picture
from rsbot_beam.views.map_sheet import map_figure
from rsbot_beam.views.pictures import INVALID

pytestmark = pytest.mark.slow

BOUNDS = (650_000.0, 5_100_000.0, 660_000.0, 5_107_500.0)
CLASSES = (LabelClass(1, "wheat", "#e69f00"), LabelClass(2, "maize", "#0072b2"), LabelClass(3, "forest", "#009e73"))
TURBINE, PLANT = LabelClass(1, "wind turbine", "#0072b2"), LabelClass(2, "solar plant", "#e69f00")
GEOD = Geod(ellps="WGS84")


def drawn(png: bytes) -> np.ndarray:
    """RGB of a PNG, float 0..1."""
    return np.asarray(imread(io.BytesIO(png)))[..., :3]


def is_colour(image: np.ndarray, colour: object) -> np.ndarray:
    return np.asarray(np.abs(image - np.array(to_rgb(colour))).max(axis=-1) < 0.01)


def border_is_white(image: np.ndarray) -> bool:
    """Whether nothing is cut off: text that runs out of the sheet reaches its edge."""
    return all((edge == 1).all() for edge in (image[0], image[-1], image[:, 0], image[:, -1]))


def quarters() -> np.ndarray:
    codes = np.full((75, 100), 1, np.uint8)
    codes[:37, 50:], codes[37:, :50], codes[37:, 50:] = 2, 3, 255
    return codes


def panel_of(image: np.ndarray) -> np.ndarray:
    """The part inside the black frame."""
    black = is_colour(image, "black")
    rows = np.flatnonzero(black.sum(axis=1) > 0.5 * image.shape[1])
    columns = np.flatnonzero(black.sum(axis=0) > 0.5 * image.shape[0])
    return image[rows[0] + 1 : rows[-1], columns[0] + 1 : columns[-1]]


def test_classes_lie_where_they_are_and_in_their_colours() -> None:
    image = drawn(map_picture(quarters(), BOUNDS, "EPSG:32632", CLASSES, "a map", nodata=255))
    panel = panel_of(image)
    height, width = panel.shape[:2]
    assert panel.shape[:2] == pytest.approx((615, 820), abs=3)
    places = {"#e69f00": (0.4, 0.2), "#0072b2": (0.4, 0.7), "#009e73": (0.6, 0.2)}
    for colour, (down, across) in places.items():
        around = panel[int(down * height) : int(down * height) + 9, int(across * width) : int(across * width) + 9]
        assert is_colour(around, colour).mean() > 0.7
    hatched = panel[int(0.6 * height) : int(0.9 * height), int(0.6 * width) : int(0.9 * width)]
    assert 0.5 < is_colour(hatched, INVALID).mean() < 0.98
    assert border_is_white(image)


def test_the_legend_has_what_occurs_and_no_more() -> None:
    """A fourth class that is nowhere leaves no trace; colours of the others are outside of the panel as well."""
    classes = (*CLASSES, LabelClass(4, "nowhere", "#ff00ff"))
    image = drawn(map_picture(quarters(), BOUNDS, "EPSG:32632", classes, "a map", nodata=255))
    legend = image[:, 905:]
    for item in CLASSES:
        assert is_colour(legend, item.colour).sum() > 100
    assert not is_colour(image, "#ff00ff").any()
    everywhere = drawn(map_picture(np.ones((9, 9), np.uint8), BOUNDS, "EPSG:32632", CLASSES, "", nodata=255))
    # Letters have a few grey pixels.
    assert is_colour(everywhere[:, 905:], INVALID).sum() < is_colour(legend, INVALID).sum() / 2


def test_a_class_too_small_to_be_drawn_is_in_the_legend_by_its_area() -> None:
    picture = map_picture(
        quarters(), BOUNDS, "EPSG:32632", (*CLASSES, LabelClass(4, "rare", "#ff00ff")), "", nodata=255
    )
    known = map_picture(
        quarters(),
        BOUNDS,
        "EPSG:32632",
        (*CLASSES, LabelClass(4, "rare", "#ff00ff")),
        "",
        nodata=255,
        hectares={1: 1e4, 2: 5e3, 3: 5e3, 4: 0.2},
    )
    assert not is_colour(drawn(picture), "#ff00ff").any()
    assert is_colour(drawn(known), "#ff00ff").any()


def test_codes_without_a_class_are_drawn_all_the_same() -> None:
    image = drawn(map_picture(np.full((5, 5), 9, np.uint8), BOUNDS, "EPSG:32632", CLASSES, "", nodata=255))
    assert is_colour(panel_of(image), "#ffff00").mean() > 0.8


@pytest.mark.parametrize(
    ("bounds", "crs"),
    [
        (BOUNDS, "EPSG:32632"),
        ((-60.0, -5.0, -51.0, -1.0), "EPSG:4326"),
        ((10.0, 65.0, 20.0, 70.0), "EPSG:4326"),
        ((-1.5e6, -2e6, 0.0, 2.5e6), "EPSG:3413"),
        ((-1e5, -1e5, 1e5, 1e5), "EPSG:3413"),
        ((179.0, -20.0, 182.0, -16.0), "EPSG:4326"),
        ((-1.7e7, -7e6, 1.7e7, 7e6), "EPSG:6933"),
        ((4.3e6, 2.6e6, 4.3e6 + 300, 2.6e6 + 40), "EPSG:3035"),
    ],
)
def test_maps_of_any_place_are_whole(bounds: tuple, crs: str) -> None:
    title = "crops by the model 'unet', a region with quite a long name, 2024-04-01 to 2024-10-01, and more words"
    image = drawn(map_picture(quarters(), bounds, crs, CLASSES, title, nodata=255))
    assert border_is_white(image)
    assert max(image.shape) <= 1300


def test_long_names_and_many_classes_stay_on_the_sheet() -> None:
    names = (
        "Woods",
        "Winter wheat after Soybeans, double cropped, WWWWWWWWWWWW",
        "MMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMM",
    )
    classes = [LabelClass(code, f"{names[code % 3]} {code}", f"#{5 * code:02x}80a0") for code in range(45)]
    codes = np.arange(45, dtype=np.uint8).repeat(20).reshape(30, 30)
    image = drawn(
        map_picture(codes, BOUNDS, "EPSG:32632", classes, "many", hectares=dict.fromkeys(range(45), 123456.0))
    )
    assert border_is_white(image)
    place = (np.array([11.0]), np.array([51.0]), np.array([0.5]), np.array([2]))
    assert border_is_white(drawn(detections_picture(*place, classes, read_region("10,50,12,52").geometry, "long")))


def test_the_same_map_is_the_same_bytes() -> None:
    one, other = (map_picture(quarters(), BOUNDS, "EPSG:32632", CLASSES, "a map", nodata=255) for _ in range(2))
    assert one == other


def test_nothing_mapped_is_a_picture_as_well() -> None:
    image = drawn(map_picture(np.full((9, 9), 255, np.uint8), BOUNDS, "EPSG:32632", CLASSES, "empty", nodata=255))
    assert is_colour(panel_of(image), INVALID).mean() > 0.5


def test_empty_bounds_are_refused() -> None:
    with pytest.raises(InputError, match="left, bottom, right, top"):
        map_picture(quarters(), (1, 1, 1, 2), "EPSG:32632", CLASSES, "")


@pytest.mark.parametrize(
    ("bounds", "crs"),
    [
        (BOUNDS, "EPSG:32632"),
        ((10.0, 65.0, 20.0, 70.0), "EPSG:4326"),
        ((-1.5e6, -2e6, 0.0, -1e6), "EPSG:3413"),
        ((1e6, 8e6, 1.1e6, 8.1e6), "EPSG:3857"),
    ],
)
def test_the_scale_bar_is_true_at_the_centre(bounds: tuple, crs: str) -> None:
    view = View(bounds, crs)
    figure, axis = map_figure(view, view.panel(), "")
    draw_scale(axis, view, view.panel())
    halves = [patch for patch in axis.patches if patch.get_height() < 0.05 and patch.get_alpha() is None]
    share = sum(patch.get_width() for patch in halves)
    left, _, right, _ = bounds
    x, y = view.centre
    half = share * (right - left) / 2
    (lon, other_lon), (lat, other_lat) = transformer(crs, "EPSG:4326").transform([x - half, x + half], [y, y])
    metres = GEOD.inv(lon, lat, other_lon, other_lat)[2]
    (text,) = [item.get_text() for item in axis.texts if item.get_text().endswith("m")]
    number, unit = text.split()
    # Away from the centre the scale is another one: 0.4 % over 1,500 km of a polar projection.
    assert metres == pytest.approx(float(number) * (1000 if unit == "km" else 1), rel=5e-3)
    assert isinstance(figure, Figure)
    assert 0.1 < share <= 0.28


def test_ticks_lie_where_the_degrees_are() -> None:
    view = View(BOUNDS, "EPSG:32632")
    x = np.linspace(BOUNDS[0], BOUNDS[2], 512)
    lon, _ = view.lonlat(x, np.full_like(x, BOUNDS[1]))
    found = _crossings(x, lon, _step(lon))
    assert 2 <= len(found) <= 6
    for place, degrees in found:
        assert transformer("EPSG:32632", "EPSG:4326").transform(place, BOUNDS[1])[0] == pytest.approx(degrees, abs=1e-6)


@pytest.mark.parametrize(
    ("value", "step", "names", "text"),
    [
        (10.25, 0.05, "EW", "10.25° E"),
        (-10.0, 1.0, "EW", "10° W"),
        (190.0, 5.0, "EW", "170° W"),
        (180.0, 5.0, "EW", "180°"),
        (0.0, 0.1, "NS", "0.0°"),
        (-33.4, 0.2, "NS", "33.4° S"),
    ],
)
def test_degrees_are_written_as_people_do(value: float, step: float, names: str, text: str) -> None:
    assert _degrees(value, step, names) == text


def test_maps_have_the_ground_s_proportions() -> None:
    width, height = View((10.0, 59.0, 12.0, 61.0), "EPSG:4326").panel()
    assert (max(width, height), width / height) == (LONGEST_SIDE, pytest.approx(0.5, abs=0.01))


def test_north_is_where_it_is() -> None:
    assert View((0, 0, 1, 1), "EPSG:4326").north() == (0.0, 1.0)
    # 3413 has 45 degrees west straight down from the pole: at the pole's left, north is to the right.
    assert View((-2e6, -1e5, -1.8e6, 1e5), "EPSG:3413").north() == pytest.approx((1, 0), abs=1e-3)


@pytest.mark.parametrize(("metres", "nice"), [(1, 1), (4.9, 2), (5, 5), (999, 500), (1e5, 1e5), (0.3, 0.2)])
def test_scale_bars_have_round_lengths(metres: float, nice: float) -> None:
    assert _nice(metres) == pytest.approx(nice)


def test_hectares_of_little_are_not_nothing() -> None:
    from rsbot_beam.views.amounts import hectares_text, patches_text

    areas = (0.0, 0.001, 0.04, 3.456, 12.3, 4567.8)
    assert [hectares_text(area) for area in areas] == ["0", "< 0.01", "0.04", "3.46", "12", "4,568"]
    assert patches_text("test", 1) == "1 patch of the test split"
    assert patches_text("all", 1200) == "1,200 patches of all splits"


def test_amounts() -> None:
    assert [share_text(s) for s in (0, 0.0001, 0.123, 1)] == ["0.0 %", "< 0.1 %", "12.3 %", "100.0 %"]
    assert [area_text(a) for a in (0.44, 12.3, 99_999, 150_000, 2e6)] == [
        *("0.4 ha", "12 ha", "99,999 ha", "150 thousand ha", "2.00 million ha")
    ]


def test_colours_that_some_eyes_confuse_get_patterns() -> None:
    # A red and a green of equal lightness; blue and yellow are safe; two like blues are confused by all.
    assert patterns(["#b04020", "#5c7a20", "#0000ff", "#ffff00"]) == [0, 1, 0, 0]
    assert patterns(["#0000ff", "#0808ff", "#0010ff"]) == [0, 1, 2]
    assert len(patterns(["#123456"] * 9)) == 9
    # Four alike and one that is not: where patterns run out, the one is taken that another colour has.
    assert patterns(["#999999", "#999999", "#999999", "#806090", "#999999"])[:3] == [0, 1, 2]
    assert patterns(["#999999", "#999999", "#999999", "#999999", "#999999"]) == [0, 1, 2, 3, 0]
    assert patterns([]) == []


def test_white_and_black_are_perceived_as_far_apart() -> None:
    seen = perceived(["#ffffff", "#000000"])
    assert seen[:, 0, 0] == pytest.approx([100, 100, 100], abs=0.5)
    assert seen[:, 1, 0] == pytest.approx([0, 0, 0], abs=0.5)
    assert CLEAR < 100


@pytest.mark.parametrize("number", range(len(PATTERNS)))
def test_patterns_leave_most_of_the_colour(number: int) -> None:
    share = pattern_mask(number, (80, 80)).mean()
    assert (share == 0) if number == 0 else (0.05 < share < 0.25)


def spread(count: int, bbox: tuple, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    west, south, east, north = bbox
    lon = (rng.uniform(west, east, count) + 180) % 360 - 180
    return lon, rng.uniform(south, north, count), rng.random(count), rng.integers(1, 3, count)


def test_points_lie_where_they_were_found() -> None:
    region = read_region("10,50,12,52").geometry
    lon, lat = np.array([11.0]), np.array([51.0])
    image = drawn(detections_picture(lon, lat, np.array([1.0]), np.array([1]), (TURBINE, PLANT), region, "one"))
    panel = panel_of(image)
    rows, columns = np.nonzero(is_colour(panel, TURBINE.colour))
    height, width = panel.shape[:2]
    # The margin below is wider, for the scale bar: 4 % above, 9 % below.
    assert columns.mean() / width == pytest.approx(0.5, abs=0.01)
    assert rows.mean() / height == pytest.approx(0.54 / 1.13, abs=0.01)
    assert not is_colour(image, PLANT.colour).any()
    assert border_is_white(image)


def test_a_low_score_is_faint() -> None:
    region = read_region("10,50,12,52").geometry
    place = np.array([11.0]), np.array([51.0])

    def strength(score: float) -> float:
        image = panel_of(drawn(detections_picture(*place, np.array([score]), np.array([1]), (TURBINE,), region, "")))
        height, width = image.shape[:2]
        return 1 - float(image[int(0.478 * height), width // 2].min())

    assert strength(1.0) > strength(0.5) > strength(0.1) > 0.1
    assert strength(float("nan")) == strength(1.0)


def test_classes_have_their_own_markers() -> None:
    region = read_region("10,50,12,52").geometry
    place = np.array([11.0]), np.array([51.0]), np.array([1.0])
    same = (LabelClass(1, "a", "#0072b2"), LabelClass(2, "b", "#0072b2"))
    codes = np.array([1, 2])
    both = [np.repeat(values, 2) for values in place]
    both[0][1] += 0.5
    image = panel_of(drawn(detections_picture(*both, codes, same, region, "")))
    width = image.shape[1]
    parts = is_colour(image[:, : int(0.6 * width)], "#0072b2"), is_colour(image[:, int(0.6 * width) :], "#0072b2")
    # A disc has as much above its middle as below; a triangle has not.
    lean = [_above_the_middle(part) for part in parts]
    assert lean[0] == pytest.approx(0.5, abs=0.08)
    assert lean[1] < 0.4


def _above_the_middle(mask: np.ndarray) -> float:
    rows = np.nonzero(mask)[0]
    middle = (rows.min() + rows.max()) / 2
    return float((rows < middle).mean() + (rows == middle).mean() / 2)


@pytest.mark.parametrize("text", ["178,-19,-178,-16", "-180,-90,180,90", "10,69,30,71", "9,46.5,9.01,46.51"])
def test_regions_of_any_place_are_whole(text: str) -> None:
    region = read_region(text).geometry
    west, south, east, north = region.bounds if text[:3] != "178" else (178, -19, 182, -16)
    image = drawn(detections_picture(*spread(200, (west, south, east, north)), (TURBINE, PLANT), region, "a title"))
    assert border_is_white(image)
    for item in (TURBINE, PLANT):
        assert is_colour(panel_of(image), item.colour).any()


def test_the_antimeridian_is_no_line() -> None:
    """The two halves of Fiji are drawn as one region."""
    region = read_region("178,-19,-178,-16").geometry
    nothing = np.empty(0)
    panel = panel_of(drawn(detections_picture(nothing, nothing, nothing, np.empty(0, int), (), region, "Fiji")))
    outline = np.abs(panel - np.array(to_rgb("#404040"))).max(axis=-1) < 0.1
    columns = outline.mean(axis=0)
    width = len(columns)
    assert columns[: width // 10].max() > 0.5
    assert columns[int(0.4 * width) : int(0.6 * width)].max() < 0.2


def test_regions_with_holes_and_islands() -> None:
    ground = read_region("10,50,12,52").geometry
    hole = shapely.difference(ground, shapely.box(10.5, 50.5, 11.5, 51.5))
    nothing = np.empty(0)
    panel = panel_of(drawn(detections_picture(nothing, nothing, nothing, np.empty(0, int), (), hole, "")))
    height, width = panel.shape[:2]
    # But for a line of latitude or longitude.
    inside = panel[int(0.42 * height) : int(0.46 * height), int(0.4 * width) : int(0.45 * width)]
    assert is_colour(inside, "white").mean() > 0.8
    assert not is_colour(panel[int(0.07 * height) : int(0.1 * height)], "white").mean() > 0.2


def test_more_points_than_can_be_seen() -> None:
    bbox = (10, 50, 12, 52)
    lon, lat, scores, codes = spread(MOST_POINTS + 5000, bbox)
    image = drawn(
        detections_picture(lon, lat, scores, codes, (TURBINE, PLANT), read_region("10,50,12,52").geometry, "")
    )
    assert border_is_white(image)


def test_an_empty_region_is_refused() -> None:
    with pytest.raises(InputError, match="empty"):
        detections_picture(*spread(1, (0, 0, 1, 1)), (TURBINE,), shapely.Polygon(), "")
