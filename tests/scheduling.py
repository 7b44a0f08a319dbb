"""Which tests run where and when: the long ones first, those that share what was made for them in one process."""

from __future__ import annotations

import gc
from collections import defaultdict
from typing import Any

import pytest

# Folders and files whose tests share what takes long to make: datasets and models, or a process that has loaded TensorFlow.
TOGETHER = {
    "training": ("tests/training/",),
    "learning": ("tests/learning/",),
    "started": tuple(f"tests/integration/test_{name}.py" for name in ("kill", "train", "predict_inputs")),
}
# Units that take minutes: one that is begun last leaves the other processes without work.
LONGEST = ("started", "training", "tests/integration/test_use_cases.py", "tests/examples/test_notebooks.py")
# Seconds of a test with a mark, roughly.
SECONDS = {"slow": 4.0, "integration": 1.0}
OTHERWISE = 0.05


def unit_of(nodeid: str) -> str:
    """What is run by one process as a whole: a file, or those of `TOGETHER`."""
    file = nodeid.split("::", 1)[0]
    return next((name for name, begin in TOGETHER.items() if file.startswith(begin)), file)


def seconds_of(item: pytest.Item) -> float:
    return max((SECONDS[mark.name] for mark in item.iter_markers() if mark.name in SECONDS), default=OTHERWISE)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long units first, each in its own order; with `--no-loadscope-reorder` pytest-xdist keeps to it."""
    weights: dict[str, float] = defaultdict(float)
    for item in items:
        weights[unit_of(item.nodeid)] += seconds_of(item)
    for place, unit in enumerate(LONGEST):
        weights[unit] = 1e6 - place if unit in weights else 0.0
    items.sort(key=lambda item: (-weights[unit_of(item.nodeid)], unit_of(item.nodeid)))


def pytest_collection_finish() -> None:
    """What is loaded by now stays: without this the garbage collector looks through TensorFlow's and Beam's modules often."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Hands out units instead of files."""
    from xdist.scheduler import LoadFileScheduling

    class Units(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return unit_of(nodeid)

    return Units(config, log)
