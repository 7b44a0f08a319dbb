"""The one type of what flows through an expression graph."""

from __future__ import annotations

from typing import Any, TypeAlias

# Any value of the graph, or the JSON that it comes from or becomes: None, bool, number, text, list, dictionary, Image,
# Collection, Feature, Geometry, Date, DateRange, Projection, PixelType, Filter, Reducer, Kernel, Join, FunctionValue.
Value: TypeAlias = Any
