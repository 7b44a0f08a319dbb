"""What a runner makes of the fetch's pipeline: which steps are one stage, and what crosses a shuffle."""

from __future__ import annotations

import copy
import pickle
import re
from dataclasses import dataclass, field
from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.pipeline import AppliedPTransform, PipelineVisitor
from apache_beam.portability import common_urns
from apache_beam.portability.api import beam_runner_api_pb2
from apache_beam.runners.portability.fn_api_runner import translations

from rsbot_beam.data.bands import Band, Layout
from rsbot_beam.data.period import Period
from rsbot_beam.data.shards import Shard, Tally
from rsbot_beam.data.splits import SpatialSplit
from rsbot_beam.earthengine.endpoint import Endpoint
from rsbot_beam.earthengine.source import FetchBand, PixelSource
from rsbot_beam.geometry import Cover, read_region, resolve_grid
from rsbot_beam.recipes import load_recipe
from rsbot_beam.runs.beam_options import pipeline_options
from rsbot_beam.runs.config import ExportConfig
from rsbot_beam.runs.plan import ExportPlan
from rsbot_beam.runs.steps import build_fetch

# The phases with which Beam's FnApiRunner makes stages of a pipeline (fn_runner.py of Beam 2.77).
PHASES = (
    translations.annotate_downstream_side_inputs,
    translations.fix_side_input_pcoll_coders,
    translations.pack_combiners,
    translations.lift_combiners,
    translations.expand_sdf,
    translations.expand_gbk,
    translations.sink_flattens,
    translations.greedily_fuse,
    translations.read_to_impulse,
    translations.impulse_to_input,
    translations.sort_stages,
)


def make_plan(output: str, region: str = "10.0,50.0,10.3,50.2") -> ExportPlan:
    """The plan of an export, without an Earth Engine to check it."""
    config = ExportConfig(recipe="landcover", region=region, period=Period.year(2023), output=output, patch_size=64)
    found = read_region(region)
    grid = resolve_grid(found, crs="auto", resolution=10, patch_size=64, origin=(0, 0))
    layout = Layout((Band("B4", "uint16"),))
    source = PixelSource((FetchBand("B4", "uint16"),), expression='{"marker":"travels as text"}')
    return ExportPlan(
        config, load_recipe("landcover", {}), found, Cover(found, grid), layout, source, config.split(grid.crs), 8
    )


def fetch_pipeline(plan: ExportPlan, *flags: str) -> beam.Pipeline:
    options = pipeline_options(flags, Endpoint().max_requests)
    pipeline = beam.Pipeline(options=options)
    build_fetch(pipeline, plan, options, f"{plan.config.output}/totals.json")
    return pipeline


def fused_stages(proto: beam_runner_api_pb2.Pipeline) -> list[list[str]]:
    """Names of the transforms of each stage, as a runner would run them."""
    runs_itself = frozenset([common_urns.primitives.FLATTEN.urn, common_urns.primitives.GROUP_BY_KEY.urn])
    _, stages = translations.create_and_optimize_stages(
        copy.deepcopy(proto), phases=PHASES, known_runner_urns=runs_itself, use_state_iterables=False
    )
    return [[transform.unique_name for transform in stage.transforms] for stage in stages]


def stage_of(step: str, stages: list[list[str]]) -> list[str]:
    found = [stage for stage in stages if any(name == step or name.endswith(f"/{step}") for name in stage)]
    assert len(found) == 1, f"{step} is in {len(found)} stages: {stages}"
    return found[0]


@dataclass
class Shuffled(PipelineVisitor):
    """Collects the types of what goes into each shuffle, and the labels of all GroupByKeys."""

    types: dict[str, str] = field(default_factory=dict)
    group_by_keys: list[str] = field(default_factory=list)

    def visit_transform(self, transform_node: AppliedPTransform) -> None:
        if isinstance(transform_node.transform, beam.GroupByKey):
            self.group_by_keys.append(transform_node.full_label)

    def enter_composite_transform(self, transform_node: AppliedPTransform) -> None:
        self.visit_transform(transform_node)
        if isinstance(transform_node.transform, (beam.Reshuffle, beam.CombinePerKey)):
            (pcollection,) = transform_node.inputs
            self.types[transform_node.full_label] = str(pcollection.element_type)


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> beam.Pipeline:
    return fetch_pipeline(make_plan(str(tmp_path_factory.mktemp("plan"))))


