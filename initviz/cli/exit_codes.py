"""Exit codes of every command; 0 where nothing is an error."""

FOUND_ERROR, BAD_INPUT = 1, 2
OUTPUT_FAILED = 74  # EX_IOERR of sysexits.h
