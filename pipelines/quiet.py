"""Keeps the chatter of native libraries off the terminal."""

from __future__ import annotations

import os
import re
import sys
import threading

# TensorFlow's C++ parts write to the process's standard error before any of their settings is read.
_CHATTER = re.compile(
    rb"^([IWE]\d{4} \d\d:\d\d:|[IWE]\d{4} 00:00:|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+: [IWE] |"
    rb"WARNING: All log messages before absl|To enable the following instructions)"
)


def quiet_native_libraries() -> None:
    """Drop the lines that TensorFlow's native code logs; what Python and Beam write stays.

    Standard error of native code goes through a pipe from now on; `sys.stderr` keeps the terminal for itself, which the
    progress line needs.
    """
    terminal = os.dup(2)
    sys.stderr = os.fdopen(os.dup(2), "w", buffering=1)
    reader, writer = os.pipe()
    os.dup2(writer, 2)
    os.close(writer)
    threading.Thread(target=_filter, args=(reader, terminal), daemon=True).start()


def _filter(reader: int, terminal: int) -> None:
    with os.fdopen(reader, "rb") as lines, os.fdopen(terminal, "wb", buffering=0) as out:
        for line in lines:
            if not _CHATTER.match(line):
                out.write(line)
