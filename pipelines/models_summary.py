"""Models for people: all of them in a list, or one at length."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

TIMES = {"required": "time series", "optional": "single image or time series", "none": "single image"}


def listing(found: Sequence[dict[str, Any]]) -> list[str]:
    """What there is, two lines for each."""
    lines = []
    for model in found:
        parameters = " ".join(f"{name}={value}" for name, value in model["parameters"].items())
        lines += [f"{model['name']:12}{model['description']}"]
        if "unfit" in model:
            lines += [f"{'':12}not for this dataset: {model['unfit']}"]
        else:
            lines += [f"{'':12}{TIMES[model['time']]}; {model['size']['weights']:,} weights; {parameters}"]
    built = [model["built_for"] for model in found if "unfit" not in model]
    return [*lines, "", f"Weights for {_inputs(built[0])}; --dataset counts them for a dataset's."] if built else lines


def _inputs(built: dict[str, int]) -> str:
    series = f" at {built['steps']} steps" if built["steps"] else ""
    return f"{built['bands']} bands{series} and {built['classes']} classes"


def explain(found: dict[str, Any]) -> list[str]:
    """One model, as lines."""
    lines = [f"{found['name']}: {found['description']}", "", *found["about"].splitlines(), ""]
    lines += ["parameters (--set name=value):"]
    lines += [f"  {name} = {value}    ({found['types'][name]})" for name, value in found["parameters"].items()]
    size = found["size"]
    inputs = ", ".join(f"{name} {shape}" for name, shape in size["inputs"].items())
    lines += [
        "",
        f"inputs for {_inputs(found['built_for'])}: {inputs}",
        f"weights: {size['weights']:,} ({size['megabytes']:.1f} MB)",
    ]
    return [*lines, f"looks {size['radius']} pixels far; recommended overlap: {size['overlap']} pixels"]
