"""The flags of `rsbot plan`: those of the command that it plans, and its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pipelines import export, plan, predict, rsbot
from pipelines.command_line import run_command
from rsbot_beam.runs.plan_settings import PlanSettings

EXPORT = ["--recipe", "landcover", "--region", "10,52,10.1,52.1", "--year", "2023"]
PREDICT = ["--model", "model", "--region", "10,52,10.1,52.1", "--year", "2023"]
ROOT = Path(__file__).parents[2]


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The message of a command that ends with 2."""
    assert run_command(rsbot.main, ["plan", *arguments]) == 2
    return capsys.readouterr().err


@pytest.mark.parametrize(("command", "parser"), [("export", export.parser), ("predict", predict.parser)])
def test_all_flags_of_the_command_are_taken(command: str, parser: object) -> None:
    ours = set(plan.parser(command)._option_string_actions)
    theirs = set(parser()._option_string_actions)  # type: ignore[operator]
    assert theirs <= ours
    assert {"--sample_tiles", "--latency", "--tier", "--budget", "--json", "--map", "--workers"} <= ours - theirs


@pytest.mark.parametrize(
    ("command", "given", "config_of"), [("export", EXPORT, export.config_of), ("predict", PREDICT, predict.config_of)]
)
def test_the_output_may_be_left_out(command: str, given: list[str], config_of: object) -> None:
    flags, beam = plan.parser(command).parse([*given, "--direct_num_workers", "2"])
    config = config_of(flags)  # type: ignore[operator]
    assert config.output == "-"
    assert beam == ["--direct_num_workers", "2"]
    with_output, _ = plan.parser(command).parse([*given, "--output", "out/"])
    assert config_of(with_output).output == "out"  # type: ignore[operator]


def test_settings_are_those_of_the_flags() -> None:
    given = ["--sample-tiles", "3", "--latency=0.5", "--tier", "partner", "--budget", "7", "--workers", "4"]
    flags, _ = plan.parser("export").parse([*EXPORT, *given, "--eecu_per_request=2"])
    assert plan.settings_of(flags) == PlanSettings(
        sample_tiles=3, latency=0.5, tier="partner", budget=7.0, eecu_per_request=2.0, workers=4
    )
    assert plan.settings_of(plan.parser("export").parse(EXPORT)[0]) == PlanSettings()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["exprot", *EXPORT], "did you mean export?"),
        (["export", *EXPORT[:2]], "--region"),
        (["export", *EXPORT, "--sampletiles", "3"], "did you mean --sample_tiles?"),
        (["export", *EXPORT, "--sample_tiles=-3"], "sample_tiles=-3 must be 0 or more"),
        (["export", *EXPORT, "--tier", "gold"], "community"),
        (["export", *EXPORT, "--latency", "0"], "latency=0.0 must be a number above 0"),
        (["export", *EXPORT, "--budget", "5", "--sample_tiles", "0"], "--eecu_per_request"),
        (["export", *EXPORT, "--map", "tiles.jpg"], "ends in .png (a picture) or .geojson"),
        (["export", *EXPORT, "--patch_size", "0"], "patch_size=0"),
        (["export", *EXPORT, "--workers", "0"], "workers=0"),
        (["export", *EXPORT, "--workers", "50"], "cannot share 40 requests in flight"),
        (["predict", *PREDICT], "model"),
        (["predict", *PREDICT, "--overlap", "much"], "neither auto nor a whole number"),
    ],
)
def test_bad_input(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert words in refused(arguments, capsys)


def test_help_needs_no_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        run_command(rsbot.main, ["plan", "--help"])
    assert caught.value.code == 0
    said = capsys.readouterr().out
    assert "rsbot plan predict" in said
    assert "exit codes" in said


def test_without_a_command_it_says_which_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert "rsbot plan needs the command to plan, export or predict" in refused([], capsys)


def test_the_help_of_a_plan_has_both_kinds_of_flags(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        plan.main(["export", "--help"])
    said = capsys.readouterr().out
    for words in ("rsbot plan export", "flags of the plan", "--patch_size", "--sample_tiles", "(default: none)"):
        assert words in said


def test_help_and_bad_flags_load_neither_tensorflow_nor_earth_engine() -> None:
    code = (
        "import sys\nfrom pipelines.rsbot import main\nassert main(['plan', '--help']) == 0\n"
        "print('LOADED', *sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT, timeout=120
    )
    assert not {"tensorflow", "ee", "apache_beam"} & set(done.stdout.rpartition("LOADED")[2].split())
