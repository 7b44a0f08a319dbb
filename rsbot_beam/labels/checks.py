"""What can be said about a run's classes before anything is fetched."""

from __future__ import annotations

import numpy as np

from rsbot_beam.data.bands import Layout
from rsbot_beam.data.feature_records import FeatureRecords
from rsbot_beam.errors import InputError
from rsbot_beam.geometry.features import listed
from rsbot_beam.labels.painting import check_codes


def check_classes(records: FeatureRecords, layout: Layout) -> None:
    """Checks in the main program what would otherwise fail on every worker: that features are of classes of the recipe.

    Args:
        records: All features of a run.
        layout: What patches hold; without `classes`, any class will do.

    Raises:
        InputError: A class is none of the recipe's, or does not fit its label band.
    """
    codes, numbers = np.unique(records.codes, return_counts=True)
    known = {item.code for item in layout.classes}
    strange = [
        f"{code} ({number} features)"
        for code, number in zip(codes.tolist(), numbers.tolist(), strict=True)
        if known and code not in known
    ]
    if strange:
        raise InputError(
            f"label features have class codes that the recipe does not list: {listed(strange)}. It lists "
            f"{listed(sorted(known))}: correct `codes`, or add the classes"
        )
    if layout.label is not None:
        check_codes(codes, layout.label.dtype)
