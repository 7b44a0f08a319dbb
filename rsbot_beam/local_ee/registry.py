"""The functions of the expression graph: registered by name, arguments checked and converted by their annotations."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar, get_args, get_type_hints

from rsbot_beam.local_ee import deadlines
from rsbot_beam.local_ee.answers import RequestError, wrong_type
from rsbot_beam.local_ee.convert import CONVERTERS
from rsbot_beam.local_ee.environment import Environment
from rsbot_beam.local_ee.values import Value

F = TypeVar("F", bound=Callable[..., Any])
Handler = Callable[[Mapping[str, Any], Environment], Any]


@dataclass(frozen=True)
class Parameter:
    """A parameter of a function.

    Attributes:
        name: In snake case.
        convert: To the type of its annotation, or None for any value.
        required: Whether it has no default.
    """

    name: str
    convert: Callable[[Value, Environment], Value] | None
    required: bool


# What a function's body raises for values that it cannot work with: a missing key, lists of different lengths ...
ARGUMENT_ERRORS = (TypeError, ValueError, LookupError, ArithmeticError, re.error)

FUNCTIONS: dict[str, Handler] = {}
PARAMETERS: dict[str, dict[str, Parameter]] = {}


def function(*names: str) -> Callable[[F], F]:
    """Registers a Python function under Earth Engine names.

    Parameters are Earth Engine's argument names in snake case (`from_` for `from`). Annotations say what arguments are
    converted to; a parameter annotated `Environment` gets the environment of the evaluation.
    """

    def register(body: F) -> F:
        hints = get_type_hints(body)
        wants_environment = [name for name, hint in hints.items() if hint is Environment]
        parameters = [
            Parameter(name, _converter(hints.get(name)), parameter.default is inspect.Parameter.empty)
            for name, parameter in inspect.signature(body).parameters.items()
            if name not in wants_environment
        ]
        for name in names:
            PARAMETERS[name] = {parameter.name: parameter for parameter in parameters}
            FUNCTIONS[name] = _handler(name, body, parameters, wants_environment)
        return body

    return register


def call(name: str, arguments: Mapping[str, Any], environment: Environment) -> Value:
    """The value of a function by its Earth Engine name.

    Raises:
        RequestError: For an unknown function, an unknown, missing or wrong argument, and whatever it refuses.
    """
    handler = FUNCTIONS.get(name)
    if handler is None:
        raise RequestError(f"Unrecognized function: '{name}' (the local Earth Engine does not have it).")
    deadlines.check()
    return handler(arguments, environment)


@lru_cache(maxsize=1024)
def snake_case(name: str) -> str:
    """Earth Engine's argument name as a Python name."""
    snake = re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", name).lower()
    return snake + "_" if snake in ("from", "lambda") else snake


def _handler(name: str, body: Callable[..., Any], parameters: list[Parameter], environments: list[str]) -> Handler:
    known = {parameter.name: parameter for parameter in parameters}

    def handle(arguments: Mapping[str, Any], environment: Environment) -> Value:
        given: dict[str, Any] = dict.fromkeys(environments, environment)
        for argument, value in arguments.items():
            parameter = known.get(snake_case(argument))
            if parameter is None:
                raise RequestError(f"{name}: Unrecognized argument '{argument}'.")
            if value is not None or parameter.required:
                given[parameter.name] = _converted(name, argument, parameter, value, environment)
        missing = [p.name for p in parameters if p.required and p.name not in given]
        if missing:
            raise RequestError(f"{name}: required argument '{missing[0]}' is missing.")
        try:
            return body(**given)
        except ARGUMENT_ERRORS as error:
            raise RequestError(f"{name}: {error}.") from error

    return handle


def _converted(name: str, argument: str, parameter: Parameter, value: Value, environment: Environment) -> Value:
    if parameter.convert is None:
        return value
    if value is None:
        raise RequestError(f"{name}: Parameter '{argument}' is required and may not be null.")
    try:
        return parameter.convert(value, environment)
    except (TypeError, ValueError) as error:
        raise wrong_type(name, argument, str(error), value) from error


def _converter(hint: Value) -> Callable[[Any, Environment], Any] | None:
    """What converts to the annotated type; the first known one of a union."""
    for candidate in (hint, *get_args(hint)):
        found = CONVERTERS.get(getattr(candidate, "__origin__", candidate))
        if found is not None:
            return found
    return None
