"""Threads: how many a matrix product takes, and one that measures a layer while the next is computed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np  # what is limited must be loaded
from threadpoolctl import threadpool_limits

from initviz.core.propagation import QUIET


def one_thread_a_product() -> None:
    """Make NumPy compute each product on one thread, unless the environment's OPENBLAS_NUM_THREADS differs.

    The threads of one small product wait for each other far longer than they work wherever another process is busy: on
    two cores beside a browser a race took twice as long, and a step of training nine times.
    """
    if "OPENBLAS_NUM_THREADS" not in os.environ:
        threadpool_limits(1, user_api="blas")


@contextmanager
def second_thread(large: bool) -> Iterator[Callable[..., None]]:
    """What does a piece of work: at once, as a small layer is still in the processor's cache; of ``large`` layers on a
    thread of its own while the next product is computed, but never more than one piece behind.
    """
    if not large:
        yield lambda work, *args: work(*args)
        return
    pending: list[Future[None]] = []

    def wait() -> None:
        while pending:
            pending.pop().result()

    def do(work: Callable[..., None], *args: Any) -> None:
        wait()
        pending.append(pool.submit(np.errstate(**QUIET)(work), *args))

    with ThreadPoolExecutor(1, "initviz-statistics") as pool:
        yield do
        wait()
