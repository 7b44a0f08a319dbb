"""Classes that do not fit a recipe are refused before anything is fetched."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from shapely.geometry import box

from rsbot_beam.data.bands import Band, LabelClass, Layout
from rsbot_beam.data.feature_records import FeatureRecords
from rsbot_beam.errors import InputError
from rsbot_beam.labels.checks import check_classes

BANDS = (Band("B4", "uint16"),)
CLASSES = (LabelClass(0, "background"), LabelClass(1, "solar"), LabelClass(2, "wind"))
RecordsOf = Callable[..., FeatureRecords]


def layout(dtype: str = "uint8", classes: tuple[LabelClass, ...] = CLASSES) -> Layout:
    return Layout(BANDS, label=Band("plant", dtype), classes=classes)


@pytest.fixture
def of_codes(records_of: RecordsOf) -> Callable[[list[int]], FeatureRecords]:
    return lambda codes: records_of([box(n, 50, n + 0.01, 50.01) for n in range(len(codes))], codes=codes)


def test_classes_that_fit(of_codes: Callable[[list[int]], FeatureRecords]) -> None:
    check_classes(of_codes([1, 2, 1]), layout())
    check_classes(of_codes([301]), layout("uint16", ()))
    check_classes(of_codes([301]), Layout(BANDS))
    check_classes(FeatureRecords.none(), layout())


def test_classes_that_the_recipe_does_not_list(of_codes: Callable[[list[int]], FeatureRecords]) -> None:
    with pytest.raises(
        InputError, match=r"does not list: 5 \(2 features\), 7 \(1 features\)\. It lists 0, 1, 2: correct"
    ):
        check_classes(of_codes([1, 5, 7, 5]), layout())


def test_codes_beyond_the_label_band(of_codes: Callable[[list[int]], FeatureRecords]) -> None:
    with pytest.raises(InputError, match=r"codes \[301\] do not fit the label's type uint8"):
        check_classes(of_codes([1, 301]), layout(classes=()))
