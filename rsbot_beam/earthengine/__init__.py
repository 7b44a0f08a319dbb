"""Earth Engine: the session and images of the main program, the pixels of the workers.

Two sides, and only the first imports the heavy `ee` client:

- `rsbot_beam.earthengine.session` and `rsbot_beam.earthengine.images` build an expression and write it down as text.
  Import them by their full names, in the main program.
- Everything exported here posts that text over pooled connections, from any process, without `ee`.
"""

from __future__ import annotations

from rsbot_beam.earthengine.endpoint import Endpoint
from rsbot_beam.earthengine.fetcher import PixelFetcher, shared_fetcher
from rsbot_beam.earthengine.pixels import Pixels, counted_bytes
from rsbot_beam.earthengine.source import FetchBand, PixelSource, plain_asset
from rsbot_beam.earthengine.stats import Stats
from rsbot_beam.earthengine.tiles import FailedFetch

__all__ = [
    "Endpoint",
    "FailedFetch",
    "FetchBand",
    "PixelFetcher",
    "PixelSource",
    "Pixels",
    "Stats",
    "counted_bytes",
    "plain_asset",
    "shared_fetcher",
]
