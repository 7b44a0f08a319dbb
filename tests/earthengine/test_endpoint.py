"""The endpoint's choices, its environment and the sharing of its budget."""

from __future__ import annotations

import argparse
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsbot_beam.earthengine.endpoint import HIGH_VOLUME_URL, Endpoint
from rsbot_beam.errors import InputError


def test_default_is_the_high_volume_endpoint_with_application_default_credentials() -> None:
    endpoint = Endpoint()
    assert (endpoint.url, endpoint.credentials, endpoint.project) == (HIGH_VOLUME_URL, "default", None)
    assert (endpoint.max_requests, endpoint.max_qps, endpoint.is_local) == (40, 100.0, False)


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080", "http://localhost:8080/", "http://[::1]:80"])
def test_loopback_needs_no_credentials_and_no_project(url: str) -> None:
    endpoint = Endpoint(url=url)
    assert (endpoint.credentials, endpoint.project, endpoint.is_local) == ("none", "local", True)
    assert not endpoint.url.endswith("/")


def test_given_values_win_on_loopback() -> None:
    endpoint = Endpoint(url="http://127.0.0.1:80", project="p", credentials="key.json")
    assert (endpoint.credentials, endpoint.project) == ("key.json", "p")


@pytest.mark.parametrize(
    "url", ["earthengine.googleapis.com", "ftp://x", "https://", "https://host/v1", "https://a?b=c"]
)
def test_a_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(InputError, match="URL"):
        Endpoint(url=url)


def test_a_token_does_not_travel_unencrypted() -> None:
    with pytest.raises(InputError, match="unencrypted"):
        Endpoint(url="http://earthengine.example.com")
    assert Endpoint(url="http://earthengine.example.com", credentials="none").credentials == "none"


@pytest.mark.parametrize("field", ["max_requests", "max_qps", "deadline", "total_time"])
@pytest.mark.parametrize("value", [0, -1])
def test_numbers_must_be_positive(field: str, value: float) -> None:
    with pytest.raises(InputError, match=field):
        Endpoint(**{field: value})


def test_no_number_is_no_rate() -> None:
    with pytest.raises(InputError, match="max_qps=nan"):
        Endpoint(max_qps=float("nan"))


@pytest.mark.parametrize("tag", ["", "A", "a b", "-a", "a_", "a" * 64, "ü"])
def test_a_tag_that_earth_engine_does_not_take(tag: str) -> None:
    with pytest.raises(InputError, match=r"workload_tag=.*1 to 63 of a-z"):
        Endpoint(workload_tag=tag)


@pytest.mark.parametrize("tag", ["a", "7", "team-a_2023", "a" * 63])
def test_a_tag_that_earth_engine_takes(tag: str) -> None:
    assert Endpoint(workload_tag=tag).workload_tag == tag


def test_environment_gives_what_is_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RSBOT_EE_URL", "https://ee.example.com")
    monkeypatch.setenv("RSBOT_EE_PROJECT", "from-env")
    assert Endpoint.from_env(max_requests=7) == Endpoint("https://ee.example.com", "from-env", max_requests=7)
    assert Endpoint.from_env(project="given").project == "given"


def test_the_project_of_the_environment_is_not_for_a_local_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RSBOT_EE_PROJECT", raising=False)
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "costly")
    monkeypatch.setenv("RSBOT_EE_URL", "http://127.0.0.1:99")
    assert Endpoint.from_env().project == "local"
    assert Endpoint.from_env(url=HIGH_VOLUME_URL).project == "costly"


def test_flags_as_namespace_or_mapping(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RSBOT_EE_URL", raising=False)
    flags = {"ee_url": "https://e.org", "ee_project": "p", "max_requests": 3, "max_qps": None, "output": "x"}
    expected = Endpoint("https://e.org", "p", max_requests=3)
    assert Endpoint.from_flags(flags) == Endpoint.from_flags(argparse.Namespace(**flags)) == expected


@given(requests=st.integers(1, 500), qps=st.floats(0.1, 1e4), workers=st.integers(1, 500))
def test_shares_never_add_up_to_more_than_the_budget(requests: int, qps: float, workers: int) -> None:
    endpoint = Endpoint(max_requests=requests, max_qps=qps)
    if workers > requests:
        with pytest.raises(InputError, match="--max_requests"):
            endpoint.share(workers)
        return
    share = endpoint.share(workers)
    assert share.max_requests >= 1 and share.max_requests * workers <= requests
    assert share.max_qps * workers == pytest.approx(qps)
    assert share.url == endpoint.url


def test_no_workers_share_nothing() -> None:
    with pytest.raises(InputError, match="0 workers"):
        Endpoint().share(0)


def test_pickles_equal_and_hashable() -> None:
    endpoint = Endpoint(project="p", workload_tag="t")
    assert pickle.loads(pickle.dumps(endpoint)) == endpoint
    assert len({endpoint, pickle.loads(pickle.dumps(endpoint))}) == 1
