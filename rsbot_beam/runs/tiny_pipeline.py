"""The smallest pipeline that does what ours do: spread keys over workers, and sum up what came of them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import StandardOptions
from apache_beam.testing.util import assert_that, equal_to

from rsbot_beam.runs.beam_options import pipeline_options
from rsbot_beam.runs.in_notebooks import not_interactive

COUNT = 100


def run_tiny_pipeline(flags: Sequence[str], max_requests: int) -> dict[str, Any]:
    """Run it on the runner of Beam's flags.

    Returns:
        The runner's name, Beam's version, and the seconds that it took without imports.

    Raises:
        InputError: A flag's value is not what Beam takes.
        Exception: The runner does not work: whatever it raises.
    """
    options = pipeline_options(flags, max_requests)
    start = time.monotonic()
    with not_interactive(), beam.Pipeline(options=options) as pipeline:
        squares = pipeline | beam.Create(range(COUNT)) | beam.Reshuffle() | beam.Map(square)
        assert_that(squares | beam.CombineGlobally(sum), equal_to([sum(map(square, range(COUNT)))]))
    seconds = time.monotonic() - start
    return {"runner": str(options.view_as(StandardOptions).runner), "beam": beam.__version__, "seconds": seconds}


def square(value: int) -> int:
    """The square of a number."""
    return value * value
