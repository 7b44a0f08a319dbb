"""What `rsbot recipes` prints."""

from __future__ import annotations

import dataclasses
import json
import re
import shlex
from collections.abc import Callable
from typing import Any, Literal

import pytest

from pipelines import recipes as command
from pipelines.command_line import run_command
from rsbot_beam.recipes import BUILT_IN, Crops, Recipe, load_recipe
from rsbot_beam.recipes.describe import about, attributes, describe, parameters, type_name


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def command_of(*argv: str) -> tuple[int, str, str]:
        code = run_command(command.main, argv)
        said = capsys.readouterr()
        return code, said.out, said.err

    return command_of


def test_the_list(run: Any) -> None:
    code, out, _ = run()
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == list(BUILT_IN)
    assert all(len(line) <= 120 for line in out.splitlines())
    assert json.loads(run("list", "--json")[1])["crops"] == Crops.description


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_parameter_is_explained(name: str) -> None:
    names = "|".join(item["name"] for item in parameters(load_recipe(name)))
    for item in parameters(load_recipe(name)):
        assert item["help"].endswith("."), item
        assert not re.search(rf"\. (?:{names}): ", item["help"]), item
        assert item["type"]


@pytest.mark.parametrize("name", BUILT_IN)
def test_show(run: Any, name: str) -> None:
    recipe = load_recipe(name)
    code, out, err = run("show", name)
    assert (code, err) == (0, "")
    assert out.startswith(f"{name}: {recipe.description}\n")
    for item in dataclasses.fields(recipe):
        assert f"\n  {item.name} = " in out
    for band in recipe.bands:
        assert re.search(rf"\n  {band.name} +{band.dtype} +.*{re.escape(band.description)}", out)
    for item in recipe.classes:
        assert f"{item.code:4} {item.colour} {item.name}" in out
    for asset in recipe.assets:
        assert asset.id in out
        assert asset.licence in out
    assert run(name)[1] == out


@pytest.mark.parametrize("name", BUILT_IN)
def test_the_example_is_a_command_that_is_understood(run: Any, name: str) -> None:
    from pipelines import export
    from pipelines.earth_flags import period_of

    words = shlex.split(run("show", name)[1].splitlines()[-1])
    assert words[:3] == ["rsbot", "export", "--recipe"]
    flags, others = export.parser().parse(words[2:])
    assert (flags.recipe, flags.output, others) == (name, "out/", [])
    assert load_recipe(name, command.settings_of(flags.set)).layout(period_of(flags))


def test_set_changes_what_is_shown(run: Any) -> None:
    _, out, _ = run("show", "crops", "--set", "labels=aafc", "--set", "grouped=false", "--set", "terrain=true")
    assert "labels = aafc    (text; by default cdl)" in out
    assert " 153 #d6ff70 Canola and Rapeseed" in out
    assert "bands that do not change in time:\n  elevation" in out
    assert "USGS/SRTMGL1_003" in out
    assert "--set labels=aafc --set grouped=false --set terrain=true --region=-106.1" in out


def test_json_is_everything(run: Any) -> None:
    found = json.loads(run("show", "wind", "--json", "--set", "imagery=naip")[1])
    assert found == json.loads(json.dumps(describe(load_recipe("wind", {"imagery": "naip"}))))
    assert [band["name"] for band in found["bands"]] == ["R", "G", "B", "N"]
    assert (found["label_band"], found["detects"], found["time_axis"], found["resolution"]) == (None, True, False, 1.0)
    size = next(item for item in found["parameters"] if item["name"] == "turbine_size")
    assert size == {
        "name": "turbine_size",
        "type": "number",
        "value": 130.0,
        "default": 130.0,
        "help": "Side in metres of the square that a point stands for.",
        "settable": True,
    }
    assert found["assets"][0]["licence"].startswith("US public domain")


@pytest.mark.parametrize(
    ("argv", "complaint"),
    [
        (("show", "crop"), r"no recipe 'crop'; did you mean 'crops'\?"),
        (("show",), "show needs the name of a recipe"),
        (("show", "crops", "--set", "labels"), "--set 'labels' is not NAME=VALUE"),
        (("show", "crops", "--set", "threshold=2"), "threshold=2.0 is not within"),
        (("show", "missing.py"), "missing.py does not exist"),
    ],
)
def test_what_exits_with_2(run: Any, argv: tuple[str, ...], complaint: str) -> None:
    code, out, err = run(*argv)
    assert (code, out) == (2, "")
    assert re.search(complaint, err)
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("hint", "name"),
    [
        (str, "text"),
        (float, "number"),
        (int | None, "whole number or none"),
        (tuple[str, ...], "list of text"),
        (Literal["a", "b", "c"], "a, b or c"),
        (dict, "dict"),
    ],
)
def test_types_have_names(hint: object, name: str) -> None:
    assert type_name(hint) == name


def test_docstrings_are_read() -> None:
    class Base:
        """One line.

        More of it:
        two lines.

        Attributes:
            first: A sentence
                that goes on: here.
            second: Another.

        Note:
            third: is none.
        """

    class Derived(Base):
        """Other.

        Attributes:
            second: Said anew.
        """

    assert attributes(Base) == {"first": "A sentence that goes on: here.", "second": "Another."}
    assert attributes(Derived) == {"first": "A sentence that goes on: here.", "second": "Said anew."}
    assert about(Base) == "One line.\n\nMore of it:\ntwo lines."


def test_a_recipe_without_a_docstring() -> None:
    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Bare(Recipe):
        level: int = 3

    assert about(Bare) == ""
    assert [item["help"] for item in parameters(Bare()) if item["name"] == "level"] == [""]
    assert command.explain(Bare(), "bare.py").splitlines()[-1].startswith("  rsbot export --recipe bare.py --region")
