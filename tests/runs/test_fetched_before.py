"""What is checked of a fetch that this program did not run itself, such as a template's job."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rsbot_beam.data.bands import Band, Layout
from rsbot_beam.data.period import Period
from rsbot_beam.earthengine.source import FetchBand, PixelSource
from rsbot_beam.errors import DatasetError, LostTilesError
from rsbot_beam.geometry import Cover, read_region, resolve_grid
from rsbot_beam.recipes import load_recipe
from rsbot_beam.runs.config import ExportConfig
from rsbot_beam.runs.plan import ExportPlan
from rsbot_beam.runs.steps import fetched_before


@pytest.fixture
def plan(tmp_path: Path) -> ExportPlan:
    """The plan of an export, without an Earth Engine to check it."""
    config = ExportConfig(
        recipe="landcover", region="10.0,50.0,10.1,50.1", period=Period.year(2023), output=str(tmp_path)
    )
    region = read_region(config.region)
    grid = resolve_grid(region, crs="auto", resolution=10, patch_size=128, origin=(0, 0))
    source = PixelSource((FetchBand("B4", "uint16"),), expression="{}")
    layout = Layout((Band("B4", "uint16"),))
    recipe = load_recipe("landcover", {})
    return ExportPlan(config, recipe, region, Cover(region, grid), layout, source, config.split(grid.crs), 8)


def write_totals(plan: ExportPlan, **numbers: int) -> None:
    folder = Path(plan.config.output) / "totals"
    folder.mkdir()
    (folder / "fetch.json").write_text(json.dumps(numbers))


def test_a_fetch_that_has_not_ended_is_told(plan: ExportPlan) -> None:
    with pytest.raises(DatasetError, match="not fetched to its end: add the step fetch"):
        fetched_before(plan)


def test_a_whole_fetch_is_taken_over(plan: ExportPlan) -> None:
    asked = plan.cover.count()
    write_totals(plan, shards=2, stored=asked - 3, empty=2, dead=1, train=asked - 3)
    tally = fetched_before(plan)
    assert (tally.tiles, tally.empty, tally.dead) == (asked, 2, 1)


@pytest.mark.parametrize("lost", [1, -1])
def test_tiles_that_a_job_lost_or_made_twice_are_noticed(plan: ExportPlan, lost: int) -> None:
    asked = plan.cover.count()
    write_totals(plan, shards=2, stored=asked - lost)
    with pytest.raises(LostTilesError, match=rf"{asked} tiles were asked for, but {asked - lost} stored"):
        fetched_before(plan)
