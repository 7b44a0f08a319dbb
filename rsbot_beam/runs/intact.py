"""Whether a finished dataset still has all its files. A look at names and sizes, which takes a second."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rsbot_beam import storage
from rsbot_beam.data.raw_store import raw_fingerprint
from rsbot_beam.runs.plan import ExportPlan


def what_is_missing(plan: ExportPlan, dataset: Mapping[str, Any]) -> list[str]:
    """Parts of a finished dataset that are gone, cut off, or of another size than they were written with.

    Args:
        plan: The export.
        dataset: Content of `dataset.json`.

    Returns:
        Names of folders, for people; empty for a dataset that is whole.
    """
    root = plan.config.output
    missing = [] if raw_fingerprint(plan.store.files()) == dataset["raw"]["fingerprint"] else ["raw"]
    if not storage.exists(storage.join(root, "transform_fn", "saved_model.pb")):
        missing.append("transform_fn")
    for split, written in dataset["splits"].items():
        files = storage.list_files(storage.join(root, split), ".tfrecord")
        if sum(file.size for file in files) != written["nbytes"]:
            missing.append(split)
    return missing
