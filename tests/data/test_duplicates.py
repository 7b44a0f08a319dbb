"""Duplicates: one object is one detection, for any order, any tiling, any CRS and any cell."""

from __future__ import annotations

import time
from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Geod

from rsbot_beam.data.detections import Detections, owned
from rsbot_beam.data.duplicates import DuplicateRule, cells_of_detections, ranked, unique_detections, unique_of_cell
from rsbot_beam.data.ground import ground_of, metres_per_degree
from rsbot_beam.data.places import Cell
from rsbot_beam.errors import InputError
from rsbot_beam.geometry import TileBlock
from rsbot_beam.geometry.crs import transformer

RULE = DuplicateRule()
Row = tuple


def squares(
    centres: list, size: float = 100.0, crs: str = "EPSG:32633", scores: list | None = None, code: int = 1
) -> Detections:
    """Boxes of one size, all in the core of one tile."""
    middle = np.asarray(centres, float).reshape(-1, 2)
    count = len(middle)
    bounds = np.hstack([middle - size / 2, middle + size / 2])
    given_scores = np.linspace(0.9, 0.1, count) if scores is None else scores
    names = np.full(count, "tile", object), np.full(count, crs, object)
    return Detections(*names, bounds, given_scores, np.full(count, code), np.ones(count, bool))


def at(lon: float, lat: float, crs: str, size: float = 100.0, score: float = 0.5) -> Detections:
    """A square around a place, drawn in a CRS."""
    return squares([transformer("EPSG:4326", crs).transform(lon, lat)], size, crs, [score])


def random_boxes(count: int, seed: int, spread: float, sizes: tuple[float, float] = (50, 300)) -> Detections:
    """Boxes scattered where four cells meet: 15 degrees east, 50 degrees north."""
    rng = np.random.default_rng(seed)
    middle = np.array([500_000, 5_538_630.0]) + rng.uniform(-spread / 2, spread / 2, (count, 2))
    half = rng.uniform(*sizes, (count, 2)) / 2
    names = np.full(count, "tile", object), np.full(count, "EPSG:32633", object)
    # Few scores, so that many are equal.
    scores = rng.integers(1, 20, count) / 20
    return Detections(
        *names, np.hstack([middle - half, middle + half]), scores, rng.integers(1, 3, count), np.ones(count, bool)
    )


def shuffled(detections: Detections, seed: int) -> Detections:
    return detections.take(np.random.default_rng(seed).permutation(len(detections)))


def brute_force(detections: Detections, rule: DuplicateRule) -> list[Row]:
    """The plainest greedy suppression, pair by pair, in the CRS of all."""
    kept: list[int] = []
    bounds = detections.bounds
    for one in ranked(detections).tolist():
        if not any(_same(bounds[one], bounds[k], rule) and detections.codes[one] == detections.codes[k] for k in kept):
            kept.append(one)
    return sorted(detections.take(np.array(kept, int)).rows())


def _same(a: np.ndarray, b: np.ndarray, rule: DuplicateRule) -> bool:
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    areas = [(x[2] - x[0]) * (x[3] - x[1]) for x in (a, b)]
    shared = width * height
    distance = np.hypot(*((a[:2] + a[2:] - b[:2] - b[2:]) / 2))
    shortest = min(a[2] - a[0], a[3] - a[1], b[2] - b[0], b[3] - b[1])
    return shared / (sum(areas) - shared) >= rule.overlap or distance <= shortest / 2


def by_cells(detections: Detections, rule: DuplicateRule, seed: int = 0) -> tuple[list[Row], int, int]:
    """All cells' answers together, their number, and the number of undecided."""
    groups: defaultdict[Cell, list[Row]] = defaultdict(list)
    mixed = shuffled(detections, seed)
    for row, cells in zip(mixed.rows(), cells_of_detections(mixed, rule), strict=True):
        for cell in cells:
            groups[cell].append(row)
    answers = [unique_of_cell(cell, Detections.of_rows(rows), rule) for cell, rows in groups.items()]
    rows = [row for answer in answers for row in answer.detections.rows()]
    return sorted(rows), len(groups), sum(answer.undecided for answer in answers)


