"""Cross-checks before any fetch: does a recipe fit what Earth Engine holds in the region and period?

All that is wrong is found at once, in seconds whatever the region's size, by two or three requests and one small one for
each asset. `docs/troubleshooting.md` lists what can be found.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rsbot_beam.data.label_features import LabelFeatures
from rsbot_beam.data.period import Period
from rsbot_beam.earthengine.asset_problems import Problem, error
from rsbot_beam.errors import RecipeError, RsbotError
from rsbot_beam.geometry import Region
from rsbot_beam.recipes.loading import location
from rsbot_beam.recipes.recipe import PlainAsset, Recipe

if TYPE_CHECKING:
    import ee

    from rsbot_beam.earthengine.asset_contents import AssetQuery
    from rsbot_beam.earthengine.asset_labels import LabelChecks

# Seconds that all checks together may take; what is not known then is reported as not checked. Earth Engine itself would
# compute for five minutes, and the client retry for half a minute.
CHECK_SECONDS = 60.0

# Pixels of the label that are looked at: about as many as 140 x 140, among which a class of 0.02 % of the region is four
# on average, and which Earth Engine counts in seconds.
LOOK_PIXELS = 20_000

# Pixels that are looked at before it is said that there is no label at all.
CLOSE_LOOK_PIXELS = 1_000_000

# Characters of the region's name that messages repeat.
_LONGEST_SOURCE = 80

LOGGER = logging.getLogger("rsbot_beam")


def require_recipe_assets(
    recipe: Recipe,
    region: Region,
    period: Period,
    resolution: float,
    *,
    labels: bool = True,
    seconds: float = CHECK_SECONDS,
    most: int = 40,
) -> list[Problem]:
    """Check as `check_recipe_assets` does, log the warnings, and refuse to go on with errors.

    Returns:
        The warnings.

    Raises:
        RecipeError: There are errors; the message lists them and the warnings.
        AuthenticationError: Earth Engine does not accept the credentials, or denies the project.
    """
    problems = check_recipe_assets(recipe, region, period, resolution, labels=labels, seconds=seconds, most=most)
    if any(problem.severity == "error" for problem in problems):
        lines = "".join(f"\n  {problem}" for problem in problems)
        raise RecipeError(
            f"the recipe {recipe.name!r} does not fit what Earth Engine holds over {_words(region)} in {period}:{lines}"
        )
    for problem in problems:
        LOGGER.warning("recipe %s: [%s] %s", recipe.name, problem.code, problem.text)
    return problems


def check_recipe_assets(
    recipe: Recipe,
    region: Region,
    period: Period,
    resolution: float,
    *,
    labels: bool = True,
    seconds: float = CHECK_SECONDS,
    pixels: int = LOOK_PIXELS,
    most: int = 40,
) -> list[Problem]:
    """Everything that does not fit between a recipe and Earth Engine, errors first; empty if all is well.

    For the main program, with an initialised client; nothing is fetched. The assets are those that the recipe lists, and
    those that its images load. A recipe that lists none has its images asked for their bands instead.

    Args:
        recipe: The recipe with its parameters.
        region: The region.
        period: The period.
        resolution: Pixel size of the run, in metres.
        labels: Whether the label is needed; a map is made of the inputs alone.
        seconds: How long all may take; what is not answered then becomes a warning "not-checked".
        pixels: How many pixels of the label to look at.
        most: Requests in flight at most.

    Raises:
        AuthenticationError: Earth Engine does not accept the credentials, or denies the project.
    """
    from rsbot_beam.earthengine.asset_checks import AssetChecks
    from rsbot_beam.earthengine.asset_inputs import input_questions, judge_inputs
    from rsbot_beam.earthengine.asset_region import boxes
    from rsbot_beam.earthengine.asset_requests import Deadline, compute_groups

    deadline, place, words = Deadline.after(seconds, most), boxes(region), _words(region)
    built = _build(recipe, place, period, labels)
    assets = AssetChecks(_queries(recipe, built, labels), place, period, words)
    assets.look_up(deadline)
    # What cannot be loaded is told once, not again for all that is made of it.
    sound = {query.id for query in assets.sound}
    unlisted = not (recipe.assets or built.plain)
    inputs = built.inputs if unlisted and built.assets_of(built.inputs) <= sound else []
    label = _label_checks(recipe, built, region, resolution) if built.assets_of(built.label) <= sound else None
    groups = {
        "assets": {**assets.questions(), **input_questions(inputs)},
        "label": label.questions(pixels) if label else {},
    }
    answers = compute_groups(groups, deadline)
    closer = label.closer_questions(answers, CLOSE_LOOK_PIXELS) if label else {}
    answers |= compute_groups({"assets": assets.judge(answers), "label": closer}, deadline)
    assets.explain(answers)
    bands = [band.name for band in recipe.bands]
    problems = [*built.problems, *assets.problems, *judge_inputs(bands, f"over {words} in {period}", inputs, answers)]
    problems += [*(label.judge(answers) if label else []), *assets.judge_resolution(resolution)]
    return sorted(problems, key=lambda problem: problem.severity)


@dataclass
class _Built:
    """What a recipe's functions returned.

    Attributes:
        inputs: Images, one for each step in time.
        label: The label image, or none.
        others: Other images.
        features: Vector features to learn from.
        plain: Id of a `PlainAsset`, or empty.
        problems: Functions that failed.
    """

    inputs: list[ee.Image] = field(default_factory=list)
    label: list[ee.Image] = field(default_factory=list)
    others: list[ee.Image] = field(default_factory=list)
    features: tuple[LabelFeatures, ...] = ()
    plain: str = ""
    problems: list[Problem] = field(default_factory=list)

    def assets_of(self, images: Iterable[ee.Image]) -> set[str]:
        """Ids of the assets that images load."""
        return set(self.kinds_of(images))

    def kinds_of(self, images: Iterable[ee.Image]) -> dict[str, str]:
        """Kinds of the assets that images load, by id."""
        from rsbot_beam.earthengine.asset_graph import loaded_assets

        found: dict[str, str] = {}
        for image in images:
            found = {**loaded_assets(image), **found}
        return found


def _build(recipe: Recipe, place: ee.Geometry, period: Period, labels: bool) -> _Built:
    """Run a recipe's functions. What they return of a wrong type is reported where the images are composed."""
    import ee

    built = _Built()
    inputs = _called(built, recipe, recipe.inputs, place, period)
    if isinstance(inputs, PlainAsset):
        built.plain, built.inputs = inputs.asset, [ee.Image(inputs.asset)]
    else:
        built.inputs = _images(inputs)
    if recipe.static_bands:
        built.others = _images(_called(built, recipe, recipe.static, place, period))
    if not labels:
        return built
    built.features = _called(built, recipe, recipe.features, period) or ()
    if recipe.label_band is not None and not built.features:
        built.label = _images(_called(built, recipe, recipe.label, place, period))
    return built


