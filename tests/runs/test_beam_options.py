"""Beam's options: what is filled in, how processes are counted, and what is refused before anything is asked."""

from __future__ import annotations

import os
import re
import tarfile
from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import (
    GoogleCloudOptions,
    PipelineOptions,
    SetupOptions,
    StandardOptions,
    WorkerOptions,
)

from rsbot_beam.earthengine.endpoint import Endpoint
from rsbot_beam.errors import InputError
from rsbot_beam.runs import dataflow, package
from rsbot_beam.runs.beam_options import LOCAL_RUNNER, is_local, is_one_process, pipeline_options, worker_processes
from rsbot_beam.runs.launch import run_pipeline

DATAFLOW = (
    "--runner=DataflowRunner",
    "--project=my-project",
    "--region=europe-west1",
    "--temp_location=gs://rsbot/tmp",
)


def worker(options: PipelineOptions) -> WorkerOptions:
    return options.view_as(WorkerOptions)


def test_the_default_runner_is_the_one_in_the_package() -> None:
    options = pipeline_options([], 40)
    assert options.view_as(StandardOptions).runner == LOCAL_RUNNER == "FnApiRunner"
    assert is_local(options)
    assert worker_processes(options) == 1


@pytest.mark.parametrize(
    ("runner", "local"),
    [
        ("FnApiRunner", True),
        ("DirectRunner", True),
        ("directrunner", True),
        ("direct", True),
        ("PrismRunner", True),
        ("apache_beam.runners.portability.fn_api_runner.FnApiRunner", True),
        ("PortableRunner", False),
        ("FlinkRunner", False),
        ("SparkRunner", False),
    ],
)
def test_local_runners_are_known_however_they_are_spelt(runner: str, local: bool) -> None:
    assert is_local(pipeline_options([f"--runner={runner}"], 40)) is local


@pytest.mark.parametrize(
    ("flags", "processes"),
    [
        ((), 1),
        (("--direct_num_workers=4",), 1),  # threads of this process
        (("--direct_running_mode=multi_threading", "--direct_num_workers=4"), 1),
        (("--direct_running_mode=multi_processing", "--direct_num_workers=4"), 4),
        (("--direct_running_mode=multi_processing", "--direct_num_workers=0"), os.cpu_count()),
        (("--direct_running_mode=multi_processing",), 1),
        (("--runner=PortableRunner",), 1),
        (("--runner=PortableRunner", "--sdk_worker_parallelism=3"), 3),
        (("--runner=FlinkRunner", "--parallelism=6"), 6),
        (DATAFLOW, 10),
        ((*DATAFLOW, "--max_num_workers=3"), 6),
        ((*DATAFLOW, "--max_num_workers=3", "--machine_type=e2-highcpu-8"), 24),
        ((*DATAFLOW, "--max_num_workers=30", "--experiments=no_use_multiple_sdk_containers"), 30),
    ],
)
def test_processes_that_share_the_quota(flags: tuple[str, ...], processes: int) -> None:
    assert worker_processes(pipeline_options(flags, 40)) == processes


def test_progress_is_shown_by_the_process_that_does_the_work() -> None:
    assert is_one_process(pipeline_options(["--direct_num_workers=2"], 40))
    assert not is_one_process(pipeline_options(["--direct_running_mode=multi_processing"], 40))
    assert not is_one_process(pipeline_options(["--runner=PortableRunner"], 40))


@pytest.mark.parametrize(
    ("machine", "vcpus"),
    [
        ("n1-standard-2", 2),
        ("e2-highcpu-16", 16),
        ("n1-custom-4-16384", 4),
        ("custom-6-8192", 6),
        ("e2-custom-4-8192-ext", 4),
        ("c3-standard-8-lssd", 8),
        ("c3-standard-192-metal", 192),
        ("e2-medium", 2),
        ("g1-small", 1),
        ("zones/europe-west1-b/machineTypes/n2d-standard-32", 32),
    ],
)
def test_dataflow_starts_a_process_for_each_vcpu(machine: str, vcpus: int) -> None:
    options = PipelineOptions([*DATAFLOW, f"--machine_type={machine}"])
    assert dataflow.processes_per_machine(options) == vcpus


@pytest.mark.parametrize("machine", ["a2-highgpu-1g", "a3-megagpu-8g", "large"])
def test_a_machine_whose_vcpus_are_not_known_is_refused(machine: str) -> None:
    with pytest.raises(InputError, match=rf"{machine}.*no_use_multiple_sdk_containers"):
        pipeline_options([*DATAFLOW, f"--machine_type={machine}"], 40)
    assert pipeline_options(
        [*DATAFLOW, f"--machine_type={machine}", "--experiments=no_use_multiple_sdk_containers"], 40
    )