def test_the_best_of_two_views_stays() -> None:
    left = unique_detections(squares([(5e5, 5e6), (5e5 + 30, 5e6)], scores=[0.4, 0.8]), RULE)
    assert left.scores.tolist() == [np.float32(0.8)]


def test_what_overlaps_little_stays() -> None:
    # Shares 40 of 160 m: 0.25.
    assert len(unique_detections(squares([(5e5, 5e6), (5e5 + 60, 5e6)]), RULE)) == 2
    assert len(unique_detections(squares([(5e5, 5e6), (5e5 + 60, 5e6)]), DuplicateRule(overlap=0.2))) == 1


def test_classes_do_not_take_each_other_away() -> None:
    both = Detections.concat([squares([(5e5, 5e6)], code=1), squares([(5e5, 5e6)], code=2)])
    assert len(unique_detections(both, RULE)) == 2


def test_near_centres_are_one_whatever_the_sizes() -> None:
    """A turbine seen with its shadow, and without."""
    both = Detections.concat([squares([(5e5, 5e6)], 40), squares([(5e5 + 15, 5e6 + 10)], 200, scores=[0.95])])
    assert unique_detections(both, RULE).scores.tolist() == [np.float32(0.95)]
    apart = Detections.concat([squares([(5e5, 5e6)], 40), squares([(5e5 + 25, 5e6)], 200)])
    assert len(unique_detections(apart, RULE)) == 2


def test_the_tile_that_owns_a_centre_is_believed_over_a_better_score() -> None:
    """What lies at the edge of what a tile has seen is cut off, and may be anything."""
    seen = squares([(5e5, 5e6), (5e5 + 10, 5e6)], scores=[0.9, 0.6])
    columns = (seen.tile, seen.crs, seen.bounds, seen.scores, seen.codes, np.array([False, True]))
    left = unique_detections(Detections(*columns), RULE)
    assert (left.scores.tolist(), left.core.tolist()) == ([np.float32(0.6)], [True])


def test_what_only_a_margin_saw_is_not_lost() -> None:
    seen = squares([(5e5, 5e6)])
    lone = Detections(seen.tile, seen.crs, seen.bounds, seen.scores, seen.codes, np.array([False]))
    assert len(unique_detections(lone, RULE)) == 1


def test_suppression_is_greedy() -> None:
    """The second is one with both others, which are not one: it goes, and both stay."""
    chain = squares([(5e5, 5e6), (5e5 + 45, 5e6), (5e5 + 90, 5e6)], scores=[0.9, 0.8, 0.7])
    assert unique_detections(chain, RULE).scores.tolist() == np.float32([0.9, 0.7]).tolist()


