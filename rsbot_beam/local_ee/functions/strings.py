"""Texts, and numbers as text."""

from __future__ import annotations

import json
import re

from rsbot_beam.local_ee.answers import RequestError
from rsbot_beam.local_ee.encode_values import encode_value
from rsbot_beam.local_ee.registry import function
from rsbot_beam.local_ee.temporal import Date
from rsbot_beam.local_ee.values import Value

_FORMAT = re.compile(r"%([-+ 0,(#]*)(\d*)(?:\.(\d+))?([a-zA-Z%])")


def to_text(value: Value) -> str:
    """A value as Earth Engine writes it into a text."""
    if isinstance(value, str):
        return value
    if isinstance(value, Date):
        return value.format(None)
    if value is None:
        return "null"
    if isinstance(value, float) and not value.is_integer():
        return repr(value)
    encoded = encode_value(value)
    return json.dumps(encoded) if isinstance(encoded, (dict, list, bool)) else str(encoded)


@function("String")
def string(input: Value) -> str:
    """A value as text."""
    return to_text(input)


@function("String.cat")
def cat(string1: Value, string2: Value) -> str:
    """Two texts one after the other."""
    return to_text(string1) + to_text(string2)


@function("String.length")
def length(string: str) -> int:
    """Number of characters."""
    return len(string)


@function("String.slice")
def slice_text(string: str, start: int, end: int | None = None) -> str:
    """From one character on, up to another; negative counts from the end."""
    return string[start:end]


@function("String.split")
def split(string: str, regex: str, flags: str = "") -> list[str]:
    """Pieces between matches of a regular expression."""
    return list(string) if regex == "" else re.split(regex, string, flags=_flags(flags))


@function("String.replace")
def replace(input: str, regex: str, replacement: str, flags: str = "") -> str:
    """The first match replaced, or all with the flag `g`."""
    template = re.sub(r"\$(\d)", r"\\\1", replacement)
    return re.sub(regex, template, input, count=0 if "g" in flags else 1, flags=_flags(flags))


@function("String.match")
def match(input: str, regex: str, flags: str = "") -> list[str]:
    """The first match and its groups, or all matches with the flag `g`."""
    found = list(re.finditer(regex, input, _flags(flags)))
    if not found:
        return []
    return [item.group(0) for item in found] if "g" in flags else [found[0].group(0), *found[0].groups(default="")]


def _flags(flags: str) -> int:
    return re.IGNORECASE if "i" in flags else 0


@function("String.index")
def index(target: str, pattern: str) -> int:
    """Where a text begins in another, -1 if it does not."""
    return target.find(pattern)


@function("String.rindex")
def rindex(target: str, pattern: str) -> int:
    """Where a text begins last in another, -1 if it does not."""
    return target.rfind(pattern)


@function("String.toLowerCase")
def lower(string: str) -> str:
    """In small letters."""
    return string.lower()


@function("String.toUpperCase")
def upper(string: str) -> str:
    """In capital letters."""
    return string.upper()


@function("String.trim")
def trim(string: str) -> str:
    """Without blanks at both ends."""
    return string.strip()


@function("String.equals")
def equals(reference: str, target: Value) -> bool:
    """Whether two texts are equal."""
    return reference == target


@function("String.compareTo")
def compare(string1: str, string2: str) -> int:
    """-1, 0 or 1: which comes first."""
    return (string1 > string2) - (string1 < string2)


@function("String.encodeJSON")
def encode_json(object: Value) -> str:
    """A value as JSON."""
    return json.dumps(encode_value(object))


@function("String.decodeJSON")
def decode_json(string: str) -> Value:
    """The value of JSON."""
    try:
        return json.loads(string)
    except ValueError as error:
        raise RequestError(f"String.decodeJSON: Invalid JSON: {error}.") from error


@function("Number.format")
def format_number(number: float, pattern: str = "%s") -> str:
    """A number by a pattern of Java's `String.format`."""

    def piece(found: re.Match[str]) -> str:
        flags, width, precision, kind = found.groups()
        if kind == "%":
            return "%"
        if kind == "s":
            return to_text(number).rjust(int(width or 0))
        if kind not in "dfeExXo":
            raise RequestError(f"Number.format: Unknown conversion '%{kind}' in '{pattern}'.")
        sign = "<" if "-" in flags else ""
        spec = sign + ("+" if "+" in flags else "") + ("0" if "0" in flags else "") + width
        spec += "," if "," in flags else ""
        digits = "" if kind in "dxXo" else f".{precision or 6}"
        return format(int(number) if kind in "dxXo" else float(number), f"{spec}{digits}{kind}")

    return _FORMAT.sub(piece, pattern)


@function("Number.parse")
def parse_number(input: str, radix: int = 10) -> float:
    """The number that a text says."""
    try:
        if radix != 10:
            return int(input, radix)
        value = float(input)
    except ValueError as error:
        raise RequestError(f"Number.parse: Cannot parse '{input}' as a number.") from error
    return int(value) if value.is_integer() and "." not in input else value
