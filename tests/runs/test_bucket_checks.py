"""The checks of buckets: against an emulator, and against a server that denies as Google documents it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator

import pytest

from rsbot_beam import storage
from rsbot_beam.runs.bucket_checks import buckets_of, check_access, check_bucket, misplaced
from rsbot_beam.runs.checking import Check, run_checks
from tests.loopback import Question, Says, Scripted, scripted


def test_buckets_are_named_once() -> None:
    assert buckets_of("gs://a/x", None, "out", "gs://b", "gs://a", "gs://b/y/z") == ["gs://a", "gs://b"]


@pytest.mark.parametrize(
    ("place", "region", "for_assets", "words"),
    [
        (("US-CENTRAL1",), "us-central1", True, None),
        (("US",), "us-east4", True, None),
        (("NAM4",), "us-central1", True, None),
        (("US", "US-CENTRAL1", "US-WEST1"), "us-west1", True, None),
        (("EUROPE-WEST1",), "europe-west1", False, None),
        (("EU",), "europe-west1", False, None),
        (("EUR4",), "europe-west4", False, None),
        (("SOMETHING9",), "europe-west4", False, None),
        (("EUROPE-WEST1",), None, True, "does not read COGs"),
        (("EU",), None, True, "does not read COGs"),
        (("US", "US-EAST1", "US-WEST1"), None, True, "does not read COGs"),
        (("US-EAST4",), None, True, "does not read COGs"),
        (("EUROPE-WEST1",), "us-central1", False, "each byte between them is paid for"),
        (("US",), "europe-west1", False, "each byte between them is paid for"),
        (("EUR4",), "europe-west1", False, "each byte between them is paid for"),
    ],
)
def test_where_a_bucket_should_be(
    place: tuple[str, ...], region: str | None, for_assets: bool, words: str | None
) -> None:
    found = misplaced(place, region, for_assets)
    assert (found is None) == (words is None)
    assert found is None or (words is not None and words in found[0] and place[0] in found[0])


@pytest.mark.integration
def test_a_bucket_that_serves(gcs: str, gcs_server: str) -> None:
    bucket = check_bucket(f"gs://{gcs_server}")
    assert bucket.state == "ok", bucket
    assert "US" in bucket.found
    for folder in (gcs, f"gs://{gcs_server}"):
        before = list(storage.walk(folder))
        access = check_access(folder)
        assert access.state == "ok", access
        assert list(storage.walk(folder)) == before, "nothing is left behind"


@pytest.mark.integration
def test_a_bucket_that_is_not_there(gcs_server: str) -> None:
    finding = check_bucket("gs://rsbot-no-such-bucket")
    assert finding.state == "failed"
    assert finding.found == "there is no bucket 'rsbot-no-such-bucket'"
    assert "gcloud storage buckets create gs://rsbot-no-such-bucket" in finding.remedy
    assert "there is no bucket" in check_access("gs://rsbot-no-such-bucket").found


class Storage:
    """A Cloud Storage that holds one object at a time and denies what it is told to."""

    def __init__(self) -> None:
        self.denied: set[str] = set()
        self.keeps = False
        self.mangles = False
        self.content: bytes | None = None
        self.name = ""

    def __call__(self, question: Question) -> Says:
        permission, answer = self.what(question)
        if permission in self.denied:
            message = (
                f"robot@p.iam.gserviceaccount.com does not have {permission} access to the Google Cloud Storage object. "
                f"Permission '{permission}' denied on resource (or it may not exist)."
            )
            error = {"code": 403, "message": message, "errors": [{"message": message, "reason": "forbidden"}]}
            return Says(403, {"error": error})
        return answer()

    def what(self, question: Question) -> tuple[str, Callable[[], Says]]:
        path = question.path.partition("?")[0]
        if question.method == "POST":
            return "storage.objects.create", lambda: self.write(question)
        if question.method == "DELETE":
            return "storage.objects.delete", self.delete
        if path.startswith("/download/"):
            return "storage.objects.get", lambda: Says(200, b"else" if self.mangles else self.content or b"")
        if path.endswith("/o"):
            return "storage.objects.list", self.listing
        if "/o/" in path:
            return "storage.objects.get", lambda: Says(200, self.item()) if self.content is not None else Says(404, {})
        return "storage.buckets.get", lambda: Says(200, {"name": "b", "location": "EUROPE-WEST1"})

    def write(self, question: Question) -> Says:
        _, metadata, rest = question.body.split(b"\r\n\r\n", 2)
        self.name = metadata.decode().partition('"name": "')[2].partition('"')[0]
        self.content = rest.partition(b"\r\n--")[0]
        return Says(200, self.item())

    def item(self) -> dict[str, object]:
        return {"name": self.name, "bucket": "b", "size": str(len(self.content or b""))}

    def listing(self) -> Says:
        return Says(200, {"items": [self.item()] if self.content is not None else []})

    def delete(self) -> Says:
        self.content = self.content if self.keeps else None
        return Says(204, b"")


@pytest.fixture
def google(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Storage, Scripted]]:
    there = Storage()
    with scripted(there) as server:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
        monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "my-project")
        storage._bucket_at.cache_clear()
        yield there, server
    storage._bucket_at.cache_clear()


def test_a_storage_that_denies_nothing(google: tuple[Storage, Scripted]) -> None:
    assert check_bucket("gs://b").found == "there, in EUROPE-WEST1"
    assert check_bucket("gs://b", region="us-central1").state == "warning"
    assert check_access("gs://b/folder").state == "ok"
    assert google[0].name.startswith("folder/.writing-")
    assert google[0].content is None


@pytest.mark.parametrize(
    ("denied", "words", "role"),
    [
        ("storage.objects.create", "no object can be written", "roles/storage.objectUser"),
        ("storage.objects.get", "no object can be read", "roles/storage.objectUser"),
        ("storage.objects.list", "no object can be listed", "roles/storage.objectUser"),
        ("storage.objects.delete", "no object can be deleted", "roles/storage.objectUser"),
    ],
)
def test_what_may_not_be_done_is_named_with_its_role(
    denied: str, words: str, role: str, google: tuple[Storage, Scripted]
) -> None:
    google[0].denied = {denied}
    finding = check_access("gs://b/folder")
    assert finding.state == "failed"
    assert words in finding.found
    assert denied in finding.found
    assert f"buckets add-iam-policy-binding gs://b --member=user:YOU --role={role}" in finding.remedy
    assert ("is left there" in finding.found) == (denied == "storage.objects.delete")
    assert (google[0].content is not None) == (denied == "storage.objects.delete")


def test_who_may_not_see_the_bucket_may_still_use_it(google: tuple[Storage, Scripted]) -> None:
    google[0].denied = {"storage.buckets.get"}
    finding = check_bucket("gs://b")
    assert (finding.state, "storage.buckets.get" in finding.found) == ("ok", True)
    assert check_access("gs://b").state == "ok"


def test_a_bucket_that_keeps_or_changes_objects(google: tuple[Storage, Scripted]) -> None:
    google[0].keeps = True
    assert "should be deleted is not" in check_access("gs://b").found
    google[0].keeps, google[0].mangles = False, True
    assert check_access("gs://b").found == "an object that should be read is not"


def test_a_storage_that_hangs_costs_seconds(google: tuple[Storage, Scripted]) -> None:
    google[1].says = lambda question: Says(hang=True)
    start = time.monotonic()
    found = run_checks([Check("gs://b", lambda: check_bucket("gs://b"), limit=0.5)])
    assert found["gs://b"].found == "no answer within 0.5 s"
    assert time.monotonic() - start < 5


def test_nobody_is_logged_in_for_buckets(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    for name in ("STORAGE_EMULATOR_HOST", "GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_CLOUD_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", os.fspath(str(tmp_path)))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    storage._bucket_at.cache_clear()
    finding = check_bucket("gs://b")
    assert (finding.state, finding.found) == ("failed", "there are no Google credentials to reach it with")
    assert "gcloud auth application-default login" in finding.remedy
