"""The functions of the expression graph, one module for each family; importing this registers them all."""

from rsbot_beam.local_ee.functions import (  # noqa: F401
    arithmetic,
    bands,
    casts,
    collections,
    filtering,
    masks,
    reducing,
    sources,
)