@pytest.fixture(scope="module")
def stages(pipeline: beam.Pipeline) -> list[list[str]]:
    return fused_stages(pipeline.to_runner_api())


def test_fetch_and_write_are_one_stage(stages: list[list[str]]) -> None:
    stage = stage_of("FetchShards", stages)
    assert stage == stage_of("WriteRawShard", stages)
    names = [name.rsplit("/", 1)[-1] for name in stage]
    assert names.index("WriteRawShard") == names.index("FetchShards") + 1


def test_that_stage_begins_at_a_shuffle_of_keys_and_ends_at_a_sum(stages: list[list[str]]) -> None:
    stage = stage_of("FetchShards", stages)
    assert "SpreadShards" in stage[0], "the shards are spread over workers before they are fetched"
    assert stage[-1].startswith("Totals/Sum/CombinePerKey/Group"), "what leaves the stage is summed before it does"
    assert any("Precombine" in name for name in stage)


def test_tiles_are_enumerated_by_many_workers_before_the_fetch(stages: list[list[str]]) -> None:
    order = [stages.index(stage_of(step, stages)) for step in ("Squares", "Shards", "FetchShards")]
    assert order == sorted(set(order)), "each step of the enumeration is spread over workers by a shuffle of its own"


def test_pixels_have_one_consumer(pipeline: beam.Pipeline) -> None:
    proto = pipeline.to_runner_api()
    leaves = [t for t in proto.components.transforms.values() if not t.subtransforms]
    (fetch,) = [t for t in leaves if t.unique_name.endswith("FetchShards")]
    (pixels,) = fetch.outputs.values()
    readers = [t.unique_name for t in leaves if pixels in t.inputs.values()]
    assert [name.rsplit("/", 1)[-1] for name in readers] == ["WriteRawShard"]


def test_only_keys_and_tallies_cross_shuffles(pipeline: beam.Pipeline) -> None:
    visitor = Shuffled()
    pipeline.visit(visitor)
    short = {label: re.findall(r"[A-Z]\w+|bytes", types) for label, types in visitor.types.items()}
    assert short == {
        "Enumerate/Roots/MaybeReshuffle/Reshuffle": ["bytes"],  # roots as `Create` encodes them, of which there are few
        "Enumerate/SpreadSquares": ["TileBlock"],
        "Enumerate/SpreadShards": ["Shard"],
        "Totals/Sum/CombinePerKey": ["Tuple", "None", "Tally"],
    }
    assert visitor.group_by_keys
    assert all(label.startswith(tuple(short)) for label in visitor.group_by_keys), "a shuffle that is not looked at"


def test_the_types_around_fetch_and_write_are_declared(pipeline: beam.Pipeline) -> None:
    types: dict[str, str] = {}

    class Outputs(PipelineVisitor):
        def visit_transform(self, transform_node: AppliedPTransform) -> None:
            for output in transform_node.outputs.values():
                types[transform_node.full_label] = str(output.element_type)

    pipeline.visit(Outputs())
    assert "Shard" in types["Enumerate/Shards"]
    assert "FetchedShard" in types["Fetch/FetchShards"]
    assert "Tally" in types["Write/WriteRawShard"]


def test_no_step_has_hints_or_an_environment_of_its_own(pipeline: beam.Pipeline) -> None:
    proto = pipeline.to_runner_api()
    used = {t.environment_id for t in proto.components.transforms.values() if t.environment_id}
    assert len(used) == 1, "a second environment would break the fusion of fetch and write"


