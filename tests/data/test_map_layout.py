"""What a map holds: classes, probabilities and entropy of what a model says."""

from __future__ import annotations

import numpy as np
import pytest

from rsbot_beam.data.bands import LabelClass
from rsbot_beam.data.map_layout import SAID, MapLayout, covering_block, entropy, map_bands
from rsbot_beam.data.stitching import Seams
from rsbot_beam.errors import InputError
from rsbot_beam.geometry import TileBlock, TileKey

SEAMS = Seams(8, 0, 0)
CLASSES = (LabelClass(5, "a", "#000000"), LabelClass(2, "b", "#000000"), LabelClass(9, "c", "#000000"))
PROBABILITIES = np.array([[[0.2, 0.5, 0.3], [1, 0, 0]], [[1 / 3, 1 / 3, 1 / 3], [0.1, 0.1, 0.8]]], np.float32)
SEEN = np.array([[True, True], [True, False]])


def layout(*bands: str, polygons: tuple[int, ...] = ()) -> MapLayout:
    return MapLayout("segmentation", CLASSES, SEAMS, bands or ("class",), polygons)


def test_classes_are_codes_and_nodata() -> None:
    found = map_bands(PROBABILITIES, SEEN, layout())
    assert set(found) == {"class"}
    assert found["class"].dtype == np.uint8
    assert found["class"].tolist() == [[[2, 5], [5, 255]]]


def test_all_rasters() -> None:
    found = map_bands(PROBABILITIES, SEEN, layout(*SAID))
    assert {name: raster.shape for name, raster in found.items()} == {
        "class": (1, 2, 2), "probability": (1, 2, 2), "probabilities": (3, 2, 2), "entropy": (1, 2, 2),
    }  # fmt: skip
    for name in SAID[1:]:
        assert found[name].dtype == np.float32
        assert np.array_equal(np.isnan(found[name]), np.broadcast_to(~SEEN, found[name].shape))
    np.testing.assert_allclose(found["probability"][0][SEEN], [0.5, 1, 1 / 3])
    np.testing.assert_allclose(np.moveaxis(found["probabilities"], 0, -1)[SEEN], PROBABILITIES[SEEN])
    wanted = -(0.2 * np.log(0.2) + 0.5 * np.log(0.5) + 0.3 * np.log(0.3)) / np.log(3)
    np.testing.assert_allclose(found["entropy"][0][SEEN], [wanted, 0, 1], atol=1e-6)


def test_polygons_need_class_and_probability_beside_what_is_written() -> None:
    assert layout("entropy", polygons=(5,)).needed == ("class", "probability", "entropy")
    assert set(map_bands(PROBABILITIES, SEEN, layout("entropy", polygons=(5,)))) == {"class", "probability", "entropy"}
    assert layout("entropy").needed == ("entropy",)


def test_codes_beyond_a_byte_take_two() -> None:
    large = MapLayout("segmentation", (LabelClass(1, "a"), LabelClass(255, "b")), SEAMS)
    assert (large.class_dtype, large.nodata) == (np.uint16, 65535)
    found = map_bands(PROBABILITIES[..., :2], SEEN, large)["class"]
    assert found.tolist() == [[[255, 1], [1, 65535]]]
    small = MapLayout("segmentation", (LabelClass(1, "a"), LabelClass(254, "b")), SEAMS)
    assert (small.class_dtype, small.nodata) == (np.uint8, 255)


@pytest.mark.parametrize("bands", [("classes",), ("class", "Entropy"), ()])
def test_unknown_rasters_are_refused(bands: tuple[str, ...]) -> None:
    with pytest.raises(InputError, match="choose from class, probability, probabilities, entropy"):
        MapLayout("segmentation", CLASSES, SEAMS, bands)


def test_entropy_of_one_class_is_nothing() -> None:
    assert not entropy(np.ones((3, 3, 1), np.float32)).any()


def test_entropy_does_not_depend_on_the_number_of_classes() -> None:
    for count in (2, 3, 17):
        even = np.full((1, count), 1 / count, np.float32)
        assert entropy(even)[0] == pytest.approx(1, abs=1e-6)


def test_the_block_around_tiles() -> None:
    keys = [TileKey("EPSG:32633", 10.0, 8, row, col, (5.0, 5.0)) for row, col in ((16, -8), (-8, 8), (0, 0))]
    assert covering_block(keys) == TileBlock("EPSG:32633", 10.0, 8, -8, -8, 4, 3, (5.0, 5.0))
    assert covering_block(keys[:1]) == TileBlock.of(keys[0])
