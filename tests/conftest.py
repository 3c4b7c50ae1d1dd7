"""One thread a matrix product, as in the app: on a busy machine two wait for each other longer than they work."""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
