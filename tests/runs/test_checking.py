"""Checks run one after the other: none stops the others, waits for ever, or runs without what it needs."""

from __future__ import annotations

import threading
import time

from rsbot_beam.data.findings import Finding
from rsbot_beam.errors import InputError
from rsbot_beam.runs.checking import Check, run_checks


def good(name: str) -> Check:
    return Check(name, lambda: Finding(name, "ok", "good"))


def bad(name: str, *needs: str) -> Check:
    return Check(name, lambda: Finding(name, "failed", "bad", "mend it"), needs)


def never() -> Finding:
    raise AssertionError("this check must not run")


def test_a_check_without_what_it_needs_is_skipped_and_says_why() -> None:
    checks = [good("a"), bad("b", "a"), Check("c", never, ("a", "b")), Check("d", never, ("c",)), good("e")]
    found = run_checks(checks)
    assert [finding.state for finding in found.findings] == ["ok", "failed", "skipped", "skipped", "ok"]
    assert found["c"].found == "because the check 'b' failed"
    assert found["d"].found == "because the check 'c' was skipped"


def test_a_warning_keeps_nobody_from_going_on() -> None:
    found = run_checks([Check("a", lambda: Finding("a", "warning", "hm", "look")), Check("b", good("b").run, ("a",))])
    assert found["b"].state == "ok"


def test_whatever_a_check_raises_is_its_finding() -> None:
    def ours() -> Finding:
        raise InputError("the URL 'x' is none: give one")

    def theirs() -> Finding:
        raise ZeroDivisionError("by ya29.secret-token")

    found = run_checks([Check("ours", ours), Check("theirs", theirs), good("last")])
    assert found["ours"].state == found["theirs"].state == "failed"
    assert found["ours"].found == "the URL 'x' is none: give one"
    assert found["theirs"].found == "ZeroDivisionError: by [hidden]"
    assert found["last"].state == "ok"


def test_a_check_that_hangs_is_given_up_in_time() -> None:
    end = threading.Event()

    def hang() -> Finding:
        end.wait(30)
        return Finding("hangs", "ok", "too late")

    start = time.monotonic()
    found = run_checks([Check("hangs", hang, limit=0.3, late="plug it in"), good("last")])
    end.set()
    assert time.monotonic() - start < 5
    assert (found["hangs"].state, found["hangs"].found) == ("failed", "no answer within 0.3 s")
    assert found["hangs"].remedy == "plug it in"
    assert found["last"].state == "ok"


def test_each_finding_is_told_at_once_with_its_time() -> None:
    told: list[Finding] = []

    def slow() -> Finding:
        time.sleep(0.05)
        assert [finding.name for finding in told] == ["before", "a"]
        return Finding("whatever it says", "ok", "slow")

    before = Finding("before", "failed", "it did not start", "start it")
    found = run_checks([good("a"), Check("b", slow), Check("c", never, ("before",))], told.append, [before])
    assert tuple(told) == found.findings
    assert [finding.name for finding in told] == ["before", "a", "b", "c"]
    assert found["b"].seconds >= 0.05
