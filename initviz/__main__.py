"""``python -m initviz``: the command line."""

import os
import sys

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy is imported: see app.py

from initviz.cli import main

sys.exit(main())
