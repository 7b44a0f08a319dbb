"""Labels from vector features: which features a run learns from, and what of them each tile sees.

Import order in this package, each module only from those before it: extents, records, placing, boxes, painting,
components, checks, labeller.
"""

from __future__ import annotations

from rsbot_beam.labels.components import objects_of_mask
from rsbot_beam.labels.labeller import Labeller
from rsbot_beam.labels.records import label_records

__all__ = ["Labeller", "label_records", "objects_of_mask"]
