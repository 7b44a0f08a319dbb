"""Pipelines that are run from IPython."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.utils import interactive_utils

from rsbot_beam.runs.beam_options import pipeline_options
from rsbot_beam.runs.in_notebooks import not_interactive
from rsbot_beam.runs.launch import run_pipeline
from rsbot_beam.runs.tiny_pipeline import run_tiny_pipeline


@pytest.fixture(autouse=True)
def shell() -> Iterator[None]:
    """A real IPython, which Beam asks for."""
    from IPython.core.interactiveshell import InteractiveShell

    InteractiveShell.instance()
    yield
    InteractiveShell.clear_instance()


def test_a_pipeline_runs_and_leaves_no_folder_behind(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert run_tiny_pipeline([], 1)["seconds"] > 0
    assert list(tmp_path.iterdir()) == []


def test_steps_are_named_as_anywhere_else() -> None:
    names: list[str] = []

    def build(pipeline: beam.Pipeline) -> None:
        _ = pipeline | "Make" >> beam.Create([1]) | "Double" >> beam.Map(lambda x: 2 * x)
        names.extend(name for name in pipeline.applied_labels if "/" not in name)

    run_pipeline("fetch", pipeline_options([], 1), build)
    assert {"Make", "Double"} <= set(names)


def test_beam_s_mode_is_its_own_afterwards_also_after_an_error() -> None:
    assert interactive_utils.is_in_ipython()

    def fail(pipeline: beam.Pipeline) -> None:
        assert not interactive_utils.is_in_ipython()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_pipeline("fetch", PipelineOptions([]), fail)
    assert interactive_utils.is_in_ipython()
    assert beam.pipeline.is_in_ipython()
    with not_interactive(), not_interactive():
        pass
    assert beam.pipeline.is_in_ipython()
