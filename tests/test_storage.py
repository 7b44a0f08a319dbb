"""Files by path: the same behaviour on a disk and in a bucket."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rsbot_beam import leftovers, storage
from rsbot_beam.errors import InputError, StorageError
from rsbot_beam.storage import StoredFile, join
from tests.loopback import Says, scripted


def names(root: str, files: list[StoredFile]) -> list[str]:
    return [file.path[len(root) + 1 :] for file in files]


def listed(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_write_and_read(any_folder: str) -> None:
    path = join(any_folder, "deep", "er", "file.bin")
    storage.write_bytes(path, b"\x00\xff" * 10)
    assert storage.read_bytes(path) == b"\x00\xff" * 10
    storage.write_bytes(path, memoryview(b"second"))
    assert storage.read_bytes(path) == b"second"


def test_text_is_utf8(any_folder: str) -> None:
    path = join(any_folder, "text")
    storage.write_bytes(path, "Südtirol ±")
    assert storage.read_bytes(path) == "Südtirol ±".encode()
    assert storage.read_text(path) == "Südtirol ±"


@pytest.mark.parametrize(("limit", "expected"), [(1, b"0"), (4, b"0123"), (10, b"0123456789"), (99, b"0123456789")])
def test_read_the_first_bytes(any_folder: str, limit: int, expected: bytes) -> None:
    path = join(any_folder, "file")
    storage.write_bytes(path, b"0123456789")
    assert storage.read_bytes(path, limit) == expected


def test_read_the_first_bytes_of_an_empty_file(any_folder: str) -> None:
    path = join(any_folder, "empty")
    storage.write_bytes(path, b"")
    assert storage.read_bytes(path, 100) == b""
    assert storage.read_bytes(path) == b""


def test_a_missing_file(any_folder: str) -> None:
    path = join(any_folder, "missing")
    assert not storage.exists(path)
    with pytest.raises(FileNotFoundError, match="missing"):
        storage.read_bytes(path)
    with pytest.raises(FileNotFoundError, match="missing"):
        storage.read_text(path)
    storage.remove(path)


def test_a_folder_is_no_file(any_folder: str) -> None:
    storage.write_bytes(join(any_folder, "sub", "file"), b"x")
    assert not storage.exists(join(any_folder, "sub"))
    assert storage.exists(join(any_folder, "sub", "file"))


def test_remove(any_folder: str) -> None:
    path = join(any_folder, "file")
    storage.write_bytes(path, b"x")
    storage.remove(path)
    assert not storage.exists(path)


def test_walk_is_sorted_and_recursive(any_folder: str) -> None:
    for name in ("b", "a/z", "a/b/c", "a.txt"):
        storage.write_bytes(join(any_folder, name), name.encode())
    found = list(storage.walk(any_folder))
    assert names(any_folder, found) == sorted(["b", "a/z", "a/b/c", "a.txt"])
    assert {file.size for file in found if file.path.endswith("c")} == {5}
    assert list(storage.walk(any_folder + "/")) == found


def test_list_files_is_flat_and_by_suffix(any_folder: str) -> None:
    for name in ("one.arrow", "two.arrow", "three.json", "sub/four.arrow"):
        storage.write_bytes(join(any_folder, name), b"x")
    assert names(any_folder, list(storage.list_files(any_folder, ".arrow"))) == ["one.arrow", "two.arrow"]
    assert names(any_folder, list(storage.list_files(any_folder))) == ["one.arrow", "three.json", "two.arrow"]


def test_a_folder_whose_name_only_begins_alike_is_not_listed(any_folder: str) -> None:
    storage.write_bytes(join(any_folder, "raw", "a"), b"x")
    storage.write_bytes(join(any_folder, "raw2", "b"), b"x")
    assert names(any_folder, list(storage.walk(join(any_folder, "raw")))) == ["raw/a"]


def test_a_missing_folder_is_empty(any_folder: str) -> None:
    assert list(storage.walk(join(any_folder, "nowhere"))) == []
    assert list(storage.list_files(join(any_folder, "nowhere"))) == []


def test_copy_folder(any_folder: str, tmp_path: Path) -> None:
    for name in ("a", "sub/b"):
        storage.write_bytes(join(any_folder, name), name.encode())
    storage.copy_folder(any_folder, tmp_path / "copy")
    assert (tmp_path / "copy" / "a").read_bytes() == b"a"
    assert (tmp_path / "copy" / "sub" / "b").read_bytes() == b"sub/b"
    storage.copy_folder(tmp_path / "copy", join(any_folder, "again"))
    assert storage.read_bytes(join(any_folder, "again", "sub", "b")) == b"sub/b"


def test_publish_moves(any_folder: str, tmp_path: Path) -> None:
    made = tmp_path / "made"
    made.write_bytes(b"content")
    storage.publish(made, join(any_folder, "new", "place"))
    assert storage.read_bytes(join(any_folder, "new", "place")) == b"content"
    assert not made.exists()


def test_local_folder(any_folder: str) -> None:
    storage.write_bytes(join(any_folder, "sub", "file"), b"x")
    local = Path(storage.local_folder(any_folder))
    assert (local / "sub" / "file").read_bytes() == b"x"
    assert (str(local) == any_folder) == (not storage.is_gcs(any_folder))


@pytest.mark.integration
def test_one_client_for_a_bucket(gcs: str) -> None:
    storage.exists(join(gcs, "a"))
    before = storage._bucket_at.cache_info().misses
    storage.write_bytes(join(gcs, "a"), b"x")
    storage.read_bytes(join(gcs, "a"))
    assert storage._bucket_at.cache_info().misses == before


@pytest.mark.integration
def test_a_whole_bucket_is_a_folder(gcs: str) -> None:
    storage.write_bytes(join(gcs, "a"), b"x")
    bucket = gcs.rsplit("/", 1)[0]
    assert join(gcs, "a") in [file.path for file in storage.walk(bucket)]


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (("a", "b"), "a/b"),
        (("a/", "b", "c"), "a/b/c"),
        (("gs://bucket/x/", "y"), "gs://bucket/x/y"),
        (("/root", ""), "/root/"),
        ((Path("/tmp/x"), "y"), "/tmp/x/y"),
    ],
)
def test_join(parts: tuple[str, ...], expected: str) -> None:
    assert join(*parts) == expected


@pytest.mark.parametrize(("path", "name"), [("a/b.txt", "b.txt"), ("gs://b/c/", "c"), ("x", "x")])
def test_name_of(path: str, name: str) -> None:
    assert storage.name_of(path) == name


@pytest.mark.parametrize(("path", "expected"), [("gs://b/a", True), ("/gs/a", False), (Path("a"), False)])
def test_is_gcs(path: str | Path, expected: bool) -> None:
    assert storage.is_gcs(path) is expected


class NotBytes:
    """Content that a file takes only in part."""

    def __buffer__(self, flags: int) -> memoryview:
        raise MemoryError("no such memory")


def test_a_failing_write_leaves_nothing(tmp_path: Path) -> None:
    storage.write_bytes(tmp_path / "file", b"before")
    with pytest.raises((TypeError, MemoryError)):
        storage.write_bytes(tmp_path / "file", NotBytes())  # type: ignore[arg-type]
    assert listed(tmp_path) == ["file"]
    assert storage.read_bytes(tmp_path / "file") == b"before"


def test_a_write_to_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        storage.write_bytes(tmp_path / "file", b"x")
    assert listed(tmp_path) == []


def test_a_write_that_the_disk_refuses_names_the_file(tmp_path: Path) -> None:
    import resource
    import signal

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(OSError, match=rf"File too large: '{tmp_path}/large'"):
            storage.write_bytes(tmp_path / "large", b"x" * 2000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    assert not list(tmp_path.iterdir())


def test_readers_see_the_old_or_the_new_content(tmp_path: Path) -> None:
    """A reader beside a writer finds one of the two whole contents at any moment."""
    path, contents = tmp_path / "file", (b"a" * 100_000, b"b" * 300_000)
    storage.write_bytes(path, contents[0])
    stop, seen = threading.Event(), set()

    def read() -> None:
        while not stop.is_set():
            seen.add(storage.read_bytes(path))

    reader = threading.Thread(target=read)
    reader.start()
    for turn in range(60):
        storage.write_bytes(path, contents[turn % 2])
    stop.set()
    reader.join()
    assert seen <= set(contents)


def test_what_is_being_written_is_not_listed(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / f"{leftovers.TEMPORARY_PREFIX}1-file").write_bytes(b"half")
    folder = tmp_path / f"{leftovers.TEMPORARY_PREFIX}folder"
    folder.mkdir()
    (folder / "train").write_bytes(b"half")
    assert [storage.name_of(file.path) for file in storage.walk(tmp_path)] == ["file"]


def test_a_listing_survives_the_rename_of_what_is_being_written(tmp_path: Path) -> None:
    (tmp_path / f"{leftovers.TEMPORARY_PREFIX}gone").symlink_to(tmp_path / "renamed meanwhile")
    assert list(storage.walk(tmp_path)) == []


def test_a_folder_below_one_that_is_being_written_is_listed(tmp_path: Path) -> None:
    root = tmp_path / f"{leftovers.TEMPORARY_PREFIX}outer" / "dataset"
    storage.write_bytes(root / "file", b"x")
    assert [file.path for file in storage.walk(root)] == [str(root / "file")]


def test_remove_leftovers(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / f"{leftovers.TEMPORARY_PREFIX}1-file").write_bytes(b"half")
    folder = tmp_path / f"{leftovers.TEMPORARY_PREFIX}folder"
    folder.mkdir()
    (folder / "train").write_bytes(b"half")
    assert leftovers.remove_leftovers(tmp_path) == 2
    assert listed(tmp_path) == ["file"]
    assert leftovers.remove_leftovers(tmp_path) == 0


def test_remove_leftovers_of_a_missing_folder(any_folder: str) -> None:
    assert leftovers.remove_leftovers(join(any_folder, "nowhere")) == 0


@pytest.mark.parametrize(
    "path", ["s3://b/x", "gs://", "gs:///x", "gs:/b/x", "file:///tmp/x", "hdfs://h/x", "https://a/b"]
)
def test_a_folder_of_another_scheme(path: str) -> None:
    with pytest.raises(InputError, match="is neither a local folder nor gs://bucket/folder"):
        storage.check_folder(path)


@pytest.mark.parametrize("path", ["out", "/tmp/a b", "../x", "gs://b", "gs://b/x", "C:\\data", "a/b:c"])
def test_a_folder_that_may_be_written_to(path: str) -> None:
    storage.check_folder(path)


@pytest.mark.parametrize("below", ["", "out", "a/b"])
def test_a_folder_below_a_file_is_refused(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"cannot be made: .*/file is a file"):
        storage.check_folder(str(tmp_path / "file" / below))


def test_a_folder_where_none_can_be_made_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Root may write everywhere, so that the answer is given here.
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path)
    with pytest.raises(InputError, match=rf"cannot be made: {tmp_path} cannot be written to"):
        storage.check_folder(str(tmp_path / "a" / "b"))
    storage.check_folder(str(tmp_path))


def test_a_folder_that_cannot_be_looked_at_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "exists", refuse)  # root may look everywhere
    with pytest.raises(InputError, match=r"cannot be made: .*/a cannot be looked at"):
        storage.check_folder(str(tmp_path / "a"))


@pytest.fixture
def refusing(google_credentials: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], str]]:
    """A Google Cloud Storage that answers everything with one status; gives the name of its bucket."""
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", google_credentials)
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "rsbot-tests")
    with contextlib.ExitStack() as stack:

        def start(status: int) -> str:
            error = {"error": {"code": status, "message": "not today"}}
            server = stack.enter_context(scripted(lambda _: Says(status, error)))
            monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
            return f"refusing-{status}"

        yield start
    storage._bucket_at.cache_clear()


@pytest.mark.integration
@pytest.mark.parametrize("status", [400, 409, 412])
def test_what_a_bucket_refuses_is_told(refusing: Callable[[int], str], status: int) -> None:
    path = f"gs://{refusing(status)}/folder/file"
    for attempt in (
        lambda: storage.write_bytes(path, b"x"),
        lambda: storage.read_bytes(path),
        lambda: storage.size(path),
    ):
        with pytest.raises(
            StorageError, match=rf"{path}: the bucket does not do what it is asked \({status} .*not today"
        ):
            attempt()


@pytest.mark.integration
def test_a_bucket_that_is_out_of_order_is_told_after_retries(
    refusing: Callable[[int], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from google.cloud.storage.blob import Blob
    from google.cloud.storage.retry import DEFAULT_RETRY

    # Two minutes of retries, which Google's client makes, are too long for a test.
    real = Blob.upload_from_string
    shorter = DEFAULT_RETRY.with_timeout(0.5)
    monkeypatch.setattr(Blob, "upload_from_string", lambda *args, **more: real(*args, **more, retry=shorter))
    with pytest.raises(
        StorageError, match=r"does not do what it is asked.*503.*the same command continues where it was"
    ):
        storage.write_bytes(f"gs://{refusing(503)}/file", b"x")


def test_a_rename_that_is_refused_names_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(source: Path, target: Path) -> None:
        raise OSError(30, "Read-only file system", str(source), None, str(target))

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(OSError, match="Read-only file system") as caught:
        storage.write_bytes(tmp_path / "file", b"x")
    assert str(caught.value) == f"[Errno 30] Read-only file system: '{tmp_path / 'file'}'"
    assert listed(tmp_path) == []