@settings(max_examples=40)
@given(st.integers(0, 10_000), st.integers(0, 60), st.sampled_from([500.0, 2000.0, 20_000.0]))
def test_it_is_what_comparing_all_pairs_finds(seed: int, count: int, spread: float) -> None:
    detections = random_boxes(count, seed, spread)
    assert sorted(unique_detections(shuffled(detections, seed), RULE).rows()) == brute_force(detections, RULE)


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.integers(1, 300))
def test_the_order_does_not_matter(seed: int, count: int) -> None:
    detections = random_boxes(count, seed, 2000)
    first = unique_detections(shuffled(detections, seed), RULE)
    assert unique_detections(shuffled(detections, seed + 1), RULE).rows() == first.rows()


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.sampled_from([64, 128, 512]), st.sampled_from([0.0, 100.0, 600.0]))
def test_the_tiling_does_not_matter(seed: int, size: int, margin: float) -> None:
    """Each block hands in what it owns, and copies from its margin."""
    detections = random_boxes(150, seed, 8000)
    whole = sorted(row[1:-1] for row in unique_detections(detections, RULE).rows())
    origin = TileBlock("EPSG:32633", 10.0, size, -553_863 // size * size, 50_000 // size * size)
    blocks = [origin.part(0, 0, 1, 1)] + [
        TileBlock("EPSG:32633", 10.0, size, origin.row + r * size, origin.col + c * size)
        for r in range(-2 - 800 // size, 3 + 800 // size)
        for c in range(-2 - 800 // size, 3 + 800 // size)
        if (r, c) != (0, 0)
    ]
    handed_in = [_renamed(owned(detections, block, margin), str(block)) for block in blocks]
    assert sum(int(part.core.sum()) for part in handed_in) == len(detections)
    tiled = unique_detections(shuffled(Detections.concat(handed_in), seed), RULE)
    assert sorted(row[1:-1] for row in tiled.rows()) == whole


def _renamed(detections: Detections, tile: str) -> Detections:
    names = np.full(len(detections), tile, object)
    return Detections(names, detections.crs, detections.bounds, detections.scores, detections.codes, detections.core)


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.integers(1, 400), st.sampled_from([2000.0, 30_000.0]))
def test_cells_together_find_what_the_whole_finds(seed: int, count: int, spread: float) -> None:
    detections = random_boxes(count, seed, spread, sizes=(50, 200))
    together, cells, undecided = by_cells(detections, RULE, seed)
    assert together == sorted(unique_detections(detections, RULE).rows())
    assert cells >= 1
    assert undecided == 0


def test_an_object_on_the_corner_of_four_cells_appears_once() -> None:
    lon, lat = Cell(140, 0).bbox[2], 50.0
    views = Detections.concat(
        [at(lon + dx, lat + dy, "EPSG:32601", score=s) for dx, dy, s in _around() if lon + dx > -180]
    )
    together, cells, _ = by_cells(views, RULE)
    assert cells >= 3
    assert len(views) == 4
    assert [round(row[6], 1) for row in together] == [0.8]


def _around() -> list[tuple[float, float, float]]:
    return [(-1e-4, -1e-4, 0.5), (1e-4, -1e-4, 0.6), (-1e-4, 1e-4, 0.7), (1e-4, 1e-4, 0.8)]


@pytest.mark.parametrize("lat", [-40.0, 0.0, 5.0, 60.0])
def test_two_zones_see_one_object(lat: float) -> None:
    """On the meridian between two UTM zones, and a few metres off it."""
    side = "6" if lat >= 0 else "7"
    views = Detections.concat(
        [
            at(12.0001, lat + 0.0001, f"EPSG:32{side}33", 120, 0.6),
            at(11.9999, lat, f"EPSG:32{side}32", 110, 0.7),
        ]
    )
    assert unique_detections(views, RULE).scores.tolist() == [np.float32(0.7)]
    assert len(by_cells(views, RULE)[0]) == 1


def test_the_equator_has_two_sides() -> None:
    views = Detections.concat([at(9.0, 1e-5, "EPSG:32632"), at(9.0, -1e-5, "EPSG:32732")])
    assert len(unique_detections(views, RULE)) == 1


@pytest.mark.parametrize(
    ("west", "east"), [("EPSG:32660", "EPSG:32601"), ("EPSG:4326", "EPSG:4326"), ("EPSG:6933", "EPSG:6933")]
)
def test_the_antimeridian_has_two_sides(west: str, east: str) -> None:
    size = 0.001 if west == "EPSG:4326" else 100.0
    views = Detections.concat([at(179.9999, 52.0, west, size), at(-179.9999, 52.0, east, size)])
    assert len(unique_detections(views, RULE)) == 1
    assert len(by_cells(views, RULE)[0]) == 1
    apart = Detections.concat([at(179.99, 52.0, west, size), at(-179.99, 52.0, east, size)])
    assert len(unique_detections(apart, RULE)) == 2


def test_neighbours_in_two_zones_stay_two() -> None:
    """Two turbines 400 m apart, one on each side of the border of the zones."""
    views = Detections.concat([at(11.997, 50.0, "EPSG:32632"), at(12.0026, 50.0, "EPSG:32633")])
    assert len(unique_detections(views, RULE)) == 2


def test_near_the_pole() -> None:
    """Axes of a polar projection point anywhere; sizes are metres on the ground."""
    seen = squares([(10.0, 10.0), (40.0, 10.0), (-200.0, 10.0)], 100, "EPSG:3413")
    assert len(unique_detections(seen, RULE)) == 2
    assert len(by_cells(seen, RULE)[0]) == 2


def test_a_chain_longer_than_the_reach_is_counted() -> None:
    """From row to row, each is one with the next: the first decides on the last, in another cell."""
    north = 5_538_630.0  # 50 degrees
    chain = squares([(5e5, north - 1000 + 45 * n) for n in range(40)], scores=np.linspace(0.9, 0.1, 40).tolist())
    short = DuplicateRule(reach=400.0)
    assert by_cells(chain, short)[2] > 0
    together, _, undecided = by_cells(chain, DuplicateRule(reach=3000.0))
    assert undecided == 0
    assert together == sorted(unique_detections(chain, RULE).rows())


def test_an_object_larger_than_the_reach_is_counted_as_undecided() -> None:
    large = squares([(5e5, 5_500_000.0)], 6000)
    _, _, undecided = by_cells(large, RULE)
    assert undecided == 1


@pytest.mark.slow
@pytest.mark.parametrize("spread", [80_000.0, 10_000.0, 100.0])
def test_a_hundred_thousand_take_seconds(spread: float) -> None:
    detections = random_boxes(100_000, 0, spread, (100, 300))
    begin = time.process_time()
    left = unique_detections(detections, RULE)
    assert time.process_time() - begin < 60  # 1.5 to 7 seconds on two shared cores
    assert 0 < len(left) < len(detections)


def test_no_detections() -> None:
    assert len(unique_detections(Detections.none(), RULE)) == 0
    assert len(unique_of_cell(Cell(0, 0), Detections.none(), RULE).detections) == 0
    assert cells_of_detections(Detections.none(), RULE) == []


def test_boxes_without_a_size_are_compared_by_their_place() -> None:
    dots = squares([(5e5, 5e6), (5e5, 5e6), (5e5 + 1, 5e6)], 0.0)
    assert len(unique_detections(dots, RULE)) == 2


@pytest.mark.parametrize("values", [{"overlap": 0.0}, {"overlap": 1.5}, {"reach": 0.0}, {"reach": 1e6}])
def test_rules_that_make_no_sense_are_refused(values: dict[str, float]) -> None:
    with pytest.raises(InputError, match="must be above 0"):
        DuplicateRule(**values)


@pytest.mark.parametrize("lat", [-80.0, -35.0, 0.0, 12.5, 67.0])
def test_degrees_are_as_long_as_geodesics(lat: float) -> None:
    per_lon, per_lat = metres_per_degree(np.array([lat]))
    geod = Geod(ellps="WGS84")
    assert per_lon[0] == pytest.approx(geod.inv(10, lat, 10.001, lat)[2] * 1000, rel=1e-7)
    assert per_lat[0] == pytest.approx(geod.inv(10, lat - 5e-4, 10, lat + 5e-4)[2] * 1000, rel=1e-7)


def test_sizes_are_metres_on_the_ground() -> None:
    ground = ground_of(Detections.concat([at(9.0, 47.0, "EPSG:32632"), at(9.0, 60.0, "EPSG:3857")]))
    # UTM shrinks by 0.9996 on its central meridian; Web Mercator stretches by 1 / cos(lat), up to the flattening.
    assert ground.width == pytest.approx([100 / 0.9996, 50.0], rel=5e-3)
    assert ground.height == pytest.approx([100 / 0.9996, 50.0], rel=5e-3)
    assert ground.lon == pytest.approx([9.0, 9.0])
    assert ground.lat == pytest.approx([47.0, 60.0])


def test_a_box_nowhere_on_the_globe_is_named() -> None:
    with pytest.raises(InputError, match="tile tile: the box"):
        ground_of(squares([(1e30, 1e30)]))
