"""Expressions as text: `Image.expression` and `Number.expression` parse them here, on the server."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rsbot_beam.local_ee.answers import RequestError
from rsbot_beam.local_ee.environment import Environment, FunctionValue
from rsbot_beam.local_ee.functions import arithmetic
from rsbot_beam.local_ee.functions.bands import select
from rsbot_beam.local_ee.functions.masks import where
from rsbot_beam.local_ee.image import Image, constant_image
from rsbot_beam.local_ee.registry import FUNCTIONS, call, function
from rsbot_beam.local_ee.values import Value

_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+\.?\d*(?:[eE][-+]?\d+)?|\.\d+(?:[eE][-+]?\d+)?)|(?P<name>[A-Za-z_]\w*)"
    r"|(?P<text>'[^']*'|\"[^\"]*\")|(?P<sign>\*\*|<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%^&|<>!~?:(),.\[\]=]))"
)
# Binary operators: binding power and function, weakest first.
OPERATORS = {
    "||": (2, "or"),
    "&&": (3, "and"),
    "|": (4, "bitwiseOr"),
    "^": (5, "bitwiseXor"),
    "&": (6, "bitwiseAnd"),
    "==": (7, "eq"),
    "!=": (7, "neq"),
    "<": (8, "lt"),
    "<=": (8, "lte"),
    ">": (8, "gt"),
    ">=": (8, "gte"),
    "<<": (9, "leftShift"),
    ">>": (9, "rightShift"),
    "+": (10, "add"),
    "-": (10, "subtract"),
    "*": (11, "multiply"),
    "/": (11, "divide"),
    "%": (11, "mod"),
    "**": (13, "pow"),
}
PREFIXES = {"-": lambda x, apply: apply("subtract", 0, x), "+": lambda x, apply: x}
PREFIXES |= {"!": lambda x, apply: apply("not", x), "~": lambda x, apply: apply("bitwiseNot", x)}

Scope = Mapping[str, Any]
Term = Callable[[Scope], Any]


@dataclass
class Parser:
    """A recursive parser of JavaScript-like arithmetic.

    Args:
        text: The expression.
        apply: Computes a function of values by its name.
        band: A band of a value, by name or number.
        choose: One of two values by a condition.
        default: Name of the image that free names are bands of, or None.
    """

    text: str
    apply: Callable[..., Any]
    band: Callable[[Any, Any], Any]
    choose: Callable[[Any, Any, Any], Any]
    default: str | None = None

    def parse(self) -> Term:
        """The expression as a function of its variables.

        Raises:
            RequestError: When it cannot be understood.
        """
        self._tokens = self._split()
        self._place = 0
        found = self._ternary()
        if self._peek() != "":
            raise self._error()
        return found

    def _split(self) -> list[str]:
        tokens, place, text = [], 0, self.text.rstrip()
        while place < len(text):
            found = _TOKEN.match(text, place)
            if found is None:
                raise RequestError(
                    f"Image.parseExpression: Cannot parse '{self.text}' at '{text[place : place + 10]}'."
                )
            tokens.append(found.group(0).strip())
            place = found.end()
        return tokens

    def _peek(self) -> str:
        return self._tokens[self._place] if self._place < len(self._tokens) else ""

    def _next(self) -> str:
        token = self._peek()
        self._place += 1
        return token

    def _expect(self, token: str) -> None:
        if self._next() != token:
            raise self._error()

    def _error(self) -> RequestError:
        return RequestError(f"Image.parseExpression: Cannot parse '{self.text}' at '{self._peek() or 'its end'}'.")

    def _ternary(self) -> Term:
        test = self._binary(0)
        if self._peek() != "?":
            return test
        self._next()
        yes = self._ternary()
        self._expect(":")
        no = self._ternary()
        return lambda scope: self.choose(test(scope), yes(scope), no(scope))

    def _binary(self, weakest: int) -> Term:
        left = self._prefix()
        while self._peek() in OPERATORS and OPERATORS[self._peek()][0] >= weakest:
            power, name = OPERATORS[self._next()]
            # ** binds to the right, the others to the left.
            right = self._binary(power if name == "pow" else power + 1)
            left = self._call(name, [left, right])
        return left

    def _call(self, name: str, terms: list[Term]) -> Term:
        return lambda scope: self.apply(name, *(term(scope) for term in terms))

    def _prefix(self) -> Term:
        token = self._peek()
        if token in PREFIXES:
            self._next()
            inner = self._binary(12)
            change = PREFIXES[token]
            return lambda scope: change(inner(scope), self.apply)
        return self._suffixes(self._primary())

    def _primary(self) -> Term:
        token = self._next()
        if token == "(":  # noqa: S105 - a token of the language
            found = self._ternary()
            self._expect(")")
            return found
        if token and (token[0].isdigit() or token[0] == "."):
            number = float(token)
            value = int(number) if number.is_integer() and "." not in token else number
            return lambda _scope: value
        if re.match(r"[A-Za-z_]", token):
            return self._function(token) if self._peek() == "(" else self._variable(token)
        self._place -= 1
        raise self._error()

    def _function(self, name: str) -> Term:
        terms = self._arguments()
        if name == "b" and self.default is not None:
            image = self.default
            return lambda scope: self._picked(scope[image], [term(scope) for term in terms])
        return self._call(name, terms)

    def _picked(self, image: Value, bands: list[Any]) -> Value:
        return self.band(image, bands)

    def _arguments(self) -> list[Term]:
        self._expect("(")
        terms: list[Term] = []
        while self._peek() != ")":
            terms.append(self._argument())
            if self._peek() == ",":
                self._next()
            elif self._peek() != ")":
                raise self._error()
        self._next()
        return terms

    def _argument(self) -> Term:
        token = self._peek()
        if token[:1] in ("'", '"'):
            self._next()
            return lambda _scope: token[1:-1]
        return self._ternary()

    def _variable(self, name: str) -> Term:
        default = self.default

        def find(scope: Scope) -> Value:
            if name in scope:
                return scope[name]
            if default is None:
                raise RequestError(f"Image.parseExpression: Unknown variable '{name}' in '{self.text}'.")
            return self.band(scope[default], [name])

        return find

    def _suffixes(self, term: Term) -> Term:
        """`image.B4`, `image['B4']`, `image[0]`."""
        while self._peek() in (".", "["):
            if self._next() == ".":
                name = self._next()
                term = self._indexed(term, lambda _scope, name=name: name)  # type: ignore[misc]
            else:
                index = self._argument()
                self._expect("]")
                term = self._indexed(term, index)
        return term

    def _indexed(self, term: Term, index: Term) -> Term:
        return lambda scope: self.band(term(scope), [index(scope)])


@function("Image.parseExpression")
def parse_image(
    expression: str,
    arg_name: str,
    vars: list,
    environment: Environment,
    map_free_vars_to_default_image_bands: bool = False,
) -> FunctionValue:
    """A function of images from text."""

    def apply(name: str, *values: Value) -> Value:
        images = [value if isinstance(value, Image) else constant_image(value) for value in values]
        if name in arithmetic.BINARY and len(images) > 2:
            # min(a, b, c) and the like take any number.
            head = apply(name, images[0], images[1])
            return apply(name, head, *images[2:])
        if name in arithmetic.BINARY and len(images) == 2:
            return arithmetic.binary(name, images[0], images[1])
        if f"Image.{name}" in FUNCTIONS and len(images) == 1:
            return call(f"Image.{name}", {"value": images[0]}, environment)
        raise RequestError(
            f"Image.parseExpression: Unknown function '{name}' of {len(images)} arguments in '{expression}'."
        )

    def choose(test: Value, yes: Value, no: Value) -> Image:
        images = [value if isinstance(value, Image) else constant_image(value) for value in (test, yes, no)]
        chosen = where(input=images[2], test=images[0], value=images[1])
        masked = arithmetic.binary("first", chosen, images[0])
        return masked.pick(range(len(masked.bands)), images[2].names)

    term = Parser(expression, apply, lambda image, bands: select(image, list(bands)), choose, arg_name).parse()

    def body(arguments: Mapping[str, Any]) -> Image:
        found = term(arguments)
        return found if isinstance(found, Image) else constant_image(found)

    return FunctionValue(tuple(vars), body)


@function("Number.expression")
def parse_number(expression: str, vars: dict | None = None) -> float:
    """A number from text and variables."""

    def apply(name: str, *values: float) -> float:
        table = arithmetic.BINARY if len(values) == 2 else arithmetic.UNARY
        if name not in table or len(values) > 2:
            raise RequestError(
                f"Number.expression: Unknown function '{name}' of {len(values)} arguments in '{expression}'."
            )
        return arithmetic.number(name, *values)

    def band(value: Value, names: Value) -> Value:
        return value[names[0]]

    term = Parser(expression, apply, band, lambda test, yes, no: yes if test else no).parse()
    found: float = term(vars or {})
    return found
