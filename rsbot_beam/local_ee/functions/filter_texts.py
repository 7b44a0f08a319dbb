"""Filters as text, such as `CLOUDY_PIXEL_PERCENTAGE < 20 and SENSING_ORBIT_DIRECTION == "DESCENDING"`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from rsbot_beam.local_ee.answers import RequestError
from rsbot_beam.local_ee.filters import Filter
from rsbot_beam.local_ee.functions.filtering import SHORT, TESTS, all_of, any_of, comparison, hints, not_

_TOKEN = re.compile(
    r"\s*(?:(?P<number>-?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)|(?P<text>'[^']*'|\"[^\"]*\")"
    r"|(?P<sign><=|>=|==|!=|<>|&&|\|\||[<>=!()])|(?P<name>[A-Za-z_.][\w:.]*))"
)
# Comparison as it is written -> with the sides as they stand, and with the property on the right.
_COMPARISONS = {
    "<": ("lt", "gt"),
    "<=": ("lte", "gte"),
    ">": ("gt", "lt"),
    ">=": ("gte", "lte"),
    "=": ("eq", "eq"),
    "==": ("eq", "eq"),
    "!=": ("neq", "neq"),
    "<>": ("neq", "neq"),
}


def filter_of_text(text: str) -> Filter:
    """The filter that a text says: comparisons of properties and values, joined by and, or, not and brackets.

    Raises:
        RequestError: It cannot be read; says where.
    """
    parser = _Parser(text, list(_tokens(text)))
    found = parser.either()
    if parser.place < len(parser.tokens):
        raise parser.error()
    return found


def _tokens(text: str) -> list[tuple[str, str]]:
    found, place = [], 0
    while text[place:].strip():
        token = _TOKEN.match(text, place)
        if token is None or token.lastgroup is None:
            raise RequestError(f"Filter: the text {text!r} cannot be read at {text[place:].strip()!r}.")
        found.append((token.lastgroup, token[token.lastgroup]))
        place = token.end()
    return found


@dataclass
class _Parser:
    """Reads a list of tokens by recursive descent.

    Attributes:
        text: What it was, for messages.
        tokens: (kind, text) of each.
        place: The next one.
    """

    text: str
    tokens: list[tuple[str, str]]
    place: int = 0

    def either(self) -> Filter:
        """One or more joined by `or`."""
        parts = [self._every()]
        while self._skip("or", "||"):
            parts.append(self._every())
        return parts[0] if len(parts) == 1 else any_of(parts)

    def error(self) -> RequestError:
        """That the next token was not expected."""
        rest = " ".join(token for _, token in self.tokens[self.place :]) or "its end"
        return RequestError(f"Filter: the text {self.text!r} cannot be read at {rest!r}.")

    def _every(self) -> Filter:
        parts = [self._single()]
        while self._skip("and", "&&"):
            parts.append(self._single())
        return parts[0] if len(parts) == 1 else all_of(parts)

    def _single(self) -> Filter:
        if self._skip("not", "!"):
            return not_(self._single())
        if self._skip("("):
            found = self.either()
            if not self._skip(")"):
                raise self.error()
            return found
        return self._comparison()

    def _comparison(self) -> Filter:
        left, sign, right = self._side(), self._sign(), self._side()
        if left[0] == "name" and right[0] == "name":
            return comparison(TESTS[SHORT[_COMPARISONS[sign][0]]], left[1], None, right[1], None)
        (_, field), (_, value), which = (left, right, 0) if left[0] == "name" else (right, left, 1)
        if left[0] != "name" and right[0] != "name":
            raise self.error()
        name = SHORT[_COMPARISONS[sign][which]]
        return comparison(TESTS[name], field, None, None, value, **hints(name, field, value, None))

    def _side(self) -> tuple[str, str | float]:
        kind, token = self._next("name", "number", "text")
        if kind == "number":
            return kind, float(token)
        return kind, token if kind == "name" else token[1:-1]

    def _sign(self) -> str:
        _, token = self._next("sign")
        if token not in _COMPARISONS:
            self.place -= 1
            raise self.error()
        return token

    def _next(self, *kinds: str) -> tuple[str, str]:
        if self.place >= len(self.tokens) or self.tokens[self.place][0] not in kinds:
            raise self.error()
        self.place += 1
        return self.tokens[self.place - 1]

    def _skip(self, *tokens: str) -> bool:
        if self.place < len(self.tokens) and self.tokens[self.place][1].lower() in tokens:
            self.place += 1
            return True
        return False
