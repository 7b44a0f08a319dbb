"""Parameters of a frozen dataclass, set from text."""

from __future__ import annotations

import dataclasses
import difflib
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from rsbot_beam.errors import InputError

T = TypeVar("T")


def with_settings(thing: T, settings: Mapping[str, str], what: str) -> T:
    """A copy of a dataclass with parameters set from text.

    Args:
        thing: Instance of a frozen dataclass.
        settings: Text by name of a parameter.
        what: How messages name the thing, such as "model 'unet'".

    Raises:
        InputError: No such parameter (names the nearest), or the text does not fit its type.
    """
    hints = typing.get_type_hints(type(thing))
    known = [field.name for field in dataclasses.fields(thing)]  # type: ignore[arg-type]
    values: dict[str, Any] = {}
    for name, text in settings.items():
        if name not in known:
            close = difflib.get_close_matches(name, known, 1)
            hint = f"; did you mean {close[0]!r}?" if close else "."
            raise InputError(f"{what} has no parameter {name!r}{hint} It has {', '.join(sorted(known))}")
        values[name] = parse_setting(name, text, hints[name])
    return dataclasses.replace(thing, **values)  # type: ignore[type-var]


def parse_setting(name: str, text: str, kind: object) -> object:
    """Text as a value of a type: str, int, float, bool, Literal, `X | None` or tuple[X, ...] with commas.

    Raises:
        InputError: The text does not fit; says what would.
    """
    try:
        return _parse(text, kind)
    except (KeyError, ValueError, StopIteration) as error:
        raise InputError(f"{name}={text!r} is not {_expected(kind)}") from error
    except TypeError as error:
        raise InputError(f"{name!r} cannot be set from the command line: derive a class of your own") from error


def _parse(text: str, kind: object) -> object:
    origin, options = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Literal:
        return {str(option): option for option in options}[text]
    if origin in (typing.Union, types.UnionType):
        if text.lower() == "none" and type(None) in options:
            return None
        return _parse(text, next(option for option in options if option is not type(None)))
    if origin is tuple:
        return tuple(_parse(part.strip(), options[0]) for part in text.split(",") if part.strip())
    if kind is bool:
        return {"true": True, "false": False}[text.lower()]
    if kind in (int, float, str):
        return kind(text)
    raise TypeError(kind)


def _expected(kind: object) -> str:
    origin, options = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Literal:
        return f"one of {', '.join(map(str, options))}"
    if origin in (typing.Union, types.UnionType):
        return " or ".join("none" if option is type(None) else _expected(option) for option in options)
    if origin is tuple:
        return f"a list of {getattr(options[0], '__name__', options[0])}, separated by commas"
    return "true or false" if kind is bool else f"of type {getattr(kind, '__name__', kind)}"
