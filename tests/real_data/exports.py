"""Exports as users start them, and everything that must be true of each."""

from __future__ import annotations

import contextlib
import io
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pipelines import rsbot
from rsbot_beam import Patch, TileKey, read_patches
from rsbot_beam.data.raw_shard import read_header

from .oracle import Layer

RECIPES = Path(__file__).parent / "recipes"

Expected = Callable[[TileKey], Mapping[str, Layer]]


@dataclass
class Exported:
    """A finished export.

    Attributes:
        folder: Where it is.
        text: What the command printed.
        patches: The stored patches by key.
        empty: The tiles that were counted empty.
    """

    folder: Path
    text: str = field(repr=False)
    patches: dict[TileKey, Patch] = field(default_factory=dict, repr=False)
    empty: set[TileKey] = field(default_factory=set, repr=False)

    @property
    def tiles(self) -> set[TileKey]:
        """All tiles that were asked for."""
        return set(self.patches) | self.empty

    @property
    def dataset(self) -> dict[str, Any]:
        """Content of dataset.json."""
        content: dict[str, Any] = json.loads((self.folder / "dataset.json").read_text())
        return content


def run_export(folder: Path, url: str, recipe: str, **flags: Any) -> Exported:
    """Run `rsbot export` in this process and read the raw shards.

    Args:
        folder: The output.
        url: The local Earth Engine.
        recipe: Name of a file of `recipes/`, without suffix; or of a built-in recipe, with "built-in " before it.
        **flags: The command's flags; those that can be repeated, such as `set`, may be lists.
    """
    name = recipe.removeprefix("built-in ")
    source = RECIPES / f"{recipe}.py" if name == recipe else name
    given = {"recipe": source, "output": folder, "ee_url": url, "ee_project": "real", **flags}
    arguments = [f"--{flag}={value}" for flag, values in given.items() for value in listed(values)]
    printed = io.StringIO()
    root = logging.getLogger()
    before, root.handlers = root.handlers, []
    try:
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            code = rsbot.main(["export", *arguments])
    finally:
        root.handlers = before
    assert code == 0, printed.getvalue()
    return _read(Exported(folder, printed.getvalue()))


def listed(values: object) -> list[object]:
    """A list as it is, anything else as a list of one."""
    return values if isinstance(values, list) else [values]


def _read(found: Exported) -> Exported:
    headers = [read_header(file.read_bytes(), str(file)) for file in sorted((found.folder / "raw").glob("*.arrow"))]
    stored = [key for header in headers for key in header.stored]
    empty = [key for header in headers for key in header.empty]
    assert not any(header.dead for header in headers)
    found.patches = {patch.key: patch for patch in read_patches(found.folder)}
    found.empty = set(empty)
    assert list(found.patches) == stored, "the shards' headers and their rows differ, or a tile is stored twice"
    assert len(found.tiles) == len(stored) + len(empty), "a tile is in two places"
    assert f"{len(found.tiles)} tiles asked = {len(stored)} stored + {len(empty)} empty + 0 dead" in found.text
    return found


def check_raw(found: Exported, expected: Expected, inputs: int) -> None:
    """Compare every pixel of the raw shards, and the emptiness of what is not stored.

    Args:
        found: The export.
        expected: What each tile must hold, by band; inputs first.
        inputs: Number of input bands.
    """
    assert found.patches, "nothing was stored"
    for key, patch in found.patches.items():
        layers = expected(key)
        assert list(patch.pixels) == list(layers) == [band.name for band in patch.layout.all_bands]
        for name, layer in layers.items():
            where = f"{name} of {key}"
            assert patch.pixels[name].dtype == layer.values.dtype, where
            assert_same(patch.valid[name], layer.valid, f"validity of {where}")
            assert_same(patch.pixels[name], layer.values, where)
        assert any(layer.valid.any() for layer in list(layers.values())[:inputs]), f"{key} is stored, but empty"
    for key in found.empty:
        first = list(expected(key).values())[:inputs]
        assert not any(layer.valid.any() for layer in first), f"{key} has pixels, but was counted empty"


def assert_same(found: np.ndarray, expected: np.ndarray, where: str) -> None:
    """Fail with the number of pixels that differ, and the first of them."""
    assert found.shape == expected.shape, where
    different = np.argwhere(found != expected)
    if len(different):
        first = tuple(different[0].tolist())
        raise AssertionError(
            f"{where}: {len(different)} of {found.size} differ, the first at {first}: {found[first]} is not {expected[first]}"
        )
