"""Objects, groups and attributes of patches: into raw shards and back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from rsbot_beam.data.bands import Layout
from rsbot_beam.data.objects import Objects
from rsbot_beam.data.patch import Patch
from rsbot_beam.data.raw_shard import ShardHeader, decode_patches, encode_shard, open_shard
from rsbot_beam.data.raw_store import RawStore
from rsbot_beam.data.samples import Sample
from rsbot_beam.data.shards import FetchedShard, Shard, Tally
from rsbot_beam.data.splits import SPLITS, SpatialSplit
from rsbot_beam.errors import DatasetError

Make = Callable[..., Patch]
THREE = Objects(
    [[0, 1.5, 8, 3.25], [2.1, 0, 3.3, 8], [7.9, 7.9, 8, 8]], [1, 2, 1], [True, True, False], ("a", "b", "c")
)


def test_objects_have_fixed_types() -> None:
    assert (THREE.boxes.dtype, THREE.classes.dtype, THREE.truncated.dtype) == (np.float32, np.int32, bool)
    assert len(THREE) == 3
    assert len(Objects.none()) == 0
    assert Objects.none().boxes.shape == (0, 4)


def test_a_box_without_a_class_is_refused() -> None:
    with pytest.raises(ValueError, match="reshape"):
        Objects([[0, 0, 1, 1]], [], [True], ("a",))


def test_objects_survive_their_plain_form() -> None:
    found = Objects.from_dict(THREE.to_dict())
    assert np.array_equal(found.boxes, THREE.boxes)
    assert found.classes.tolist() == [1, 2, 1]
    assert found.truncated.tolist() == [True, True, False]
    assert found.ids == ("a", "b", "c")


def test_what_belongs_to_a_patch_comes_back(make_patch: Make, layout: Layout) -> None:
    plain, full = make_patch(layout, 0, 0), make_patch(layout, 0, 1)
    full = replace(full, objects=THREE, group="g", attributes={"height": 80.5, "name": "Süd"})
    header = ShardHeader("s", (plain.key, full.key), groups=("", "g"))
    found_header, batch = open_shard(bytes(encode_shard(header, layout, [plain, full])), "s")
    assert list(found_header.grouped()) == [(plain.key, ""), (full.key, "g")]
    first, second = decode_patches(batch, layout, "s")
    assert (first.objects, first.group, first.attributes) == (None, "", {})
    assert second.objects is not None
    assert np.array_equal(second.objects.boxes, THREE.boxes)
    assert (second.group, second.attributes) == ("g", {"height": 80.5, "name": "Süd"})


def test_damage_of_objects_is_noticed(make_patch: Make, layout: Layout) -> None:
    patch = replace(make_patch(layout), objects=THREE)
    content = bytes(encode_shard(ShardHeader("s", (patch.key,)), layout, [patch]))
    place = content.rindex(b"3.25")
    with pytest.raises(DatasetError, match="checksum"):
        list(decode_patches(open_shard(content[:place] + b"4.25" + content[place + 4 :], "s")[1], layout, "s"))


def test_groups_that_are_not_those_of_the_tiles(make_patch: Make, layout: Layout) -> None:
    patch = make_patch(layout)
    header = ShardHeader("s", (patch.key,), groups=("a", "b"))
    with pytest.raises(DatasetError, match="header"):
        open_shard(bytes(encode_shard(header, layout, [patch])), "s")


def test_a_store_keeps_the_groups_of_its_samples(any_folder: str, make_patch: Make, layout: Layout) -> None:
    patches = tuple(replace(make_patch(layout, 0, 3 * col), group=f"g{col % 2}") for col in range(6))
    samples = tuple(Sample(patch.key, patch.group) for patch in patches)
    store = RawStore(any_folder, layout)
    header = store.write(FetchedShard(Shard("s", tuple(sample.key for sample in samples), samples), patches))
    assert header.groups == ("g0", "g1") * 3
    assert store.header("s") == header
    split = SpatialSplit((50, 50, 0), block=1)
    tally = Tally.of(header, split)
    expected = [split.split_of(patch.key, patch.group) for patch in store.patches(store.path("s"))]
    assert {name: getattr(tally, name) for name in SPLITS} == {name: expected.count(name) for name in SPLITS}
    assert len({split.split_of(patch.key, "g0") for patch in patches}) == 1


def test_what_a_patch_has_seen(make_patch: Make, series_layout: Layout) -> None:
    patch = make_patch(series_layout, gaps=0.9)
    expected = patch.valid["VV"].any(axis=0) | patch.valid["height"]
    assert np.array_equal(patch.seen, expected)
    assert not expected.all()
