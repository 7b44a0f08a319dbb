"""What pages need beside the package itself."""

from __future__ import annotations

import importlib
from typing import Any

from rsbot_beam.errors import InputError


def extra(module: str) -> Any:  # noqa: ANN401 - a module
    """A module of the extra `views`.

    Args:
        module: Its full name, such as `jinja2`.

    Raises:
        InputError: It is not installed; says how to install it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise InputError(
            f"pages need {module}, which is not installed ({error}): pip install 'rsbot-beam[views]'"
        ) from error
