"""The contact sheet as a picture: what is drawn where, and that everything is on it."""

from __future__ import annotations

import io

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.image import imread

from rsbot_beam.data.bands import Band, LabelClass, Layout
from rsbot_beam.data.objects import Objects
from rsbot_beam.data.patch import Patch
from rsbot_beam.geometry import TileKey
from rsbot_beam.views.contact_sheet import contact_sheet, sheet_size
from rsbot_beam.views.pictures import INVALID, UNNAMED, label_picture, picture, shown_steps, stretch_of

SIZE = 64
RGB = (Band("B4", "uint16"), Band("B3", "uint16"), Band("B2", "uint16"))
PLANT = Band("plant", "uint8")
CLASSES = (
    LabelClass(0, "background", "#000000"),
    LabelClass(1, "solar plant", "#ff00ff"),
    LabelClass(2, "wind", "#00ffff"),
)
PLAIN = Layout(RGB)
LABELLED = Layout(RGB, label=PLANT, classes=CLASSES)
DETECTION = Layout(RGB, classes=CLASSES, objects=True)
SERIES = Layout(RGB, steps=12, label=PLANT, classes=CLASSES)


def make_patch(layout: Layout, col: int = 0, objects: Objects | None = None, code: int = 0) -> Patch:
    """A grey patch of middle brightness, whose last row is black and white, so that the stretch is known."""
    pixels, valid = {}, {}
    for band in layout.all_bands:
        shape = layout.shape(band, SIZE)
        array = np.full(shape, code if band is layout.label else 500, band.numpy)
        if band is not layout.label:
            array[..., -4:, ::2], array[..., -4:, 1::2] = 0, 1000
        pixels[band.name], valid[band.name] = array, np.ones(shape, bool)
    key = TileKey("EPSG:32632", 10.0, SIZE, -9000 * SIZE, 800 * SIZE + col * SIZE)
    return Patch(key, layout, pixels, valid, objects)


def one_box(top: float, left: float, bottom: float, right: float, cut: bool = False) -> Objects:
    """A solar plant, in pixels."""
    return Objects(np.array([[top, left, bottom, right]]), np.array([1]), np.array([cut]), ("a",))


def drawn(png: bytes) -> np.ndarray:
    """RGB of a PNG, float 0..1."""
    return np.asarray(imread(io.BytesIO(png)))[..., :3]


def is_colour(image: np.ndarray, colour: str | tuple[float, float, float]) -> np.ndarray:
    """Where an image has a colour, to the rounding of a byte."""
    return np.asarray(np.abs(image - np.array(to_rgb(colour))).max(axis=-1) < 0.01)


def is_magenta(image: np.ndarray) -> np.ndarray:
    """Where a thin magenta line is, though its edges are mixed with what is beside it."""
    return np.asarray((image[..., 0] > 0.7) & (image[..., 2] > 0.7) & (image[..., 1] < 0.4))


def border_is_white(image: np.ndarray) -> bool:
    """Whether nothing is cut off: text that runs out of the sheet reaches its edge."""
    edges = [image[0], image[-1], image[:, 0], image[:, -1]]
    return all((edge == 1).all() for edge in edges)


def test_the_title_of_a_single_patch_is_not_cut_off() -> None:
    title = "power_plants, 2023-01-01 to 2023-12-31: 1 of 1 patches of 128 x 128 pixels of 10 m, and some more words"
    image = drawn(contact_sheet([("train", make_patch(PLAIN))], title))
    assert border_is_white(image)
    assert image.shape[1] >= 480
    # Two lines of black letters above the picture, each with white above.
    dark = (image[:44].max(axis=-1) < 0.3).any(axis=1)
    assert np.count_nonzero(np.diff(dark.astype(int)) == 1) >= 2


@pytest.mark.parametrize("layout", [PLAIN, LABELLED, SERIES])
def test_a_full_sheet_has_the_width_of_a_page_and_nothing_over_its_edge(layout: Layout) -> None:
    patches = [("validation", make_patch(layout, col)) for col in range(sheet_size(layout))]
    image = drawn(contact_sheet(patches, "title"))
    assert 950 <= image.shape[1] <= 1104
    assert image.shape[0] < 1100
    assert border_is_white(image)


