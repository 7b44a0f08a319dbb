"""Fixtures of all tests: patches of made pixels, and a Google Cloud Storage on loopback."""

from __future__ import annotations

import json
import socket
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

from rsbot_beam import storage
from rsbot_beam.data.bands import Band, LabelClass, Layout
from rsbot_beam.data.patch import Patch
from rsbot_beam.geometry import TileKey
from tests.browser import browser, open_page, serve_folder  # noqa: F401 - fixtures
from tests.scheduling import (  # noqa: F401 - hooks of pytest
    pytest_collection_finish,
    pytest_collection_modifyitems,
    pytest_xdist_make_scheduler,
)

SIZE = 8

# A busy machine takes its time; what hangs is ended by the timeout of the test.
settings.register_profile("rsbot", deadline=None)
settings.load_profile("rsbot")


@pytest.fixture(scope="session")
def layout() -> Layout:
    """Two integer bands and a label."""
    return Layout(
        (Band("B4", "uint16"), Band("B8", "uint16")),
        label=Band("landcover", "uint8"),
        classes=(LabelClass(10, "trees"), LabelClass(40, "crops")),
    )


@pytest.fixture(scope="session")
def series_layout() -> Layout:
    """A time series of three steps, a static band, and a label."""
    return Layout((Band("VV", "float32"),), 3, (Band("height", "int16"),), Band("crop", "uint8"))


@pytest.fixture(scope="session")
def make_key() -> Callable[..., TileKey]:
    """Makes the key of the tile at a place of the grid of `SIZE` pixels."""

    def key(row: int = 0, col: int = 0, size: int = SIZE) -> TileKey:
        return TileKey("EPSG:32633", 10.0, size, row * size, col * size)

    return key


@pytest.fixture(scope="session")
def make_patch(make_key: Callable[..., TileKey]) -> Callable[..., Patch]:
    """Makes a patch whose pixels follow from its place: `gaps` is the share of pixels that are not valid."""

    def patch(layout: Layout, row: int = 0, col: int = 0, gaps: float = 0.0, size: int = SIZE) -> Patch:
        rng = np.random.default_rng([row + 1000, col + 1000, layout.steps])
        pixels, valid = {}, {}
        for band in layout.all_bands:
            shape = layout.shape(band, size)
            good = rng.random(shape) >= gaps
            made = rng.normal(0.0, 30.0, shape) if band.numpy.kind in "f" else rng.integers(0, 120, shape)
            pixels[band.name] = np.where(good, made, 0).astype(band.numpy)
            valid[band.name] = good
        return Patch(make_key(row, col, size), layout, pixels, valid)

    return patch


@pytest.fixture(scope="session")
def same_patch() -> Callable[[Patch, Patch], bool]:
    """Whether two patches are equal bit for bit, NaN included."""

    def same(a: Patch, b: Patch) -> bool:
        names = [band.name for band in a.layout.all_bands]
        return a.key == b.key and all(
            a.pixels[n].dtype == b.pixels[n].dtype
            and a.pixels[n].shape == b.pixels[n].shape
            and a.pixels[n].tobytes() == b.pixels[n].tobytes()
            and np.array_equal(a.valid[n], b.valid[n])
            for n in names
        )

    return same


@pytest.fixture(scope="session")
def google_credentials(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Key file of a service account that exists nowhere: Google's clients look for no other, which takes them 20 s."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    account = {
        "type": "service_account",
        "project_id": "rsbot-tests",
        "private_key_id": "0",
        "private_key": key.decode(),
        "client_email": "tests@rsbot-tests.iam.gserviceaccount.com",
        "client_id": "0",
        "token_uri": "http://127.0.0.1:9/token",
    }
    path = tmp_path_factory.mktemp("credentials") / "account.json"
    path.write_text(json.dumps(account))
    return str(path)


@pytest.fixture(scope="session")
def gcs_server(google_credentials: str) -> Iterator[str]:
    """Runs a Google Cloud Storage in memory for the session; yields the name of its bucket.

    STORAGE_EMULATOR_HOST and the credentials stay set until the end of the session, as clients keep them.
    """
    from gcp_storage_emulator.server import create_server  # type: ignore[import-untyped]

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = create_server("127.0.0.1", port, in_memory=True, default_bucket="rsbot-tests")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{port}")
        patch.setenv("GOOGLE_APPLICATION_CREDENTIALS", google_credentials)
        patch.setenv("GOOGLE_CLOUD_PROJECT", "rsbot-tests")
        server.start()
        try:
            yield "rsbot-tests"
        finally:
            server.stop()
            storage._bucket_at.cache_clear()
            storage.local_folder.cache_clear()


@pytest.fixture
def gcs(gcs_server: str) -> str:
    """A `gs://` folder of the test's own, on an emulator on loopback."""
    return f"{storage.GCS_SCHEME}{gcs_server}/{uuid.uuid4().hex}"


@pytest.fixture(params=["local", pytest.param("gcs", marks=pytest.mark.integration)])
def any_folder(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A new folder, once local and once `gs://`."""
    return str(tmp_path / "folder") if request.param == "local" else str(request.getfixturevalue("gcs"))
