"""Time series of pixels: the median and the quartiles of each class, and a few single pixels."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rsbot_beam.data.bands import Layout
from rsbot_beam.data.patch import Patch
from rsbot_beam.pages.charts import Line, line_chart
from rsbot_beam.pages.page import css_colour

# Pixels that are kept of each class, those taken of a patch, and those drawn one by one.
MOST_PIXELS, PER_PATCH, SINGLE = 2000, 40, 3
# Classes that are shown, those with most pixels in the patches read.
MOST_CLASSES = 16
# Red and near infrared of the common archives, for the vegetation index.
_RED_AND_NIR = (("B4", "B8"), ("SR_B4", "SR_B5"), ("R", "N"))
INDEX = "NDVI"
_ALL = -1


@dataclass
class Series:
    """Samples of pixels over time, by class.

    Attributes:
        layout: What the patches hold.
        pixels: Class code to parts of the sample, float32 (n, steps, bands), NaN where not valid.
    """

    layout: Layout
    pixels: dict[int, list[np.ndarray]] = field(default_factory=lambda: defaultdict(list))
    _counts: dict[int, int] = field(default_factory=lambda: defaultdict(int))

    def add(self, patch: Patch) -> None:
        """Take some pixels of each class of a patch."""
        if not self.layout.steps:
            return
        label, valid = patch.label, patch.label_valid
        codes = np.full(patch.key.shape, _ALL) if label is None or not self.layout.classes else label
        good = np.ones(patch.key.shape, bool) if valid is None else valid
        rng = np.random.default_rng([abs(patch.key.row), abs(patch.key.col)])
        for code in np.unique(codes[good]).tolist():
            room = min(PER_PATCH, MOST_PIXELS - self._counts[code])
            rows, columns = np.nonzero(good & (codes == code))
            if room > 0:
                some = rng.choice(len(rows), min(room, len(rows)), replace=False)
                self._counts[code] += len(some)
                self.pixels[code].append(_values(patch, rows[some], columns[some]))

    def variables(self) -> list[str]:
        """What can be drawn: the vegetation index where there is one, and each band with a time axis."""
        names = [band.name for band in self.layout.bands]
        has_index = any(set(pair) <= set(names) for pair in _RED_AND_NIR)
        return ([INDEX] if has_index else []) + names

    def charts(self, step_names: Sequence[str]) -> list[dict[str, Any]]:
        """A chart for each variable and class: `variable`, `name`, `colour`, `count`, `chart`."""
        named = {item.code: item for item in self.layout.classes}
        codes = sorted(self.pixels, key=lambda code: -self._counts[code])[:MOST_CLASSES]
        found = []
        for variable in self.variables():
            values = {code: self._variable(variable, np.concatenate(self.pixels[code])) for code in codes}
            span = _span(list(values.values()))
            for code in sorted(codes):
                item = named.get(code)
                name = item.name if item else ("all pixels" if code == _ALL else f"code {code}")
                found.append(
                    {
                        "variable": variable,
                        "name": name,
                        "colour": css_colour(item.colour) if item else "",
                        "count": len(values[code]),
                        "chart": _chart(f"{variable} of {name}", values[code], step_names, span),
                    }
                )
        return found

    def _variable(self, name: str, pixels: np.ndarray) -> np.ndarray:
        """Values over time, (n, steps)."""
        names = [band.name for band in self.layout.bands]
        if name in names:
            return np.asarray(pixels[..., names.index(name)])
        red, near = next((names.index(r), names.index(n)) for r, n in _RED_AND_NIR if {r, n} <= set(names))
        total = pixels[..., near] + pixels[..., red]
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(total > 0, (pixels[..., near] - pixels[..., red]) / total, np.nan)


def _values(patch: Patch, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Some pixels of a patch, float32 (n, steps, bands)."""
    found = [
        np.where(patch.valid[band.name][:, rows, columns], patch.pixels[band.name][:, rows, columns], np.nan)
        for band in patch.layout.bands
    ]
    return np.stack(found, axis=-1).swapaxes(0, 1).astype(np.float32)


def _span(values: Sequence[np.ndarray]) -> tuple[float, float]:
    """One range for the charts of all classes, without the most extreme values."""
    everything = np.concatenate([part.ravel() for part in values]) if values else np.empty(0)
    everything = everything[np.isfinite(everything)]
    if not everything.size:
        return 0.0, 1.0
    low, high = (float(value) for value in np.quantile(everything, (0.02, 0.98)))
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _chart(title: str, values: np.ndarray, names: Sequence[str], span: tuple[float, float]) -> Any:  # noqa: ANN401
    middle = quartiles(values)
    singles = [Line(f"pixel {n + 1}", np.clip(row, *span), "line-single") for n, row in enumerate(values[:SINGLE])]
    median = Line("median", middle[1], "line-median", low=np.clip(middle[0], *span), high=np.clip(middle[2], *span))
    return line_chart(
        f"{title}: median, quartiles and {len(singles)} pixels", [*singles, median], names=names, span=span
    )


def quartiles(values: np.ndarray) -> np.ndarray:
    """Lower quartile, median and upper quartile of each step, (3, steps); NaN for a step without a valid pixel."""
    found = np.full((3, values.shape[1]), np.nan)
    for step, column in enumerate(values.T):
        good = column[np.isfinite(column)]
        if good.size:
            found[:, step] = np.quantile(good, (0.25, 0.5, 0.75))
    return found
