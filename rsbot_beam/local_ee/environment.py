"""What the evaluation of an expression can reach: the assets, and functions given as values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rsbot_beam.local_ee.answers import RequestError
from rsbot_beam.local_ee.profiles import Profiles
from rsbot_beam.local_ee.values import Value

if TYPE_CHECKING:
    from rsbot_beam.local_ee.catalog import Catalog


@dataclass(frozen=True)
class Environment:
    """Passed to every function of the graph that asks for it.

    Attributes:
        catalog: The assets.
        profiles: What earlier requests cost.
    """

    catalog: Catalog
    profiles: Profiles = field(default_factory=Profiles)


@dataclass(frozen=True, eq=False)
class FunctionValue:
    """A function as a value of the graph: one defined in the expression, or a parsed one.

    Attributes:
        names: Argument names in order.
        body: Computes it from arguments by name.
    """

    names: Sequence[str]
    body: Callable[[Mapping[str, Any]], Any]

    def __call__(self, *values: Value) -> Value:
        """Calls it with arguments by position."""
        if len(values) < len(self.names):
            raise RequestError(f"A mapped function takes {len(self.names)} arguments but is given {len(values)}.")
        return self.body(dict(zip(self.names, values, strict=False)))
