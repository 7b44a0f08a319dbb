"""Solar plants and wind turbines: what is seen of them from above, as masks and boxes.

Classes have the same codes in all recipes of this module, so that their data can be joined.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from rsbot_beam.data.bands import Band, LabelClass
from rsbot_beam.data.label_features import LabelFeatures
from rsbot_beam.data.period import Period
from rsbot_beam.errors import RecipeError
from rsbot_beam.recipes.aerial import Seen
from rsbot_beam.recipes.codes import recode
from rsbot_beam.recipes.parameters import check_positive

if TYPE_CHECKING:
    import ee

BACKGROUND = LabelClass(0, "background", "#000000")
SOLAR = LabelClass(1, "solar plant", "#ffd700")
TURBINE = LabelClass(2, "wind turbine", "#1f78ff")
PLANT = Band("plant", "uint8", "", "0 background, 1 solar plant, 2 wind turbine")

# Metres: the side of the square that has the area of the median solar plant of utility scale, about 4 ha (Kruitwagen et al.
# 2021, Nature 598, 604: a global inventory of photovoltaic plants).
PLANT_SIZE = 200.0
# Metres: mean rotor diameter of the turbines built in the United States in 2022, 131.6 (Wiser et al. 2023, Land-Based Wind
# Market Report, LBNL); rotors built since 2010 span 80 to 170.
TURBINE_SIZE = 130.0


@dataclass(frozen=True, kw_only=True)
class Plants(Seen):
    """What recipes of power plants have in common: imagery, and labels from features or from a mask.

    Attributes:
        labels: The plants: a vector file, or the id of a table asset. Polygons become masks, points become squares.
        layer: Layer of `labels`, where it is a file with several.
        id_column: Property of the labels that names a feature; none takes its id or its number.
        column: Property of the labels that says a feature's class; none where all are of one.
        codes: Classes of the column's values, as value:code, such as Solar:1,Wind:2.
        mask: Id of an image or image collection to take the labels from, instead of `labels`. Its masked pixels are
            unlabelled.
        mask_band: Band of the mask; none takes the first.
        mask_classes: Classes of the mask's values, as value:code; all other values are background. None given takes the
            values that are the recipe's own codes.
    """

    labels: str | None = None
    layer: str | None = None
    id_column: str | None = None
    column: str | None = None
    codes: tuple[str, ...] = ()
    mask: str | None = None
    mask_band: str | None = None
    mask_classes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        named = [name for name in self._label_parameters() if getattr(self, name)]
        if self.mask and named:
            raise RecipeError(
                f"parameters mask={self.mask!r} and {named[0]}={getattr(self, named[0])!r} both say where the labels are: "
                "give one of them"
            )
        if bool(self.column) != bool(self.codes):
            raise RecipeError(
                f"parameters column={self.column!r} and codes={list(self.codes)} go together: the property, and the "
                "classes of its values, such as codes=Solar:1,Wind:2"
            )
        self._check_needed("layer", "labels")
        self._check_needed("mask_band", "mask")
        self._check_needed("mask_classes", "mask")
        recode("codes", self.codes, self.classes)
        self._mask_codes()

    @property
    def detects(self) -> bool:
        """Plants are objects."""
        return True

    @property
    def label_band(self) -> Band | None:
        """The mask of plants."""
        return PLANT

    @property
    def classes(self) -> tuple[LabelClass, ...]:
        """Background, and the kinds of plants."""
        return (BACKGROUND, SOLAR, TURBINE)

    @property
    def example(self) -> str:
        """With labels of one's own, where there are none yet, and tiles around them."""
        place = "--region=-93.7,42.0,-93.5,42.1 --year 2023"
        named = self.mask or any(getattr(self, name) for name in self._label_parameters())
        return place if named else f"--set {self._label_parameters()[0]}=plants.gpkg --sampling features {place}"

    def features(self, period: Period) -> tuple[LabelFeatures, ...]:
        """The plants of `labels`, or none where there is a mask.

        Raises:
            RecipeError: No labels are named.
        """
        if self.mask:
            return ()
        found = self._features()
        if not found:
            names = " or ".join(self._label_parameters())
            raise RecipeError(
                f"the recipe {self.name!r} has no labels: set {names} to a vector file (GeoJSON, GeoPackage, Shapefile, "
                "FlatGeobuf, GeoParquet) or to the id of a table asset, or mask to the id of an image asset, for example "
                f"--set {self._label_parameters()[0]}=plants.gpkg"
            )
        return found

    def label(self, region: ee.Geometry, period: Period) -> ee.Image | None:
        """Codes of the plants in the mask's image, or None where the labels are features."""
        from rsbot_beam.earthengine.composites import asset_mosaic

        if not self.mask:
            return None
        codes = self._mask_codes()
        image = asset_mosaic(self.mask).select([self.mask_band or 0])
        return image.remap(list(codes), list(codes.values()), BACKGROUND.code).rename(PLANT.name)

    def _check_needed(self, name: str, needed: str) -> None:
        if getattr(self, name) and not getattr(self, needed):
            raise RecipeError(
                f"parameter {name}={getattr(self, name)!r} needs {needed}, the source that has it: set both, or leave it out"
            )

    def _label_parameters(self) -> tuple[str, ...]:
        """Names of the parameters that say where features are."""
        return ("labels",)

    def _features(self) -> tuple[LabelFeatures, ...]:
        raise RecipeError(f"the recipe {self.name!r} lacks the method _features")

    def _of_labels(self, kind: LabelClass, size: float) -> tuple[LabelFeatures, ...]:
        """The features of `labels`: of one kind, unless `column` says it."""
        if self.labels is None or self.column is None:
            return self._of_kind(self.labels, self.layer, kind, size)
        codes = recode("codes", self.codes, self.classes)
        return (LabelFeatures(self.labels, None, self.column, codes, size, self.layer, self.id_column),)

    def _of_kind(
        self, source: str | None, layer: str | None, kind: LabelClass, size: float
    ) -> tuple[LabelFeatures, ...]:
        """The features of a source, if there is one, all of one kind."""
        if source is None:
            return ()
        return (LabelFeatures(source, kind.code, size=size, layer=layer, id_column=self.id_column),)

    def _mask_codes(self) -> dict[int, int]:
        if not self.mask_classes:
            return {item.code: item.code for item in self.classes if item != BACKGROUND}
        codes = recode("mask_classes", self.mask_classes, self.classes)
        wrong = [value for value in codes if not value.isdecimal()]
        if wrong:
            raise RecipeError(
                f"parameter mask_classes: {wrong[0]!r} is no value of a mask: give whole numbers, as in 3:1"
            )
        return {int(value): code for value, code in codes.items()}


