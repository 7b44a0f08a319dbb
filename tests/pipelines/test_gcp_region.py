"""Two regions in one command: the area of interest is ours, Google Cloud's has a name of its own."""

from __future__ import annotations

import pytest

from pipelines import export
from pipelines.export_summary import summary
from pipelines.launch_summary import how_to_launch
from pipelines.recipes import main as recipes
from rsbot_beam.errors import InputError
from rsbot_beam.runs.export import ExportResult
from rsbot_beam.runs.launch import DescribedJob

REQUIRED = ["--recipe=landcover", "--year=2023", "--output=gs://b/out"]


@pytest.mark.parametrize("spelling", [["--gcp_region=us-central1"], ["--gcp-region", "us-central1"]])
def test_beam_gets_its_region_under_its_own_name(spelling: list[str]) -> None:
    flags, beam = export.parser().parse([*REQUIRED, "--region", "10,50,11,51", *spelling, "--project=p"])
    assert flags.region == "10,50,11,51"
    assert sorted(beam) == ["--project=p", "--region=us-central1"]


def test_without_dataflow_beam_gets_none() -> None:
    _, beam = export.parser().parse([*REQUIRED, "--region=10,50,11,51"])
    assert beam == []


@pytest.mark.parametrize("region", ["us-central1", "europe-west12", "northamerica-northeast1"])
def test_a_google_cloud_region_as_area_is_explained(region: str) -> None:
    with pytest.raises(InputError, match=f"--gcp_region {region}"):
        export.parser().parse([*REQUIRED, f"--region={region}"])


@pytest.mark.parametrize(
    "area", ["africa.geojson", "out-1", "./us-central1", "us-central1.gpkg", "-70.5,-33.6,-70.3,-33.4"]
)
def test_files_and_boxes_are_areas(area: str) -> None:
    flags, _ = export.parser().parse([*REQUIRED, f"--region={area}"])
    assert flags.region == area


def test_the_help_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        export.parser().parse(["--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert "--gcp_region" in text
    assert "Beam's own --region" in text


def test_commands_without_a_pipeline_have_no_such_flag() -> None:
    with pytest.raises(InputError, match="gcp_region"):
        recipes(["list", "--gcp_region=us-central1"])


def job(step: str, template: str | None = "gs://b/t.json") -> DescribedJob:
    return DescribedJob(step, "rsbot-job", "my-project", "us-central1", template)


@pytest.mark.parametrize(
    ("step", "remaining"), [("fetch", "analyze,transform"), ("analyze", "transform"), ("transform", "transform")]
)
def test_what_comes_after_a_template(step: str, remaining: str) -> None:
    text = summary(ExportResult("gs://b/out", {}, None, described=job(step)))
    assert (
        "gcloud dataflow jobs run rsbot-job --gcs-location=gs://b/t.json --region=us-central1 --project=my-project"
        in text
    )
    assert f"--steps={remaining} " in text


def test_a_described_job_is_all_that_is_told() -> None:
    result = ExportResult("gs://b/out", {}, None, described=job("fetch", None))
    assert summary(result) == how_to_launch(job("fetch", None), "")
    assert "nothing was sent" in summary(result)
