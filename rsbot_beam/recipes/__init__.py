"""What to fetch and what to learn, named."""

from rsbot_beam.recipes.loading import BUILT_IN, load_recipe
from rsbot_beam.recipes.recipe import Preprocessing, Recipe

__all__ = ["BUILT_IN", "Preprocessing", "Recipe", "load_recipe"]
