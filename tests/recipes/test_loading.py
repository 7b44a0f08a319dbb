"""Recipes by name and file, and what is said of broken ones."""

from __future__ import annotations

import dataclasses
import os
import re
from pathlib import Path

import pytest

from rsbot_beam import recipes
from rsbot_beam.data.bands import Band
from rsbot_beam.data.period import Period
from rsbot_beam.errors import RecipeError
from rsbot_beam.recipes import BUILT_IN, Asset, Preprocessing, Recipe, load_recipe

GOOD = """\
from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from rsbot_beam import Band, LabelClass, Period, Recipe


@dataclass(frozen=True, kw_only=True)
class Mine(Recipe):
    name: ClassVar[str] = "mine"
    bands: ClassVar[tuple[Band, ...]] = (Band("B4", "uint16"),)
    label_band: ClassVar[Band | None] = Band("y", "uint8")
    classes: ClassVar[tuple[LabelClass, ...]] = (LabelClass(1, "one"),)

    flag: bool = False
    number: int = 3
    share: float = 0.5
    text: str = "a"
    mode: Literal["fast", "slow"] = "fast"
    level: Literal[1, 2] = 1
    months: tuple[int, ...] = (4, 5)
    maybe: int | None = None

    def inputs(self, region, period):
        return None

    def label(self, region, period):
        return None


recipe = Mine()
"""


def written(folder: Path, text: str, name: str = "my_recipe.py") -> str:
    path = folder / name
    path.write_text(text)
    return str(path)


def changed(folder: Path, *changes: tuple[str, str]) -> str:
    text = GOOD
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return written(folder, text)


def line_of(text: str, what: str) -> int:
    return text[: text.index(what)].count("\n") + 1


@pytest.mark.parametrize("name", BUILT_IN)
def test_built_in_recipes_are_whole(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.name == name
    assert recipe.description
    assert recipe.bands
    assert recipe.example.startswith("--")
    codes = [item.code for item in recipe.classes]
    assert len(codes) == len(set(codes))
    assert all(re.fullmatch("#[0-9a-f]{6}", item.colour) for item in recipe.classes)


@pytest.mark.parametrize("name", BUILT_IN)
def test_terms_of_every_asset_are_stated(name: str) -> None:
    assets = load_recipe(name).assets
    assert assets
    assert all(asset.licence and asset.title and asset.bands and asset.resolution > 0 for asset in assets)


@pytest.mark.parametrize(("module", "attribute"), BUILT_IN.values())
def test_classes_of_built_in_recipes_are_at_hand(module: str, attribute: str) -> None:
    kind = getattr(recipes, attribute)
    assert (kind.__module__, kind.__name__) == (module, attribute)
    assert attribute in dir(recipes)
    assert issubclass(kind, Recipe)


def test_what_the_package_does_not_have() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Corps'"):
        recipes.Corps  # noqa: B018


def test_an_unknown_recipe_and_the_nearest() -> None:
    with pytest.raises(RecipeError, match=r"there is no recipe 'landcove'; did you mean 'landcover'\? Built-in are"):
        load_recipe("landcove")
    with pytest.raises(RecipeError, match=r"there is no recipe 'zzz'\. Built-in are landcover.*\.py file"):
        load_recipe("zzz")


def test_a_file_of_the_user(tmp_path: Path) -> None:
    recipe = load_recipe(written(tmp_path, GOOD))
    assert (recipe.name, recipe.bands) == ("mine", (Band("B4", "uint16"),))
    assert recipe.parameters()["months"] == [4, 5]


def test_two_files_of_the_same_name(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    first = load_recipe(written(tmp_path / "a", GOOD))
    second = load_recipe(changed(tmp_path, ('name: ClassVar[str] = "mine"', 'name: ClassVar[str] = "other"')))
    assert (first.name, second.name) == ("mine", "other")


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"no_such.py does not exist"):
        load_recipe(str(tmp_path / "no_such.py"))


def test_a_file_that_is_not_python(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"must end in .py"):
        load_recipe(written(tmp_path, GOOD, "recipe.txt"))


@pytest.mark.parametrize("relative", [False, True])
def test_a_syntax_error_is_placed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, relative: bool) -> None:
    path = changed(tmp_path, ("flag: bool = False", "flag: bool = ("))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RecipeError, match=rf"my_recipe.py:{line_of(GOOD, 'flag:')} fails: SyntaxError"):
        load_recipe(os.path.relpath(path) if relative else path)


