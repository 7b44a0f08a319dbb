"""How GDAL reaches a map's files: paths, settings, and open datasets that are kept."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import rasterio
from rasterio.io import DatasetReader

from rsbot_beam import storage

MOST_HANDLES = 48
"""Datasets that are kept open for the next reader. The layer of 10,000 blocks takes some 15 MB once it is open."""

# Where `gcloud auth application-default login` leaves the credentials that Google's own clients find.
_GCLOUD = Path("~/.config/gcloud/application_default_credentials.json")


def gdal_path(path: str) -> str:
    """The path by which GDAL opens a file, local or `gs://`."""
    return f"/vsigs/{path[len(storage.GCS_SCHEME) :]}" if storage.is_gcs(path) else path


def gdal_settings(path: str) -> dict[str, str]:
    """Settings of GDAL with which a map's files are read; of those in buckets few requests are made."""
    # Without it GDAL lists the folder, of thousands of files, each time that it opens one: it looks for sidecars.
    found = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR", "GDAL_NUM_THREADS": "1"}
    if not storage.is_gcs(path):
        return found
    found |= {"VSI_CACHE": "TRUE", "GDAL_HTTP_MERGE_CONSECUTIVE_RANGES": "YES", "GDAL_HTTP_MAX_RETRY": "3"}
    emulator = os.environ.get("STORAGE_EMULATOR_HOST")
    if emulator:
        return found | {"CPL_GS_ENDPOINT": emulator.rstrip("/") + "/", "GS_NO_SIGN_REQUEST": "YES"}
    gcloud = _GCLOUD.expanduser()
    if not os.environ.get("GOOGLE_APPLICATION_CREDENTIALS") and gcloud.is_file():
        found["GOOGLE_APPLICATION_CREDENTIALS"] = str(gcloud)
    return found


class Handles:
    """Open datasets, each lent to one thread at a time: GDAL's are not safe to share. Fit for many threads.

    Args:
        settings: Of GDAL, while a dataset is lent.
        most: Datasets that are kept open; beyond, the one that has rested longest is closed.
    """

    def __init__(self, settings: dict[str, str], most: int = MOST_HANDLES) -> None:
        self._settings = settings
        self._most = most
        self._lock = threading.Lock()
        # By name and a number; the one that was given back last is at the end.
        self._resting: OrderedDict[tuple[str, int], DatasetReader] = OrderedDict()
        self._given = 0

    @contextmanager
    def lend(self, source: str) -> Iterator[DatasetReader]:
        """An open dataset for the time of a `with`.

        Args:
            source: What GDAL opens: a path, or the text of a VRT.

        Raises:
            rasterio.errors.RasterioIOError: It cannot be opened.
        """
        # Counts for the thread that it is made in only.
        with rasterio.Env(**self._settings):
            dataset = self._take(source) or rasterio.open(source)
            try:
                yield dataset
            except BaseException:
                # What GDAL said last stays with the thread until rasterio raises it at the next such look: not at the next
                # file's.
                with suppress(Exception):
                    _ = dataset.colorinterp
                dataset.close()
                raise
            self._give_back(source, dataset)

    def close(self) -> None:
        """Close what rests."""
        with self._lock:
            resting, self._resting = self._resting, OrderedDict()
        for dataset in resting.values():
            dataset.close()

    def __len__(self) -> int:
        return len(self._resting)

    def _take(self, source: str) -> DatasetReader | None:
        with self._lock:
            for key in reversed(self._resting):
                if key[0] == source:
                    return self._resting.pop(key)
        return None

    def _give_back(self, source: str, dataset: DatasetReader) -> None:
        with self._lock:
            self._given += 1
            self._resting[source, self._given] = dataset
            spare = self._resting.popitem(last=False)[1] if len(self._resting) > self._most else None
        if spare is not None:
            spare.close()
