"""How many requests a place takes, beside how many are really made."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from odc.geo.geobox import GeoBox

from rsbot_beam.earthengine import pixels
from rsbot_beam.earthengine.places import requests_of
from rsbot_beam.earthengine.source import FetchBand, PixelSource

BANDS = tuple(FetchBand(f"B{number}", "uint16") for number in range(5))
SOURCE = PixelSource(BANDS, expression="{}")


def place(height: int, width: int) -> GeoBox:
    return GeoBox.from_bbox((0, 0, width, height), "EPSG:32632", shape=(height, width))


def leaves(height: int, width: int, bands: int) -> Iterator[tuple[int, int, int]]:
    """As the documentation of `fetch_tiles` has it: cut across the longer side down to 64 pixels, then in bands."""
    if height * width * bands * 3 <= pixels.MAX_REQUEST_BYTES:
        yield height, width, bands
    elif max(height, width) >= 64:
        longer = height >= width
        for part in ((max(height, width)) // 2, max(height, width) - max(height, width) // 2):
            yield from leaves(part, width, bands) if longer else leaves(height, part, bands)
    elif bands > 1:
        yield from leaves(height, width, bands // 2)
        yield from leaves(height, width, bands - bands // 2)
    else:
        yield height, width, bands


@pytest.mark.parametrize("shape", [(10, 10), (100, 100), (128, 700), (333, 1000), (1, 4096)])
@pytest.mark.parametrize("most", [50_331_648, 100_000, 5_000])
def test_requests_are_those_of_the_cuts(shape: tuple[int, int], most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pixels, "MAX_REQUEST_BYTES", most)
    found = list(leaves(*shape, len(BANDS)))
    assert requests_of(SOURCE, place(*shape)) == len(found)
    assert sum(height * width * bands for height, width, bands in found) == shape[0] * shape[1] * len(BANDS)