@pytest.mark.parametrize("relative", [False, True])
def test_an_exception_is_placed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, relative: bool) -> None:
    path = changed(tmp_path, ("recipe = Mine()", "recipe = Mine(numbr=4)"))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RecipeError, match=rf"my_recipe.py:{line_of(GOOD, 'recipe = Mine')} fails: TypeError.*numbr"):
        load_recipe(os.path.relpath(path) if relative else path)


def test_an_exception_deeper_down_is_placed_in_the_file(tmp_path: Path) -> None:
    path = changed(tmp_path, ('Band("B4", "uint16")', 'Band("B4", "int64")'))
    with pytest.raises(
        RecipeError, match=rf"my_recipe.py:{line_of(GOOD, 'Band(')} fails: RecipeError: band 'B4' has dtype"
    ):
        load_recipe(path)


def test_an_import_that_fails(tmp_path: Path) -> None:
    path = changed(tmp_path, ("from typing import", "import no_such_module\nfrom typing import"))
    with pytest.raises(RecipeError, match="ModuleNotFoundError: No module named 'no_such_module'"):
        load_recipe(path)


@pytest.mark.parametrize(
    ("definition", "found"),
    [("", "there is none"), ("recipe = Mine", "it is a type"), ("recipe = 3", "it is a int")],
)
def test_no_recipe_in_the_file(tmp_path: Path, definition: str, found: str) -> None:
    path = changed(tmp_path, ("recipe = Mine()", definition))
    with pytest.raises(RecipeError, match=f"must define `recipe`.*{found}"):
        load_recipe(path)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('name: ClassVar[str] = "mine"', "", "`name` is missing"),
        (
            "    def inputs(self, region, period):\n        return None\n",
            "",
            r"method `inputs\(self, region, period\)`",
        ),
        ('(Band("B4", "uint16"),)', "()", "`bands` must be a tuple"),
        ('(Band("B4", "uint16"),)', '(Band("B4", "uint16"))', "`bands` must be a tuple"),
        ('(Band("B4", "uint16"),)', '("B4",)', "`bands` must be a tuple"),
        ('Band("y", "uint8")', "None", "`label` and `label_band` go together"),
        ('Band("y", "uint8")', '"y"', "`label` and `label_band` go together"),
        ("    def label(", "    def lable(", "`label` and `label_band` go together"),
        ('(LabelClass(1, "one"),)', '{1: "one"}', "`classes` must be a tuple"),
        ('(LabelClass(1, "one"),)', '(LabelClass(1, "one"))', "`classes` must be a tuple"),
        (
            "def label(",
            "def features(self, period):\n        return 3\n\n    label = 4\n\n    def l(",
            "`label` must be a me",
        ),
        ("    flag: bool", '    assets: ClassVar = ("COPERNICUS/S2",)\n    flag: bool', "`assets` must be a tuple"),
        ("flag: bool", 'static_bands: ClassVar = Band("h", "int16")\n    flag: bool', "`static_bands` must be a tuple"),
        ("recipe = Mine()", "recipe = Mine(resolution=0)", "`resolution` is 0: it must be a positive number"),
        ("recipe = Mine()", "recipe = Mine(resolution='10')", "`resolution` is '10': it must be a positive number"),
    ],
)
def test_what_a_recipe_lacks(tmp_path: Path, old: str, new: str, complaint: str) -> None:
    with pytest.raises(RecipeError, match=rf"my_recipe.py:\d+ \(Mine\) is incomplete: .*{complaint}"):
        load_recipe(changed(tmp_path, (old, new)))


@pytest.mark.parametrize("band", ['Band("y", "uint8")', "None"])
def test_features_need_no_label_image(tmp_path: Path, band: str) -> None:
    path = changed(
        tmp_path,
        ('Band("y", "uint8")', band),
        ("def label(self, region, period):", "def features(self, period):"),
        ("        return None\n\n\nrecipe", "        return (LabelFeatures('plants.gpkg'),)\n\n\nrecipe"),
        ("from rsbot_beam import", "from rsbot_beam.data.label_features import LabelFeatures\nfrom rsbot_beam import"),
    )
    layout = load_recipe(path).layout(Period.year(2023))
    assert layout.painted is (layout.label is not None) is (band != "None")
    assert layout.objects is False


