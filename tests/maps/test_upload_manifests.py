"""Manifests for Earth Engine, from a map's STAC collection."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rsbot_beam import storage
from rsbot_beam.data.bands import LabelClass
from rsbot_beam.data.period import Period
from rsbot_beam.errors import DatasetError, InputError
from rsbot_beam.geometry import TileBlock
from rsbot_beam.maps import upload as module
from rsbot_beam.maps.stac import COLLECTION_FILE, ItemEntry, collection_of
from rsbot_beam.maps.styles import map_styles, raster_path
from rsbot_beam.maps.upload import plan_upload, read_map, write_manifests

STYLES = map_styles((LabelClass(10, "Trees & shrubs", "#006400"), LabelClass(20, "Grass", "#ffff4c")))
ONE_ZONE = [TileBlock("EPSG:32633", 10.0, 256, -527_104, 39_168 + 512 * n, 2, 2) for n in range(3)]
TWO_ZONES = [*ONE_ZONE, TileBlock("EPSG:32632", 10.0, 256, -527_104, 72_192, 2, 2)]
ASSET = "projects/my-project/assets/folder/map_2023"


def write_map(folder: str | Path, blocks: list[TileBlock], names: tuple[str, ...] = ("class", "probability")) -> str:
    """A map's folder whose rasters are empty files."""
    styles = {name: STYLES[name] for name in names}
    for block in blocks:
        for name in names:
            storage.write_bytes(storage.join(folder, raster_path(name, block)), b"")
    entries = [ItemEntry(str(block), (10, 47, 11, 48)) for block in blocks]
    period = Period.parse("2023-04-01,2023-10-01")
    collection = collection_of("m", entries, styles, period, "a map", {"rsbot:model": "unet", "many": [1, 2]})
    storage.write_bytes(storage.join(folder, COLLECTION_FILE), json.dumps(collection))
    return str(folder)


def test_one_crs_is_one_image(tmp_path: Path) -> None:
    found = plan_upload(read_map(write_map(tmp_path, ONE_ZONE)), ASSET, "gs://bucket/map")
    assert not found.is_collection
    (manifest,) = found.manifests
    assert manifest == {
        "name": ASSET,
        "uriPrefix": "gs://bucket/map/",
        "tilesets": [
            {"id": name, "sources": [{"uris": [f"{name}/{block}.tif"]} for block in ONE_ZONE]}
            for name in ("class", "probability")
        ],
        "bands": [
            {
                "id": "class",
                "tilesetId": "class",
                "tilesetBandIndex": 0,
                "pyramidingPolicy": "MODE",
                "missingData": {"values": [255]},
            },
            # NaN is no JSON; Earth Engine reads it from the files.
            {"id": "probability", "tilesetId": "probability", "tilesetBandIndex": 0, "pyramidingPolicy": "MEAN"},
        ],
        "startTime": "2023-04-01T00:00:00Z",
        "endTime": "2023-10-01T00:00:00Z",
        "properties": {
            "rsbot_model": "unet",
            "class_class_values": [10, 20],
            "class_class_names": ["Trees & shrubs", "Grass"],
            "class_class_palette": ["006400", "FFFF4C"],
        },
    }
    json.dumps(manifest, allow_nan=False)


def test_several_crss_are_a_collection(tmp_path: Path) -> None:
    found = plan_upload(read_map(write_map(tmp_path, TWO_ZONES)), ASSET, "gs://bucket/map/")
    assert found.is_collection
    assert [m["name"] for m in found.manifests] == [f"{ASSET}/EPSG32632_10", f"{ASSET}/EPSG32633_10"]
    for manifest in found.manifests:
        crss = {
            uri.split("/")[1].split("_")[0] for t in manifest["tilesets"] for s in t["sources"] for uri in s["uris"]
        }
        assert len(crss) == 1, "all files of a tileset have one CRS"
        assert manifest["uriPrefix"] == "gs://bucket/map/"


def test_every_file_is_in_one_manifest(tmp_path: Path) -> None:
    for cog_backed in (False, True):
        found = plan_upload(read_map(write_map(tmp_path, TWO_ZONES)), ASSET, "gs://bucket/map", cog_backed)
        uris = [u for m in found.manifests for t in m["tilesets"] for s in t["sources"] for u in s["uris"]]
        assert sorted(uris) == sorted(raster_path(n, b) for b in TWO_ZONES for n in ("class", "probability"))


def test_more_files_than_a_manifest_lists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_SOURCES", 2)
    found = plan_upload(read_map(write_map(tmp_path, ONE_ZONE)), ASSET, "gs://bucket/map")
    assert found.is_collection
    assert [m["name"].rsplit("/", 1)[1] for m in found.manifests] == ["EPSG32633_10_000", "EPSG32633_10_001"]
    assert [len(t["sources"]) for m in found.manifests for t in m["tilesets"]] == [2, 2, 1, 1]


