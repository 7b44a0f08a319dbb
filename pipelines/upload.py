"""`rsbot upload`: a map becomes an asset of Earth Engine."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from pipelines.command_line import CommandParser
from rsbot_beam.earthengine.endpoint import Endpoint
from rsbot_beam.errors import InputError
from rsbot_beam.maps.upload import Upload, plan_upload, read_map, write_manifests

EXAMPLE = """

examples:
  rsbot upload --map gs://bucket/map --asset projects/my-project/assets/landcover --dry_run    print what would be sent
  rsbot upload --map gs://bucket/map --asset projects/my-project/assets/landcover
  rsbot upload --map map/ --cogs gs://bucket/map --asset projects/my-project/assets/landcover --cog_backed

Blocks of one CRS become one image; several CRSs, and images backed by COGs, become an image collection.
"""

# Manifests that --dry_run prints; maps of thousands of blocks have as many.
_PRINTED = 20


def parser() -> CommandParser:
    """The flags of the command."""
    p = CommandParser("upload", "Make an asset of Earth Engine from a map." + EXAMPLE)
    add = p.add_argument
    add("--map", required=True, help="folder of a map that `rsbot predict` has finished, local or gs://")
    add("--asset", required=True, help="projects/<project>/assets/<name>: the image or image collection to make")
    add("--cogs", help="gs:// folder with a copy of the map, where it is local itself")
    add("--bands", help="rasters to take, such as class,probability (default: all but composite)")
    add("--cog_backed", action="store_true", help="leave the pixels in the bucket: an image for each block, at once")
    add("--overwrite", action="store_true", help="replace images of the same name; without it they are skipped")
    add("--property", action="append", default=[], metavar="NAME=VALUE", help="property of the images; repeatable")
    add("--dry_run", action="store_true", help="write and print the manifests, send nothing")
    add("--ee_project", help="project that is charged (default: the asset's)")
    add("--ee_credentials", help="default, none, or a service account's JSON file (default: default)")
    add("--ee_url", help="Earth Engine to ask (default: https://earthengine.googleapis.com)")
    return p


def main(argv: Sequence[str] | None = None) -> int:
    """Run `rsbot upload`; returns the exit code."""
    flags, _ = parser().parse(argv or [])
    folder = flags.map.rstrip("/")
    rasters = [name.strip() for name in flags.bands.split(",")] if flags.bands else None
    upload = plan_upload(
        read_map(folder, rasters), flags.asset, (flags.cogs or folder).rstrip("/"), flags.cog_backed, _properties(flags)
    )
    paths = write_manifests(folder, upload)
    if flags.dry_run:
        print(shown(upload))
        print(f"nothing was sent; {', '.join(paths[:3])}{' ...' if len(paths) > 3 else ''}")
        return 0
    print(_submit(upload, _endpoint(flags), flags.overwrite))
    return 0


def shown(upload: Upload) -> str:
    """The requests, for people: the first few manifests in full, and how many more there are."""
    call = "image:importExternal" if upload.cog_backed else "image:import"
    head = (
        f"image collection {upload.asset} of {len(upload.manifests)} images" if upload.is_collection else upload.asset
    )
    body = [json.dumps(manifest, indent=2) for manifest in upload.manifests[:_PRINTED]]
    more = len(upload.manifests) - len(body)
    return "\n".join([f"{head}, by {call}:", *body, *([f"and {more} more like these"] if more else [])])


def _submit(upload: Upload, endpoint: Endpoint, overwrite: bool) -> str:
    from rsbot_beam.earthengine.session import initialize
    from rsbot_beam.earthengine.upload import ensure_collection, ingest, register

    initialize(endpoint)
    if upload.is_collection:
        ensure_collection(upload.asset, upload.properties)
    if upload.cog_backed:
        done = register(upload.asset, upload.manifests, overwrite)
    else:
        done = ingest(upload.manifests, overwrite)
    lines = [f"started {task}: follow it with `earthengine task list`" for task in done.tasks]
    if done.created:
        lines.append(f"made {len(done.created)} images in {upload.asset}")
    if done.skipped:
        lines.append(f"skipped {len(done.skipped)} images that are there already: --overwrite replaces them")
    return "\n".join(lines)


def _endpoint(flags: Any) -> Endpoint:  # noqa: ANN401
    from rsbot_beam.earthengine.endpoint import HIGH_VOLUME_URL
    from rsbot_beam.earthengine.upload import UPLOAD_URL

    found = Endpoint.from_env(url=flags.ee_url, project=flags.ee_project, credentials=flags.ee_credentials)
    project = flags.ee_project or (found.project if found.is_local else flags.asset.split("/")[1])
    return replace(found, url=UPLOAD_URL if found.url == HIGH_VOLUME_URL else found.url, project=project)


def _properties(flags: Any) -> dict[str, str]:  # noqa: ANN401
    pairs = [text.partition("=") for text in flags.property]
    for name, equals, _ in pairs:
        if not (name and equals):
            raise InputError(f"--property {name}{equals} is not NAME=VALUE")
    return {name: value for name, _, value in pairs}
