"""The content of `dataset.json`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from importlib import metadata
from typing import Any

from rsbot_beam.data.examples import feature_table
from rsbot_beam.data.manifest import layout_to_dict
from rsbot_beam.runs.plan import ExportPlan

PACKAGES = ("rsbot-beam", "apache-beam", "earthengine-api", "tensorflow", "tensorflow-transform", "numpy")


def describe(
    plan: ExportPlan, tiles: Mapping[str, int], statistics: Mapping[str, Any], splits: Mapping[str, Any]
) -> dict[str, Any]:
    """All that somebody needs to know of a dataset who has nothing else."""
    grid = plan.grid
    most = max(1, *(tally["most_objects"] for tally in splits.values()))
    table = feature_table(plan.layout, grid.patch_size, most)
    return {
        "recipe": {
            "name": plan.recipe.name,
            "description": plan.recipe.description,
            "parameters": plan.recipe.parameters(),
            "assets": [asdict(asset) for asset in plan.recipe.assets],
            "request": plan.source.fingerprint,
        },
        "region": {"source": plan.region.source, "bbox": list(plan.region.bbox), "area_m2": plan.region.area_m2},
        "period": {"start": plan.period.start.isoformat(), "end": plan.period.end.isoformat()},
        "grid": {
            "crs": grid.crs,
            "resolution": grid.resolution,
            "patch_size": grid.patch_size,
            "origin": list(grid.origin),
            "rule": plan.cover.rule,
        },
        "layout": layout_to_dict(plan.layout),
        "step_names": list(plan.recipe.step_names(plan.period)) if plan.layout.steps else [],
        "bands": _bands(plan, statistics),
        "classes": _classes(plan, splits),
        "preprocessing": asdict(plan.recipe.preprocessing),
        "features": {name: asdict(feature) for name, feature in table.items()},
        "split": {"shares": list(plan.split.shares), "block": plan.split.block},
        "splits": {name: {"examples": t["examples"], "nbytes": t["nbytes"]} for name, t in splits.items()},
        "tiles": dict(tiles),
        "endpoint": plan.config.endpoint.url,
        "versions": versions(),
    }


def _bands(plan: ExportPlan, statistics: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {**asdict(band), "statistics": statistics["bands"].get(band.name)}
        for band in (*plan.layout.inputs, *((plan.layout.label,) if plan.layout.label else ()))
    ]


def _classes(plan: ExportPlan, splits: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Known classes, then codes that occur without being known, with their pixels in each partition."""
    known = {item.code: asdict(item) for item in plan.layout.classes}
    found = {int(code) for tally in splits.values() for part in ("classes", "objects") for code in tally[part]}
    named = known | {code: {"code": code, "name": f"code {code}", "colour": "#808080"} for code in found - known.keys()}
    return [
        {
            **item,
            "pixels": {split: tally["classes"].get(str(code), 0) for split, tally in splits.items()},
            "objects": {split: tally["objects"].get(str(code), 0) for split, tally in splits.items()},
        }
        for code, item in sorted(named.items())
    ]


def versions() -> dict[str, str]:
    """Versions of what made something, by package."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found
