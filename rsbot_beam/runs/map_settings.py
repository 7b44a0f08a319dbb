"""What the workers of a map are sent."""

from __future__ import annotations

from rsbot_beam.runs.map_plan import MapPlan
from rsbot_beam.transforms.map_blocks import MapSettings


def map_settings(plan: MapPlan, processes: int, threads: int, resume: bool) -> MapSettings:
    """What workers are sent.

    Args:
        plan: The map.
        processes: That share the quota.
        threads: Of one operation of the model; 0 leaves it to TensorFlow.
        resume: Whether there may be blocks of an earlier run.
    """
    return MapSettings(
        endpoint=plan.config.endpoint.share(processes),
        source=plan.source,
        layout=plan.layout,
        map=plan.map,
        root=plan.config.output,
        model=plan.saved_model,
        styles=plan.styles,
        period=str(plan.period),
        collection=plan.name,
        tags={"model": plan.model["model"]["name"], "recipe": plan.recipe.name, "period": str(plan.period)},
        block_bytes=int(plan.config.block_mib * 2**20),
        receive_bytes=plan.receive_bytes,
        batch_size=plan.config.batch_size,
        threads=threads,
        resume=resume,
    )
