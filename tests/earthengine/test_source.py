"""Sources: text that travels, halves by bands, asset names."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable

import pytest

from rsbot_beam.earthengine.source import FetchBand, PixelSource, asset_name, plain_asset
from rsbot_beam.errors import InputError

Make = Callable[..., PixelSource]


def test_data_bands_are_those_without_flags(source: PixelSource) -> None:
    assert [band.name for band in source.data_bands] == ["B2", "B3", "B4", "B8", "B11", "B12"]
    assert [band.name for band in source.bands][-1] == "valid_0"
    assert source.pixel_bytes == 6 * 3 + 2


def test_the_prefix_is_the_request_without_its_end(source: PixelSource) -> None:
    request = json.loads(source.prefix + b"}")
    assert request == {"fileFormat": "NPY", "expression": json.loads(source.expression or "")}
    assert source.method == "v1/projects/{project}/image:computePixels"


def test_the_expression_travels_letter_by_letter() -> None:
    text = '{"result": "0", "values": {"0": {"constantValue": 0.1000}}}'
    assert text.encode() in PixelSource((FetchBand("b", "uint8"),), expression=text).prefix


def test_a_pickle_holds_no_caches(source: PixelSource) -> None:
    before = pickle.dumps(source)
    _ = source.prefix, source.fingerprint, source.data_bands
    assert pickle.dumps(source) == before
    assert pickle.loads(before) == source
    assert pickle.loads(before).fingerprint == source.fingerprint


def test_fingerprints_tell_sources_apart(source_of: Make) -> None:
    assert source_of(name="a").fingerprint == source_of(name="a").fingerprint != source_of(name="b").fingerprint
    assert source_of().halves()[0].fingerprint != source_of().fingerprint


def test_halves_keep_order_flags_and_the_whole_expression(source_of: Make) -> None:
    source = source_of(tuple(FetchBand(f"b{i:02d}", "int16") for i in range(20)))
    left, right = source.halves() or pytest.fail("must have halves")
    assert [b.name for b in left.bands] == [f"b{i:02d}" for i in range(10)] + ["valid_0"]
    assert [b.name for b in right.bands] == [f"b{i:02d}" for i in range(10, 20)] + ["valid_0", "valid_1"]
    assert left.flags + right.flags == source.flags
    assert json.loads(right.prefix + b"}")["bandIds"] == [b.name for b in right.bands]
    assert left.expression == source.expression


def test_a_single_band_has_no_halves(source_of: Make) -> None:
    assert source_of((FetchBand("b", "uint8"),)).halves() is None


def test_plain_assets_are_asked_by_band() -> None:
    source = plain_asset("USGS/SRTMGL1_003", [FetchBand("elevation", "int16")], {"elevation": -32768})
    assert source.method == "v1/projects/earthengine-public/assets/USGS/SRTMGL1_003:getPixels"
    assert json.loads(source.prefix + b"}") == {"fileFormat": "NPY", "bandIds": ["elevation"]}
    assert hash(source) == hash(pickle.loads(pickle.dumps(source)))


@pytest.mark.parametrize(
    ("asset_id", "name"),
    [
        ("USGS/SRTMGL1_003", "projects/earthengine-public/assets/USGS/SRTMGL1_003"),
        ("users/me/x", "projects/earthengine-legacy/assets/users/me/x"),
        ("projects/my-project/assets/a/b", "projects/my-project/assets/a/b"),
        ("projects/old/x", "projects/earthengine-legacy/assets/projects/old/x"),
    ],
)
def test_asset_names_are_those_of_the_client(asset_id: str, name: str) -> None:
    from ee import _cloud_api_utils

    assert asset_name(asset_id) == name == _cloud_api_utils.convert_asset_id_to_asset_name(asset_id)


def test_what_cannot_be_fetched_is_refused() -> None:
    band = FetchBand("b", "uint8")
    with pytest.raises(InputError, match="int64"):
        FetchBand("b", "int64")
    with pytest.raises(InputError, match="each once"):
        PixelSource((band, band), expression="{}")
    with pytest.raises(InputError, match="at least one"):
        PixelSource((), expression="{}")
    with pytest.raises(InputError, match="either"):
        PixelSource((band,))
    with pytest.raises(InputError, match="not among the bands"):
        plain_asset("a", [band], {"c": 0})
