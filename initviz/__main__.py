"""``python -m initviz`` and ``initviz``: the command line."""

import os
import sys

# Before NumPy is imported: on a shared machine the threads of small products wait for each other (a diagnosis took five
# times as long).
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from initviz.cli import main

if __name__ == "__main__":
    sys.exit(main())
