"""A map in a bucket, with the model in a bucket; and what Dataflow would be sent for it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from apache_beam.portability import common_urns
from apache_beam.portability.api import beam_runner_api_pb2

from rsbot_beam import storage
from tests.integration.made_models import Models

pytestmark = [pytest.mark.integration, pytest.mark.slow]
SMALL: dict[str, Any] = {"region": "10.0,50.0,10.02,50.015", "block_side": 2, "bands": "class,probability"}
# What a run says of itself: when, how fast, and where its model was.
OF_THE_RUN = ("run.json", "totals/predict.json", "predict.json")


def objects(folder: str) -> dict[str, bytes]:
    """All objects below a `gs://` folder, by relative name."""
    start = len(storage.join(folder, ""))
    return {file.path[start:]: storage.read_bytes(file.path) for file in storage.walk(folder)}


@pytest.fixture(scope="module")
def bucket(gcs_server: str, models: Models) -> str:
    """A folder in a bucket, with a model in it."""
    folder = f"{storage.GCS_SCHEME}{gcs_server}/maps"
    storage.copy_folder(models.place, f"{folder}/model")
    return folder


@pytest.fixture(scope="module")
def mapped(bucket: str, predict: Callable[..., Any]) -> Any:
    outcome = predict(f"{bucket}/map", model=f"{bucket}/model", **SMALL)
    assert outcome.code == 0, outcome.text
    return outcome


def test_a_bucket_holds_the_map_that_a_folder_would(
    mapped: Any,
    bucket: str,
    models: Models,
    predict: Callable[..., Any],
    snapshot: Callable[[Path], dict[str, bytes]],
    tmp_path: Path,
) -> None:
    assert predict(tmp_path, model=models.place, **SMALL).code == 0
    here, there = snapshot(tmp_path), objects(f"{bucket}/map")
    assert set(here) == set(there)
    assert sum(name.startswith("class/") for name in here) > 5
    assert [n for n in here if n not in OF_THE_RUN and here[n] != there[n]] == []


def test_a_map_in_a_bucket_is_resumed(mapped: Any, bucket: str, predict: Callable[..., Any], earth: Any) -> None:
    again = predict(f"{bucket}/map", model=f"{bucket}/model", **SMALL)
    assert "complete already" in again.out
    assert earth.pixel_requests() == 0
    before = objects(f"{bucket}/map")
    lost = next(name for name in before if name.startswith("class/"))
    storage.remove(f"{bucket}/map/{lost}")
    mended = predict(f"{bucket}/map", model=f"{bucket}/model", **SMALL)
    assert mended.code == 0, mended.text
    assert earth.pixel_requests() == 1, "only what was lost is fetched"
    after = objects(f"{bucket}/map")
    assert [n for n in before if n not in OF_THE_RUN and after.get(n) != before[n]] == []


@pytest.fixture(scope="module")
def key_file(google_credentials: str, earth_of_session: Any, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The key of an account that gets its token on loopback."""
    account = {**json.loads(Path(google_credentials).read_text()), "token_uri": f"{earth_of_session.url}/token"}
    path = tmp_path_factory.mktemp("account") / "key.json"
    path.write_text(json.dumps(account))
    return str(path)


@pytest.fixture(scope="module")
def template(bucket: str, predict: Callable[..., Any], key_file: str) -> Iterator[tuple[Any, dict]]:
    """What `rsbot predict --template_location` leaves, and what it says."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GOOGLE_APPLICATION_CREDENTIALS", key_file)
        with pytest.warns(UserWarning, match="workers cannot reach"):
            outcome = predict(f"{bucket}/later", model=f"{bucket}/model", **SMALL, **dataflow(bucket))
        yield outcome, objects(bucket)


def dataflow(bucket: str) -> dict[str, str]:
    return {
        "runner": "DataflowRunner",
        "project": "my-project",
        "gcp_region": "europe-west1",
        "temp_location": f"{bucket}/tmp",
        "template_location": f"{bucket}/predict.json",
    }


def test_a_template_is_written_and_nothing_is_run(template: tuple[Any, dict]) -> None:
    outcome, files = template
    assert outcome.code == 0, outcome.text
    job = json.loads(files["predict.json"])
    assert re.fullmatch(r"rsbot-predict-\d{8}-\d{6}", job["name"])
    assert f"gcloud dataflow jobs run {job['name']}" in outcome.out
    assert "same command without --template_location" in outcome.out
    assert not [name for name in files if name.startswith(("later/class", "later/blocks", "later/totals"))]


def test_fetch_inference_and_write_are_one_stage(template: tuple[Any, dict]) -> None:
    from apache_beam.runners.portability.fn_api_runner import translations as t

    (content,) = [content for name, content in template[1].items() if name.endswith("/pipeline.pb")]
    proto = beam_runner_api_pb2.Pipeline.FromString(content)
    phases = (t.pack_combiners, t.lift_combiners, t.expand_gbk, t.sink_flattens, t.greedily_fuse, t.sort_stages)
    known = frozenset([common_urns.primitives.FLATTEN.urn, common_urns.primitives.GROUP_BY_KEY.urn])
    _, stages = t.create_and_optimize_stages(proto, phases=phases, known_runner_urns=known, use_state_iterables=False)
    names = [[transform.unique_name for transform in stage.transforms] for stage in stages]
    (fused,) = [stage for stage in names if any("FetchBlocks" in name for name in stage)]
    assert any("RunInference" in name for name in fused)
    assert any("WriteBlock" in name for name in fused)
    assert not any("Squares" in name for name in fused)
    assert len(proto.components.environments) == 1


def test_workers_of_a_map_install_tensorflow_and_hold_no_secret(template: tuple[Any, dict], key_file: str) -> None:
    files = template[1]
    (requirements,) = [content for name, content in files.items() if name.endswith("requirements.txt")]
    assert requirements.decode().startswith("tensorflow>=")
    assert b"transform" not in requirements
    key = json.loads(Path(key_file).read_text())["private_key"]
    lines = [line.encode() for line in key.splitlines() if len(line) > 20 and not line.startswith("-----")]
    assert not [name for name, content in files.items() if any(line in content for line in lines)]


def test_a_model_on_this_machine_is_refused(
    bucket: str, models: Models, predict: Callable[..., Any], key_file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", key_file)
    outcome = predict(f"{bucket}/never", model=models.place, **SMALL, **dataflow(bucket))
    assert outcome.code == 2
    assert re.search(r"model .* is on this machine, which Dataflow's workers cannot reach", outcome.error)
