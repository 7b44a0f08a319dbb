"""Packaging of rsbot-beam; Dataflow workers install from this file.

The run-time set is what a worker needs to fetch pixels and write raw shards. Everything heavier is an extra:
workers that transform or predict are sent `learning` on top (see rsbot_beam/runs/package.py), laptops install `all`.
"""

from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent

EXTRAS = {
    # tf.Transform pins tfx-bsl, which holds google-api-python-client below 2: see Dependencies in CONTRIBUTING.md.
    "learning": ["tensorflow>=2.21,<2.22", "tensorflow-transform>=1.21,<1.22"],
    # The baseline that scores are reported beside.
    "scores": ["scikit-learn>=1.5"],
    "vectors": ["pyogrio>=0.10"],
    "local": ["starlette>=0.45", "uvicorn>=0.34", "httptools>=0.6", "uvloop>=0.21", "pyogrio>=0.10"],
    # Pictures, pages, and the server of a map's tiles. The XStatic packages carry the page's JavaScript.
    "views": [
        "matplotlib>=3.9",
        "jinja2>=3.1",
        "markupsafe>=2.1",
        "rio-tiler>=9.4,<10",
        "starlette>=0.45",
        "uvicorn>=0.34",
        "pyogrio>=0.10",
        "XStatic-Leaflet>=1.9.3",
    ],
}
EXTRAS["all"] = sorted({requirement for group in EXTRAS.values() for requirement in group})
EXTRAS["test"] = [
    "pytest>=8",
    "shapely>=2.1",
    "pytest-timeout>=2.3",
    "pytest-xdist>=3.6",
    "hypothesis>=6.100",
    "gcp-storage-emulator>=2024.8",
    "psutil>=6",
    "geopandas>=1",
    "rio-cogeo>=5",
    "jsonschema>=4.18",
    "nbclient>=0.10",
    "nbformat>=5.10",
    "ipykernel>=6.29",
    "playwright>=1.50",
]
EXTRAS["lint"] = ["ruff>=0.9", "mypy>=1.14", "pre-commit>=4", "types-shapely", "types-requests"]

setup(
    name="rsbot-beam",
    version=(HERE / "rsbot_beam" / "VERSION").read_text(encoding="utf-8").strip(),
    description="Earth Engine to TensorFlow and back to maps, at continental scale, with Apache Beam",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.10,<3.13",
    packages=find_packages(include=["rsbot_beam", "rsbot_beam.*", "pipelines", "pipelines.*"]),
    package_data={"rsbot_beam": ["VERSION", "py.typed", "pages/templates/*", "pages/static/*"]},
    install_requires=[
        "affine>=2.4",
        "apache-beam[gcp]>=2.77,<2.78",
        "earthengine-api>=1.7",
        "google-auth>=2.35",
        "google-cloud-storage>=2.18",
        "google-crc32c>=1.6",
        "numpy>=1.26",
        "odc-geo>=0.4.9",
        "pyarrow>=16",
        "pyproj>=3.6",
        "pystac>=1.12",
        "rasterio>=1.4",
        "shapely>=2.0.6",
        "tqdm>=4.66",
        "urllib3>=2.2",
    ],
    extras_require=EXTRAS,
    entry_points={"console_scripts": ["rsbot=pipelines.rsbot:console"]},
    classifiers=[
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Topic :: Scientific/Engineering :: GIS",
    ],
)
