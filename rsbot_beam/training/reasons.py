"""What TensorFlow says went wrong, as people can read it."""

from __future__ import annotations

import re

import tensorflow as tf

# Names of functions, nodes and operations: of no use to those who have not written them.
_INSIDES = re.compile(r"\{\{.*?\}\}|\[\[.*?\]\]|\[Op:.*", re.DOTALL)


def reason(error: tf.errors.OpError) -> str:
    """The message of an error in one line, without the insides of the graph."""
    lines = (line.strip() for line in _INSIDES.sub("", error.message).splitlines())
    return " ".join(line for line in lines if line).rstrip(".") or type(error).__name__
