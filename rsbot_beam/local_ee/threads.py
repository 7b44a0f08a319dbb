"""The threads in which requests are computed."""

from __future__ import annotations

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

# Deep graphs (hundreds of chained operations) recurse through a few Python frames for each node.
RECURSION_LIMIT = 20_000
STACK_BYTES = 256 * 1024 * 1024  # of each worker thread; reserved, not used, unless a graph is that deep
# NumPy lets other threads run in its loops only; more threads than cores and a little waste memory.
WORKERS = max(2, min(8, (os.cpu_count() or 2)))


def worker_pool() -> ThreadPoolExecutor:
    """Threads with stacks for deep graphs."""
    sys.setrecursionlimit(max(RECURSION_LIMIT, sys.getrecursionlimit()))
    before = threading.stack_size(STACK_BYTES)
    pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="evaluate")
    # Threads start when work arrives, with the stack size of that moment: all are started now.
    barrier = threading.Barrier(WORKERS + 1)
    for _ in range(WORKERS):
        pool.submit(barrier.wait)
    barrier.wait()
    threading.stack_size(before)
    return pool
