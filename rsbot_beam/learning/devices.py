"""What TensorFlow finds on this machine."""

from __future__ import annotations

import os
import time
from typing import Any


def describe_devices() -> dict[str, Any]:
    """Version of TensorFlow, names of the GPUs that it sees, cores, and the seconds that importing took."""
    start = time.monotonic()
    import tensorflow as tf

    seconds = time.monotonic() - start
    gpus = tf.config.list_physical_devices("GPU")
    names = [str(tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name)) for gpu in gpus]
    return {"tensorflow": tf.__version__, "gpus": names, "cpus": os.cpu_count() or 1, "seconds": seconds}