def test_defaults_of_what_a_recipe_may_say() -> None:
    period = Period.year(2023)
    recipe = load_recipe("landcover")
    assert (recipe.detects, recipe.static_bands, recipe.steps(period), recipe.features(period)) == (False, (), 0, ())
    layout = recipe.layout(period)
    assert (layout.painted, layout.objects) == (False, False)
    nothing = Recipe()
    assert (nothing.bands, nothing.classes, nothing.assets, nothing.label_band) == ((), (), (), None)
    assert nothing.stratum(None, period) is None  # type: ignore[arg-type]
    assert Asset("a/b").kind == "IMAGE_COLLECTION"


def test_everything_that_is_lacking_is_said_at_once(tmp_path: Path) -> None:
    path = changed(tmp_path, ('name: ClassVar[str] = "mine"', ""), ('Band("y", "uint8")', "None"))
    with pytest.raises(RecipeError) as caught:
        load_recipe(path)
    assert str(caught.value).count(";") == 1


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("flag", "true", True),
        ("flag", "False", False),
        ("number", "-7", -7),
        ("share", "1e-2", 0.01),
        ("text", "a=b", "a=b"),
        ("mode", "slow", "slow"),
        ("level", "2", 2),
        ("months", "1,2,12", (1, 2, 12)),
        ("months", "1, 2", (1, 2)),
        ("months", "", ()),
        ("maybe", "5", 5),
        ("maybe", "None", None),
        ("resolution", "20", 20.0),
    ],
)
def test_parameters_from_text(tmp_path: Path, name: str, text: str, value: object) -> None:
    recipe = load_recipe(written(tmp_path, GOOD), {name: text})
    assert getattr(recipe, name) == value
    assert type(getattr(recipe, name)) is type(value)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("flag", "yes", "one of true, false"),
        ("number", "1.5", "a whole number"),
        ("share", "x", "a number"),
        ("mode", "quick", "one of fast, slow"),
        ("level", "3", "one of 1, 2"),
        ("months", "1,x", "a whole number"),
        ("maybe", "x", "a whole number"),
    ],
)
def test_text_that_does_not_fit(tmp_path: Path, name: str, text: str, expected: str) -> None:
    with pytest.raises(RecipeError, match=rf"parameter {name}=.* is not {expected}$"):
        load_recipe(written(tmp_path, GOOD), {name: text})


def test_an_unknown_parameter_and_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"has no parameter 'month'; did you mean 'months'\? It has flag, level"):
        load_recipe(written(tmp_path, GOOD), {"month": "3"})
    with pytest.raises(RecipeError, match=r"has no parameter 'qqq'\. It has"):
        load_recipe(written(tmp_path, GOOD), {"qqq": "3"})


def test_a_parameter_that_text_cannot_set() -> None:
    with pytest.raises(RecipeError, match="'preprocessing' cannot be set from the command line"):
        load_recipe("landcover", {"preprocessing": "none"})


def test_a_parameter_out_of_range_after_setting(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="`resolution` is -5"):
        load_recipe(written(tmp_path, GOOD), {"resolution": "-5"})


@pytest.mark.parametrize(
    "values", [{"normalise": "zscore"}, {"lower": 0.9, "upper": 0.1}, {"upper": 1.5}, {"lower": -1}]
)
def test_preprocessing_that_cannot_be(values: dict) -> None:
    with pytest.raises(RecipeError, match=r"is not one of|must satisfy"):
        Preprocessing(**values)


def test_a_recipe_without_inputs_says_so() -> None:
    with pytest.raises(RecipeError, match="lacks the method inputs"):
        Recipe().inputs(None, Period.year(2023))  # type: ignore[arg-type]


def test_parameters_are_plain_values() -> None:
    assert load_recipe("landcover").parameters() == {
        "resolution": 10.0,
        "preprocessing": {"normalise": "standard", "lower": 0.02, "upper": 0.98},
        "clear": 0.6,
    }


def test_a_parameter_set_without_annotation_counts() -> None:
    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Coarse(Recipe):
        name = "coarse"
        resolution = 60.0
        preprocessing = Preprocessing("quantile")

    assert Coarse().resolution == 60.0
    assert Coarse().parameters()["preprocessing"]["normalise"] == "quantile"
    assert Coarse(resolution=20.0).resolution == 20.0