def test_what_is_shuffled_is_small(tmp_path: Path) -> None:
    """A shard's keys are some bytes a tile, its tally does not grow with it, and there is no pixel in either."""
    plan = make_plan(str(tmp_path))
    blocks = list(plan.cover.blocks(plan.shard_side))
    shards = [Shard(str(block), tuple(plan.cover.tiles(block))) for block in blocks]
    largest = max(shards, key=lambda shard: len(shard.keys))
    assert len(largest.keys) == plan.shard_side**2
    assert len(pickle.dumps(largest)) < 120 * len(largest.keys)
    tally = Tally(shards=1, stored=len(largest.keys), train=len(largest.keys))
    assert len(pickle.dumps(tally)) < 250


def test_dataflow_s_pipeline_is_fused_the_same_way(tmp_path: Path, stages: list[list[str]]) -> None:
    flags = ("--project=my-project", "--region=europe-west1", "--temp_location=gs://rsbot-tests/tmp", "--dry_run=1")
    made = fetch_pipeline(make_plan(str(tmp_path)), "--runner=DataflowRunner", *flags)
    assert fused_stages(made.to_runner_api()) == stages


def test_the_number_of_tiles_does_not_change_the_pipeline(tmp_path: Path) -> None:
    """Tiles are enumerated by workers: a continent's pipeline is as small as a county's."""
    sizes = [
        fetch_pipeline(make_plan(str(tmp_path), region)).to_runner_api().ByteSize()
        for region in ("10.0,50.0,10.1,50.1", "0.0,-30.0,40.0,30.0")
    ]
    assert sizes[1] < 1.5 * sizes[0]
    assert sizes[1] < 200_000


def test_the_expression_travels_as_text_and_workers_get_their_share_of_the_quota(tmp_path: Path) -> None:
    from apache_beam.internal import pickler

    flags = ("--direct_running_mode=multi_processing", "--direct_num_workers=4")
    proto = fetch_pipeline(make_plan(str(tmp_path)), *flags).to_runner_api()
    (fetch,) = [t for t in proto.components.transforms.values() if t.unique_name.endswith("FetchShards")]
    payload = beam_runner_api_pb2.ParDoPayload.FromString(fetch.spec.payload)
    settings = pickler.loads(payload.do_fn.payload)[0]._settings
    assert settings.source.expression == '{"marker":"travels as text"}'
    assert (settings.endpoint.max_requests, settings.endpoint.max_qps) == (10, 25.0)
    assert settings.resume is False


def test_a_template_looks_for_what_is_stored_whenever_it_is_started(tmp_path: Path) -> None:
    from apache_beam.internal import pickler

    flags = ("--project=my-project", "--region=europe-west1", "--temp_location=gs://rsbot-tests/tmp", "--dry_run=1")
    proto = fetch_pipeline(make_plan(str(tmp_path)), "--runner=DataflowRunner", *flags).to_runner_api()
    (fetch,) = [t for t in proto.components.transforms.values() if t.unique_name.endswith("FetchShards")]
    payload = beam_runner_api_pb2.ParDoPayload.FromString(fetch.spec.payload)
    assert pickler.loads(payload.do_fn.payload)[0]._settings.resume is True


def test_a_shuffle_between_fetch_and_write_would_be_noticed(tmp_path: Path) -> None:
    """The proof's own proof: with a Reshuffle behind the fetch, these tests fail."""
    from rsbot_beam.transforms.enumerate import EnumerateShards
    from rsbot_beam.transforms.fetch import FetchPatches
    from rsbot_beam.transforms.raw import WriteRawShards
    from rsbot_beam.transforms.shard_requests import FetchSettings

    plan = make_plan(str(tmp_path))
    settings = FetchSettings(Endpoint(), plan.source, plan.layout, str(tmp_path), 2**20)
    broken = beam.Pipeline(options=PipelineOptions(["--runner=FnApiRunner"]))
    (
        broken
        | EnumerateShards(plan.cover, 8)
        | FetchPatches(settings)
        | beam.Reshuffle()
        | WriteRawShards(plan.store, SpatialSplit((80, 10, 10), 5000, zoned=False))
    )
    stages = fused_stages(broken.to_runner_api())
    assert stage_of("FetchShards", stages) != stage_of("WriteRawShard", stages)
    visitor = Shuffled()
    broken.visit(visitor)
    assert any("FetchedShard" in types for types in visitor.types.values())
