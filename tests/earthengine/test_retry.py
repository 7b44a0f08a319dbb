"""Backoff, giving up, outages, deadlines: with a clock of the test's own."""

from __future__ import annotations

import pytest

from rsbot_beam.earthengine import retry
from rsbot_beam.earthengine.retry import (
    LEAST_DEADLINE,
    MAX_ATTEMPTS,
    MAX_BACKOFF,
    MAX_PERMANENT,
    MOST_DEADLINE,
    OUTAGE_AFTER,
    Deadline,
    Health,
    Trial,
    full_jitter,
)
from rsbot_beam.errors import (
    AuthenticationError,
    OutageError,
    PermanentError,
    ThrottledError,
    TransientError,
)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def health(clock: Clock) -> Health:
    return Health(clock)


def run(trial: Trial, clock: Clock, error: Exception, took: float = 0.0) -> float:
    with trial.asking():
        clock.now += took
    return trial.delay(error)  # type: ignore[arg-type]


def test_jitter_is_full_and_bounded() -> None:
    first = [full_jitter(1) for _ in range(2000)]
    assert 0 <= min(first) < 0.01 and 0.09 < max(first) <= 0.1
    assert sum(first) / len(first) == pytest.approx(0.05, abs=0.005)
    assert max(full_jitter(4) for _ in range(2000)) == pytest.approx(0.8, abs=0.05)
    assert MAX_BACKOFF * 0.9 < max(full_jitter(1_000_000) for _ in range(2000)) <= MAX_BACKOFF


def test_a_poisoned_request_is_given_up_after_its_attempts(health: Health, clock: Clock) -> None:
    trial, error = Trial(health, 900, clock=clock), TransientError("boom", 500)
    for _ in range(MAX_ATTEMPTS - 1):
        run(trial, clock, error)
    with pytest.raises(TransientError) as caught:
        run(trial, clock, error)
    assert caught.value is error and trial.asked == MAX_ATTEMPTS


def test_throttling_counts_no_attempts(health: Health, clock: Clock) -> None:
    trial = Trial(health, 1e9, clock=clock)
    for _ in range(100):
        health.succeeded()
        assert run(trial, clock, ThrottledError("slow", 429)) <= MAX_BACKOFF
    assert trial.asked == 100 and not trial.exhausted


def test_throttled_for_all_of_the_time_is_given_up(health: Health, clock: Clock) -> None:
    trial, error = Trial(health, 60, clock=clock), ThrottledError("slow", 429)
    with pytest.raises(ThrottledError):
        for _ in range(10_000):
            health.succeeded()
            run(trial, clock, error, took=1)
    assert 2 <= trial.asked <= 61


def test_the_servers_wait_counts_into_the_time(health: Health, clock: Clock) -> None:
    error = ThrottledError("slow", 429)
    error.retry_after = 30.0
    trial = Trial(health, 100, clock=clock)
    with pytest.raises(ThrottledError):
        for _ in range(50):
            health.succeeded()
            run(trial, clock, error)
    assert trial.asked == 5


def test_in_an_outage_attempts_do_not_count_until_the_time_is_over(health: Health, clock: Clock) -> None:
    clock.now += OUTAGE_AFTER + 1
    trial = Trial(health, 900, clock=clock)
    with pytest.raises(OutageError, match=r"has not answered for .* minutes.*boom.*what is stored is kept") as caught:
        for _ in range(10_000):
            clock.now += run(trial, clock, TransientError("boom", 503), took=5)
    assert trial.asked > MAX_ATTEMPTS
    assert caught.value.status == 503
    assert health.silence > 900 / 2


def test_a_short_outage_is_told_in_seconds(health: Health, clock: Clock) -> None:
    clock.now += OUTAGE_AFTER + 1
    trial = Trial(health, 5, clock=clock)
    with pytest.raises(OutageError, match=r"has not answered for [5-9] seconds"):
        for _ in range(10_000):
            clock.now += run(trial, clock, TransientError("boom", 503), took=1)


def test_when_the_service_is_back_the_attempts_count(health: Health, clock: Clock) -> None:
    clock.now += OUTAGE_AFTER + 1
    trial = Trial(health, 900, clock=clock)
    for _ in range(MAX_ATTEMPTS + 3):
        run(trial, clock, TransientError("boom"))
    assert trial.exhausted
    health.succeeded()
    with pytest.raises(TransientError):
        run(trial, clock, TransientError("boom"))


def test_a_start_is_no_outage(health: Health, clock: Clock) -> None:
    assert not health.is_out
    clock.now += OUTAGE_AFTER + 0.1
    assert health.is_out


def test_many_refusals_in_a_row_stop_the_run(health: Health) -> None:
    for _ in range(MAX_PERMANENT - 1):
        health.refused(PermanentError("bad band", 400))
    assert not health.stopped
    with pytest.raises(PermanentError, match=rf"bad band.*{MAX_PERMANENT} times in a row"):
        health.refused(PermanentError("bad band", 400))
    with pytest.raises(PermanentError):
        health.check()


def test_an_answer_in_between_starts_the_row_again(health: Health) -> None:
    for _ in range(5):
        for _ in range(MAX_PERMANENT - 1):
            health.refused(PermanentError("bad place"))
        health.succeeded()
    assert not health.stopped


def test_the_first_error_stops_and_everyone_gets_it_anew(health: Health) -> None:
    health.stop(AuthenticationError("first", 403))
    health.stop(AuthenticationError("second", 401))
    errors = []
    for look in (health.check, lambda: health.sleep(60)):
        with pytest.raises(AuthenticationError, match="first") as caught:
            look()
        errors.append(caught.value)
    assert errors[0] is not errors[1] and errors[0].status == 403


def test_deadlines_adapt_double_and_end() -> None:
    deadline = Deadline()
    assert [deadline.seconds(n) for n in range(4)] == [120, 240, 320, 320], "nothing is known yet: be patient"
    for _ in range(8):
        assert deadline.seconds() == 120.0
        deadline.answered(5.0)
    assert [deadline.seconds(n) for n in range(4)] == [50, 100, 200, 320]
    for _ in range(32):
        deadline.answered(0.5)
    assert LEAST_DEADLINE < deadline.seconds() < 50, "one slow answer is forgotten by and by"
    for _ in range(1000):
        deadline.answered(0.5)
    assert deadline.seconds() == LEAST_DEADLINE
    deadline = Deadline()
    deadline.answered(290)
    assert deadline.seconds() == MOST_DEADLINE


def test_one_slow_answer_among_many_is_not_typical() -> None:
    deadline = Deadline()
    for _ in range(20):
        deadline.answered(1.0)
    deadline.answered(200.0)
    assert deadline.seconds() == LEAST_DEADLINE


def test_a_fixed_deadline_stays() -> None:
    deadline = Deadline(7.0)
    deadline.answered(100)
    assert deadline.seconds(3) == 7.0


def test_constants_agree() -> None:
    worst = sum(min(MAX_BACKOFF, retry.FIRST_BACKOFF * 2**n) for n in range(MAX_ATTEMPTS - 1))
    assert worst < OUTAGE_AFTER, "a poisoned tile must be given up before its own silence looks like an outage"