def test_every_patch_has_a_picture_of_its_own() -> None:
    for count in (1, 4, 7):
        image = drawn(contact_sheet([("train", make_patch(PLAIN, col)) for col in range(count)], "title"))
        grey = is_colour(image, (0.5, 0.5, 0.5))
        # Each is 205 pixels a side, 15 of 16 rows of which are grey.
        assert np.count_nonzero(grey) == pytest.approx(count * 205 * 205 * 15 / 16, rel=0.03)


def test_labels_are_drawn_in_the_colours_of_their_classes() -> None:
    image = drawn(contact_sheet([("train", make_patch(LABELLED, code=1))], "title"))
    assert np.count_nonzero(is_colour(image, "#ff00ff")) > 0.95 * 170 * 170


def test_the_legend_names_classes_that_occur_and_no_others() -> None:
    without = drawn(contact_sheet([("train", make_patch(LABELLED, code=0))], "title"))
    both = [("train", make_patch(LABELLED, code=0)), ("train", make_patch(LABELLED, 1, code=1))]
    image = drawn(contact_sheet(both, "title"))
    foot = image[-40:]
    assert is_colour(foot, "#ff00ff").sum() > 50
    assert not is_colour(foot, "#00ffff").any()
    assert not is_colour(without, "#ff00ff").any()


def test_a_code_that_no_class_names_is_shown_and_explained() -> None:
    image = drawn(contact_sheet([("train", make_patch(LABELLED, code=9))], "title"))
    assert is_colour(image[-40:], UNNAMED).sum() > 50
    assert is_colour(image[:-40], UNNAMED).sum() > 0.95 * 170 * 170


