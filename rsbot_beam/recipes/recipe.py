"""What a recipe is: what to fetch and what to learn."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_type_hints

from rsbot_beam.data.bands import Band, LabelClass, Layout
from rsbot_beam.data.period import Period
from rsbot_beam.errors import RecipeError

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
    `inputs` and, if there is something to learn, `label`. The functions run once, in the main program; they return
    Earth Engine objects, nothing of them is computed there. Parameters can be set with `--set name=value`.

    Attributes:
        resolution: Pixel size in metres that the recipe is meant for.
        preprocessing: How the inputs are normalised.
    """

    name: ClassVar[str] = ""
    description: ClassVar[str] = ""
    bands: ClassVar[tuple[Band, ...]] = ()
    static_bands: ClassVar[tuple[Band, ...]] = ()
    label_band: ClassVar[Band | None] = None
    classes: ClassVar[tuple[LabelClass, ...]] = ()
    assets: ClassVar[tuple[str, ...]] = ()

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
        """The label image with `label_band`, or None for a recipe without labels. Unlabelled pixels are masked."""
        return None

    def steps(self, period: Period) -> int:
        """Length of the time axis for a period; 0 where `inputs` returns a single image."""
        return 0

    def layout(self, period: Period) -> Layout:
        """Bands and shapes of this recipe's patches."""
        return Layout(self.bands, self.steps(period), self.static_bands, self.label_band, self.classes)

    def parameters(self) -> dict[str, Any]:
        """Parameters by name, as plain values."""
        return {f.name: _plain(getattr(self, f.name)) for f in fields(self)}


def _plain(value: object) -> object:
    if hasattr(value, "__dataclass_fields__"):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}  # type: ignore[arg-type]
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)
