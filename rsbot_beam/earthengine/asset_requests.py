"""Many small questions to Earth Engine in few requests and bounded time, through the `ee` client."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import ee
from google.auth.exceptions import GoogleAuthError, TransportError

from rsbot_beam.earthengine.answers import REMEDY_LOGIN, REMEDY_PERMISSION
from rsbot_beam.errors import AuthenticationError

# Characters of Earth Engine's message that are kept: some hold a whole expression.
_MESSAGE_LENGTH = 400

# Words of answers that say nothing of the question but that it was too much (Earth Engine, "Debugging").
_TOO_MUCH = ("timed out", "too many", "memory limit", "too large", "aborted after", "quota", "exceed")


# Words of refusals that concern the project: whatever is asked, the answer would be the same.
_OF_PROJECT = ("to use project", "serviceusage", "has not been used", "is disabled", "not registered", "not signed up")

# Words of a server that serves only a part of the interface: not a matter of the question. A 404 that speaks of an asset does.
_UNSERVED = re.compile(
    r"\b(?:unknown|unsupported|unimplemented|unrecogni[sz]ed|no such) (?:function|algorithm|method|operation)"
    r"|\b(?:function|algorithm|method|operation)\b.{0,80}\b(?:unknown|not (?:known|served|available|found))"
    r"|\bnot (?:implemented|supported)\b"
)
_OF_ASSET = re.compile(r"\basset\b|\bcollection\b|\btable\b|does not exist")

LOGGER = logging.getLogger("rsbot_beam")


@dataclass(frozen=True)
class Failure:
    """Why there is no answer.

    Attributes:
        kind: "missing": there is no such thing; "denied": no permission; "refused": the question is wrong; "too_much":
            it asks for more than Earth Engine computes; "unanswered": no answer in time, or an outage; "unserved": this
            endpoint does not answer such questions.
        text: Earth Engine's words, or ours.
    """

    kind: Literal["missing", "denied", "refused", "too_much", "unanswered", "unserved"]
    text: str

    @property
    def says_nothing(self) -> bool:
        """Whether it only means that nobody knows."""
        return self.kind in ("too_much", "unanswered", "unserved")


@dataclass(frozen=True)
class Answer:
    """An answer, or why there is none.

    Attributes:
        value: The answer; None where there is none.
        failure: Why there is none, or None.
    """

    value: Any = None
    failure: Failure | None = None


@dataclass(frozen=True)
class Deadline:
    """A moment until which answers are waited for.

    Attributes:
        end: On the clock of `time.monotonic`, seconds.
        seconds: How long that is from the beginning, for messages.
        most: Requests in flight at most, until then.
    """

    end: float
    seconds: float
    most: int = 40

    @classmethod
    def after(cls, seconds: float, most: int = 40) -> Deadline:
        """The moment so many seconds from now."""
        return cls(time.monotonic() + seconds, seconds, most)

    def left(self) -> float:
        """Seconds left, at least 0."""
        return max(self.end - time.monotonic(), 0.0)


def ask(calls: Mapping[str, Callable[[], Any]], deadline: Deadline) -> dict[str, Answer]:
    """Call functions that ask Earth Engine, at the same time, and wait for them until the deadline at most.

    The client cannot be interrupted. What is still waiting at the deadline is left behind in a daemon thread, which
    does not keep the program from ending.

    Args:
        calls: Functions by name; what they return is the answer.
        deadline: When to stop waiting.

    Returns:
        An answer for each name.

    Raises:
        AuthenticationError: Earth Engine does not accept the credentials, or denies the project.
    """
    found: dict[str, Answer | Exception] = {}

    in_flight = threading.Semaphore(deadline.most)

    def run(name: str, call: Callable[[], Any]) -> None:
        try:
            with in_flight:
                found[name] = Answer(call())
        except Exception as error:  # The client lets through those of google-auth, googleapiclient and requests.
            LOGGER.debug("no answer to %r", name, exc_info=True)
            found[name] = error

    threads = [threading.Thread(target=run, args=item, daemon=True) for item in calls.items()]
    if deadline.left():
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(deadline.left())
    late = Answer(failure=Failure("unanswered", f"Earth Engine did not answer within {deadline.seconds:g} s"))
    ended = {name: found.get(name, late) for name in calls}
    return {name: Answer(failure=failure_of(x)) if isinstance(x, Exception) else x for name, x in ended.items()}


def compute(entries: Mapping[str, ee.ComputedObject], deadline: Deadline) -> dict[str, Answer]:
    """Values of several expressions by one request.

    One wrong expression fails the whole request; they are then asked for one by one, at the same time.

    Args:
        entries: Expressions by name.
        deadline: When to stop waiting.

    Raises:
        AuthenticationError: Earth Engine does not accept the credentials, or denies the project.
    """
    if not entries:
        return {}
    together = ask({"all": partial(ee.data.computeValue, ee.Dictionary(dict(entries)))}, deadline)["all"]
    if together.failure is None:
        return {name: Answer((together.value or {}).get(name)) for name in entries}
    if len(entries) == 1 or together.failure.kind == "unanswered":
        return {name: Answer(failure=together.failure) for name in entries}
    return ask({name: partial(ee.data.computeValue, entry) for name, entry in entries.items()}, deadline)


def compute_groups(groups: Mapping[str, Mapping[str, ee.ComputedObject]], deadline: Deadline) -> dict[str, Answer]:
    """Values of groups of expressions, one request for each group, at the same time.

    Args:
        groups: Expressions by name, by group; names differ between groups. Put what may take long apart.
        deadline: When to stop waiting.

    Raises:
        AuthenticationError: Earth Engine does not accept the credentials, or denies the project.
    """
    answers = ask({group: partial(compute, entries, deadline) for group, entries in groups.items()}, deadline)
    found: dict[str, Answer] = {}
    for group, entries in groups.items():
        answer = answers[group]
        found |= dict.fromkeys(entries, answer) if answer.failure else answer.value
    return found


def failure_of(error: Exception) -> Failure:
    """What an exception of the client stands for.

    Raises:
        AuthenticationError: The credentials are not accepted, or the project is denied: no question would be answered.
    """
    if isinstance(error, AuthenticationError):
        raise error
    status, text = _status(error), str(error)[:_MESSAGE_LENGTH].strip().rstrip(".")
    words = text.lower()
    if status == 401 or (isinstance(error, GoogleAuthError) and not isinstance(error, TransportError)):
        raise AuthenticationError(f"Earth Engine does not accept the credentials: {text}. {REMEDY_LOGIN}") from error
    if status == 403 and any(word in words for word in _OF_PROJECT):
        raise AuthenticationError(f"Earth Engine denies permission: {text}. {REMEDY_PERMISSION}", status) from error
    if is_unserved(error):
        return Failure("unserved", f"the endpoint does not serve this ({text})")
    if status in (403, 404):
        return Failure("denied" if status == 403 else "missing", text)
    if not isinstance(error, ee.EEException) or (status or 0) >= 500 or status == 429:
        return Failure("unanswered", f"Earth Engine did not answer ({type(error).__name__}: {text})")
    return Failure("too_much" if any(word in words for word in _TOO_MUCH) else "refused", text)


def is_unserved(error: Exception) -> bool:
    """Whether an exception of the client only means that the endpoint does not serve such questions."""
    status, words = _status(error), str(error).lower()
    return (
        status in (405, 501)
        or (status == 404 and not _OF_ASSET.search(words))
        or (isinstance(error, ee.EEException) and _UNSERVED.search(words) is not None)
    )


def _status(error: Exception) -> int | None:
    """HTTP status: the client drops it from its own exception, but raises that while handling the one that has it."""
    status = getattr(getattr(error.__context__, "resp", None), "status", None)
    return int(status) if status is not None else None
