"""What pages need beside the package itself."""

from __future__ import annotations

import importlib
from typing import Any

from rsbot_beam.errors import InputError


def extra(module: str) -> Any:  # noqa: ANN401 - a module
    """A module of the extra `views`, or one of ours that needs it.

    Args:
        module: Its full name, such as `jinja2`.

    Raises:
        InputError: Something is not installed; says how to install it.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        library = (error.name or module).partition(".")[0]
        raise InputError(f"pages need {library}, which is not installed: pip install 'rsbot-beam[views]'") from error
