"""The command line: a diagnosis for a terminal or a CI, the table of formulas, and a simulation's numbers."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Sequence

from initviz.cli.exit_codes import BAD_INPUT, CLOSED_PIPE, INTERRUPTED, OUTPUT_FAILED
from initviz.core.wording import shown

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}


def _run(arguments: Sequence[str] | None) -> int:
    """Read the arguments and run their command; what was printed has been written when this returns or raises."""
    from initviz.cli.commands import run_diagnose, run_formulas, run_simulate  # seconds, which can be interrupted
    from initviz.cli.options import parser
    from initviz.core.threads import one_thread_a_product

    try:
        options = parser({"diagnose": run_diagnose, "formulas": run_formulas,
                          "simulate": run_simulate}).parse_args(arguments)
        one_thread_a_product()
        return int(options.run(options))
    finally:
        sys.stdout.flush()


def _complain(sentence: str) -> None:
    with contextlib.suppress(OSError):
        print(f"initviz: {sentence}", file=sys.stderr)


def _drop_output() -> None:
    """What could not be written is not tried again when Python ends."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code; an error is one sentence on stderr."""
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # a terminal that has no superscripts still gets its numbers
    try:
        return _run(arguments)
    except BrokenPipeError:
        _drop_output()
        _complain("the reader of the output closed it before its end")
        return CLOSED_PIPE
    except KeyboardInterrupt:
        _complain("interrupted")
        return INTERRUPTED
    except OSError as error:
        if error.errno in FULL:
            _drop_output()
            _complain(f"the output could not be written: {error.strerror}")
            return OUTPUT_FAILED
        _complain(f"{shown(str(error.filename))} cannot be opened: {error.strerror}" if error.filename else str(error))
    except ValueError as error:
        _complain(str(error))
    except MemoryError:
        _complain("sizes must fit this machine's memory")
    return BAD_INPUT
