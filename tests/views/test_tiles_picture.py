"""A picture of tiles shows each where it lies, from ten of them to millions."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
import pytest
import shapely
from matplotlib.colors import to_rgb
from PIL import Image

from rsbot_beam.errors import InputError
from rsbot_beam.geometry.corners import lonlat_corners
from rsbot_beam.views.colour_vision import CLEAR, perceived
from rsbot_beam.views.map_frame import LONGEST_SIDE
from rsbot_beam.views.tiles_picture import DONE_COLOUR, PLAIN_COLOUR, SPLIT_COLOURS, Ground, Kind, tiles_picture

pytestmark = pytest.mark.slow

KINDS = [Kind(name, colour, 1) for name, colour in SPLIT_COLOURS.items()]
BLUE, ORANGE, GREEN = (np.array(to_rgb(kind.colour)) for kind in KINDS)


def squares(west: float, south: float, across: int, side: float, kinds: np.ndarray | int = 0) -> Ground:
    """`across` x `across` squares of so many degrees, from the south west."""
    rows, cols = np.mgrid[0:across, 0:across].reshape(2, -1)
    left, bottom = west + cols * side, south + rows * side
    corners = lonlat_corners("EPSG:4326", left, bottom, left + side, bottom + side)
    return Ground(corners, np.broadcast_to(kinds, len(rows)))


def drawn(png: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(png)) as image:
        return np.asarray(image.convert("RGB"), float) / 255


def share_of(image: np.ndarray, colour: np.ndarray, within: float = 0.18) -> float:
    """Share of pixels that look like a colour, seen through the opacity of tiles."""
    return float((np.linalg.norm(image - colour, axis=-1) < within).mean())


def middle_of(image: np.ndarray, colour: np.ndarray, within: float = 0.18) -> tuple[float, float]:
    """Mean column and row of the map's pixels of a colour."""
    rows, cols = np.nonzero(np.linalg.norm(image[:, : LONGEST_SIDE + 70] - colour, axis=-1) < within)
    return float(cols.mean()), float(rows.mean())


@pytest.mark.parametrize("colours", [tuple(SPLIT_COLOURS.values()), (PLAIN_COLOUR, DONE_COLOUR)])
def test_kinds_can_be_told_apart_by_everybody(colours: tuple[str, ...]) -> None:
    seen = perceived(colours)
    away = np.linalg.norm(seen[:, :, None] - seen[:, None], axis=-1)
    assert away[:, ~np.eye(len(colours), dtype=bool)].min() > CLEAR


def test_few_tiles_are_drawn_one_by_one_where_they_lie() -> None:
    ground = squares(10.0, 50.0, 2, 0.1, np.array([0, 1, 2, 0]))
    image = drawn(tiles_picture([ground], KINDS, shapely.box(10.0, 50.0, 10.2, 50.2), "four"))
    shares = [share_of(image, colour) for colour in (BLUE, ORANGE, GREEN)]
    assert min(shares) > 0.05
    assert shares[0] == pytest.approx(2 * shares[1], rel=0.2)
    orange, green = middle_of(image, ORANGE), middle_of(image, GREEN)
    assert orange[0] > green[0], "the second square is the south east one"
    assert orange[1] > green[1], "the third one is north of it"


def test_tiles_that_stick_out_of_the_region_are_not_cut_off() -> None:
    region = shapely.box(10.09, 50.09, 10.11, 50.11)
    whole = drawn(tiles_picture([squares(10.0, 50.0, 2, 0.1)], KINDS[:1], region, "stick out"))
    assert share_of(whole, BLUE) > 0.3


