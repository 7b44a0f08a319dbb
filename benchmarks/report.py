"""How figures are printed: one aligned line each, with its goal and whether it is met."""

from __future__ import annotations


def heading(text: str) -> None:
    """Start a group of figures."""
    print(f"\n{text}", flush=True)


def note(text: str) -> None:
    """Say something that is not a figure."""
    print(f"  {text}", flush=True)


def figure(
    name: str, value: float, unit: str, *, at_least: float | None = None, at_most: float | None = None, digits: int = 1
) -> None:
    """Print a figure; with a goal, say whether it is met. A missed goal never ends the run."""
    line = f"  {name:62s}{value:12,.{digits}f} {unit:22s}"
    bound = at_least if at_least is not None else at_most
    if bound is not None:
        met = value >= bound if at_least is not None else value <= bound
        relation = ">=" if at_least is not None else "<="
        line += f" goal {relation} {bound:<8,.{digits}f} {'ok' if met else 'below the goal'}"
    print(line.rstrip(), flush=True)
