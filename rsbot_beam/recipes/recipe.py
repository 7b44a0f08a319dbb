"""What a recipe is: what to fetch and what to learn."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_type_hints

from rsbot_beam.data.bands import Band, LabelClass, Layout
from rsbot_beam.data.label_features import LabelFeatures
from rsbot_beam.data.period import Period
from rsbot_beam.errors import RecipeError
from rsbot_beam.recipes.assets import Asset
from rsbot_beam.recipes.catalog import WORLD_COVER

if TYPE_CHECKING:
    import ee

Normalise = Literal["standard", "quantile", "none"]


@dataclass(frozen=True)
class Preprocessing:
    """How tf.Transform prepares the input bands for a network.

    Attributes:
        normalise: "standard": (x - mean) / standard deviation; "quantile": the range between two quantiles becomes 0..1,
            values outside are clipped; "none": the numbers as they are. Statistics are those of the valid pixels of the
            train split, per band.
        lower: Lower quantile, 0..1.
        upper: Upper quantile, 0..1.
    """

    normalise: Normalise = "standard"
    lower: float = 0.02
    upper: float = 0.98

    def __post_init__(self) -> None:
        if self.normalise not in ("standard", "quantile", "none"):
            raise RecipeError(f"normalise={self.normalise!r} is not one of standard, quantile, none")
        if not 0 <= self.lower < self.upper <= 1:
            raise RecipeError(f"quantiles {self.lower}..{self.upper} must satisfy 0 <= lower < upper <= 1")


@dataclass(frozen=True)
class PlainAsset:
    """An image asset as it is stored, fetched without an expression: cheaper for Earth Engine than `ee.Image(id)`.

    Earth Engine answers 0 for masked pixels of such a request and does not say where they are: use `ee.Image` for assets
    with masks.

    Attributes:
        asset: Id, such as "projects/my-project/assets/name".
        nodata: Value that means "no data", for bands that have one. Numbers that are not finite are invalid in any case.
    """

    asset: str
    nodata: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Base of all recipes: a frozen dataclass whose fields are its parameters.

    Derive from it, state the facts as class attributes (or as properties, where they follow from parameters), and write
    `inputs` and, if there is something to learn, `label` or `features`. The functions run once, in the main program; they
    return Earth Engine objects, nothing of them is computed there. Parameters can be set with `--set name=value`.

    Attributes:
        resolution: Pixel size in metres that the recipe is meant for.
        preprocessing: How the inputs are normalised.
    """

    name: ClassVar[str] = ""
    description: ClassVar[str] = ""

    resolution: float = 10.0
    preprocessing: Preprocessing = field(default_factory=Preprocessing)

    def __init_subclass__(cls, **kwargs: Any) -> None:  # noqa: ANN401
        """Let `resolution = 30.0` set a parameter's default as `resolution: float = 30.0` does.

        Dataclasses pass over what has no annotation, in silence; class facts such as `name` beside it have none either.
        """
        super().__init_subclass__(**kwargs)
        own = inspect.get_annotations(cls)
        for base in cls.__mro__[1:]:
            for item in fields(base) if is_dataclass(base) else ():
                if item.name in cls.__dict__:
                    own.setdefault(item.name, get_type_hints(base)[item.name])
        cls.__annotations__ = own

    @property
    def bands(self) -> tuple[Band, ...]:
        """Fact: the input bands, in order."""
        return ()

    @property
    def static_bands(self) -> tuple[Band, ...]:
        """Fact: the bands beside a time series that do not change in time."""
        return ()

    @property
    def label_band(self) -> Band | None:
        """Fact: the band to learn, or None for a recipe without one."""
        return None

    @property
    def classes(self) -> tuple[LabelClass, ...]:
        """Fact: what the codes of the label band, and of objects, stand for.

        Where the label band is painted from features, pixels without a feature have the class 0 if there is one, and are
        unlabelled otherwise.
        """
        return ()

    @property
    def detects(self) -> bool:
        """Fact: whether boxes of objects are learnt: those of `features`, or of the connected parts of `label`."""
        return False

    @property
    def assets(self) -> tuple[Asset, ...]:
        """Fact: the assets that are read, with their terms; they are checked before anything is fetched."""
        return ()

    @property
    def example(self) -> str:
        """Fact: flags of an example, for a place and a period that the recipe's assets have."""
        return "--region 10.0,52.0,10.2,52.1 --year 2023"

    def inputs(self, region: ee.Geometry, period: Period) -> ee.Image | Sequence[ee.Image] | PlainAsset:
        """The input image with at least `bands`; a list of images, one for each step, makes a time series.

        A recipe without labels can return a `PlainAsset`.

        Args:
            region: The region's bounding boxes, for `filterBounds`; the image need not be clipped.
            period: Days to look at.
        """
        raise RecipeError(f"the recipe {self.name!r} lacks the method inputs(self, region, period)")

    def static(self, region: ee.Geometry, period: Period) -> ee.Image | None:
        """The image with `static_bands` beside a time series, or None."""
        return None

    def label(self, region: ee.Geometry, period: Period) -> ee.Image | None:
        """The label image with `label_band`, or None for a recipe without one. Unlabelled pixels are masked."""
        return None

    def features(self, period: Period) -> tuple[LabelFeatures, ...]:
        """Vector features that become boxes, and of which `label_band`, where there is one, is painted.

        A recipe with features has no label image: `label` is not asked.
        """
        return ()

    def stratum(self, region: ee.Geometry, period: Period) -> ee.Image | None:
        """Classes that stratified sampling counts, or None; seen from afar, so that thin classes may be missed."""
        return None if self.features(period) else self.label(region, period)

    def hard_background(self, region: ee.Geometry, period: Period) -> ee.Image | None:
        """Where a place without objects looks as if it had some: 1 there, 0 or masked elsewhere; or None.

        By default what ESA WorldCover calls built-up (50) or bare (60): roofs, roads and bare soil.
        """
        import ee

        cover = ee.ImageCollection(WORLD_COVER.id).first().select([0], ["hard"])
        return cover.eq(50).Or(cover.eq(60))

    def steps(self, period: Period) -> int:
        """Length of the time axis for a period; 0 where `inputs` returns a single image."""
        return 0

    def step_names(self, period: Period) -> tuple[str, ...]:
        """What the steps of a time series are called in pictures, one for each; by default they are numbered."""
        count = self.steps(period)
        return tuple(f"{number} of {count}" for number in range(1, count + 1))

    def layout(self, period: Period) -> Layout:
        """Bands and shapes of this recipe's patches."""
        features = self.features(period)
        return Layout(
            self.bands,
            self.steps(period),
            self.static_bands,
            self.label_band,
            self.classes,
            painted=self.label_band is not None and bool(features),
            objects=self.detects,
        )

    def parameters(self) -> dict[str, Any]:
        """Parameters by name, as plain values."""
        return {f.name: plain(getattr(self, f.name)) for f in fields(self)}


def plain(value: object) -> object:
    """A value as JSON has it: dataclasses become mappings, tuples lists, what is unknown text."""
    if hasattr(value, "__dataclass_fields__"):
        return {f.name: plain(getattr(value, f.name)) for f in fields(value)}  # type: ignore[arg-type]
    if isinstance(value, (tuple, list)):
        return [plain(item) for item in value]
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)
