"""What `rsbot export` says at its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rsbot_beam.runs.config import STEPS
from rsbot_beam.runs.export import ExportResult

if TYPE_CHECKING:
    from rsbot_beam.runs.launch import DescribedJob


def summary(result: ExportResult) -> str:
    """What was made, and where."""
    if result.described is not None:
        return how_to_launch(result.described)
    t = result.tiles
    lines = [
        f"{result.output}: {t['asked']} tiles asked = {t['stored']} stored + {t['empty']} empty + {t['dead']} dead letters",
        f"  raw/           patches as fetched: rsbot_beam.read_patches({result.output!r})",
    ]
    if result.dataset:
        sizes = ", ".join(f"{split} {content['examples']}" for split, content in result.dataset["splits"].items())
        lines += [
            f"  train/ ...     examples: {sizes}: rsbot_beam.load_dataset({result.output!r}, 'train')",
            "  transform_fn/  the learned preprocessing",
            "  dataset.json   recipe, grid, bands, classes, counts",
        ]
    return "\n".join(lines + (["It was complete already: nothing was done."] if result.was_complete else []))


def how_to_launch(job: DescribedJob) -> str:
    """What was written instead of being run, and how to go on."""
    if job.template is None:
        return (
            f"the job {job.name} (step {job.step}) is valid, and nothing was sent or run: leave out --dry_run to run it"
        )
    # The job of the last step leaves dataset.json to this program, which finds the examples written.
    remaining = ",".join(STEPS[STEPS.index(job.step) + 1 :] or (job.step,))
    return "\n".join(
        [
            f"{job.template}: template of the step {job.step}; nothing was run. Launch it with",
            f"  gcloud dataflow jobs run {job.name} --gcs-location={job.template} --region={job.region} "
            f"--project={job.project}",
            f"When its job has ended, the same command with --steps={remaining} and without --template_location checks "
            "that no tile was lost, and goes on.",
        ]
    )
