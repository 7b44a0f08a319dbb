"""The random forest, areas, boxes and the patches that are shown."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from rsbot_beam.data.bands import LabelClass
from rsbot_beam.data.detection_scores import box_overlaps
from rsbot_beam.errors import InputError
from rsbot_beam.geometry import TileKey
from rsbot_beam.models.classes import ClassIndex
from rsbot_beam.training.detection import CENTRE, MODEL, DetectionScores
from rsbot_beam.training.forest import SCORED_PIXELS, Forest, labelled_numbers, pixel_values
from rsbot_beam.training.gallery import EACH, Gallery
from rsbot_beam.training.segmentation import SegmentationScores, pixel_area
from tests.training.conftest import CLASSES, PLAIN, SERIES, SITES, field_patch, site_patch

INDEX = ClassIndex.of(CLASSES)


def test_values_of_a_pixel_are_all_bands_at_all_steps() -> None:
    patch = field_patch(SERIES, 1, gaps=0.3)
    values = pixel_values(patch)
    assert values.shape == (256, 2 * 3 + 1)
    row, column = 3, 9
    found = values[row * 16 + column]
    expected = [
        *np.where(patch.valid["B4"], patch.pixels["B4"], np.nan)[:, row, column],
        *np.where(patch.valid["B8"], patch.pixels["B8"], np.nan)[:, row, column],
        patch.pixels["height"][row, column],
    ]
    assert np.array_equal(found, np.array(expected, np.float32), equal_nan=True)
    assert np.isnan(values).any()


def test_pixels_without_label_or_imagery_are_not_labelled() -> None:
    patch = field_patch(PLAIN, 2, gaps=0.4)
    numbers = labelled_numbers(patch, INDEX)
    nothing = ~patch.valid["B4"] & ~patch.valid["B8"]
    assert (numbers[nothing] == -1).all()
    assert (numbers[~patch.valid["landcover"]] == -1).all()
    assert set(np.unique(numbers)) <= {-1, 0, 1, 2}
    assert (numbers >= 0).sum() == (patch.valid["landcover"] & ~nothing).sum()


def test_a_forest_learns_from_a_bounded_draw_and_copes_with_gaps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rsbot_beam.training.forest.TRAIN_PIXELS", 1000)
    patches = [field_patch(SERIES, col, gaps=0.2) for col in range(12)]
    forest = Forest.fit(patches[:10], INDEX, 10, seed=1)
    assert forest.pixels == 1000
    wanted, found, share = forest.score(patches[11], INDEX, np.random.default_rng(0))
    assert share == 1.0 and len(wanted) < SCORED_PIXELS
    assert (wanted == found).mean() > 0.95
    again = Forest.fit(patches[:10], INDEX, 10, seed=1)
    assert np.array_equal(again.score(patches[11], INDEX, np.random.default_rng(0))[1], found)


def test_a_forest_without_labels_is_an_error() -> None:
    patch = field_patch(PLAIN, 3)
    patch.valid["landcover"][...] = False
    with pytest.raises(InputError, match="no labelled pixel in the train split"):
        Forest.fit([patch], INDEX, 1, seed=0)


def test_a_perfect_map_scores_one_and_the_majority_what_it_must() -> None:
    scores = SegmentationScores(CLASSES, majority=1)
    for col in range(4):
        patch = field_patch(PLAIN, col)
        numbers = INDEX.numbers(np.asarray(patch.label))
        quality = scores.add(patch, {"probabilities": np.eye(len(CLASSES), dtype=np.float32)[numbers]})
        assert quality == 1.0
    found = scores.to_dict()
    assert found["model"]["accuracy"] == found["model"]["mean_f1"] == 1.0
    assert found["model"]["classes"]["never there"]["support"] == 0
    share = found["model"]["classes"]["meadow"]["support"] / sum(
        item["support"] for item in found["model"]["classes"].values()
    )
    assert found["majority class"]["accuracy"] == pytest.approx(share)
    json.dumps(found)


def test_a_patch_without_labels_has_no_quality() -> None:
    patch = field_patch(PLAIN, 3)
    patch.valid["landcover"][...] = False
    scores = SegmentationScores(CLASSES, majority=0)
    assert scores.add(patch, {"probabilities": np.zeros((16, 16, 4), np.float32)}) is None
    assert scores.matrices["model"].counts.sum() == 0


@pytest.mark.parametrize(
    ("crs", "resolution", "row", "expected"),
    [
        ("EPSG:32633", 10.0, -500_000, 100.0),  # 50 degrees north
        ("EPSG:6933", 10.0, -400_000, 100.0),  # equal area
        ("EPSG:4326", 0.0001, -600_000, 62.1),  # 60 degrees north: 11.14 m x 5.58 m
    ],
)
def test_the_area_of_a_pixel(crs: str, resolution: float, row: int, expected: float) -> None:
    assert pixel_area(TileKey(crs, resolution, 16, row, 50_000)) == pytest.approx(expected, rel=0.003)


def perfect(col: int) -> tuple[object, dict[str, np.ndarray]]:
    patch = site_patch(SITES, col)
    boxes, classes = np.zeros((10, 4), np.float32), np.zeros(10, np.float32)
    objects = patch.objects
    assert objects is not None
    boxes[: len(objects)], classes[: len(objects)] = objects.boxes, objects.classes
    return patch, {"boxes": boxes, "classes": classes, "scores": (np.arange(10) < len(objects)).astype(np.float32)}


PLANTS = (LabelClass(1, "solar"), LabelClass(2, "wind"))


def test_perfect_boxes_score_one() -> None:
    scores = DetectionScores(PLANTS, 10.0, {1: (4.0, 4.0), 2: (4.0, 4.0)})
    qualities = [scores.add(*perfect(col)) for col in range(20)]  # type: ignore[arg-type]
    found = scores.to_dict()
    assert all(value == 1.0 for value in found[MODEL]["mean"].values())
    assert found[CENTRE]["mean"]["IoU 0.5"] < 0.3
    assert {q for q in qualities if q is not None} == {1.0}
    labels = found[MODEL]["classes"]["solar"]["IoU 0.5"]["labels"]
    assert labels == sum(int((site_patch(SITES, col).objects.classes == 1).sum()) for col in range(20))  # type: ignore[union-attr]


def test_boxes_two_pixels_beside_are_right_by_distance_only() -> None:
    scores = DetectionScores(PLANTS, 10.0)
    for col in range(20):
        patch, outputs = perfect(col)
        outputs["boxes"] += np.array([0, 3, 0, 3], np.float32)
        scores.add(patch, outputs)  # type: ignore[arg-type]
    means = scores.to_dict()[MODEL]["mean"]
    assert means["25 m"] == 0.0
    assert means["50 m"] == 1.0
    assert means["IoU 0.5"] < 0.2


def test_an_invented_box_counts_against_an_empty_patch() -> None:
    scores = DetectionScores(PLANTS, 10.0)
    empty = next(col for col in range(50) if not len(site_patch(SITES, col).objects))  # type: ignore[arg-type]
    patch, outputs = perfect(empty)
    assert scores.add(patch, outputs) is None  # type: ignore[arg-type]
    outputs["scores"][0], outputs["classes"][0], outputs["boxes"][0] = 0.9, 1, (2, 2, 6, 6)
    assert scores.add(patch, outputs) == pytest.approx(-0.9)  # type: ignore[arg-type]
    assert scores.to_dict()[MODEL]["classes"]["solar"]["IoU 0.5"]["detections"] == 1


@pytest.mark.slow
def test_the_usual_box_is_the_median_of_the_train_split(sites_dataset: str) -> None:
    from rsbot_beam.training.boxes import FEATURES, usual_boxes
    from rsbot_beam.training.feed import find_examples
    from rsbot_beam.training.raw_patches import split_patches

    content = json.loads(Path(sites_dataset, "dataset.json").read_text())
    found = usual_boxes(find_examples(sites_dataset, "train", content, FEATURES), (1, 2, 77))
    sizes: dict[int, list[np.ndarray]] = {1: [], 2: []}
    for patch in split_patches(sites_dataset, content, "train"):
        for box, code in zip(patch.objects.boxes, patch.objects.classes, strict=True):  # type: ignore[union-attr]
            sizes[int(code)].append(box[2:] - box[:2])
    assert found == {code: tuple(np.median(items, axis=0).tolist()) for code, items in sizes.items()}


def test_the_gallery_shows_the_best_the_worst_and_some_between() -> None:
    gallery = Gallery(seed=1)
    patches = [field_patch(PLAIN, col) for col in range(40)]
    for number, patch in enumerate(patches):
        gallery.add(number / 40, patch, number)
    chosen = gallery.chosen()
    assert [why for why, _, _ in chosen] == ["best"] * EACH + ["drawn"] * EACH + ["worst"] * EACH
    numbers = [outputs for _, _, outputs in chosen]
    assert numbers[:EACH] == [39, 38, 37]
    assert numbers[-EACH:] == [0, 1, 2]
    assert len(set(numbers)) == 3 * EACH
    assert all(patches[number] is patch for (_, patch, number) in chosen)


def test_a_small_gallery_shows_no_patch_twice() -> None:
    gallery = Gallery()
    for number in range(4):
        gallery.add(0.5, field_patch(PLAIN, number), number)
    assert sorted(outputs for _, _, outputs in gallery.chosen()) == [0, 1, 2, 3]


def test_patches_without_a_score_are_shown_where_there_is_room() -> None:
    gallery = Gallery()
    for number in range(7):
        gallery.add(0.5 if number < 5 else None, field_patch(PLAIN, number), number)
    chosen = {outputs: why for why, _, outputs in gallery.chosen()}
    assert sorted(chosen) == list(range(7))
    assert chosen[5] == chosen[6] == "drawn"
    assert gallery.seen == 7


def test_boxes_are_drawn_from_the_best_score_on() -> None:
    """Two right boxes of 0.2 and more, a wrong one of 0.1."""
    scores = DetectionScores(PLANTS, 10.0)
    col = next(c for c in range(50) if set(site_patch(SITES, c).objects.classes) == {1})  # type: ignore[union-attr]
    patch, outputs = perfect(col)
    outputs["scores"] *= 0.2 / max(outputs["scores"].max(), 1e-9)
    last = int((outputs["scores"] > 0).sum())
    outputs["scores"][last], outputs["classes"][last], outputs["boxes"][last] = 0.1, 1, (0, 0, 1, 1)
    assert scores.add(patch, outputs) == pytest.approx(0.2)  # type: ignore[arg-type]
    assert scores.best_scores() == {1: pytest.approx(0.2)}


def test_overlaps_of_the_centre_box_are_with_the_middle() -> None:
    scores = DetectionScores(PLANTS, 10.0, {1: (4.0, 6.0)})
    boxes, certain = scores._centre(site_patch(SITES, 0), 1)
    assert box_overlaps(boxes, np.array([[6, 5, 10, 11]]))[0, 0] == 1.0
    assert certain.tolist() == [1.0]
