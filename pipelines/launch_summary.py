"""What a command says that has written a Dataflow job instead of running it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rsbot_beam.runs.launch import DescribedJob


def how_to_launch(job: DescribedJob, then: str) -> str:
    """What was written instead of being run, and how to go on.

    Args:
        job: The job.
        then: What to do when it has ended.
    """
    if job.template is None:
        return (
            f"the job {job.name} (step {job.step}) is valid, and nothing was sent or run: leave out --dry_run to run it"
        )
    return "\n".join(
        [
            f"{job.template}: template of the step {job.step}; nothing was run. Launch it with",
            f"  gcloud dataflow jobs run {job.name} --gcs-location={job.template} --region={job.region} "
            f"--project={job.project}",
            f"When its job has ended, {then}",
        ]
    )
