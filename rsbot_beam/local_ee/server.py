"""The HTTP server: routes, authorisation, limits and faults around the evaluation of requests.

The unmodified client connects to it like this:

    import ee
    from google.auth.credentials import AnonymousCredentials

    ee.Initialize(credentials=AnonymousCredentials(), project="local", url="http://127.0.0.1:8791")

`ee.Initialize` also asks storage.googleapis.com for a list of deprecated assets, whatever the url; without internet it
fails at once and only means that no deprecation warnings are shown.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import sys
import threading
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from rsbot_beam.errors import InputError
from rsbot_beam.local_ee import protocol
from rsbot_beam.local_ee.answers import RequestError, error_body
from rsbot_beam.local_ee.asgi import HangingResponse, JsonResponse, PartsResponse, ResetResponse, TruncatedResponse
from rsbot_beam.local_ee.faults import FaultPlan, Faults
from rsbot_beam.local_ee.limits import MAX_CONCURRENT, MAX_QPS, Limits, Quota
from rsbot_beam.local_ee.provider import Provider
from rsbot_beam.local_ee.requests import Evaluator, PixelAnswer
from rsbot_beam.local_ee.stats import Stats
