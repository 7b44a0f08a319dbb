"""An export by geebeam, run by the Python of its own environment: `geebeam_job.py URL FORMAT WORKERS POINTS OUTPUT`.

geebeam is called as its documentation says. From outside, two things are changed: `ee.Initialize` goes to the URL given,
without credentials; and the client's list of deprecated assets, which comes from another host, is left out. Beam's runner
is named, so that none is downloaded.
"""

from __future__ import annotations

import json
import sys
import time

import ee
import google.auth.credentials
import pandas as pd  # type: ignore[import-untyped]

ASSET = "projects/local/assets/bench"
CRS, RESOLUTION, PATCH = "EPSG:32633", 10, 128


def connect_to(url: str) -> None:
    """Make every `ee.Initialize` connect to the URL."""
    initialize = ee.Initialize
    ee.deprecation.InitializeDeprecatedAssets = lambda: None

    def initialize_locally(*_: object, **__: object) -> None:
        initialize(google.auth.credentials.AnonymousCredentials(), url=url, project="local")

    ee.Initialize = initialize_locally


def main() -> None:
    url, output_type, workers, points_file, output = sys.argv[1:]
    connect_to(url)
    ee.Initialize(project="local")
    import geebeam  # type: ignore[import-not-found]

    with open(points_file, encoding="utf-8") as file:  # noqa: PTH123 - no need for more in a foreign environment
        points = pd.DataFrame(json.load(file), columns=["x", "y"])
    options: dict[str, str | int] = {"runner": "FnApiRunner"}
    if int(workers) > 1:
        options |= {"direct_num_workers": int(workers), "direct_running_mode": "multi_threading"}
    start = time.perf_counter()
    geebeam.run_pipeline(
        image_list=[ee.Image(ASSET)],
        sampling_points=points,
        output_path=output,
        project="local",
        patch_size=PATCH,
        scale=RESOLUTION,
        crs=CRS,
        output_type=output_type,
        position="top-left",
        beam_options=options,
    )
    print("seconds", time.perf_counter() - start)


if __name__ == "__main__":
    main()
