"""Columns of text: rows whose cells stand below one another."""

from __future__ import annotations

from collections.abc import Sequence


def printable(text: str, most: int) -> str:
    """Text of a file on one line: no control characters, cut to at most so many letters."""
    line = "".join(letter if letter.isprintable() else "?" for letter in text)
    return line if len(line) <= most else f"{line[:most - 3]}..."


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Rows of one number of cells as lines, each column as wide as its widest cell and two spaces before the next."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
                     for row in rows)
