"""Flags, and errors without tracebacks."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from pipelines import export, rsbot
from pipelines.command_line import from_worker, run_command, underscored
from rsbot_beam import __version__
from rsbot_beam.errors import (
    DatasetError,
    DeadLettersError,
    EarthEngineError,
    InputError,
    LostTilesError,
    PermanentError,
    RsbotError,
)

GIVEN = ["--recipe", "landcover", "--region", "10,52,10.1,52.1", "--output", "out", "--year", "2023"]


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("--patch-size", "--patch_size"),
        ("--patch-size=8-9", "--patch_size=8-9"),
        ("--set=my-name=a-b", "--set=my-name=a-b"),
        ("my-file.geojson", "my-file.geojson"),
        ("-5,1", "-5,1"),
        ("--", "--"),
    ],
)
def test_hyphens(argument: str, expected: str) -> None:
    assert underscored(argument) == expected


def test_both_spellings_are_the_same() -> None:
    ours, beam = export.parser().parse([*GIVEN, "--patch-size", "64", "--temp-location=gs://b/t-1"])
    assert ours.patch_size == 64
    assert beam == ["--temp_location=gs://b/t-1"]


def test_beam_s_flags_pass() -> None:
    flags = ["--runner=DirectRunner", "--direct_num_workers", "2", "--experiments=a", "--streaming", "--project=p"]
    assert export.parser().parse([*GIVEN, *flags])[1] == flags


@pytest.mark.parametrize(
    ("flag", "nearest"),
    [
        ("--patchsize", "--patch_size"),
        ("--recipy", "--recipe"),
        ("--max-request", "--max_requests"),
        ("--runer", "--runner"),
        ("--temp_locaton", "--temp_location"),
        ("-max_qps", "--max_qps"),
    ],
)
def test_an_unknown_flag_and_the_nearest(flag: str, nearest: str) -> None:
    with pytest.raises(InputError, match=rf"unknown flag {underscored(flag)}; did you mean {nearest}\?"):
        export.parser().parse([*GIVEN, flag, "8"])


def test_an_unknown_flag_like_no_other() -> None:
    with pytest.raises(InputError, match=r"unknown flag --qqqqqqqq$"):
        export.parser().parse([*GIVEN, "--qqqqqqqq"])


def test_a_runner_that_beam_does_not_have() -> None:
    with pytest.raises(InputError, match=r"--runner Foo is none that Beam has: .*FlinkRunner"):
        export.parser().parse([*GIVEN, "--runner", "Foo"])


def test_a_value_that_beam_does_not_take() -> None:
    with pytest.raises(InputError, match=r"Beam refuses its flags: .*direct_num_workers.*many"):
        export.parser().parse([*GIVEN, "--direct_num_workers", "many"])


@pytest.mark.parametrize("command", ["recipes", "models", "upload", "view", "evaluate", "train"])
def test_a_command_without_a_pipeline_takes_no_flags_of_beam(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert rsbot.main([command, "--temp_location", "x"]) == 2
    assert "unknown flag --temp_location" in capsys.readouterr().err


def test_flags_are_not_abbreviated() -> None:
    with pytest.raises(InputError, match="unknown flag --patch"):
        export.parser().parse([*GIVEN, "--patch", "8"])


def test_a_stray_value() -> None:
    with pytest.raises(InputError, match=r"unexpected argument 'stray'.*--name value"):
        export.parser().parse(["stray", *GIVEN])


@pytest.mark.parametrize("region", ["-70.5,-33.6,-70.3,-33.4", "-.5,51,0,52"])
def test_regions_and_origins_may_begin_with_a_minus(region: str) -> None:
    given = ["--recipe", "r", "--region", region, "--output", "o", "--year", "2023", "--origin", "-15,15"]
    ours, beam = export.parser().parse(given)
    assert (ours.region, ours.origin, beam) == (region, "-15,15", [])


@pytest.fixture
def earthless(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fails where a command gets as far as running."""

    def run(*args: object) -> None:
        raise AssertionError("the export was started")

    monkeypatch.setattr(export, "run_export", run)
    yield


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        (["--period", "2023-01-01,2023-02-01"], "give either --year 2023 or --period"),
        (["--split", "80,20"], "'80,20' is not three numbers like 80,10,10"),
        (["--split", "0,0,0"], "needs three shares"),
        (["--split_block", "0"], "split block of 0.0 m must be positive"),
        (["--split_block", "inf"], "split block of inf m must be positive"),
        (["--set", "clear"], "--set 'clear' is not NAME=VALUE"),
        (["--origin", "15"], "--origin '15' is not x,y"),
        (["--origin", "a,b"], "--origin 'a,b' is not x,y"),
        (["--year", "23"], "the year 23 is not one that satellites have seen"),
        (["--year", "x"], "invalid int value: 'x'"),
        (["--tiles", "all"], "invalid choice: 'all'"),
        (["--steps", "fetch,dance"], r"steps \['dance'\]: choose from fetch, analyze, transform"),
        (["--steps", ""], "steps none"),
        (["--block_mib", "49"], "at most 48"),
        (["--block_mib", "0"], "must be above 0"),
        (["--patch_size", "0"], "patch_size=0 must be 1 or more"),
        (["--max_requests", "0"], "max_requests"),
        (["--max_qps", "-1"], "max_qps"),
        (["--region"], "argument --region: expected one argument"),
    ],
)
@pytest.mark.usefixtures("earthless")
def test_flags_that_cannot_be(flags: list[str], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        export.main([*GIVEN, *flags])


@pytest.mark.usefixtures("earthless")
def test_neither_year_nor_period() -> None:
    with pytest.raises(InputError, match="give either --year 2023 or --period"):
        export.main(GIVEN[:-2])


@pytest.mark.parametrize("missing", ["--recipe", "--region", "--output"])
def test_what_must_be_given(missing: str) -> None:
    index = GIVEN.index(missing)
    with pytest.raises(InputError, match=rf"required: {missing} \(see `rsbot export --help`\)"):
        export.parser().parse([*GIVEN[:index], *GIVEN[index + 2 :]])


def raising(error: BaseException) -> Callable[[Sequence[str]], int]:
    def command(argv: Sequence[str]) -> int:
        raise error

    return command


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InputError("bad"), 2),
        (DatasetError("bad"), 2),
        (PermanentError("bad", 400), 2),
        (EarthEngineError("bad"), 1),
        (LostTilesError("bad"), 1),
        (DeadLettersError("bad"), 3),
        (KeyboardInterrupt(), 130),
    ],
)
def test_exit_codes_without_traceback(error: BaseException, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(raising(error), []) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("rsbot: ")
    assert "Traceback" not in err
    assert isinstance(error, KeyboardInterrupt) or err == "rsbot: error: bad\n"


def test_other_errors_keep_their_traceback() -> None:
    with pytest.raises(ZeroDivisionError):
        run_command(raising(ZeroDivisionError()), [])


def test_what_beam_adds_to_a_message_is_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    error = DatasetError("the shard [x] is\ndamaged [while running 'Read'] [while running 'Fetch/Read']")
    assert run_command(raising(error), []) == 2
    assert capsys.readouterr().err == "rsbot: error: the shard [x] is\ndamaged\n"


TRACEBACK = """Traceback (most recent call last):
  File "worker.py", line 1, in process
    raise KeyError("x")
KeyError: 'x'

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "fetch.py", line 9, in process
    raise PermanentError("no band 'B99':\\nuse B9", 400) from error
rsbot_beam.errors.PermanentError: no band 'B99':
use B9

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "common.py", line 9, in process
rsbot_beam.errors.PermanentError: no band 'B99':
use B9 [while running 'Fetch/FetchShards']
"""


@pytest.mark.parametrize(
    "text",
    [
        "rsbot_beam.errors.PermanentError: no band 'B99':\nuse B9",
        "rsbot_beam.errors.PermanentError: no band 'B99':\nuse B9 [while running 'A'] [while running 'B/C']\n",
        "Error received from SDK harness for instruction bundle_3: " + TRACEBACK,
        TRACEBACK.rpartition("During handling")[0],
        TRACEBACK + "\n\nDuring handling of the above exception, another exception occurred:\n\nRuntimeError: stopped",
    ],
)
def test_errors_of_ours_are_found_in_a_worker_s_text(text: str) -> None:
    error = from_worker(RuntimeError(text))
    assert type(error) is PermanentError
    assert str(error) == "no band 'B99':\nuse B9"


@pytest.mark.parametrize(
    "text", ["", "ValueError: x", "rsbot_beam.errors.Unknown: x", "rsbot_beam.errors.annotations: x"]
)
def test_errors_that_are_not_ours(text: str) -> None:
    assert from_worker(RuntimeError(text)) is None


def fail(element: int) -> int:
    """A step that fails as ours do, from a cause."""
    try:
        return 1 // element
    except ZeroDivisionError as error:
        raise DatasetError("the shard x is damaged: remove it") from error


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # of Beam, after a failed run
@pytest.mark.parametrize("mode", ["in_memory", "multi_threading"])
def test_an_error_in_a_pipeline_becomes_one_line(mode: str, capsys: pytest.CaptureFixture[str]) -> None:
    import apache_beam as beam

    def command(argv: Sequence[str]) -> int:
        with beam.Pipeline(argv=list(argv)) as pipeline:
            pipeline | beam.Create([0]) | "Step [1]" >> beam.Map(fail)
        return 0

    flags = ["--runner=FnApiRunner", f"--direct_running_mode={mode}", "--direct_num_workers=2"]
    assert run_command(command, flags) == 2
    assert capsys.readouterr().err.splitlines()[-1] == "rsbot: error: the shard x is damaged: remove it"


def test_help_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in ([], ["--help"], ["-h"], ["help"]):
        assert rsbot.main(arguments) == 0
        assert all(f"  {command} " in capsys.readouterr().out for command in ("export",))
    assert rsbot.main(["--version"]) == 0
    assert capsys.readouterr().out == f"{__version__}\n"


def test_an_unknown_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert rsbot.main(["exprt"]) == 2
    assert "there is no command 'exprt'; did you mean export?" in capsys.readouterr().err


@pytest.mark.parametrize("command", rsbot.COMMANDS)
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        rsbot.main([command, "--help"])
    assert caught.value.code == 0
    assert f"rsbot {command}" in capsys.readouterr().out


def test_bad_flags_of_a_command_exit_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert rsbot.main(["export", "--recipe", "landcover"]) == 2
    err = capsys.readouterr().err
    assert err.startswith("rsbot: error: the following arguments are required: --region, --output")
    assert "Traceback" not in err


def test_recipes_lists_and_shows(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert rsbot.main(["recipes"]) == 0
    assert capsys.readouterr().out.startswith("landcover ")
    assert rsbot.main(["recipes", "show", "landcover"]) == 0
    out = capsys.readouterr().out
    assert all(text in out for text in ("clear = 0.6", "B11", "40 #f096ff Cropland", "ESA/WorldCover/v200"))
    assert rsbot.main(["recipes", "show"]) == 2
    assert rsbot.main(["recipes", "show", "landcove"]) == 2
    assert "did you mean 'landcover'" in capsys.readouterr().err


def test_every_error_has_an_exit_code_and_a_message() -> None:
    kinds, found = [RsbotError], []
    while kinds:
        kind = kinds.pop()
        found.append(kind)
        kinds += kind.__subclasses__()
    assert all(kind.exit_code in (1, 2, 3) for kind in found)
    assert all(str(kind("text")) == "text" for kind in found)


@pytest.mark.integration
def test_an_error_that_is_not_ours_ends_the_process_at_once() -> None:
    """With its traceback, and without waiting for threads that are still at work."""
    code = """
import threading, time
from pipelines import rsbot
def main(argv=None):
    threading.Thread(target=time.sleep, args=(60,)).start()
    raise LookupError("a fault of ours")
rsbot.main = main
rsbot.console()
"""
    start = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=50, check=False)
    assert done.returncode == 1
    assert "LookupError: a fault of ours" in done.stderr
    assert time.monotonic() - start < 40
