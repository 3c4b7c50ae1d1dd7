"""``python -m initviz`` and ``initviz``: the command line."""

import sys

from initviz.cli import main

if __name__ == "__main__":
    sys.exit(main())
