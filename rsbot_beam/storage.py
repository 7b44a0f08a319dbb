"""Files by path, local or `gs://`: whole reads, atomic writes, listings.

A reader never sees half a file: local writes go to a temporary name in the same folder, are flushed to the disk and
renamed; an object of Google Cloud Storage appears when its upload is complete. `google-cloud-storage` is loaded only
when a `gs://` path is used; it honours `STORAGE_EMULATOR_HOST`.
"""

from __future__ import annotations

import atexit
import functools
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rsbot_beam.errors import InputError, StorageError
from rsbot_beam.leftovers import TEMPORARY_PREFIX, temporary_name

if TYPE_CHECKING:
    from google.cloud.storage import Blob, Bucket

GCS_SCHEME = "gs://"
# Of one letter they are drives.
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")


@dataclass(frozen=True, order=True)
class StoredFile:
    """A file found by `list_files`.

    Attributes:
        path: Full path, local or `gs://`.
        size: Bytes.
    """

    path: str
    size: int


def is_gcs(path: str | os.PathLike[str]) -> bool:
    """Whether `path` names an object of Google Cloud Storage."""
    return os.fspath(path).startswith(GCS_SCHEME)


def check_folder(path: str) -> None:
    """Check that a folder to write to is named as one, and that this user may make it, before anything is asked for it.

    Raises:
        InputError: It is empty, of another scheme than `gs://`, or has no bucket; or it is not there and cannot be made.
    """
    scheme = _SCHEME.match(path)
    if not path:
        raise InputError("output is empty: name a folder, local or gs://bucket/folder")
    if scheme and not re.match(r"gs://[^/]", path):
        raise InputError(
            f"output={path!r} is neither a local folder nor gs://bucket/folder: copy it elsewhere afterwards"
        )
    if not scheme:
        _check_can_be_made(Path(path).absolute())


def existing_part(path: Path) -> Path:
    """The path itself, or the nearest folder above it that is there; PermissionError where that cannot be seen."""
    while not path.exists():
        path = path.parent
    return path


def _check_can_be_made(folder: Path) -> None:
    # What is there already is not looked at: a finished dataset on a read-only disk can be started again.
    try:
        there = existing_part(folder)
    except PermissionError as error:
        raise InputError(
            f"output={str(folder)!r} cannot be made: {error.filename} cannot be looked at; name another folder with --output"
        ) from error
    if not there.is_dir():
        raise InputError(f"output={str(folder)!r} cannot be made: {there} is a file; name a folder with --output")
    if there != folder and not os.access(there, os.W_OK | os.X_OK):
        raise InputError(
            f"output={str(folder)!r} cannot be made: {there} cannot be written to; name another folder with --output"
        )


def join(base: str | os.PathLike[str], *parts: str) -> str:
    """Join path parts with `/`, the same way for local and `gs://` paths."""
    return "/".join([os.fspath(base).rstrip("/"), *parts])


def name_of(path: str | os.PathLike[str]) -> str:
    """Last part of a path."""
    return os.fspath(path).rstrip("/").rsplit("/", 1)[-1]


@functools.lru_cache(maxsize=8)
def _bucket_at(name: str, process: int, emulator: str | None) -> Bucket:
    # One client per process (it does not survive a fork) and endpoint: each new one would ask for a token.
    from google.auth.exceptions import DefaultCredentialsError
    from google.cloud import storage

    try:
        return storage.Client().bucket(name)
    except (DefaultCredentialsError, OSError) as error:
        raise InputError(
            f"gs://{name} cannot be reached without Google credentials ({error}). Run `gcloud auth "
            "application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS to a service account's key file."
        ) from error


def _blob(path: str | os.PathLike[str]) -> Blob:
    bucket, _, name = os.fspath(path)[len(GCS_SCHEME) :].partition("/")
    return _bucket_at(bucket, os.getpid(), os.environ.get("STORAGE_EMULATOR_HOST")).blob(name)


