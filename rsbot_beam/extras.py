"""Libraries that not every installation has: who lacks one is told which extra has it."""

from __future__ import annotations

import importlib.util

from rsbot_beam.errors import InputError

# Module -> extra of `setup.py`.
EXTRA_OF = {
    "tensorflow": "learning",
    "tensorflow_transform": "learning",
    "tensorflow_metadata": "learning",
    "tfx_bsl": "learning",
    "keras": "learning",
    "sklearn": "scores",
    "pyogrio": "vectors",
    "starlette": "local",
    "uvicorn": "local",
    "httptools": "local",
    "matplotlib": "views",
    "jinja2": "views",
    "markupsafe": "views",
    "rio_tiler": "views",
    "xstatic": "views",
}


def require(modules: tuple[str, ...], purpose: str, otherwise: str = "") -> None:
    """Find out before the work begins that a library is missing.

    Args:
        modules: What is needed, of `EXTRA_OF`.
        purpose: What needs it, as the beginning of a sentence.
        otherwise: What else can be done, as its end.

    Raises:
        InputError: One is not installed.
    """
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(f"{purpose} needs {', '.join(missing)}: {remedy(missing[0])}{otherwise}")


def remedy(module: str) -> str:
    """How to install a module of `EXTRA_OF`."""
    return f"pip install 'rsbot-beam[{EXTRA_OF[module]}]'"


def of_missing(error: ModuleNotFoundError) -> InputError | None:
    """The error for people where a library of an extra could not be imported; None for any other module."""
    module = (error.name or "").partition(".")[0]
    if module not in EXTRA_OF:
        return None
    return InputError(f"this needs {module}, which is not installed: {remedy(module)}")
