"""What checks of the surroundings found: values that can be shown anywhere, as they never hold a secret."""

from __future__ import annotations

import html
import re
import textwrap
from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

STATES = ("ok", "warning", "failed", "skipped")

# Characters of a line of the table, and of its columns of names and states.
WIDTH, NAME, STATE = 118, 17, 9
# Characters that are kept of what was found: a server's message may be a page.
_LONGEST = 600

# How secrets look that Google's clients and servers handle and that a message could quote: private keys, access tokens,
# signed assertions, API keys, refresh tokens, client secrets, passwords in URLs, and whatever stands behind such a name.
_SECRETS = (
    re.compile(r"(?P<kept>)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL),
    re.compile(r"(?P<kept>\bbearer\s+)[^\s\"',]+", re.IGNORECASE),
    re.compile(r"(?P<kept>)\b(?:ya29\.[\w.-]+|eyJ[\w-]{8,}\.[\w.-]+|AIza[\w-]{20,}|1//[\w-]{10,}|GOCSPX-[\w-]+)"),
    re.compile(r"(?P<kept>://)[^/\s@]+(?=@)"),
    re.compile(
        r"(?P<kept>\b(?:access_token|refresh_token|id_token|client_secret|private_key|private_key_id|assertion)"
        r"[\"']?\s*[:=]\s*)(?:\"[^\"]*\"?|'[^']*'?|[^\s,&}]+)"
    ),
)


def hide_secrets(text: str, *known: str | None) -> str:
    """A text without anything that looks like a key, a token or a password.

    Args:
        text: Any.
        *known: Secrets that are hidden however they look; None and empty ones are passed over.
    """
    for secret in known:
        text = text.replace(secret, "[hidden]") if secret else text
    for pattern in _SECRETS:
        text = pattern.sub(r"\g<kept>[hidden]", text)
    return text


@dataclass(frozen=True)
class Finding:
    """The outcome of one check. Secrets in its texts are hidden, and long texts are cut.

    Attributes:
        name: Of the check.
        state: One of `STATES`.
        found: What was found.
        remedy: What to do about it; must be given for what failed or is warned of.
        seconds: That the check took.
    """

    name: str
    state: str
    found: str
    remedy: str = ""
    seconds: float = 0.0

    def __post_init__(self) -> None:
        if self.state not in STATES:
            raise ValueError(f"state {self.state!r} is none of {', '.join(STATES)}")
        if self.state in ("warning", "failed") and not self.remedy:
            raise ValueError(f"{self.name}: {self.state} without a remedy")
        for name in ("found", "remedy"):
            object.__setattr__(self, name, _shortened(hide_secrets(getattr(self, name))))

    def __str__(self) -> str:
        """The row of the table: name, state, what was found, and below it what to do."""
        indent = " " * (NAME + STATE)
        first = f"{self.name:{NAME}} {self.state:{STATE - 1}}"
        lines = _wrapped(self.found, first, indent)
        if self.remedy:
            lines += _wrapped(self.remedy, f"{indent}-> ", f"{indent}   ")
        return "\n".join(lines or [first.rstrip()])


def _wrapped(text: str, first: str, other: str) -> list[str]:
    # Commands and URLs are copied out of the table: they are not broken at hyphens, nor where they are too long.
    return textwrap.wrap(
        text, WIDTH, initial_indent=first, subsequent_indent=other, break_on_hyphens=False, break_long_words=False
    )


def _shortened(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= _LONGEST else f"{words[: _LONGEST - 4].rstrip()} ..."


@dataclass(frozen=True)
class Diagnosis:
    """All that was found. Shows itself as a table, in a terminal and in a notebook.

    Attributes:
        findings: In the order of the checks.
    """

    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing failed."""
        return not self.of("failed")

    def of(self, state: str) -> tuple[Finding, ...]:
        """The findings of one state."""
        return tuple(finding for finding in self.findings if finding.state == state)

    def __getitem__(self, name: str) -> Finding:
        """The finding of a check; raises KeyError where there was no such check."""
        for finding in self.findings:
            if finding.name == name:
                return finding
        raise KeyError(name)

    def summary(self) -> str:
        """How many are in which state, as `1 failed, 12 ok`."""
        counts = Counter(finding.state for finding in self.findings)
        return ", ".join(
            f"{counts[state]} {state}" for state in ("failed", "warning", "skipped", "ok") if counts[state]
        )

    def __str__(self) -> str:
        return "\n".join([*map(str, self.findings), "", self.summary()])

    def to_json(self) -> dict[str, Any]:
        """The same for programs."""
        return {"ok": self.ok, "findings": [asdict(finding) for finding in self.findings]}

    def _repr_html_(self) -> str:
        head = "".join(f"<th style='text-align:left'>{name}</th>" for name in ("check", "state", "found", "what to do"))
        rows = "".join(_html_row(finding) for finding in self.findings)
        return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table><p>{html.escape(self.summary())}</p>"


# Told apart by the word as well: colours of Okabe and Ito, dark enough for text on white and light on black.
_COLOURS = {"ok": "#009e73", "warning": "#b87a00", "failed": "#d55e00", "skipped": "#808080"}


def _html_row(finding: Finding) -> str:
    state = f"<b style='color:{_COLOURS[finding.state]}'>{finding.state}</b>"
    name, found, remedy = (html.escape(text) for text in (finding.name, finding.found, finding.remedy))
    cells = "".join(f"<td style='text-align:left'>{cell}</td>" for cell in (name, state, found, remedy))
    return f"<tr>{cells}</tr>"