def test_the_largest_manifest_fits_into_a_request(tmp_path: Path) -> None:
    blocks = [TileBlock("EPSG:32633", 10.0, 256, 527_104 + n, -139_168, 16, 16) for n in range(module.MAX_SOURCES)]
    folder = write_map(tmp_path, blocks[:1], tuple(STYLES))
    found = read_map(folder)
    many = module.MapFiles(tuple(blocks), found.bands, found.start, found.end, found.properties)
    (manifest,) = plan_upload(many, ASSET, "gs://bucket/map").manifests
    assert len(json.dumps(manifest)) < 10_485_760


def test_cog_backed_images_are_blocks(tmp_path: Path) -> None:
    """At most one file in a tileset, and nothing but the band's place: the rest is in the file."""
    blocks = [*TWO_ZONES, TileBlock("EPSG:4326", 0.0001, 256, -520_192, 100_096)]
    found = plan_upload(read_map(write_map(tmp_path, blocks)), ASSET, "gs://bucket/map", cog_backed=True)
    assert found.is_collection
    assert len(found.manifests) == len(blocks)
    for manifest in found.manifests:
        assert all(len(tileset["sources"]) == 1 for tileset in manifest["tilesets"])
        assert all(set(band) == {"id", "tilesetId", "tilesetBandIndex"} for band in manifest["bands"])
        assert set(manifest["name"].removeprefix(ASSET + "/")) <= set(
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"
        )
    assert len({manifest["name"] for manifest in found.manifests}) == len(blocks)


def test_bands_of_all_probabilities(tmp_path: Path) -> None:
    folder = write_map(tmp_path, ONE_ZONE, ("class", "probabilities"))
    (manifest,) = plan_upload(read_map(folder), ASSET, "gs://bucket/map").manifests
    assert [(b["id"], b["tilesetId"], b["tilesetBandIndex"]) for b in manifest["bands"]] == [
        ("class", "class", 0),
        ("probabilities_Trees_shrubs", "probabilities", 0),
        ("probabilities_Grass", "probabilities", 1),
    ]


def test_bands_by_choice(tmp_path: Path) -> None:
    folder = write_map(tmp_path, ONE_ZONE)
    (manifest,) = plan_upload(read_map(folder, ["probability"]), ASSET, "gs://bucket/map").manifests
    assert [tileset["id"] for tileset in manifest["tilesets"]] == ["probability"]
    assert "class_class_values" not in manifest["properties"]
    with pytest.raises(InputError, match="no raster entropy; it has class, probability"):
        read_map(folder, ["entropy"])


def test_further_properties(tmp_path: Path) -> None:
    found = plan_upload(read_map(write_map(tmp_path, ONE_ZONE)), ASSET, "gs://b/m", properties={"version": "2"})
    assert found.manifests[0]["properties"]["version"] == "2"


def test_class_names_that_become_the_same_stay_apart() -> None:
    assert module._unique(["a b", "a/b", "a_b", "ä"]) == ["a_b", "a_b_1", "a_b_2", "band"]


def test_local_files_are_refused(tmp_path: Path) -> None:
    found = read_map(write_map(tmp_path, ONE_ZONE))
    with pytest.raises(InputError, match=r"Cloud Storage only.*gcloud storage cp -r .* --cogs gs://"):
        plan_upload(found, ASSET, str(tmp_path))


@pytest.mark.parametrize(
    "asset", ["map", "users/me/map", "projects/p/assets/", "projects/p/assets/a b", "projects/p/a"]
)
def test_names_that_are_no_assets(tmp_path: Path, asset: str) -> None:
    with pytest.raises(InputError, match="projects/<project>/assets/<name>"):
        plan_upload(read_map(write_map(tmp_path, ONE_ZONE)), asset, "gs://bucket/map")


def test_a_folder_without_a_finished_map(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="rsbot predict"):
        read_map(str(tmp_path))


def test_a_raster_that_is_missing(tmp_path: Path) -> None:
    folder = write_map(tmp_path, ONE_ZONE)
    (tmp_path / raster_path("probability", ONE_ZONE[1])).unlink()
    with pytest.raises(DatasetError, match=f"1 of 3 files .* probability/{ONE_ZONE[1]}"):
        read_map(folder)


def test_written_manifests(tmp_path: Path) -> None:
    found = read_map(write_map(tmp_path, TWO_ZONES))
    names = {
        False: ["manifest_EPSG32632_10.json", "manifest_EPSG32633_10.json"],
        True: ["manifests_cog_backed.jsonl"],
    }
    for cog_backed, expected in names.items():
        planned = plan_upload(found, ASSET, "gs://bucket/map", cog_backed)
        paths = write_manifests(str(tmp_path), planned)
        assert paths == [str(tmp_path / "ee" / name) for name in expected]
        texts = [Path(path).read_text() for path in paths]
        read: list[Any] = [json.loads(t) for text in texts for t in (text.splitlines() if cog_backed else [text])]
        assert read == list(planned.manifests)


def test_a_map_in_a_bucket(gcs: Any) -> None:
    folder = write_map(gcs, ONE_ZONE)
    planned = plan_upload(read_map(folder), ASSET, folder)
    assert planned.manifests[0]["uriPrefix"] == f"{folder}/"
    assert storage.exists(write_manifests(folder, planned)[0])
