"""How the values of each band are spread, before and after the transform, in each split."""

from __future__ import annotations

import importlib.util
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rsbot_beam.data.bands import Layout
from rsbot_beam.data.patch import Patch
from rsbot_beam.data.splits import SPLITS
from rsbot_beam.errors import RsbotError
from rsbot_beam.pages.charts import Chart, Line, line_chart

# Of each band of a patch this many values at most, evenly from all its pixels and steps: a hundred patches fill a
# histogram of 48 bins.
PER_PATCH = 1024
# Values of a band in a split that are kept, 4 bytes each.
_MOST = 200_000
_BINS = 48
# Share of the values that is cut off on each side: a single glint would leave nothing to see of the others.
_CUT = 0.002
# Transformed examples that are read of each split.
EXAMPLES = 48


@dataclass
class Values:
    """Samples of the values of bands, by split.

    Attributes:
        by_band: Parts of the sample, float32 (n,), by band and split.
    """

    by_band: dict[str, dict[str, list[np.ndarray]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )
    _counts: dict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))

    def add(self, split: str, band: str, values: np.ndarray, valid: np.ndarray) -> None:
        """Take some of the valid values of a patch.

        Args:
            split: The patch's split.
            band: The band's name.
            values: Its pixels, any shape.
            valid: bool, the same shape.
        """
        if self._counts[band, split] >= _MOST:
            return
        found = values[valid]
        # A step that is no divisor of usual widths: samples would all lie in a few columns.
        found = found[:: max(1, found.size // PER_PATCH) | 1][:PER_PATCH].astype(np.float32)
        found = found[np.isfinite(found)]
        self._counts[band, split] += found.size
        self.by_band[band][split].append(found)

    def add_patch(self, split: str, patch: Patch) -> None:
        """Take some of all input bands of a raw patch."""
        for band in patch.layout.inputs:
            self.add(split, band.name, patch.pixels[band.name], patch.valid[band.name])

    def chart(self, band: str, title: str, unit: str) -> Chart | None:
        """Histograms of a band in all splits, each of area 1; None where there is no value."""
        parts = {split: np.concatenate(found) for split, found in self.by_band.get(band, {}).items()}
        everything = np.concatenate(list(parts.values())) if parts else np.empty(0)
        if not everything.size:
            return None
        low, high = np.quantile(everything, (_CUT, 1 - _CUT))
        if not high > low:
            low, high = low - 0.5, high + 0.5
        edges = np.linspace(low, high, _BINS + 1)
        lines = [
            Line(split, _shares(parts[split], edges), f"line-{split}", x=edges, steps=True)
            for split in SPLITS
            if split in parts and parts[split].size
        ]
        top = max(float(line.y.max()) for line in lines)
        return line_chart(title, lines, unit=unit, span=(0.0, top * 1.05 or 1.0), height=150)


def _shares(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Percent of the values in each bin; what lies outside is in none."""
    return np.histogram(values, edges)[0] * 100.0 / values.size


def transformed_values(path: str, layout: Layout, splits: Sequence[str]) -> tuple[Values, str]:
    """Samples of the bands after the transform, from the first examples of each split.

    Args:
        path: The dataset's folder, local or `gs://`.
        layout: What its patches hold.
        splits: Those that have examples.

    Returns:
        The values, and why there are none, or nothing to say.
    """
    values = Values()
    if importlib.util.find_spec("tensorflow") is None:
        return values, "TensorFlow is not installed (pip install 'rsbot-beam[learning]')"
    from rsbot_beam.learning.dataset import load_dataset

    try:
        for split in splits:
            for example in load_dataset(path, split, batch_size=1).take(EXAMPLES).as_numpy_iterator():
                _add_example(values, split, example, layout)
    except RsbotError as error:
        return values, str(error)
    return values, ""


def _add_example(values: Values, split: str, example: Mapping[str, np.ndarray], layout: Layout) -> None:
    for feature, bands in (("image", layout.bands), ("static", layout.static)):
        if feature not in example:
            continue
        valid = example[feature_valid(feature)].astype(bool)
        for index, band in enumerate(bands):
            values.add(split, band.name, example[feature][..., index], valid)


def feature_valid(feature: str) -> str:
    """The feature that says where another one is valid."""
    return "valid" if feature == "image" else f"{feature}_valid"


def histograms(layout: Layout, before: Values, after: Values) -> list[dict[str, Any]]:
    """What the template needs of each input band: its texts, and both charts."""
    return [
        {
            "name": band.name,
            "description": band.description,
            "before": before.chart(
                band.name, f"{band.name} before the transform, share of pixels in percent", band.unit
            ),
            "after": after.chart(band.name, f"{band.name} after the transform, share of pixels in percent", ""),
        }
        for band in layout.inputs
    ]


def legend_of(splits: Iterable[str]) -> list[tuple[str, str]]:
    """Styles and names of the splits' lines."""
    return [(f"line-{split}", split) for split in splits]
