"""Pipelines that are run from notebooks, as Beam is to take them: like those of any other program."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import apache_beam.pipeline
from apache_beam.utils import interactive_utils

# The modules that ask whether IPython runs where a pipeline is built and run: each has the question under its own name.
_ASKING = (interactive_utils, apache_beam.pipeline)


@contextmanager
def not_interactive() -> Iterator[None]:
    """Keep Beam's interactive mode away from the pipelines that are built and run meanwhile.

    In IPython Beam loads that mode with the first transform of any pipeline. It imports pandas in a way that fails from
    pandas 3 on; where it does not fail, steps are named after the cell, and temporary folders are left behind.
    """
    kept = [module.is_in_ipython for module in _ASKING]
    for module in _ASKING:
        module.is_in_ipython = _no
    try:
        yield
    finally:
        for module, asked in zip(_ASKING, kept, strict=True):
            module.is_in_ipython = asked


def _no() -> bool:
    return False
