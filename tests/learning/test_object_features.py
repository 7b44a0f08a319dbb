"""Objects and attributes in examples: arrays of several lengths, read with the written feature spec alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date

import numpy as np

from rsbot_beam.data.bands import Attribute, Layout
from rsbot_beam.data.objects import Objects
from rsbot_beam.data.patch import Patch
from rsbot_beam.data.period import Period

PERIOD = Period(date(2023, 1, 1), date(2024, 1, 1))
TWO = Objects([[0, 0, 8, 2.5], [1, 2, 3, 4]], [1, 2], [True, False], ("a", "b"))


def test_objects_and_attributes_come_back(layout: Layout, make_patch: Callable[..., Patch]) -> None:
    from rsbot_beam.data.examples import encode_example, feature_table
    from rsbot_beam.learning.features import decode_examples

    attributes = (Attribute("height", "float64"), Attribute("name", "text"))
    some = replace(layout, objects=True, attributes=attributes)
    patches = [
        replace(make_patch(some, 0, 0), objects=TWO, attributes={"height": 80.25, "name": "Süd"}),
        replace(make_patch(some, 0, 1), objects=Objects.none(), attributes={}),
    ]
    transformed = {"image": np.zeros((8, 8, 2), np.float32), "valid": np.ones((8, 8), np.float32)}
    written = feature_table(some, 8)
    records = [encode_example(patch, transformed, PERIOD, written) for patch in patches]
    assert written["boxes"].shape == (None, 4)
    found = {k: v.numpy() for k, v in decode_examples(records, feature_table(some, 8, 5)).items()}
    assert found["box_count"].tolist() == [2, 0]
    assert found["boxes"].shape == (2, 5, 4)
    assert np.array_equal(found["boxes"][0, :2], TWO.boxes)
    assert not found["boxes"][0, 2:].any()
    assert not found["boxes"][1].any()
    assert found["box_classes"].tolist() == [[1, 2, 0, 0, 0], [0] * 5]
    assert found["box_truncated"].tolist() == [[1, 0, 0, 0, 0], [0] * 5]
    assert found["box_ids"].tolist() == [b"a\nb", b""]
    assert found["attribute_height"][0] == 80.25
    assert np.isnan(found["attribute_height"][1])
    assert found["attribute_name"].tolist() == ["Süd".encode(), b""]


def test_objects_are_counted(layout: Layout, make_patch: Callable[..., Patch]) -> None:
    from rsbot_beam.learning.examples import SplitTally

    some = replace(layout, objects=True)
    first, second = SplitTally(), SplitTally()
    first.count(replace(make_patch(some), objects=TWO))
    second.count(replace(make_patch(some), objects=Objects.none()))
    second.count(replace(make_patch(some), objects=TWO))
    total = first + second
    assert dict(total.objects) == {1: 2, 2: 2}
    assert (total.examples, total.most_objects) == (3, 2)
    assert SplitTally.from_dict(total.to_dict()) == total
