"""Class codes of features, written as text: `value:code` or `value:code:name`."""

from __future__ import annotations

import colorsys
from collections.abc import Mapping, Sequence

from rsbot_beam.data.bands import LabelClass
from rsbot_beam.errors import RecipeError

# Codes are painted into uint8 or uint16 bands.
MAX_CODE = 65_535
# Code of values whose features are left out.
LEFT_OUT = 0
# Turn of the hue from one class to the next: the golden ratio keeps any number of them apart.
_HUE_STEP = 0.618034


def parse_codes(parameter: str, texts: Sequence[str]) -> dict[str, int]:
    """Code by value.

    Raises:
        RecipeError: A text is not written so, a code is not within 0..65535, or a value is listed twice.
    """
    codes: dict[str, int] = {}
    for value, code, _ in (_parse(parameter, text) for text in texts):
        if codes.setdefault(value, code) != code:
            raise RecipeError(
                f"parameter {parameter} gives {value!r} two codes, {codes[value]} and {code}: give it one of them"
            )
    return codes


def classes_of(parameter: str, texts: Sequence[str]) -> tuple[LabelClass, ...]:
    """The classes that codes stand for, in order of the codes; values of one code share a class and its first name.

    Code 0 is no class: features with it are left out, and what is not painted stays unlabelled.

    Raises:
        RecipeError: As `parse_codes`.
    """
    names: dict[int, str] = {}
    for _, code, name in (_parse(parameter, text) for text in texts):
        if code != LEFT_OUT:
            names.setdefault(code, name)
    return tuple(LabelClass(code, names[code], colour(number)) for number, code in enumerate(sorted(names)))


def colour(number: int) -> str:
    """A colour for the class of this number, "#rrggbb"; neighbours differ."""
    red, green, blue = colorsys.hsv_to_rgb(number * _HUE_STEP % 1.0, 0.75, 0.9)
    return f"#{round(red * 255):02x}{round(green * 255):02x}{round(blue * 255):02x}"


def recode(parameter: str, texts: Sequence[str], classes: Sequence[LabelClass]) -> Mapping[str, int]:
    """Codes that must be those of given classes.

    Raises:
        RecipeError: As `parse_codes`, or a code is none of the classes'.
    """
    codes = parse_codes(parameter, texts)
    known = {item.code: item.name for item in classes}
    strange = {value: code for value, code in codes.items() if code not in known}
    if strange:
        named = ", ".join(f"{code} {name}" for code, name in known.items())
        raise RecipeError(f"parameter {parameter} has codes of no class: {strange}; the recipe's classes are {named}")
    return codes


def _parse(parameter: str, text: str) -> tuple[str, int, str]:
    value, _, rest = text.partition(":")
    code, _, name = rest.partition(":")
    if not value.strip() or not code.strip().isdecimal():
        raise RecipeError(
            f"parameter {parameter}: {text!r} is not VALUE:CODE or VALUE:CODE:NAME, such as maize:1 or 4:1:maize"
        )
    if int(code) > MAX_CODE:
        raise RecipeError(
            f"parameter {parameter}: the code of {text!r} is above {MAX_CODE}: number the classes from 1 on"
        )
    return value.strip(), int(code), name.strip() or value.strip()