def test_ten_and_a_million_tiles_cover_the_same_ground() -> None:
    region = shapely.box(0.0, 0.0, 8.0, 8.0)

    def rows(across: int) -> Iterator[Ground]:
        """Chunks, as a plan has them."""
        side = 8.0 / across
        for row in range(0, across, max(1, across // 8)):
            whole = squares(0.0, row * side, across, side)
            lat = whole.corners[..., 1].max(axis=1)
            mine = lat <= (row + max(1, across // 8)) * side + 1e-9
            yield Ground(whole.corners[mine], whole.kinds[mine])

    few = drawn(tiles_picture(rows(8), KINDS[:1], region, "few"))
    many = drawn(tiles_picture(rows(1200), KINDS[:1], region, "many"))
    assert few.shape == many.shape
    assert share_of(many, BLUE) == pytest.approx(share_of(few, BLUE), rel=0.15)


def test_where_there_are_few_tiles_too_small_to_be_seen_the_ground_is_fainter() -> None:
    full, thin = squares(0.0, 0.0, 400, 0.01), squares(4.0, 0.0, 400, 0.01)
    kept = np.random.default_rng(0).random(len(thin.kinds)) < 0.15
    ground = [full, Ground(thin.corners[kept], thin.kinds[kept])]
    image = drawn(tiles_picture(ground, KINDS[:1], shapely.box(0, 0, 8, 4), "density"))
    height = image.shape[0] // 2
    left, right = image[height - 40 : height, 200:380], image[height - 40 : height, 560:740]
    assert np.abs(left - BLUE).mean() < np.abs(right - BLUE).mean() - 0.1


def test_scattered_tiles_become_dots() -> None:
    rng = np.random.default_rng(1)
    left, bottom = rng.uniform(0, 50, 60), rng.uniform(0, 50, 60)
    ground = Ground(lonlat_corners("EPSG:4326", left, bottom, left + 0.01, bottom + 0.01), np.arange(60) % 3)
    image = drawn(tiles_picture([ground], KINDS, shapely.box(0, 0, 50, 50), "dots", scattered=True))
    for colour in (BLUE, ORANGE, GREEN):
        pixels = share_of(image[:, : LONGEST_SIDE + 70], colour, 0.1) * image[:, : LONGEST_SIDE + 70].size / 3
        assert 20 * 5 < pixels < 20 * 60


def test_tried_places_are_marked_and_counted() -> None:
    ground = squares(10.0, 50.0, 4, 0.1)
    region = shapely.box(10.0, 50.0, 10.4, 50.4)
    without = drawn(tiles_picture([ground], KINDS[:1], region, "tried"))
    tried = np.array([[10.05, 50.35], [10.35, 50.05]])
    image = drawn(tiles_picture([ground], KINDS[:1], region, "tried", tried=tried))
    changed = np.nonzero(np.abs(image - without).max(axis=-1)[:, : LONGEST_SIDE + 60] > 0.5)
    assert np.ptp(changed[0]) > 400
    assert np.ptp(changed[1]) > 400


@pytest.mark.parametrize("across", [4, 1500])
def test_tiles_across_the_antimeridian_lie_side_by_side(across: int) -> None:
    side = 4.0 / across
    ground = squares(178.0, -18.0, across, side)
    lon = ground.corners[..., 0]
    ground = ground._replace(corners=np.stack([(lon + 180) % 360 - 180, ground.corners[..., 1]], axis=-1))
    region = shapely.MultiPolygon([shapely.box(178, -18, 180, -14), shapely.box(-180, -18, -178, -14)])
    image = drawn(tiles_picture([ground], KINDS[:1], region, "fiji"))
    blue = np.linalg.norm(image[:, : LONGEST_SIDE + 60] - BLUE, axis=-1) < 0.2
    assert blue.mean() > 0.5


def test_nothing_is_not_drawn() -> None:
    with pytest.raises(InputError, match="nothing to draw"):
        tiles_picture([], KINDS, shapely.box(0, 0, 1, 1), "nothing")


def test_the_same_tiles_make_the_same_picture() -> None:
    region = shapely.box(10.0, 50.0, 10.4, 50.4)
    first, second = (tiles_picture([squares(10.0, 50.0, 4, 0.1)], KINDS, region, "twice") for _ in range(2))
    assert first == second
