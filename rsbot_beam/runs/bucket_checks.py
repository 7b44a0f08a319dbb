"""The checks of buckets: is it there, where, and may it be listed, written, read and emptied."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from functools import partial

from rsbot_beam import leftovers, storage
from rsbot_beam.data.findings import Finding
from rsbot_beam.earthengine.refusals import permission_in, role_for
from rsbot_beam.errors import InputError

_RULES = "see whether a rule of the bucket changes objects, or keeps them"
_CONTENT = "written by `rsbot doctor`; may be deleted\n"


def buckets_of(*paths: str | None) -> list[str]:
    """The buckets that paths lie in, `gs://` in front, each once; local paths and None are passed over."""
    found = ["/".join(path.split("/")[:3]) for path in paths if path and storage.is_gcs(path)]
    return list(dict.fromkeys(found))


def check_bucket(bucket: str, region: str | None = None, for_assets: bool = False) -> Finding:
    """Whether a bucket is there, and near to who will use it.

    Args:
        bucket: gs://name
        region: Google Cloud region of Dataflow's workers, or None.
        for_assets: Whether Earth Engine is to read COGs from it.
    """
    try:
        place = storage.bucket_location(bucket)
    except FileNotFoundError:
        name = bucket.partition("://")[2]
        remedy = f"create it (`gcloud storage buckets create {bucket} --location=US-CENTRAL1`), or correct the name"
        return Finding(bucket, "failed", f"there is no bucket {name!r}", remedy)
    except InputError as error:
        if permission_in(str(error)) == "storage.buckets.get":
            # Whoever may use objects need not be allowed to look at the bucket.
            return Finding(bucket, "ok", "the account may not see where it is (storage.buckets.get)")
        return Finding(bucket, "failed", _short(error), _remedy(bucket, error))
    complaint = misplaced(place, region, for_assets)
    return Finding(bucket, "warning" if complaint else "ok", *(complaint or (f"there, in {', '.join(place)}",)))


def misplaced(place: tuple[str, ...], region: str | None, for_assets: bool) -> tuple[str, str] | None:
    """Why a bucket is in the wrong place, and what to do; None if it is not.

    Args:
        place: Its location, and the regions of a dual-region.
        region: As of `check_bucket`.
        for_assets: As of `check_bucket`.
    """
    where, regions = ", ".join(place), _regions(place)
    # US, US-CENTRAL1, or a dual-region with it (Earth Engine, "COG registration").
    if for_assets and place != ("US",) and "US-CENTRAL1" not in regions:
        return (
            f"it is in {where}, where Earth Engine does not read COGs",
            "copy the map to a bucket in US, US-CENTRAL1, or a dual-region with it; or upload without --cog_backed",
        )
    if region and regions and not any(region.upper().startswith(one) for one in regions):
        return (
            f"it is in {where}, and Dataflow's workers in {region}: each byte between them is paid for, and slow",
            "let the workers run where the bucket is (--gcp_region), or use a bucket there",
        )
    return None


# How the names of a multi-region's regions begin, and the regions of predefined dual-regions (Cloud Storage, "Bucket
# locations").
_MANY = {
    "US": ("US-",),
    "EU": ("EUROPE-",),
    "ASIA": ("ASIA-",),
    "NAM4": ("US-CENTRAL1", "US-EAST1"),
    "EUR4": ("EUROPE-NORTH1", "EUROPE-WEST4"),
    "EUR5": ("EUROPE-WEST1", "EUROPE-WEST2"),
    "EUR7": ("EUROPE-WEST2", "EUROPE-WEST3"),
    "EUR8": ("EUROPE-WEST3", "EUROPE-WEST6"),
    "ASIA1": ("ASIA-NORTHEAST1", "ASIA-NORTHEAST2"),
}


def _regions(place: tuple[str, ...]) -> tuple[str, ...]:
    """How the names of the regions begin in which a bucket's objects are; empty if that is not known."""
    if place[1:]:
        return place[1:]
    return _MANY.get(place[0]) or ((place[0],) if "-" in place[0] else ())


def check_access(folder: str) -> Finding:
    """Whether objects of a folder of a bucket can be written, read, listed and deleted, with one tiny object.

    Args:
        folder: gs://bucket or gs://bucket/folder
    """
    # A folder of its own, so that listing it does not list all that is there.
    own = storage.join(folder, leftovers.temporary_name("doctor"))
    path, name = storage.join(own, "object"), f"access {folder}"
    steps: dict[str, Callable[[], bool]] = {
        "written": partial(_written, path),
        "read": lambda: storage.read_text(path) == _CONTENT,
        "listed": lambda: [file.path for file in storage.walk(own)] == [path],
        "deleted": partial(_deleted, path),
    }
    for step, work in steps.items():
        try:
            problem = None if work() else (f"an object that should be {step} is not", _RULES)
        except Exception as error:  # Google's clients raise what has no base in common.
            problem = f"no object can be {step}: {_short(error)}", _remedy(folder, error)
        if problem is not None:
            left = "" if step == "written" or _is_gone(path) else f"; {path} is left there"
            return Finding(name, "failed", f"{problem[0]}{left}", problem[1])
    return Finding(name, "ok", "an object was written, read, listed and deleted")


def _short(error: Exception) -> str:
    text, permission = str(error), permission_in(str(error))
    if permission:
        return f"{permission} is denied"
    if "without Google credentials" in text:
        return "there are no Google credentials to reach it with"
    return text[:300] or type(error).__name__


def _is_gone(path: str) -> bool:
    try:
        storage.remove(path)
    except Exception:
        return False
    with contextlib.suppress(Exception):  # Who may delete need not be allowed to look.
        return not storage.exists(path)
    return True


def _written(path: str) -> bool:
    storage.write_bytes(path, _CONTENT)
    return True


def _deleted(path: str) -> bool:
    storage.remove(path)
    return not storage.exists(path)


def _remedy(path: str, error: Exception) -> str:
    bucket = buckets_of(path)[0]
    permission = permission_in(str(error)) or "storage.objects.create"
    if "credentials" in str(error) and not permission_in(str(error)):
        return "log in: `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS"
    role = role_for(permission)
    return (
        f"have the role {role} granted to your account on the bucket: `gcloud storage buckets add-iam-policy-binding {bucket} "
        f"--member=user:YOU --role={role}`"
    )
