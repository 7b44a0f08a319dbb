"""A deterministic landscape for the local Earth Engine; see docs/world.md."""

from __future__ import annotations

from rsbot_beam.local_ee.world.world import World

__all__ = ["World"]
