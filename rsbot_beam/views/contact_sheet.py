"""A contact sheet of a dataset's patches: picture with objects, label and validity side by side."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch as LegendPatch
from matplotlib.patches import Rectangle

from rsbot_beam.data.bands import Layout
from rsbot_beam.data.patch import Patch

# Red, green and blue by the band names of common archives: Sentinel-2, Landsat 8 surface reflectance and TOA, NAIP.
TRUE_COLOUR = (("B4", "B3", "B2"), ("SR_B4", "SR_B3", "SR_B2"), ("R", "G", "B"))
# Colour of pixels that are not valid, in pictures: unlike anything on the ground.
INVALID = (1.0, 0.0, 1.0)
# Colour of classes that the recipe does not name.
UNNAMED = "#ffff00"
_DPI = 100
# Side of one patch's picture, in inches.
_PANEL = 1.35


def contact_sheet(patches: Sequence[tuple[str, Patch]], title: str) -> bytes:
    """Draw patches, each with its label where there is one.

    Args:
        patches: Split and patch.
        title: Heading.

    Returns:
        A PNG.
    """
    columns = min(6, len(patches))
    rows = -(-len(patches) // columns)
    layout = patches[0][1].layout
    panels = 2 if layout.label else 1
    figure = Figure(
        figsize=(_PANEL * columns * panels + 0.3, (_PANEL + 0.35) * rows + 0.9), dpi=_DPI, layout="constrained"
    )
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns * panels, squeeze=False)
    for axis in axes.ravel():
        axis.axis("off")
    stretch = _stretch([patch for _, patch in patches], layout)
    for index, (split, patch) in enumerate(patches):
        row, column = divmod(index, columns)
        _panel(axes[row, column * panels], picture(patch, stretch), f"{split}\n{_place(patch)}")
        _draw_objects(axes[row, column * panels], patch)
        if layout.label:
            _panel(axes[row, column * panels + 1], label_picture(patch), "")
    figure.suptitle(title, fontsize=10)
    _legend(figure, [patch for _, patch in patches], layout)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def _panel(axis: object, image: np.ndarray, title: str) -> None:
    axis.imshow(image, interpolation="nearest")  # type: ignore[attr-defined]
    axis.set_title(title, fontsize=6, loc="left", pad=2)  # type: ignore[attr-defined]


def _draw_objects(axis: object, patch: Patch) -> None:
    """Boxes in their classes' colours; those that the tile's edge cuts are dashed."""
    if patch.objects is None:
        return
    colours = {item.code: item.colour for item in patch.layout.classes}
    for box, code, cut in zip(patch.objects.boxes, patch.objects.classes, patch.objects.truncated, strict=True):
        top, left, bottom, right = (float(edge) for edge in box)
        # Pictures have pixel centres at whole numbers, boxes have pixel edges there.
        corner, style = (left - 0.5, top - 0.5), "dashed" if cut else "solid"
        colour = colours.get(int(code), UNNAMED)
        axis.add_patch(  # type: ignore[attr-defined]
            Rectangle(corner, right - left, bottom - top, fill=False, edgecolor=colour, linestyle=style, linewidth=1.2)
        )


def _place(patch: Patch) -> str:
    left, _, _, top = patch.key.bounds
    return f"{patch.key.crs} {left:.10g} {top:.10g}"


def picture_bands(layout: Layout) -> tuple[str, ...]:
    """The three bands to show as red, green and blue, or one to show in grey."""
    names = [band.name for band in layout.bands]
    return next((rgb for rgb in TRUE_COLOUR if set(rgb) <= set(names)), (names[0],))


def _middle(array: np.ndarray) -> np.ndarray:
    """The middle step of a time series; a plain band as it is."""
    return array if array.ndim == 2 else array[len(array) // 2]


def _stretch(patches: Sequence[Patch], layout: Layout) -> dict[str, tuple[float, float]]:
    """2nd and 98th percentile of the valid pixels: one range for all bands and patches keeps colours and compares them."""
    names = picture_bands(layout)
    values = np.concatenate([_middle(p.pixels[name])[_middle(p.valid[name])][::17] for p in patches for name in names])
    low, high = np.percentile(values, (2, 98)) if values.size else (0.0, 1.0)
    return dict.fromkeys(names, (float(low), float(max(high, low + 1e-6))))


def picture(patch: Patch, stretch: dict[str, tuple[float, float]]) -> np.ndarray:
    """The patch as RGB, (height, width, 3) float 0..1; of a time series its middle step."""
    bands = []
    for name, (low, high) in stretch.items():
        scaled = np.clip((_middle(patch.pixels[name]).astype(float) - low) / (high - low), 0, 1)
        bands.append(scaled)
    image = np.stack(bands * (3 if len(bands) == 1 else 1), axis=-1)
    valid = np.logical_and.reduce([_middle(patch.valid[name]) for name in stretch])
    return np.where(valid[..., None], image, INVALID)


def label_picture(patch: Patch) -> np.ndarray:
    """The label in its classes' colours, (height, width, 3) float 0..1; white where it is not valid."""
    label, valid = patch.label, patch.label_valid
    if label is None or valid is None:
        raise ValueError("the patch has no label to draw")
    if not patch.layout.classes:
        shown = np.repeat((label.astype(float) / max(float(label.max()), 1e-9))[..., None], 3, axis=-1)
        return np.where(valid[..., None], shown, 1.0)
    image = np.full((*label.shape, 3), 0.5)
    for item in patch.layout.classes:
        image[label == item.code] = to_rgb(item.colour)
    return np.where(valid[..., None], image, 1.0)


def _legend(figure: Figure, patches: Sequence[Patch], layout: Layout) -> None:
    found: set[int] = set()
    for patch in patches:
        if patch.label is not None and patch.label_valid is not None and layout.classes:
            found |= set(np.unique(patch.label[patch.label_valid]).tolist())
        if patch.objects is not None:
            found |= set(patch.objects.classes.tolist())
    handles = [
        LegendPatch(facecolor=item.colour, edgecolor="#555555", label=item.name)
        for item in layout.classes
        if item.code in found
    ]
    if not all(np.logical_and.reduce([p.valid[b.name] for b in layout.bands]).all() for p in patches):
        handles.append(LegendPatch(facecolor=INVALID, label="not valid"))
    if handles:
        figure.legend(handles=handles, loc="outside lower center", ncols=min(6, len(handles)), fontsize=7)
