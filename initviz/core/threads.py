"""How many threads a matrix product takes."""

import os

import numpy  # noqa: F401  what is limited must be loaded
from threadpoolctl import threadpool_limits


def one_thread_a_product() -> None:
    """From here on NumPy computes each product on one thread, unless the environment's OPENBLAS_NUM_THREADS differs.

    The threads of one small product wait for each other far longer than they work wherever another process is busy: on
    two cores beside a browser a race took twice as long, and a step of training nine times.
    """
    if "OPENBLAS_NUM_THREADS" not in os.environ:
        threadpool_limits(1, user_api="blas")
