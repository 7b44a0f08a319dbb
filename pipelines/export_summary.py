"""What `rsbot export` says at its end."""

from __future__ import annotations

from pipelines.launch_summary import how_to_launch
from rsbot_beam.runs.config import STEPS
from rsbot_beam.runs.export import ExportResult


def summary(result: ExportResult) -> str:
    """What was made, and where."""
    if result.described is not None:
        # The job of the last step leaves dataset.json to this program, which finds the examples written.
        step = result.described.step
        remaining = ",".join(STEPS[STEPS.index(step) + 1 :] or (step,))
        return how_to_launch(
            result.described,
            f"the same command with --steps={remaining} and without --template_location checks that no tile was lost, and "
            "goes on.",
        )
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