@contextmanager
def _object(path: str | os.PathLike[str], *expected: type[Exception]) -> Iterator[Blob]:
    """An object of a bucket; what its bucket refuses becomes an error that says what to do, but for `expected`.

    Raises:
        FileNotFoundError: There is no such object, or no such bucket.
        InputError: The credentials do not serve.
        StorageError: The bucket refuses something else, or does not answer; Google's client has retried by then.
    """
    from google.api_core.exceptions import Forbidden, GoogleAPIError, NotFound, Unauthorized
    from google.auth.exceptions import RefreshError, TransportError
    from requests import RequestException

    try:
        yield _blob(path)
    except expected:
        raise
    except NotFound as error:
        raise FileNotFoundError(os.fspath(path)) from error
    except (Forbidden, Unauthorized, RefreshError) as error:
        raise InputError(
            f"{os.fspath(path)} is denied ({error}): check the bucket's name, and that your account has the role "
            "Storage Object User on it"
        ) from error
    except (GoogleAPIError, TransportError, RequestException) as error:
        raise StorageError(
            f"{os.fspath(path)}: the bucket does not do what it is asked ({error}); what is stored is kept, and the same "
            "command continues where it was"
        ) from error


def _no_bucket(path: str | os.PathLike[str], error: FileNotFoundError) -> InputError:
    bucket = os.fspath(path)[len(GCS_SCHEME) :].partition("/")[0]
    return InputError(f"there is no bucket {GCS_SCHEME}{bucket}: create it, or correct the name ({error})")


def bucket_location(path: str | os.PathLike[str]) -> tuple[str, ...]:
    """Where the bucket of a `gs://` path is: its location, such as US or EUROPE-WEST1, then the regions of a dual-region.

    Raises:
        FileNotFoundError: There is no such bucket.
        InputError: The credentials do not serve.
    """
    with _object(path) as blob:
        blob.bucket.reload()
        return (str(blob.bucket.location), *(blob.bucket.data_locations or ()))


def exists(path: str | os.PathLike[str]) -> bool:
    """Whether a file (not a folder) is there."""
    if not is_gcs(path):
        return Path(path).is_file()
    with _object(path) as blob:
        return bool(blob.exists())


def size(path: str | os.PathLike[str]) -> int | None:
    """Bytes of a file, or None where there is none."""
    if is_gcs(path):
        with _object(path) as blob:
            found = blob.bucket.get_blob(blob.name)
        return None if found is None else int(found.size)
    return Path(path).stat().st_size if Path(path).is_file() else None


def read_bytes(path: str | os.PathLike[str], limit: int | None = None) -> bytes:
    """Read a file, or its first `limit` bytes.

    Raises:
        FileNotFoundError: There is no such file.
    """
    if not is_gcs(path):
        with Path(path).open("rb") as file:
            return file.read() if limit is None else file.read(limit)
    from google.api_core.exceptions import RequestRangeNotSatisfiable

    try:
        with _object(path, RequestRangeNotSatisfiable) as blob:
            return bytes(blob.download_as_bytes(end=None if limit is None else limit - 1))
    except RequestRangeNotSatisfiable:
        return b""


def read_text(path: str | os.PathLike[str]) -> str:
    """Read a UTF-8 text file; raises FileNotFoundError as `read_bytes` does."""
    return read_bytes(path).decode("utf-8")


def write_bytes(path: str | os.PathLike[str], content: bytes | memoryview | str) -> None:
    """Write a whole file atomically: it is there complete, or not at all; the last writer wins."""
    data = content.encode("utf-8") if isinstance(content, str) else content
    if is_gcs(path):
        try:
            with _object(path) as blob:
                blob.upload_from_string(bytes(data), content_type="application/octet-stream")
        except FileNotFoundError as error:
            raise _no_bucket(path, error) from error
        return
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(temporary_name(target.name))
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno and (error.filename2 or not error.filename):
            # A write that a full disk refuses does not say of which file, and a rename names the temporary one.
            raise OSError(error.errno, error.strerror, os.fspath(path)) from error
        raise