def _images(value: object) -> list[ee.Image]:
    import ee

    several = value if isinstance(value, list | tuple) else [value]
    return [image for image in several if isinstance(image, ee.Image)]


def _called(built: _Built, recipe: Recipe, function: Callable[..., Any], *arguments: object) -> Any:  # noqa: ANN401
    try:
        return function(*arguments)
    except RsbotError as failure:
        text = str(failure)
    except Exception as failure:
        where = location(failure, Path(inspect.getsourcefile(type(recipe)) or "?"))
        text = f"`{function.__name__}` of the recipe fails at {where}: {type(failure).__name__}: {failure}"
    built.problems.append(error("recipe-fails", text))
    return None


def _queries(recipe: Recipe, built: _Built, labels: bool) -> list[AssetQuery]:
    """The assets that a recipe lists, that its images load and that its features come from, each once."""
    from rsbot_beam.earthengine.asset_contents import AssetQuery

    loaded = built.kinds_of([*built.inputs, *built.label, *built.others])
    listed = [item for item in recipe.assets if labels or item.id in loaded]
    found = {item.id: AssetQuery(item.id, item.kind, item.bands, item.dated, item.resolution) for item in listed}
    for name, kind in loaded.items():
        found.setdefault(name, AssetQuery(name, kind))
    if built.plain:
        bands = tuple(band.name for band in recipe.bands)
        found[built.plain] = replace(found[built.plain], bands=bands)
    for source in built.features:
        if is_asset_id(source.source):
            known = found.get(source.source, AssetQuery(source.source, "TABLE"))
            columns = tuple(name for name in (source.column, source.id_column) if name is not None)
            found[source.source] = replace(known, bands=tuple(dict.fromkeys(known.bands + columns)))
    return list(found.values())


def is_asset_id(source: str) -> bool:
    """Whether the source of label features is an asset's id rather than a file: ids have a folder and no suffix."""
    return "/" in source and "://" not in source and not Path(source).suffix and not Path(source).exists()


def _label_checks(recipe: Recipe, built: _Built, region: Region, resolution: float) -> LabelChecks | None:
    from rsbot_beam.earthengine.asset_labels import LabelChecks, LabelQuery

    if not built.label or recipe.label_band is None:
        return None
    classes: Mapping[int, str] = {item.code: item.name for item in recipe.classes}
    collections = tuple(name for name, kind in built.kinds_of(built.label).items() if kind == "IMAGE_COLLECTION")
    query = LabelQuery(built.label[0], recipe.label_band.name, classes, recipe.detects, collections)
    return LabelChecks(query, region, _words(region), resolution)


def _words(region: Region) -> str:
    # What the user wrote can be a whole GeoJSON.
    if 0 < len(region.source) <= _LONGEST_SOURCE:
        return f"the region {region.source!r}"
    return f"the region {', '.join(f'{degrees:g}' for degrees in region.bbox)}"
