"""What the `ee` client asks for before any work: the API's description and the list of its functions.

Both come with the client's own wheel (`ee/tests`), which is found, not imported.
"""

from __future__ import annotations

import json
from datetime import timedelta
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rsbot_beam.errors import InputError
from rsbot_beam.local_ee.catalog import Catalog, asset_id_of
from rsbot_beam.local_ee.encode_values import encode_value
from rsbot_beam.local_ee.geometries import Geometry
from rsbot_beam.local_ee.image import Image
from rsbot_beam.local_ee.temporal import EPOCH
from rsbot_beam.local_ee.values import Value


def client_file(name: str) -> Path:
    """A file that the client's wheel carries.

    Raises:
        InputError: When earthengine-api is not installed, or without that file.
    """
    found = find_spec("ee")
    places = [] if found is None else list(found.submodule_search_locations or ())
    path = Path(places[0]) / "tests" / name if places else Path(name)
    if not path.is_file():
        raise InputError(
            f"The local Earth Engine needs {name} of the installed earthengine-api, but {path} does not exist: "
            "install it with `pip install earthengine-api`."
        )
    return path


@lru_cache(maxsize=1)
def algorithms() -> bytes:
    """The answer to `GET v1/projects/P/algorithms`."""
    return client_file("algorithms.json").read_bytes()


@lru_cache(maxsize=16)
def discovery(url: str) -> bytes:
    """The API's description, pointing to this server instead of Google's.

    Args:
        url: Of this server, without a slash at the end.
    """
    text = client_file("cloud_api_discovery_document.json").read_text(encoding="utf-8")
    document = json.loads(text.replace("v1alpha", "v1"))
    _bring_up_to_date(document["resources"]["projects"])
    document.update(rootUrl=f"{url}/", baseUrl=f"{url}/", servicePath="", version="v1", mtlsRootUrl=f"{url}/")
    return json.dumps(document).encode()


def _bring_up_to_date(projects: dict[str, Any]) -> None:
    """Adds what the client's code sends but the description in its wheel, which is older, does not know."""
    assets = projects["resources"]["assets"]["methods"]
    features = assets["listFeatures"]
    features["path"] = features["path"].replace("{+parent}", "{+asset}")
    features["parameterOrder"] = ["asset"]
    features["parameters"]["asset"] = features["parameters"].pop("parent")
    for method in (features, assets["listAssets"], projects["methods"]["listAssets"]):
        for name in ("filter", "view", "region", "pageToken"):
            method["parameters"].setdefault(name, {"location": "query", "type": "string"})
        method["parameters"].setdefault("pageSize", {"location": "query", "type": "integer", "format": "int32"})


def describe_asset(catalog: Catalog, name: str, full: bool = True) -> dict[str, Any]:
    """An asset as `getAsset` shows it.

    Args:
        catalog: The assets.
        name: Resource name, `projects/P/assets/ID`.
        full: Whether bands and geometry are wanted.

    Raises:
        RequestError: 404 when there is none.
    """
    asset_id = asset_id_of(name)
    info = catalog.info(asset_id)
    found = {"type": info["type"], "name": asset_id if asset_id.startswith("projects/") else name, "id": asset_id}
    properties = dict(info.get("properties", {}))
    found |= _times(properties)
    shown = {key: encode_value(value) for key, value in properties.items() if not key.startswith("system:")}
    if shown:
        found["properties"] = shown
    if full and info["type"] == "IMAGE":
        found |= _image_details(catalog.image(asset_id))
    return found


def _times(properties: dict[str, Any]) -> dict[str, str]:
    named = {"startTime": properties.get("system:time_start"), "endTime": properties.get("system:time_end")}
    return {name: iso_time(ms) for name, ms in named.items() if isinstance(ms, (int, float))}


def iso_time(ms: float) -> str:
    """RFC 3339 text of milliseconds since 1970."""
    return (EPOCH + timedelta(milliseconds=ms)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _image_details(image: Image) -> dict[str, Any]:
    found: dict[str, Any] = {"bands": [_rest_band(band) for band in image.bands]}
    if image.footprint is not None:
        found["geometry"] = Geometry(image.footprint).to_json()
    return found


def _rest_band(band: Value) -> dict[str, Any]:
    names = ("scaleX", "shearX", "translateX", "shearY", "scaleY", "translateY")
    precision = {"int": "INT", "float": "FLOAT", "double": "DOUBLE"}[band.type.precision]
    data_type: dict[str, Any] = {"precision": precision}
    if band.type.low is not None:
        data_type["range"] = {"min": band.type.low, "max": band.type.high}
    grid: dict[str, Any] = {
        "crsCode": band.projection.crs,
        "affineTransform": dict(zip(names, list(band.projection.transform)[:6], strict=True)),
    }
    if band.shape is not None:
        grid["dimensions"] = {"width": band.shape[1], "height": band.shape[0]}
    return {"id": band.name, "dataType": data_type, "grid": grid}