def write_new(path: str | os.PathLike[str], content: str) -> bool:
    """Write a text file unless there is one; of several writers one wins.

    Returns:
        Whether this one did.
    """
    if is_gcs(path):
        from google.api_core.exceptions import PreconditionFailed

        try:
            with _object(path, PreconditionFailed) as blob:
                blob.upload_from_string(content.encode("utf-8"), if_generation_match=0)
        except PreconditionFailed:
            return False
        except FileNotFoundError as error:
            raise _no_bucket(path, error) from error
        return True
    complete = Path(path).with_name(temporary_name(name_of(path)))
    write_bytes(complete, content)
    try:
        os.link(complete, path)  # unlike a rename, it fails where the name is taken
    except FileExistsError:
        return False
    except OSError:  # a file system without links, such as a mounted bucket
        complete.replace(path)
    finally:
        complete.unlink(missing_ok=True)
    return True


def publish(local: str | os.PathLike[str], path: str | os.PathLike[str]) -> None:
    """Move a finished local file to its final, local or `gs://`, path; atomic like `write_bytes`."""
    if is_gcs(path):
        with _object(path) as blob:
            blob.upload_from_filename(os.fspath(local))
        Path(local).unlink()
        return
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(local).replace(path)


def remove(path: str | os.PathLike[str]) -> None:
    """Remove a file; one that is not there is fine."""
    if not is_gcs(path):
        Path(path).unlink(missing_ok=True)
    else:
        with suppress(FileNotFoundError), _object(path) as blob:
            blob.delete()


def walk(folder: str | os.PathLike[str]) -> Iterator[StoredFile]:
    """All files below `folder`, sorted by path; none for a missing folder. Files being written are left out."""
    if is_gcs(folder):
        found = list(_walk_gcs(join(folder, "")))
    else:
        found = list(_walk_local(Path(folder)))
    yield from sorted(found)


def _walk_gcs(folder: str) -> Iterator[StoredFile]:
    with suppress(FileNotFoundError), _object(folder) as blob:
        prefix = f"{GCS_SCHEME}{blob.bucket.name}/"
        for item in blob.bucket.list_blobs(prefix=blob.name):
            yield StoredFile(prefix + item.name, item.size or 0)


def _walk_local(folder: Path) -> Iterator[StoredFile]:
    for entry in folder.iterdir() if folder.is_dir() else ():
        # Not even looked at: what is being written is renamed at any moment.
        if entry.name.startswith(TEMPORARY_PREFIX):
            continue
        if entry.is_dir():
            yield from _walk_local(entry)
        else:
            yield StoredFile(os.fspath(entry), entry.stat().st_size)


def list_files(folder: str | os.PathLike[str], suffix: str = "") -> Iterator[StoredFile]:
    """The files directly in `folder` whose name ends in `suffix`, sorted by path; none for a missing folder."""
    start = len(join(folder, ""))
    yield from (file for file in walk(folder) if file.path.endswith(suffix) and "/" not in file.path[start:])


def copy_folder(source: str | os.PathLike[str], target: str | os.PathLike[str]) -> None:
    """Copy all files below `source`, each atomically; either may be local or `gs://`."""
    start = len(join(source, ""))
    for file in walk(source):
        write_bytes(join(target, file.path[start:]), read_bytes(file.path))


@functools.lru_cache(maxsize=8)
def local_folder(folder: str) -> str:
    """The folder itself, or for `gs://` a copy of it that lives as long as the process.

    For libraries that only open local paths, or that reach `gs://` by a road of their own, past emulators.
    """
    if not is_gcs(folder):
        return folder
    copy = tempfile.mkdtemp(prefix="rsbot-")
    atexit.register(shutil.rmtree, copy, ignore_errors=True)
    copy_folder(folder, copy)
    return copy


def local_file(path: str) -> str:
    """The file itself, or for `gs://` a copy that lives as long as the process.

    Files of the same name with other endings are copied too: a Shapefile has several.

    Raises:
        FileNotFoundError: There is no such object.
        InputError: The credentials do not serve.
    """
    if not is_gcs(path):
        return path
    folder, _, name = path.rpartition("/")
    copy = tempfile.mkdtemp(prefix="rsbot-")
    atexit.register(shutil.rmtree, copy, ignore_errors=True)
    write_bytes(join(copy, name), read_bytes(path))
    if name.lower().endswith(".shp"):
        for file in list_files(folder):
            other = name_of(file.path)
            if other != name and other.rpartition(".")[0] == name[: -len(".shp")]:
                write_bytes(join(copy, other), read_bytes(file.path))
    return join(copy, name)
