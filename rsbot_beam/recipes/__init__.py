"""What to fetch and what to learn, named."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from rsbot_beam.recipes.assets import Asset
from rsbot_beam.recipes.loading import BUILT_IN, load_recipe
from rsbot_beam.recipes.recipe import PlainAsset, Preprocessing, Recipe

if TYPE_CHECKING:
    from rsbot_beam.recipes.crops import Crops
    from rsbot_beam.recipes.energy import PowerPlants, Solar, Wind
    from rsbot_beam.recipes.landcover import LandCover

__all__ = [
    "BUILT_IN",
    "Asset",
    "Crops",
    "LandCover",
    "PlainAsset",
    "PowerPlants",
    "Preprocessing",
    "Recipe",
    "Solar",
    "Wind",
    "load_recipe",
]

# The classes of the built-in recipes, to start one's own from: loaded when they are first used.
_HOME = {attribute: module for module, attribute in BUILT_IN.values()}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return __all__
