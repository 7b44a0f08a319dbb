"""Every function served takes the arguments that the client may send, under their names."""

from __future__ import annotations

import json

import pytest

from rsbot_beam.local_ee import functions  # noqa: F401 - registers them
from rsbot_beam.local_ee.protocol import algorithms
from rsbot_beam.local_ee.registry import FUNCTIONS, PARAMETERS, function, snake_case

SIGNATURES = {
    entry["name"].removeprefix("algorithms/"): entry.get("arguments", [])
    for entry in json.loads(algorithms())["algorithms"]
}
# Made by the client itself, not listed by the service.
CLIENT_ONLY = {"Collection"}


def test_there_are_many():
    assert len(FUNCTIONS) > 500


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_arguments_are_those_of_the_service(name):
    if name not in SIGNATURES:
        # The client knows some functions by itself, and older ones that the list in its wheel has lost.
        assert name in CLIENT_ONLY or name.split(".")[0] in {entry.split(".")[0] for entry in SIGNATURES}
        return
    parameters = PARAMETERS[name]
    for argument in SIGNATURES[name]:
        label = snake_case(argument["argumentName"])
        assert label in parameters, f"{name} does not take '{argument['argumentName']}'"
    required = {snake_case(a["argumentName"]) for a in SIGNATURES[name] if not a.get("optional")}
    for label, parameter in parameters.items():
        if parameter.required:
            assert label in required, f"{name} demands '{label}', which the client may leave out"


def test_names_in_snake_case():
    assert [snake_case(name) for name in ("bandSelectors", "from", "image1", "matchesKey", "crsTransform")] == [
        "band_selectors",
        "from_",
        "image1",
        "matches_key",
        "crs_transform",
    ]


def test_a_function_can_have_several_names():
    @function("Test.one", "Test.two")
    def body(number: float) -> float:
        return number + 1

    try:
        assert {"Test.one", "Test.two"} <= set(FUNCTIONS)
        assert FUNCTIONS["Test.two"]({"number": 1}, None) == 2
    finally:
        for name in ("Test.one", "Test.two"):
            del FUNCTIONS[name], PARAMETERS[name]
