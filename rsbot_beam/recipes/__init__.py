"""What to fetch and what to learn, named."""

from rsbot_beam.recipes.loading import BUILT_IN, load_recipe
from rsbot_beam.recipes.recipe import PlainAsset, Preprocessing, Recipe

__all__ = ["BUILT_IN", "PlainAsset", "Preprocessing", "Recipe", "load_recipe"]
