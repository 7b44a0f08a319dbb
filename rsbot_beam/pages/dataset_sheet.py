"""The contact sheet of a dataset's page: which patches to show of each split and class, and their pictures."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from rsbot_beam.data.bands import Layout
from rsbot_beam.data.patch import Patch
from rsbot_beam.geometry.crs import LONLAT, transformer
from rsbot_beam.pages.page import css_colour, data_uri
from rsbot_beam.views.amounts import share_text
from rsbot_beam.views.encoding import encode_picture, shrunk
from rsbot_beam.views.pictures import (
    false_colour_bands,
    label_picture,
    picture,
    picture_bands,
    shown_steps,
    stretch_of,
)

# Patches on a sheet: a page of some 2 MB. And of each split whatever their classes are; more where there are no classes.
MOST_PATCHES, EACH_SPLIT = 48, 4
# Screen pixels of a side of a picture: larger patches are shrunk, smaller ones enlarged.
_SIDE = 160
# Steps of a time series beside each other, and pixels of their sides.
_MOST_STEPS, _STEP_SIDE = 12, 72
# Greys of what is not valid and what is.
_GREYS = (0.2, 0.85)
# Share of a patch from which on a class is worth a mention: 8 pixels of 64 x 64.
_LEAST_SHARE = 0.002


@dataclass(frozen=True)
class Chosen:
    """A patch to show.

    Attributes:
        split: Its split.
        patch: The patch.
        classes: Share of its valid label by class code, the largest first; for objects, how many.
    """

    split: str
    patch: Patch
    classes: dict[int, float]


@dataclass
class Sheet:
    """Takes the patches of a dataset one by one and keeps some: the richest of each split and class, and a few others.

    Attributes:
        layout: What the patches hold.
        splits: The splits that have patches.
        seen: How many patches it was shown.
    """

    layout: Layout
    splits: Sequence[str]
    _heaps: dict[tuple[str, int | None], list[tuple[float, int, Chosen]]] = field(default_factory=dict)
    seen: int = field(default=0, init=False)

    @property
    def _each(self) -> int:
        """Patches of each class in each split."""
        pairs = max(1, len(self.splits)) * max(1, len(self.layout.classes))
        return max(1, (MOST_PATCHES - EACH_SPLIT * len(self.splits)) // pairs)

    def add(self, split: str, patch: Patch) -> dict[int, float]:
        """Look at a patch; returns the shares of its classes, as in `Chosen`."""
        self.seen += 1
        classes = classes_of(patch)
        # A number as if drawn: any patch may be one that is shown whatever it holds.
        drawn = self.seen * 0.6180339887 % 1.0
        few = EACH_SPLIT * (1 if self.layout.classes else 3)
        wanted = [((split, None), drawn, few), *(((split, code), share, self._each) for code, share in classes.items())]
        wanted = [(which, rank, most) for which, rank, most in wanted if self._is_kept(which, rank, most)]
        if wanted:
            # One copy for all: a patch is a view of its whole shard, which would stay in memory.
            pixels = {name: array.copy() for name, array in patch.pixels.items()}
            chosen = Chosen(split, replace(patch, pixels=pixels), classes)
            for which, rank, most in wanted:
                self._keep(which, rank, most, chosen)
        return classes

    def _is_kept(self, which: tuple[str, int | None], rank: float, most: int) -> bool:
        heap = self._heaps.setdefault(which, [])
        return len(heap) < most or rank > heap[0][0]

    def _keep(self, which: tuple[str, int | None], rank: float, most: int, chosen: Chosen) -> None:
        heap = self._heaps[which]
        if len(heap) < most:
            heapq.heappush(heap, (rank, self.seen, chosen))
        else:
            heapq.heapreplace(heap, (rank, self.seen, chosen))

    def chosen(self) -> list[Chosen]:
        """The patches to show, each once, by split and in the order in which they came."""
        found: dict[int, Chosen] = {}
        # Those of rare classes first: they are what a sheet without room for all would lack.
        for _, heap in sorted(self._heaps.items(), key=lambda pair: (pair[0][1] is None, len(pair[1]))):
            for _, number, chosen in sorted(heap, reverse=True, key=lambda item: item[:2]):
                if len(found) < MOST_PATCHES:
                    found.setdefault(number, chosen)
        order = {split: index for index, split in enumerate(self.splits)}
        return [chosen for _, chosen in sorted(found.items(), key=lambda pair: (order[pair[1].split], pair[0]))]


def classes_of(patch: Patch) -> dict[int, float]:
    """What a patch holds of each class, the most first: shares of the valid label, or numbers of objects."""
    if patch.objects is not None:
        codes, counts = np.unique(patch.objects.classes, return_counts=True)
        found = dict(zip(codes.tolist(), counts.astype(float).tolist(), strict=True))
    elif patch.label is not None and patch.label_valid is not None and patch.layout.classes:
        codes, counts = np.unique(patch.label[patch.label_valid], return_counts=True)
        total = max(1, int(counts.sum()))
        found = {int(code): int(count) / total for code, count in zip(codes, counts, strict=True)}
        found = {code: share for code, share in found.items() if share >= _LEAST_SHARE}
    else:
        return {}
    return dict(sorted(found.items(), key=lambda pair: -pair[1]))


def sheet_cells(chosen: Sequence[Chosen], step_names: Sequence[str]) -> list[dict[str, Any]]:
    """What the template needs of each patch: texts, and pictures as addresses."""
    if not chosen:
        return []
    patches = [item.patch for item in chosen]
    layout = patches[0].layout
    steps = range(layout.steps) if layout.steps else None
    plain = stretch_of(patches, steps)
    false: dict[str, tuple[float, float]] = {}
    for name in false_colour_bands(layout):
        false |= stretch_of(patches, steps, (name,))
    return [_cell(item, plain, false, step_names) for item in chosen]


def _cell(
    item: Chosen, plain: dict[str, tuple[float, float]], false: dict[str, tuple[float, float]], names: Sequence[str]
) -> dict[str, Any]:
    patch = item.patch
    step = clearest_step(patch)
    when = names[step] if patch.layout.steps else ""
    colours = "true colour" if len(plain) == 3 else next(iter(plain))
    pictures = [_picture(colours, when, picture(patch, plain, step), imagery=True)]
    if false:
        pictures.append(_picture("false colour", when, picture(patch, false, step), imagery=True))
    if patch.layout.label:
        pictures.append(_picture("label", "", label_picture(patch), exact=True))
    pictures.append(_picture("valid", f"{valid_share(patch).mean():.0%}", _valid_picture(patch)))
    named = {c.code: c for c in patch.layout.classes}
    listed = [
        (named[c].name if c in named else f"code {c}", named[c].colour if c in named else "", share)
        for c, share in item.classes.items()
    ]
    return {
        "key": str(patch.key),
        "place": place_text(patch),
        "split": item.split,
        "when": when,
        "classes": [(name, css_colour(colour), _amount(patch, share)) for name, colour, share in listed],
        "codes": "\u001f".join(map(str, item.classes)),
        "pictures": pictures,
        "boxes": _boxes(patch),
        "size": patch.key.size,
        "strip": _strip(patch, plain) if patch.layout.steps > 1 else "",
    }


def _amount(patch: Patch, share: float) -> str:
    return f"{share:.0f}" if patch.objects is not None else share_text(share)


def _picture(name: str, note: str, image: np.ndarray, *, exact: bool = False, imagery: bool = False) -> dict[str, Any]:
    small = image if exact else shrunk(image, 2 * _SIDE)
    return {
        "name": name,
        "note": note,
        "exact": exact,
        "imagery": imagery,
        "uri": data_uri(encode_picture(small, exact=exact, least_side=_SIDE), "webp"),
    }


def clearest_step(patch: Patch) -> int:
    """The step of which most pixels are valid, the one nearest to the middle of those; 0 without a time axis."""
    if not patch.layout.steps:
        return 0
    flags = np.logical_and.reduce([patch.valid[name] for name in picture_bands(patch.layout)])
    share = flags.reshape(len(flags), -1).mean(axis=1)
    middle = (len(share) - 1) / 2
    return min(range(len(share)), key=lambda step: (-round(float(share[step]), 2), abs(step - middle)))


def valid_share(patch: Patch) -> np.ndarray:
    """Share of bands and steps that are valid, float (height, width)."""
    flags = [patch.valid[band.name] for band in patch.layout.inputs]
    return np.asarray(np.mean([flag.mean(axis=0) if flag.ndim == 3 else flag for flag in flags], axis=0))


def _valid_picture(patch: Patch) -> np.ndarray:
    """Light where all is valid, dark where nothing is; neither white nor black, which dazzle on a dark or a light page."""
    dark, light = _GREYS
    return np.repeat(dark + (light - dark) * valid_share(patch)[..., None], 3, axis=-1)


def _strip(patch: Patch, stretch: dict[str, tuple[float, float]]) -> str:
    """The steps of a time series side by side, as one picture."""
    images = [
        shrunk(picture(patch, stretch, step), _STEP_SIDE) for step in shown_steps(patch.layout.steps, _MOST_STEPS)
    ]
    gap = np.full((images[0].shape[0], 2, 3), 0.5)
    joined = [part for image in images for part in (image, gap)][:-1]
    return data_uri(encode_picture(np.concatenate(joined, axis=1)), "webp")


def _boxes(patch: Patch) -> list[dict[str, Any]]:
    """Boxes of the objects, in pixels of the patch."""
    if patch.objects is None:
        return []
    named = {c.code: c for c in patch.layout.classes}
    found = []
    for box, code, cut in zip(patch.objects.boxes, patch.objects.classes, patch.objects.truncated, strict=True):
        top, left, bottom, right = (round(float(edge), 1) for edge in box)
        item = named.get(int(code))
        found.append(
            {
                "x": left,
                "y": top,
                "width": round(right - left, 1),
                "height": round(bottom - top, 1),
                "name": item.name if item else f"code {code}",
                "colour": css_colour(item.colour if item else ""),
                "cut": bool(cut),
            }
        )
    return found


def place_text(patch: Patch) -> str:
    """The middle of a patch in degrees."""
    left, bottom, right, top = patch.key.bounds
    lon, lat = transformer(patch.key.crs, LONLAT).transform((left + right) / 2, (bottom + top) / 2)
    return f"{abs(lat):.3f}° {'N' if lat >= 0 else 'S'} {abs(lon):.3f}° {'E' if lon >= 0 else 'W'}"
