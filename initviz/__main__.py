"""``python -m initviz`` and ``initviz``: the command line, on one thread unless the environment says otherwise."""

import os
import sys

from initviz.cli import main


def run() -> int:
    """Run the command line; the exit code.

    NumPy has read its number of threads when the package was imported, and on a shared machine the threads of small
    products wait for each other (a diagnosis took five times as long): the command begins again with one.
    """
    if os.name == "posix" and "OPENBLAS_NUM_THREADS" not in os.environ:
        os.execve(sys.executable, sys.orig_argv, os.environ | {"OPENBLAS_NUM_THREADS": "1"})
    return main()


if __name__ == "__main__":
    sys.exit(run())
