"""The features of a dataset's examples, and an example as it is written into a TFRecord. Without TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rsbot_beam.data.bands import Layout
from rsbot_beam.data.patch import Patch
from rsbot_beam.data.period import Period


@dataclass(frozen=True)
class Feature:
    """One feature of an example. All are bytes lists of one value: other lists cost 20 times the time (see docs).

    Attributes:
        dtype: Numpy name of the array's type, little-endian, C order; "text" for UTF-8 text.
        shape: Shape of the array; () for text. Arrays of several lengths are filled with zeros up to the longest of the
            dataset; None where that is not known yet.
        description: One line for people.
        varies: Whether the first axis is as long as the example has objects.
    """

    dtype: str
    shape: tuple[int | None, ...]
    description: str
    varies: bool = False


def attribute_feature(name: str) -> str:
    """Name of the feature that carries an attribute of the user's points."""
    return f"attribute_{name}"


def _object_table(most: int | None) -> dict[str, Feature]:
    """Objects of an example, in the same order in each feature; the longest example has `most`."""
    return {
        "box_count": Feature("int32", (), "number of objects; what follows in the other features is filling"),
        "boxes": Feature("float32", (most, 4), "ymin, xmin, ymax, xmax in pixels from the top left corner", True),
        "box_classes": Feature("int32", (most,), "class code of each object", True),
        "box_truncated": Feature("uint8", (most,), "1 where the tile's edge cuts the object", True),
        "box_ids": Feature("text", (), "names of the objects, one in a line"),
    }


def feature_table(layout: Layout, size: int, most_objects: int | None = None) -> dict[str, Feature]:
    """The features of the examples of a layout, by name, in the order in which they are written.

    Args:
        layout: What a patch holds.
        size: Pixels per side.
        most_objects: Objects of the example that has most; None where they are still to be written.
    """
    time = (layout.steps,) if layout.steps else ()
    axes = "[steps,] height, width" if layout.steps else "height, width"
    table = {
        "image": Feature("float32", (*time, size, size, len(layout.bands)), f"transformed inputs ({axes}, bands)"),
        "valid": Feature("uint8", (*time, size, size), "1 where all bands of image are valid"),
    }
    if layout.static:
        table["static"] = Feature("float32", (size, size, len(layout.static)), "transformed inputs without time axis")
        table["static_valid"] = Feature("uint8", (size, size), "1 where all bands of static are valid")
    if layout.label:
        table["label"] = Feature(layout.label.dtype, (size, size), "label as fetched; 0 where not valid")
        table["label_valid"] = Feature("uint8", (size, size), "1 where the label is valid")
    if layout.objects:
        table |= _object_table(most_objects)
    for item in layout.attributes:
        table[attribute_feature(item.name)] = Feature(item.dtype, (), "from the sampled point")
    return table | {
        "tile": Feature("text", (), "key of the tile"),
        "crs": Feature("text", (), "coordinate reference system"),
        "transform": Feature("float64", (6,), "affine a, b, c, d, e, f from pixel corners (column, row) to (x, y)"),
        "bounds": Feature("float64", (4,), "left, bottom, right, top in units of the CRS"),
        "period": Feature("text", (), "start/end, days; the end is the day after the last one"),
    }


def encode_example(
    patch: Patch, transformed: Mapping[str, np.ndarray], period: Period, table: Mapping[str, Feature]
) -> bytes:
    """One example.

    Args:
        patch: The raw patch.
        transformed: What the transform_fn gives for it: `image`, `valid` and the like, without a batch axis.
        period: The period of the run.
        table: The features to write.

    Returns:
        A serialised `tf.train.Example`.
    """
    bounds = np.array(patch.key.bounds, np.float64)
    transform = np.array(tuple(patch.key.transform)[:6], np.float64)
    values: dict[str, np.ndarray | str] = {
        **transformed,
        **_objects(patch),
        **_attributes(patch),
        "tile": str(patch.key),
        "crs": patch.key.crs,
        "transform": transform,
        "bounds": bounds,
        "period": str(period),
    }
    if patch.label is not None and patch.label_valid is not None:
        values |= {"label": patch.label, "label_valid": patch.label_valid}
    return _serialise([(name, _to_bytes(values[name], feature)) for name, feature in table.items()])


def _objects(patch: Patch) -> dict[str, np.ndarray | str]:
    if patch.objects is None:
        return {}
    return {
        "box_count": np.array(len(patch.objects)),
        "boxes": patch.objects.boxes,
        "box_classes": patch.objects.classes,
        "box_truncated": patch.objects.truncated,
        "box_ids": "\n".join(patch.objects.ids),
    }


def _attributes(patch: Patch) -> dict[str, np.ndarray | str]:
    found: dict[str, np.ndarray | str] = {}
    for item in patch.layout.attributes:
        value = patch.attributes.get(item.name)
        if item.dtype == "text":
            found[attribute_feature(item.name)] = "" if value is None else str(value)
        else:
            found[attribute_feature(item.name)] = np.array(np.nan if value is None else value, item.dtype)
    return found


def _serialise(features: Sequence[tuple[str, bytes | memoryview]]) -> bytes:
    """A `tf.train.Example` of bytes features, in the wire format of tensorflow/core/example/feature.proto.

    The protobuf library copies the pixels four times on their way through an Example; this does so once. Each message is
    its field's tag (10: field 1, 18: field 2, both length-delimited), its length, and its content.
    """
    entries: list[bytes | memoryview] = []
    total = 0
    for name, value in sorted(features, key=lambda item: item[0]):
        key = _field(10, len(name.encode())) + name.encode()
        value_head = _field(10, len(value))  # BytesList.value
        list_head = _field(10, len(value_head) + len(value))  # Feature.bytes_list
        feature_head = _field(18, len(list_head) + len(value_head) + len(value))  # the map entry's value
        inner = len(key) + len(feature_head) + len(list_head) + len(value_head)
        head = _field(10, inner + len(value)) + key + feature_head + list_head + value_head
        entries += [head, value]
        total += len(head) + len(value)
    return b"".join([_field(10, total), *entries])


def _field(tag: int, length: int) -> bytes:
    """A tag below 128 and a length as varints."""
    encoded = bytearray([tag])
    while length >= 0x80:
        encoded.append(length & 0x7F | 0x80)
        length >>= 7
    encoded.append(length)
    return bytes(encoded)


def _to_bytes(value: np.ndarray | str, feature: Feature) -> bytes | memoryview:
    if isinstance(value, str):
        return value.encode("utf-8")
    plain = np.ascontiguousarray(value).astype(np.dtype(feature.dtype).newbyteorder("<"), copy=False)
    return plain.reshape(-1).view(np.uint8).data
