"""The CPU time that a table of nearly 20 MB takes to be read, beside pandas reading the same file, a row a kind.

    python -m tests.benchmarks.csv_files [KIND ...]
"""

from __future__ import annotations

import io
import random
import sys
import time
from collections.abc import Callable

import pandas as pd

from initviz.files import csv_table

MOST = 19_500_000  # bytes
RNG = random.Random(0)
WORDS = ("alpha", "beta", "gamma", "delta")


def filled(cell: Callable[[], str], columns: int, separator: str = ",", after: str = "") -> bytes:
    """Rows of such cells and a number of their own, up to the limit."""
    lines = [separator.join(f"c{place}" for place in range(columns))]
    size = 0
    while size < MOST:
        lines.append(separator.join([*(cell() for _ in range(columns - 1)), str(len(lines))]) + after)
        size += len(lines[-1]) + 1
    return ("\n".join(lines[:-1]) + "\n").encode()


def money() -> str:
    return f'"${RNG.randint(1_000, 9_999_999):,}"'


KINDS: dict[str, Callable[[], bytes]] = {
    "numbers": lambda: filled(lambda: f"{RNG.gauss(0, 1):.5f}", 10),
    "numbers, 2,000 columns": lambda: filled(lambda: f"{RNG.gauss(0, 1):.3f}", 2000),
    '"$1,234"': lambda: filled(money, 10),
    '"$1,234", 1,000 columns': lambda: filled(money, 1000),
    "percent": lambda: filled(lambda: f"{100 * RNG.random():.2f}%", 10),
    "few words": lambda: filled(lambda: RNG.choice(WORDS), 10),
    "few words, 2,000 columns": lambda: filled(lambda: RNG.choice(WORDS), 2000),
    "names": lambda: filled(lambda: f"name{RNG.randint(0, 10**9)}", 10),
    "names, 1,000 columns": lambda: filled(lambda: f"name{RNG.randint(0, 10**9)}", 1000),
    "quoted decimal commas": lambda: filled(lambda: f'"{RNG.gauss(0, 1):.3f}"'.replace(".", ","), 10),
    "decimal commas": lambda: filled(lambda: f"{RNG.gauss(0, 1):.3f}".replace(".", ","), 10, ";"),
    "comments between rows": lambda: filled(lambda: f"{RNG.gauss(0, 1):.5f}", 10, after="\n# a comment"),
    "comments above": lambda: b"# x\n" * 3_000_000 + filled(lambda: f"{RNG.gauss(0, 1):.5f}", 10)[:7_000_000]}


def seconds(read: Callable[[], object]) -> float:
    """The least CPU time of two runs, which work of others on the machine does not lengthen."""
    taken = []
    for _ in range(2):
        began = time.process_time()
        read()
        taken.append(time.process_time() - began)
    return min(taken)


def row(data: bytes, comment: str | None) -> str:
    """The file's size, the seconds that it takes, and how many times those of pandas they are."""
    pandas = seconds(lambda: pd.read_csv(io.BytesIO(data), comment=comment))
    ours = seconds(lambda: csv_table.read(data))
    return f"{len(data) / 1e6:6.1f}{ours:9.2f}{ours / pandas:10.1f}"


def main(chosen: list[str]) -> None:
    """Print a row for each kind."""
    print(f"{'kind':28s}{'MB':>6s}{'seconds':>9s}{'÷ pandas':>10s}")
    for kind, make in KINDS.items():
        if chosen and kind not in chosen:
            continue
        print(f"{kind:28s}{row(make(), '#' if 'comments' in kind else None)}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