def test_a_long_code_table_is_cut_to_the_most_frequent_classes() -> None:
    classes = tuple(LabelClass(code, f"class {code}", f"#{6 * code:02x}80{255 - 6 * code:02x}") for code in range(40))
    layout = Layout(RGB, label=PLANT, classes=classes)
    patch = make_patch(layout)
    codes = np.repeat(np.arange(40, dtype=np.uint8), SIZE * SIZE // 40 + 1)[: SIZE * SIZE]
    codes[:200] = 39  # of class 0 nothing but few pixels is left
    pixels = {**patch.pixels, "plant": codes.reshape(SIZE, SIZE)}
    image = drawn(contact_sheet([("train", Patch(patch.key, layout, pixels, patch.valid))], "title"))
    foot = image[240:]
    named = [item for item in classes if is_colour(foot, item.colour).sum() > 50]
    assert len(named) == 24
    assert classes[39] in named
    assert border_is_white(image)


def test_boxes_lie_around_their_objects() -> None:
    objects = one_box(16, 8, 48, 40)
    image = drawn(contact_sheet([("train", make_patch(DETECTION, objects=objects))], "title"))
    rows, columns = np.nonzero(is_magenta(image[:-25]))
    top, left = _corner_of_picture(image)
    scale = 205 / SIZE
    assert rows.min() - top == pytest.approx(16 * scale, abs=1.5)
    assert rows.max() - top == pytest.approx(48 * scale, abs=1.5)
    assert columns.min() - left == pytest.approx(8 * scale, abs=1.5)
    assert columns.max() - left == pytest.approx(40 * scale, abs=1.5)
    assert not is_magenta(image[rows.min() + 8 : rows.max() - 8, columns.min() + 8 : columns.max() - 8]).any()


def _corner_of_picture(image: np.ndarray) -> tuple[int, int]:
    grey = is_colour(image, (0.5, 0.5, 0.5))
    return int(np.argmax(grey.sum(axis=1) > 50)), int(np.argmax(grey.sum(axis=0) > 50))


def test_a_box_that_the_edge_cuts_is_dashed_and_the_legend_says_so() -> None:
    def pixels_of(cut: bool) -> tuple[int, int]:
        objects = one_box(8, 8, 56, 56, cut=cut)
        image = drawn(contact_sheet([("train", make_patch(DETECTION, objects=objects))], "title"))
        return int(is_magenta(image[:-25]).sum()), int((image[-25:].max(axis=-1) < 0.3).sum())

    (whole, words), (dashed, more_words) = pixels_of(False), pixels_of(True)
    assert 0.4 < dashed / whole < 0.85
    assert more_words > words


def test_a_series_shows_its_first_and_last_step_and_the_label() -> None:
    patch = make_patch(SERIES)
    pixels = {name: array.copy() for name, array in patch.pixels.items()}
    shades = np.linspace(100, 900, 12)
    for name in ("B4", "B3", "B2"):
        pixels[name][:] = shades[:, None, None].astype(np.uint16)
    image = drawn(contact_sheet([("train", Patch(patch.key, SERIES, pixels, patch.valid))], "title"))
    middle = image[110, :, :]
    found = sorted({round(float(v), 2) for v in middle[(np.ptp(middle, axis=-1) < 0.01)][:, 0]} - {1.0})
    # Seven of twelve shades from black to white (the label's class is black), of the 2nd and the 98th percentile.
    expected = np.clip((shades[list(shown_steps(12, 7))] - 100) / 800, 0, 1)
    assert all(any(abs(shade - value) < 0.04 for value in [*found, 1.0]) for shade in expected)
    assert len(found) == 6


def test_the_names_of_steps_are_written() -> None:
    few = Layout(RGB, steps=2)
    named = drawn(contact_sheet([("train", make_patch(few))], "title", ["2022-04-01", "2022-05-01"]))
    numbered = drawn(contact_sheet([("train", make_patch(few))], "title"))
    unfit = drawn(contact_sheet([("train", make_patch(few))], "title", ["only one"]))
    assert (named != numbered).any()
    assert (unfit == numbered).all()


@pytest.mark.parametrize(
    ("steps", "most", "expected"),
    [(0, 7, (0,)), (1, 7, (0,)), (7, 7, tuple(range(7))), (9, 3, (0, 4, 8)), (9, 1, (4,)), (22, 2, (0, 21))],
)
def test_shown_steps_go_from_the_first_to_the_last(steps: int, most: int, expected: tuple[int, ...]) -> None:
    assert shown_steps(steps, most) == expected


def test_pixels_that_are_not_valid_are_striped_and_the_legend_says_so() -> None:
    patch = make_patch(PLAIN)
    patch.valid["B3"][:32] = False
    shown = picture(patch, stretch_of([patch]))
    top = shown[:32].reshape(-1, 3)
    assert {tuple(value.round(2)) for value in top} == {INVALID, (0.98, 0.98, 0.98)}
    assert is_colour(shown[32:60], (0.5, 0.5, 0.5)).all()
    complete = drawn(contact_sheet([("train", make_patch(PLAIN))], "title"))
    assert drawn(contact_sheet([("train", patch)], "title")).shape[0] > complete.shape[0]


def test_a_month_without_any_valid_pixel_is_drawn() -> None:
    patch = make_patch(SERIES)
    for name in ("B4", "B3", "B2"):
        patch.valid[name][0] = False
        patch.pixels[name][0] = 0
    image = drawn(contact_sheet([("train", patch)], "title"))
    assert is_colour(image, INVALID).sum() > 3000


def test_unlabelled_pixels_are_striped() -> None:
    patch = make_patch(LABELLED, code=1)
    patch.valid["plant"][:, :32] = False
    shown = label_picture(patch)
    assert is_colour(shown[:, 32:], "#ff00ff").all()
    assert (shown[:, :32] > 0.8).all()


def test_a_label_without_classes_is_grey_from_0_to_its_most() -> None:
    layout = Layout(RGB, label=PLANT)
    patch = make_patch(layout, code=50)
    patch.pixels["plant"][0, 0] = 200
    shown = label_picture(patch)
    assert shown[0, 0].tolist() == [1, 1, 1]
    assert shown[5, 5].tolist() == [0.25] * 3


def test_a_patch_without_a_label_has_no_picture_of_it() -> None:
    with pytest.raises(ValueError, match="no label"):
        label_picture(make_patch(PLAIN))


def test_a_single_band_is_shown_in_grey() -> None:
    layout = Layout((Band("VV", "float32"),))
    shown = picture(make_patch(layout), {"VV": (0.0, 1000.0)})
    assert (np.ptp(shown, axis=-1) == 0).all()
    assert shown[0, 0, 0] == pytest.approx(0.5)
