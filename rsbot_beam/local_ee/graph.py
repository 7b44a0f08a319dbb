"""Evaluation of an expression: the JSON graph that the `ee` client sends, to a value.

Nodes are evaluated once: those that do not depend on the argument of a mapped function once for the expression, the
others once for each call. Pixels are not computed here: images stay lazy.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rsbot_beam.local_ee import functions as _functions  # noqa: F401 - registers them
from rsbot_beam.local_ee.answers import RequestError
from rsbot_beam.local_ee.environment import Environment, FunctionValue
from rsbot_beam.local_ee.registry import call
from rsbot_beam.local_ee.values import Value

Node = Mapping[str, Any]


class Frame:
    """The arguments of one call, and the values of the nodes that depend on them."""

    __slots__ = ("arguments", "memo", "parent")

    def __init__(self, arguments: Mapping[str, Any], parent: Frame | None = None) -> None:
        self.arguments = arguments
        self.parent = parent
        self.memo: dict[str, Any] = {}

    def lookup(self, name: str) -> Value:
        """The argument of this name, of this call or one around it.

        Raises:
            RequestError: When no function around has such an argument.
        """
        frame: Frame | None = self
        while frame is not None:
            if name in frame.arguments:
                return frame.arguments[name]
            frame = frame.parent
        raise RequestError(f"Unbound argument reference '{name}' in the expression.")


class Graph:
    """An expression of the Cloud API: `{"result": id, "values": {id: node}}`.

    Args:
        expression: The JSON.
        environment: What functions can reach.

    Raises:
        RequestError: When it is no expression.
    """

    def __init__(self, expression: Value, environment: Environment) -> None:
        values = expression.get("values") if isinstance(expression, Mapping) else None
        if not isinstance(values, Mapping) or str(expression.get("result")) not in values:
            raise RequestError("Invalid expression: it needs 'values' and a 'result' that names one of them.")
        self._values: Mapping[str, Node] = values
        self._result = str(expression["result"])
        self._environment = environment
        self._root = Frame({})
        self._free: dict[str, frozenset[str]] = {}

    def evaluate(self) -> Value:
        """The value of the result node."""
        return self._reference(self._result, self._root)

    def _reference(self, name: str, frame: Frame) -> Value:
        if name not in self._values:
            raise RequestError(f"Invalid expression: value '{name}' is referenced but not defined.")
        memo = frame.memo if self._free_arguments(name) else self._root.memo
        if name not in memo:
            memo[name] = self._node(self._values[name], frame)
        return memo[name]

    def _node(self, node: Node, frame: Frame) -> Value:
        kind, content = _kind(node)
        if kind == "functionInvocationValue":
            return self._invoke(content, frame)
        if kind == "valueReference":
            return self._reference(content, frame)
        if kind == "constantValue":
            return _plain(content)
        if kind == "argumentReference":
            return frame.lookup(content)
        if kind == "arrayValue":
            return [self._node(item, frame) for item in content.get("values", [])]
        if kind == "dictionaryValue":
            return {key: self._node(item, frame) for key, item in content.get("values", {}).items()}
        if kind == "functionDefinitionValue":
            return self._define(content, frame)
        if kind == "integerValue":
            return int(content)
        raise RequestError(f"Invalid expression: unknown kind of value '{kind}'.")

    def _invoke(self, content: Node, frame: Frame) -> Value:
        arguments = {name: self._node(node, frame) for name, node in content.get("arguments", {}).items()}
        name = content.get("functionName")
        if name is not None:
            return call(name.removeprefix("algorithms/"), arguments, self._environment)
        target = self._reference(str(content.get("functionReference")), frame)
        if not isinstance(target, FunctionValue):
            raise RequestError("Invalid expression: what is invoked is not a function.")
        return target.body(arguments)

    def _define(self, content: Node, frame: Frame) -> FunctionValue:
        names = tuple(content.get("argumentNames", ()))
        body = str(content["body"])

        def run(arguments: Mapping[str, Any]) -> Value:
            return self._reference(body, Frame(arguments, frame))

        return FunctionValue(names, run)

    def _free_arguments(self, name: str) -> frozenset[str]:
        """Names of arguments that a value needs from functions around it."""
        found = self._free.get(name)
        if found is None:
            node = self._values.get(name)
            found = self._free[name] = frozenset() if node is None else self._free_in(node)
        return found

    def _free_in(self, node: Node) -> frozenset[str]:
        kind, content = _kind(node)
        if kind == "argumentReference":
            return frozenset((content,))
        if kind == "valueReference":
            return self._free_arguments(content)
        if kind == "functionDefinitionValue":
            return self._free_arguments(str(content["body"])) - frozenset(content.get("argumentNames", ()))
        if kind == "arrayValue":
            return frozenset().union(*map(self._free_in, content.get("values", [])))
        if kind == "dictionaryValue":
            return frozenset().union(*map(self._free_in, content.get("values", {}).values()))
        if kind == "functionInvocationValue":
            own = frozenset().union(*map(self._free_in, content.get("arguments", {}).values()))
            reference = content.get("functionReference")
            return own if reference is None else own | self._free_arguments(str(reference))
        return frozenset()


def _kind(node: Node) -> tuple[str, Value]:
    """The single entry of a node: what kind of value it is, and its content."""
    return next(iter(node.items()), ("", None))


def _plain(value: Value) -> Value:
    """A constant; whole numbers are integers however they are written, as JSON has one kind of number."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value
