"""The command line: a diagnosis for a terminal or a CI, the table of formulas, and a simulation's numbers."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from initviz.cli.commands import run_diagnose, run_formulas, run_simulate
from initviz.cli.options import BAD_INPUT, parser
from initviz.core.threads import one_thread_a_product

COMMANDS = {"diagnose": run_diagnose, "formulas": run_formulas, "simulate": run_simulate}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code. Bad input is one sentence on stderr."""
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # a terminal that has no superscripts still gets its numbers
    options = parser(COMMANDS).parse_args(arguments)
    one_thread_a_product()
    try:
        code = int(options.run(options))
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # the reader, such as head, has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (ValueError, OSError) as error:
        print(f"initviz: {error}", file=sys.stderr)
    except MemoryError:
        print("initviz: sizes must fit this machine's memory", file=sys.stderr)
    return BAD_INPUT