@pytest.mark.parametrize("max_requests", [1, 2, 7, 8, 40, 41, 100, 500, 3000])
@pytest.mark.parametrize("machine", ["g1-small", "n1-standard-1", "n1-standard-2", "n1-standard-8"])
def test_dataflow_s_processes_fit_the_quota(max_requests: int, machine: str) -> None:
    try:
        options = pipeline_options([*DATAFLOW, f"--machine_type={machine}"], max_requests)
    except InputError:
        assert int(machine[-1]) > max_requests, "one machine alone has more processes than there are requests"
        return
    processes = worker_processes(options)
    assert processes <= max_requests
    share = Endpoint(max_requests=max_requests).share(processes)
    assert share.max_requests * processes <= max_requests
    most = worker(options).max_num_workers
    assert most == 1 or share.max_requests >= dataflow.REQUESTS_PER_PROCESS


def test_more_workers_than_the_quota_serves_are_refused() -> None:
    with pytest.raises(InputError, match=r"30 machines.*60 processes.*40 requests.*--max_num_workers.*--max_requests"):
        pipeline_options([*DATAFLOW, "--max_num_workers=30"], 40)


def test_dataflow_s_defaults_and_the_user_s_word() -> None:
    found = worker(pipeline_options(DATAFLOW, 40))
    assert (found.machine_type, found.disk_size_gb, found.autoscaling_algorithm) == (
        "n1-standard-2",
        30,
        "THROUGHPUT_BASED",
    )
    assert found.max_num_workers == 5
    given = ("--machine_type=n1-highmem-4", "--disk_size_gb=50", "--num_workers=4", "--autoscaling_algorithm=NONE")
    found = worker(pipeline_options([*DATAFLOW, *given], 40))
    assert (found.machine_type, found.disk_size_gb, found.autoscaling_algorithm) == ("n1-highmem-4", 50, "NONE")
    assert found.max_num_workers == found.num_workers == 4


def test_the_package_is_sent_unless_the_user_sends_one() -> None:
    (path,) = pipeline_options(DATAFLOW, 40).view_as(SetupOptions).extra_packages
    assert path == package.build_package()
    for flag in ("--setup_file=./setup.py", "--sdk_container_image=eu.gcr.io/p/i:1", "--extra_package=own.tar.gz"):
        setup = pipeline_options([*DATAFLOW, flag], 40).view_as(SetupOptions)
        assert setup.extra_packages in (None, ["own.tar.gz"])
    assert pipeline_options([], 40).view_as(SetupOptions).extra_packages is None


def test_the_package_is_complete_and_leaves_no_trace() -> None:
    path = Path(package.build_package())
    assert package.build_package() == str(path), "built once"
    assert package.SETUP_FILE.parent not in path.parents
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    wanted = {
        f.relative_to(package.SETUP_FILE.parent).as_posix()
        for f in package.SETUP_FILE.parent.glob("rsbot_beam/**/*.py")
    }
    assert wanted <= names
    assert {"rsbot_beam/VERSION", "rsbot_beam/py.typed", "setup.py", "README.md", "LICENSE"} <= names
    assert not [name for name in names if name.startswith((".", "demo", "benchmarks", "build"))]


def test_without_a_checkout_the_user_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(package, "SETUP_FILE", tmp_path / "setup.py")
    with pytest.raises(InputError, match=r"checkout.*--sdk_container_image"):
        package.build_package.__wrapped__()
    (tmp_path / "setup.py").write_text("raise SystemExit('this one is broken')")
    with pytest.raises(InputError, match=r"this one is broken.*setuptools"):
        package.build_package.__wrapped__()


def test_requirements_are_written_once() -> None:
    first = package.write_requirements("numpy\n")
    assert package.write_requirements("numpy\n") == first != package.write_requirements("scipy\n")
    assert Path(first).read_text() == "numpy\n"


@pytest.mark.parametrize("flags", [(), DATAFLOW, ("--runner=PortableRunner",)])
def test_globals_of_the_main_program_are_not_sent(flags: tuple[str, ...]) -> None:
    assert pipeline_options(flags, 40).view_as(SetupOptions).save_main_session is False
    assert pipeline_options([*flags, "--save_main_session"], 40).view_as(SetupOptions).save_main_session is True


@pytest.mark.parametrize("flag", ["--max_num_workers=many", "--direct_running_mode=fast"])
def test_beam_s_flags_with_wrong_values_do_not_end_the_process(flag: str) -> None:
    with pytest.raises(InputError, match=rf"Beam refuses its flags: argument {flag.partition('=')[0]}"):
        pipeline_options([flag], 40)


