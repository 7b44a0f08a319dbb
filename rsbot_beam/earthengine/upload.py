"""Assets of Earth Engine from image manifests: ingested by tasks of the service, or backed by files in a bucket."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import ee

from rsbot_beam.errors import AuthenticationError, EarthEngineError, InputError, PermanentError, ThrottledError

UPLOAD_URL = "https://earthengine.googleapis.com"
"""Assets are made through the standard endpoint; the high-volume one is for pixels."""

# Images backed by COGs are registered one by one; this many at a time, a fifth of a project's 40 requests in flight.
_AT_A_TIME = 8


@dataclass(frozen=True)
class Submitted:
    """What became of the images.

    Attributes:
        tasks: Names of the tasks that ingest images: Earth Engine works on after this.
        created: Names of images that are there now.
        skipped: Names of images that were there before.
    """

    tasks: tuple[str, ...] = ()
    created: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()


def ensure_collection(name: str, properties: Mapping[str, Any]) -> bool:
    """Make an image collection unless it is there; the client must be connected.

    Returns:
        Whether it was made now.

    Raises:
        InputError: There is something else of that name.
        EarthEngineError: Earth Engine refused.
    """
    there = _ask(name, partial(ee.data.getInfo, name))
    if there is None:
        asset = {"type": "IMAGE_COLLECTION", "name": name, "properties": dict(properties)}
        _ask(name, partial(ee.data.createAsset, asset))
        return True
    if there["type"] not in ("IMAGE_COLLECTION", "ImageCollection"):
        raise InputError(f"{name} is an asset of type {there['type']}: choose another name, or delete it")
    return False


def ingest(manifests: Sequence[Mapping[str, Any]], overwrite: bool = False) -> Submitted:
    """Start a task for each manifest (`image:import`).

    Args:
        manifests: In the form of `earthengine upload image --manifest`.
        overwrite: Whether images of the same name are replaced; otherwise they are left as they are.

    Raises:
        EarthEngineError: Earth Engine refused; tasks started before go on.
    """
    skipped, tasks = [], []
    for manifest in manifests:
        name = manifest["name"]
        if not overwrite and _ask(name, partial(ee.data.getInfo, name)) is not None:
            skipped.append(name)
            continue
        # The identifier makes it safe for the client to repeat the request after a broken connection.
        identifier = ee.data.newTaskId()[0]
        started = _ask(name, partial(ee.data.startIngestion, identifier, dict(manifest), overwrite))
        tasks.append(str(started["name"]))
    return Submitted(tasks=tuple(tasks), skipped=tuple(skipped))


def register(collection: str, manifests: Sequence[Mapping[str, Any]], overwrite: bool = False) -> Submitted:
    """Make an image backed by Cloud Optimized GeoTIFFs of each manifest (`image:importExternal`).

    What an interrupted call has registered is skipped by the next one.

    Args:
        collection: Name of the collection that the images belong to.
        manifests: At most one file in each tileset.
        overwrite: Whether images of the same name are registered anew.

    Raises:
        EarthEngineError: Earth Engine refused; images registered before stay.
    """
    there = set() if overwrite else _names_in(collection)
    todo = [manifest for manifest in manifests if manifest["name"] not in there]

    def one(manifest: Mapping[str, Any]) -> str:
        name = str(manifest["name"])
        _ask(name, partial(ee.data.startExternalImageIngestion, dict(manifest), overwrite))
        return name

    with ThreadPoolExecutor(_AT_A_TIME) as pool:
        try:
            created = tuple(pool.map(one, todo))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return Submitted(created=created, skipped=tuple(sorted(there & {str(m["name"]) for m in manifests})))


def _names_in(collection: str) -> set[str]:
    names: set[str] = set()
    request: dict[str, Any] = {"parent": collection}
    while True:
        answer = _ask(collection, partial(ee.data.listAssets, dict(request)))
        names |= {asset["name"] for asset in answer.get("assets", ())}
        if not answer.get("nextPageToken"):
            return names
        request["pageToken"] = answer["nextPageToken"]


def _ask(name: str, call: Callable[[], Any]) -> Any:  # noqa: ANN401
    try:
        return call()
    except ee.EEException as error:
        raise _refusal(name, str(error)) from error


def _refusal(name: str, text: str) -> EarthEngineError:
    """The error of ours for what the client says; it keeps only the text of an answer, not its status."""
    words = text.lower()
    if any(word in words for word in ("permission", "forbidden", "unauthenticated", "not authorized")):
        return AuthenticationError(
            f"Earth Engine refuses to make {name}: {text}. Your account needs the role Earth Engine Resource Writer on "
            "the asset's project, and Earth Engine's must read the bucket (Storage Object Viewer, Legacy Bucket Reader)"
        )
    if "too many" in words or "quota" in words:
        return ThrottledError(
            f"Earth Engine takes no more requests for {name} now: {text}. Start the same command later"
        )
    return PermanentError(
        f"Earth Engine refuses {name}: {text}. Check that the parent folder exists and that the bucket lies in US, in a "
        "dual-region with US-CENTRAL1, or in US-CENTRAL1 if the asset is backed by COGs"
    )