@dataclass(frozen=True, kw_only=True)
class Solar(Plants):
    """Solar plants, as masks and boxes.

    Attributes:
        plant_size: Side in metres of the square that a point stands for.
    """

    name: ClassVar[str] = "solar"
    description: ClassVar[str] = "Solar plants in a composite of Sentinel-2 or in aerial images: masks and boxes"
    classes: ClassVar[tuple[LabelClass, ...]] = (BACKGROUND, SOLAR)

    plant_size: float = PLANT_SIZE

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive("plant_size", self.plant_size, "the side in metres of the square that a point stands for")

    def _features(self) -> tuple[LabelFeatures, ...]:
        return self._of_labels(SOLAR, self.plant_size)


@dataclass(frozen=True, kw_only=True)
class Wind(Plants):
    """Wind turbines, as boxes; with a mask, as masks too.

    At 10 m a turbine is little more than its pad, track and shadow: NAIP shows it.

    Attributes:
        turbine_size: Side in metres of the square that a point stands for.
    """

    name: ClassVar[str] = "wind"
    description: ClassVar[str] = "Wind turbines in a composite of Sentinel-2 or in aerial images: boxes"
    classes: ClassVar[tuple[LabelClass, ...]] = (BACKGROUND, TURBINE)

    turbine_size: float = TURBINE_SIZE

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive("turbine_size", self.turbine_size, "the side in metres of the square that a point stands for")

    @property
    def label_band(self) -> Band | None:
        """None but for a mask: turbines are points."""
        return PLANT if self.mask else None

    def _features(self) -> tuple[LabelFeatures, ...]:
        return self._of_labels(TURBINE, self.turbine_size)


@dataclass(frozen=True, kw_only=True)
class PowerPlants(Plants):
    """Solar plants and wind turbines at once, as masks and boxes.

    The plants are in two files or tables, `solar_labels` and `wind_labels`, or in one, `labels`, with `column` and `codes`.

    Attributes:
        solar_labels: Solar plants: a vector file, or the id of a table asset.
        wind_labels: Wind turbines: a vector file, or the id of a table asset.
        solar_layer: Layer of `solar_labels`, where it is a file with several.
        wind_layer: Layer of `wind_labels`, where it is a file with several.
        plant_size: Side in metres of the square that a point of `solar_labels` stands for.
        turbine_size: Side in metres of the square that a point of `wind_labels` or `labels` stands for.
    """

    name: ClassVar[str] = "power_plants"
    description: ClassVar[str] = "Solar plants and wind turbines at once: masks and boxes"

    solar_labels: str | None = None
    wind_labels: str | None = None
    solar_layer: str | None = None
    wind_layer: str | None = None
    plant_size: float = PLANT_SIZE
    turbine_size: float = TURBINE_SIZE

    def __post_init__(self) -> None:
        super().__post_init__()
        meaning = "the side in metres of the square that a point stands for"
        check_positive("plant_size", self.plant_size, meaning)
        check_positive("turbine_size", self.turbine_size, meaning)
        self._check_needed("solar_layer", "solar_labels")
        self._check_needed("wind_layer", "wind_labels")
        if self.labels and (self.solar_labels or self.wind_labels):
            raise RecipeError(
                f"parameter labels={self.labels!r} is one source of all plants: leave out solar_labels and wind_labels, or it"
            )
        if bool(self.labels) != bool(self.column):
            raise RecipeError(
                f"parameters labels={self.labels!r} and column={self.column!r} go together: one source of all plants, and "
                "its property that says which; sources of one kind each are solar_labels and wind_labels"
            )

    def _label_parameters(self) -> tuple[str, ...]:
        return ("solar_labels", "wind_labels", "labels")

    def _features(self) -> tuple[LabelFeatures, ...]:
        return (
            *self._of_kind(self.solar_labels, self.solar_layer, SOLAR, self.plant_size),
            *self._of_kind(self.wind_labels, self.wind_layer, TURBINE, self.turbine_size),
            *self._of_labels(SOLAR, self.turbine_size),
        )
