"""An environment with geebeam, made once below `.venv`."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

VERSION = "0.5.3"
REQUIREMENT = f"geebeam[tensorflow]=={VERSION}"
# As in the Makefile.
UV_VERSION = "0.13.9"
# Seconds for 3 GB of packages from a slow registry.
TIMEOUT = 600


def geebeam_python() -> Path:
    """The Python of an environment with geebeam; installs it when it is missing.

    Raises:
        subprocess.SubprocessError: It cannot be installed; the error has what was printed.
    """
    home = Path(sys.prefix) / "geebeam"
    python, ready = home / "bin" / "python", home / f".ready-{VERSION}"
    if not ready.exists():
        uv = _uv()
        _run([uv, "venv", "--quiet", "--allow-existing", "--python", sys.executable, str(home)])
        _run([uv, "pip", "install", "--quiet", "--python", str(python), REQUIREMENT])
        ready.touch()
    return python


def _uv() -> str:
    own = Path(sys.prefix) / "uv"
    found = shutil.which("uv", path=str(own / "bin")) or shutil.which("uv")
    if found:
        return found
    _run([sys.executable, "-m", "venv", str(own)])
    _run([str(own / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check", f"uv=={UV_VERSION}"])
    return str(own / "bin" / "uv")


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=TIMEOUT)
