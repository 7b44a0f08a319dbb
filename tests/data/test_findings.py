"""Findings: no secret gets into one, and every row can be shown in a terminal and in a notebook."""

from __future__ import annotations

import json

import pytest

from rsbot_beam.data.findings import STATES, WIDTH, Diagnosis, Finding, hide_secrets

PEM = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkq\nhkiG9w0BAQEFAASC\n-----END PRIVATE KEY-----\n"


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        (f"the key is {PEM} here", "MIIEvQIBADANBgkq"),
        (f"cut off {PEM[:60]}", "MIIEvQIBADANBgkq"),
        ("Authorization: Bearer abc.def-ghi", "abc.def-ghi"),
        ("token ya29.a0AfB_byC-x was refused", "a0AfB_byC-x"),
        ("assertion eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJ4In0.c2ln is bad", "c2ln"),
        ("key=AIzaSyA-1234567890abcdefghijklmnopqrstu", "1234567890abcdef"),
        ("refresh 1//0gAbCdEfGhIjKlMn", "0gAbCdEf"),
        ("client GOCSPX-abc_DEF", "abc_DEF"),
        ("https_proxy=http://user:hunter2@proxy:3128", "hunter2"),
        ('{"refresh_token": "se cret", "a": 1}', "se cret"),
        ("{'client_secret': 'quite private'}", "quite private"),
        ("client_secret=xyz123&grant_type=refresh_token", "xyz123"),
        ('"private_key_id": "0123abcd"', "0123abcd"),
    ],
)
def test_secrets_are_hidden_wherever_they_stand(text: str, secret: str) -> None:
    assert secret not in hide_secrets(text)
    assert "[hidden]" in hide_secrets(text)
    finding = Finding("x", "failed", text, text)
    assert secret not in str(finding) + json.dumps(Diagnosis((finding,)).to_json()) + repr(finding)


def test_a_known_secret_is_hidden_however_it_looks() -> None:
    assert hide_secrets("it was token-1, not None", "token-1", None, "") == "it was [hidden], not None"


@pytest.mark.parametrize(
    "text",
    [
        "gcloud auth application-default login",
        "https://console.cloud.google.com/apis/library/earthengine.googleapis.com?project=my-project",
        "robot@my-project.iam.gserviceaccount.com",
        "the login has no access_token",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert hide_secrets(text) == text


def test_what_fails_must_say_what_to_do() -> None:
    for state in ("warning", "failed"):
        with pytest.raises(ValueError, match="without a remedy"):
            Finding("x", state, "bad")
    with pytest.raises(ValueError, match="is none of ok, warning"):
        Finding("x", "fine", "good")


def test_a_row_is_as_wide_as_the_table_and_breaks_no_command() -> None:
    command = "`gcloud projects add-iam-policy-binding my-project --member=user:YOU --role=roles/earthengine.viewer`"
    row = str(Finding("credentials", "failed", "word " * 60, f"{'please ' * 12}{command}"))
    lines = row.splitlines()
    assert lines[0].startswith("credentials       failed  word")
    assert all(len(line) <= WIDTH for line in lines)
    assert any("-> please" in line for line in lines)
    for word in command.split():
        assert any(word in line for line in lines)


def test_a_long_message_is_cut() -> None:
    assert len(Finding("x", "ok", "word " * 10_000).found) <= 600


def test_a_name_longer_than_its_column_keeps_its_distance() -> None:
    assert str(Finding("gs://a-bucket-with-a-long-name", "ok", "there")).split() == [
        "gs://a-bucket-with-a-long-name",
        "ok",
        "there",
    ]


@pytest.fixture
def diagnosis() -> Diagnosis:
    return Diagnosis(
        (
            Finding("<script>alert(1)</script>", "ok", "a & b <b>", seconds=0.5),
            Finding("second", "failed", 'say "no"', "do <i>this</i>"),
            Finding("third", "warning", "hm", "look"),
            Finding("fourth", "skipped", "because"),
        )
    )


def test_a_diagnosis_counts_and_finds(diagnosis: Diagnosis) -> None:
    assert not diagnosis.ok
    assert Diagnosis((diagnosis.findings[0], diagnosis.findings[2])).ok, "a warning is no failure"
    assert diagnosis.summary() == "1 failed, 1 warning, 1 skipped, 1 ok"
    assert diagnosis["third"].found == "hm"
    with pytest.raises(KeyError):
        diagnosis["fifth"]
    assert str(diagnosis).count("\n") >= len(diagnosis.findings)


def test_json_holds_all_of_it(diagnosis: Diagnosis) -> None:
    found = json.loads(json.dumps(diagnosis.to_json()))
    assert found["ok"] is False
    assert [item["state"] for item in found["findings"]] == ["ok", "failed", "warning", "skipped"]
    assert found["findings"][0]["seconds"] == 0.5


def test_html_escapes_what_comes_from_outside(diagnosis: Diagnosis) -> None:
    html = diagnosis._repr_html_()
    for text in ("<script>", "<i>", "<b>\n", "a & b"):
        assert text not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert "do &lt;i&gt;this&lt;/i&gt;" in html
    assert all(f">{state}</b>" in html for state in STATES)
