"""Raw shards: what goes in comes out, byte for byte, and damage is noticed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
import pytest

from rsbot_beam.data.bands import DTYPES, Band, Layout
from rsbot_beam.data.patch import Patch
from rsbot_beam.data.raw_shard import ShardHeader, decode_patches, encode_shard, open_shard, pack_valid, read_header
from rsbot_beam.errors import DatasetError
from rsbot_beam.geometry import TileKey

Make = Callable[..., Patch]
Same = Callable[[Patch, Patch], bool]


def encode(layout: Layout, patches: Sequence[Patch], empty: tuple[TileKey, ...] = ()) -> bytes:
    header = ShardHeader("s", tuple(patch.key for patch in patches), empty)
    return bytes(encode_shard(header, layout, patches))


def decode(content: bytes, layout: Layout) -> list[Patch]:
    _, batch = open_shard(content, "shard")
    return list(decode_patches(batch, layout, "shard"))


@pytest.mark.parametrize("gaps", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype_comes_back(make_patch: Make, same_patch: Same, dtype: str, gaps: float) -> None:
    layout = Layout((Band("x", dtype),), label=Band("y", "uint8"))
    patches = [make_patch(layout, 0, col, gaps) for col in range(3)]
    found = decode(encode(layout, patches), layout)
    assert all(same_patch(a, b) for a, b in zip(patches, found, strict=True))


def test_extreme_values_and_nan_come_back(make_key: Callable[..., TileKey], same_patch: Same) -> None:
    bands = tuple(Band(f"b_{dtype}", dtype) for dtype in DTYPES)
    layout = Layout(bands)
    pixels = {}
    for band in bands:
        info = np.finfo(band.numpy) if band.numpy.kind == "f" else np.iinfo(band.numpy)
        odd = [np.nan, -0.0, np.inf] if band.numpy.kind == "f" else [0, 1, 2]
        pixels[band.name] = np.array([info.min, info.max, odd[0], odd[1]], band.numpy).reshape(2, 2)
    patch = Patch(make_key(size=2), layout, pixels, {name: np.ones((2, 2), bool) for name in pixels})
    assert same_patch(patch, decode(encode(layout, [patch]), layout)[0])


@pytest.mark.parametrize("gaps", [0.0, 0.4])
def test_time_series_come_back(make_patch: Make, same_patch: Same, series_layout: Layout, gaps: float) -> None:
    patches = [make_patch(series_layout, row, 0, gaps, size=5) for row in range(2)]
    found = decode(encode(series_layout, patches), series_layout)
    assert all(same_patch(a, b) for a, b in zip(patches, found, strict=True))
    assert found[0].pixels["VV"].shape == (3, 5, 5)


def test_pixels_are_read_only_views(make_patch: Make, layout: Layout) -> None:
    patch = decode(encode(layout, [make_patch(layout)]), layout)[0]
    with pytest.raises(ValueError, match="read-only"):
        patch.pixels["B4"][0, 0] = 1


def test_validity_is_one_bit_a_pixel_and_nothing_where_all_is_valid(make_patch: Make, layout: Layout) -> None:
    assert pack_valid(make_patch(layout)) == b""
    assert len(pack_valid(make_patch(layout, gaps=0.5))) == 3 * 64 // 8


def test_the_header_accounts_for_every_tile(make_patch: Make, make_key: Callable[..., TileKey], layout: Layout) -> None:
    keys = [make_key(0, col) for col in range(4)]
    header = ShardHeader("name", (keys[2], keys[0]), (keys[1],), (keys[3],))
    content = bytes(encode_shard(header, layout, [make_patch(layout, 0, 2), make_patch(layout, 0, 0)]))
    assert open_shard(content, "shard")[0] == header
    assert read_header(content, "shard") == header
    assert header.tiles == 4
    assert [patch.key for patch in decode(content, layout)] == [keys[2], keys[0]]


def test_a_shard_of_empty_tiles_alone(make_key: Callable[..., TileKey], layout: Layout, series_layout: Layout) -> None:
    for some in (layout, series_layout):
        content = encode(some, [], (make_key(), make_key(1)))
        assert decode(content, some) == []
        assert read_header(content, "shard").empty == (make_key(), make_key(1))


def test_equal_patches_make_equal_bytes(make_patch: Make, series_layout: Layout) -> None:
    patches = [make_patch(series_layout, 0, col, 0.2) for col in range(3)]
    again = decode(encode(series_layout, patches), series_layout)
    assert encode(series_layout, again) == encode(series_layout, patches)


def test_the_header_is_in_the_first_bytes(make_patch: Make, layout: Layout) -> None:
    content = encode(layout, [make_patch(layout, size=64)])
    whole = read_header(content, "shard")
    enough = next(n for n in range(len(content)) if not raises_end_of_file(content[:n]))
    assert read_header(content[:enough], "shard") == whole
    assert enough < 1500


def raises_end_of_file(head: bytes) -> bool:
    try:
        read_header(head, "shard")
    except EOFError:
        return True
    except DatasetError:
        return len(head) < 8
    return False


@pytest.mark.parametrize("content", [b"", b"PAR1", b"x" * 100])
def test_what_is_no_arrow_file(content: bytes) -> None:
    with pytest.raises(DatasetError, match=r"the-file is not an Arrow file"):
        read_header(content, "the-file")
    with pytest.raises(DatasetError, match=r"the-file is damaged"):
        open_shard(content, "the-file")


@pytest.mark.parametrize(
    "metadata",
    [
        None,
        {"rsbot": "no json"},
        {"rsbot": "[]"},
        {"rsbot": '{"version": 1, "stored": ["x"], "empty": [], "dead": []}'},
    ],
)
def test_an_arrow_file_of_something_else(metadata: dict[str, str] | None) -> None:
    sink = pa.BufferOutputStream()
    batch = pa.record_batch([pa.array([1])], schema=pa.schema([("x", pa.int64())], metadata=metadata))
    with pa.ipc.new_file(sink, batch.schema) as writer:
        writer.write_batch(batch)
    content = sink.getvalue().to_pybytes()
    for read in (read_header, open_shard):
        with pytest.raises(DatasetError, match="is not a raw shard of rsbot-beam"):
            read(content, "shard")


def test_a_shard_of_a_later_version(make_key: Callable[..., TileKey], layout: Layout) -> None:
    content = encode(layout, [], (make_key(),)).replace(b'{"version": 2,', b'{"version": 7,')
    with pytest.raises(DatasetError, match="has format 7, this version reads 2"):
        read_header(content, "shard")


def test_truncated_shards_are_damaged(make_patch: Make, layout: Layout) -> None:
    content = encode(layout, [make_patch(layout)])
    for length in range(0, len(content), 7):
        with pytest.raises(DatasetError, match="damaged"):
            decode(content[:length], layout)


@pytest.mark.parametrize("mask", [0x01, 0x80, 0xFF])
def test_damage_of_any_byte_is_noticed_or_harmless(
    make_patch: Make, same_patch: Same, layout: Layout, mask: int
) -> None:
    """No flipped byte gives other pixels, another error than ours, or reads beyond the file."""
    patches = [make_patch(layout, 0, col, 0.3, size=4) for col in range(3)]
    content = encode(layout, patches, (patches[0].key.shifted(4, 0),))
    noticed = 0
    for position in range(len(content)):
        damaged = bytearray(content)
        damaged[position] ^= mask
        try:
            found = decode(bytes(damaged), layout)
        except DatasetError as error:
            assert "shard" in str(error)
            noticed += 1
        else:
            assert all(same_patch(a, b) for a, b in zip(patches, found, strict=True)), f"byte {position}"
    assert noticed > len(content) / 3


@pytest.mark.parametrize("mask", [0x01, 0xFF])
def test_damage_of_the_header_is_noticed_or_another_header(make_patch: Make, layout: Layout, mask: int) -> None:
    content = encode(layout, [make_patch(layout)])
    for position in range(len(content)):
        damaged = bytearray(content)
        damaged[position] ^= mask
        try:
            assert isinstance(read_header(bytes(damaged), "shard"), ShardHeader)
        except (DatasetError, EOFError) as error:
            assert "shard" in str(error)


def test_every_damaged_pixel_is_noticed(make_patch: Make, layout: Layout) -> None:
    patch = make_patch(layout)
    content = encode(layout, [patch])
    start = content.index(patch.pixels["B8"].tobytes())
    for position in range(start, start + patch.pixels["B8"].nbytes):
        damaged = bytearray(content)
        damaged[position] ^= 4
        with pytest.raises(DatasetError, match=f"checksum of tile {patch.key} is wrong"):
            decode(bytes(damaged), layout)


def test_swapped_rows_are_noticed(make_patch: Make, layout: Layout) -> None:
    """The checksum covers the key: right pixels at the wrong place are damage too."""
    a, b = make_patch(layout, 0, 0), make_patch(layout, 0, 1)
    swapped = encode(layout, [a, b]).replace(f"{a.key}{b.key}".encode(), f"{b.key}{a.key}".encode())
    with pytest.raises(DatasetError, match="checksum"):
        decode(swapped, layout)


def test_another_layout_does_not_fit(make_patch: Make, layout: Layout) -> None:
    content = encode(layout, [make_patch(layout)])
    with pytest.raises(DatasetError, match="damaged"):
        decode(content, Layout((Band("other", "uint16"),)))
