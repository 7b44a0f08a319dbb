"""A patch: the pixels of one tile, with their validity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from odc.geo.geobox import GeoBox

from rsbot_beam.data.bands import Layout
from rsbot_beam.data.objects import Objects
from rsbot_beam.data.samples import AttributeValue
from rsbot_beam.geometry import TileKey


@dataclass(frozen=True, eq=False)
class Patch:
    """The pixels of one tile.

    Attributes:
        key: The tile.
        layout: What the arrays are.
        pixels: By band name, in the band's own dtype: (height, width), or (steps, height, width) for bands with a time
            axis. Invalid pixels are 0.
        valid: By band name, bool, in the shape of the pixels; True = valid.
        objects: The objects that the tile sees, or None for a recipe that detects none.
        group: Patches of one group are in one partition; empty where the place decides.
        attributes: What the user's point says of the tile, by name.
    """

    key: TileKey
    layout: Layout
    pixels: Mapping[str, np.ndarray]
    valid: Mapping[str, np.ndarray]
    objects: Objects | None = None
    group: str = ""
    attributes: Mapping[str, AttributeValue] = field(default_factory=dict)

    @property
    def geobox(self) -> GeoBox:
        """Where the patch lies: CRS, transform and shape."""
        return self.key.geobox

    @property
    def label(self) -> np.ndarray | None:
        """The label's pixels, (height, width), or None for a recipe without labels."""
        return self.pixels[self.layout.label.name] if self.layout.label else None

    @property
    def label_valid(self) -> np.ndarray | None:
        """The label's validity, bool (height, width), or None for a recipe without labels."""
        return self.valid[self.layout.label.name] if self.layout.label else None

    @property
    def seen(self) -> np.ndarray:
        """Pixels of which there is a valid input, of any band at any time; bool (height, width)."""
        flags = [self.valid[band.name] for band in self.layout.inputs]
        return np.logical_or.reduce([flag.any(axis=0) if flag.ndim == 3 else flag for flag in flags])

    @property
    def is_empty(self) -> bool:
        """Whether no input band has a single valid pixel; a label alone teaches nothing."""
        return not any(self.valid[band.name].any() for band in self.layout.inputs)

    @property
    def nbytes(self) -> int:
        """Bytes of the pixels, without validity."""
        return sum(array.nbytes for array in self.pixels.values())


def stack_fetched(
    key: TileKey, layout: Layout, values: Mapping[str, np.ndarray], valid: Mapping[str, np.ndarray]
) -> Patch:
    """The patch of a tile, of the bands that Earth Engine answered with; arguments and arrays as in `stack_bands`."""
    return Patch(key, layout, *stack_bands(layout, values, valid))


def stack_bands(
    layout: Layout, values: Mapping[str, np.ndarray], valid: Mapping[str, np.ndarray]
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Bring the bands that Earth Engine answered with, each (height, width), into the shapes of `layout`.

    Args:
        layout: The recipe's bands.
        values: By name of the fetched band (`Layout.fetched`), native dtype.
        valid: The same, bool.

    Returns:
        Pixels and validity by band, as in `Patch`; pixels that are not valid are set to 0, so that equal places have equal
        bytes.
    """
    pixels: dict[str, list[np.ndarray]] = {}
    flags: dict[str, list[np.ndarray]] = {}
    for fetched in layout.fetched():
        good = valid[fetched.name]
        value = np.ascontiguousarray(values[fetched.name])
        pixels.setdefault(fetched.band.name, []).append(
            value if good.all() else np.where(good, value, 0).astype(value.dtype)
        )
        flags.setdefault(fetched.band.name, []).append(good)
    series = {band.name for band in layout.bands} if layout.steps else set()

    def joined(parts: dict[str, list[np.ndarray]]) -> dict[str, np.ndarray]:
        return {name: np.stack(arrays) if name in series else arrays[0] for name, arrays in parts.items()}

    return joined(pixels), joined(flags)
