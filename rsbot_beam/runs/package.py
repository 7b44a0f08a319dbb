"""The package as a file, for workers that install it."""

from __future__ import annotations

import atexit
import functools
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from rsbot_beam.errors import InputError

SETUP_FILE = Path(__file__).parents[2] / "setup.py"
# Seconds: it takes one, and ten on a busy machine.
_TIMEOUT = 120.0


@functools.cache
def build_package() -> str:
    """Build the source distribution with setup.py, once in a process; returns its path in a temporary folder.

    Beam's own `--setup_file` would do so for every step, leave its traces in the checkout, and send the path of the
    checkout along with the job.

    Raises:
        InputError: There is no checkout to build from, or the build fails.
    """
    advice = "or give --setup_file, --extra_package or --sdk_container_image"
    if not SETUP_FILE.is_file():
        raise InputError(f"Dataflow's workers need this package: start from a checkout of the repository, {advice}")
    folder = _temporary_folder()
    build = [sys.executable, SETUP_FILE.name, "-q", "egg_info", "--egg-base", folder, "sdist", "--dist-dir", folder]
    done = subprocess.run(  # noqa: S603 - our own setup.py
        build, cwd=SETUP_FILE.parent, capture_output=True, text=True, timeout=_TIMEOUT, check=False
    )
    built = sorted(Path(folder).glob("*.tar.gz"))
    if done.returncode or len(built) != 1:
        said = done.stderr.strip()[-500:] or done.stdout.strip()[-500:]
        raise InputError(f"the package for Dataflow's workers cannot be built ({said}): install setuptools, {advice}")
    return str(built[0])


@functools.cache
def write_requirements(text: str) -> str:
    """Write a requirements file into a temporary folder; returns its path. The same text has the same file."""
    path = Path(_temporary_folder()) / "requirements.txt"
    path.write_text(text, encoding="utf-8")
    return str(path)


def _temporary_folder() -> str:
    folder = tempfile.mkdtemp(prefix="rsbot-package-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