@pytest.mark.parametrize(
    ("missing", "named"), [("--project=my-project", "project"), ("--region=europe-west1", "gcp_region")]
)
def test_what_dataflow_misses_is_named(
    missing: str, named: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # Beam asks gcloud for its settings; here there is none.
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CLOUDSDK_COMPUTE_REGION", raising=False)
    monkeypatch.delenv("GOOGLE_CLOUD_PROJECT", raising=False)
    flags = [flag for flag in (*DATAFLOW, "--dry_run=1") if flag != missing]
    with pytest.raises(InputError, match=rf"Beam refuses its options: .*{named}"):
        run_pipeline("fetch", pipeline_options(flags, 40), lambda pipeline: None)


@pytest.mark.parametrize("given", [(), ("--temp_location=/tmp/here",)])
def test_dataflow_needs_a_place_for_temporary_files(given: tuple[str, ...]) -> None:
    flags = [flag for flag in DATAFLOW if not flag.startswith("--temp_location")]
    with pytest.raises(InputError, match=r"give --temp_location, e.g. gs://"):
        pipeline_options([*flags, *given], 40)


def test_what_is_only_described() -> None:
    assert not dataflow.is_only_described(pipeline_options(DATAFLOW, 40))
    assert dataflow.is_only_described(pipeline_options([*DATAFLOW, "--dry_run=1"], 40))
    assert dataflow.is_only_described(pipeline_options([*DATAFLOW, "--template_location=gs://b/t"], 40))
    assert not dataflow.is_only_described(pipeline_options(["--template_location=gs://b/t"], 40)), "not for Dataflow"


def test_what_workers_cannot_reach_is_refused(tmp_path: Path) -> None:
    bucket = "gs://bucket/out"
    dataflow.check_reachable(Endpoint(), output=bucket, model=bucket)
    with pytest.raises(InputError, match=r"output .* is on this machine.*gs://"):
        dataflow.check_reachable(Endpoint(), output=str(tmp_path))
    with pytest.raises(InputError, match=r"model 'model' is on this machine.*gs://"):
        dataflow.check_reachable(Endpoint(), output=bucket, model="model")
    with pytest.raises(InputError, match=r"keys are not sent.*--service_account_email"):
        dataflow.check_reachable(Endpoint(credentials=str(tmp_path / "key.json")), output=bucket)
    with pytest.warns(UserWarning, match=r"cannot reach http://127.0.0.1:1"):
        dataflow.check_reachable(Endpoint(url="http://127.0.0.1:1"), output=bucket)


@pytest.mark.slow
def test_learning_steps_bring_tensorflow_without_downloading_it_here() -> None:
    learning_steps = pytest.importorskip("rsbot_beam.runs.learning_steps")
    setup = learning_steps.with_learning(pipeline_options(DATAFLOW, 40)).view_as(SetupOptions)
    assert Path(setup.requirements_file).read_text().split() == [
        "tensorflow>=2.21,<2.22",
        "tensorflow-transform>=1.21,<1.22",
    ]
    assert setup.requirements_cache == "skip"
    own = learning_steps.with_learning(pipeline_options([*DATAFLOW, "--requirements_file=own.txt"], 40))
    assert own.view_as(SetupOptions).requirements_file == "own.txt"
    image = learning_steps.with_learning(pipeline_options([*DATAFLOW, "--sdk_container_image=eu.gcr.io/p/i:1"], 40))
    assert image.view_as(SetupOptions).requirements_file is None
    assert learning_steps.with_learning(pipeline_options([], 40)).view_as(SetupOptions).requirements_file is None


@pytest.mark.slow
def test_workers_need_what_the_extra_says() -> None:
    learning_steps = pytest.importorskip("rsbot_beam.runs.learning_steps")
    setup = package.SETUP_FILE.read_text()
    for requirement in learning_steps.REQUIREMENTS.split():
        assert f'"{requirement}"' in setup


def test_jobs_are_named_by_their_step() -> None:
    from rsbot_beam.runs.launch import JobDescribed

    for flags, pattern in (((), r"rsbot-fetch-\d{8}-\d{6}"), (("--job_name=mine",), "mine")):
        options = pipeline_options([*DATAFLOW, "--dry_run=1", *flags], 40)
        with pytest.raises(JobDescribed) as end:
            run_pipeline("fetch", options, lambda pipeline: pipeline | beam.Create([1]))
        job = end.value.job
        assert re.fullmatch(pattern, job.name)
        assert (job.step, job.project, job.region, job.template) == ("fetch", "my-project", "europe-west1", None)
        assert options.view_as(GoogleCloudOptions).job_name == job.name
