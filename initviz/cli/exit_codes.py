"""Exit codes of every command; 0 where nothing is an error."""

FOUND_ERROR, BAD_INPUT = 1, 2
OUTPUT_FAILED = 74  # EX_IOERR of sysexits.h
CLOSED_PIPE, INTERRUPTED = 141, 130  # 128 and the signal's number, as a shell says it
IN_WORDS = (f"Exit code: 0; {FOUND_ERROR} where a finding is an error; {BAD_INPUT} where the input is bad; "
            f"{OUTPUT_FAILED} where the output cannot be written; {INTERRUPTED} where the run is interrupted; "
            f"{CLOSED_PIPE} where the reader of the output closes it.")
