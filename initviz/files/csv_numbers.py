"""Numbers as people write them in the cells of a table: with separators of thousands, currency and percent signs."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from initviz.core.arrays import Array

MISSING = ("", "?", "NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "-NaN", "nan", "-nan", "NULL", "null", "None")
MINUS = "\u2212"
SPACE, SIGN = "[ \t\n\f\r]*", f"[-+{MINUS}]?"  # of ASCII, spelled out: for \s pandas leaves Arrow's faster expressions
MARKS = "' \u00a0\u202f"
MONEY = "(?:[$\u20ac\u00a3\u00a5]|USD|EUR|GBP)?"
DECORATED = {  # numbers with thousands separators, currency and percent signs, by their decimal sign
    decimal: (rf"{SPACE}\(?{SPACE}{SIGN}{SPACE}{MONEY}{SPACE}{SIGN}"
              rf"(?:[0-9]{{1,3}}(?:[{thousands}{MARKS}][0-9]{{3}})+|[0-9]+)?"
              rf"(?:[{decimal}][0-9]*)?(?:[eE][-+]?[0-9]+)?{SPACE}(?:%|{MONEY}){SPACE}\)?{SPACE}")
    for decimal, thousands in ((".", ","), (",", "."))}
PLAIN_DECORATED = {decimal: re.compile(pattern) for decimal, pattern in DECORATED.items()}
PLAIN = rf"{SPACE}[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?{SPACE}|{SPACE}[-+]?[Ii]nf(?:inity)?{SPACE}"
CELLS = 100_000  # that are converted at once: their texts take some 20 MB
NOT_ASCII = re.compile("[^\x00-\x7f]+")


def converted(columns: dict[int, pd.Series[Any]], decimal: str) -> dict[int, tuple[Array, bool]]:
    """The columns of texts that hold numbers alone: floats, NaN where missing, and whether signs stood by them."""
    firsts = {place: _first(column) for place, column in columns.items()}
    left = {place: column for place, column in columns.items() if is_number(firsts[place])}
    numbers: dict[int, tuple[Array, bool]] = {}
    for sign in ("", *dict.fromkeys((decimal, *DECORATED))):
        fitting = [place for place in left if re.fullmatch(DECORATED[sign] if sign else PLAIN, firsts[place])]
        for places, texts in _batches(left, fitting):
            matched = texts.str.fullmatch(DECORATED[sign] if sign else PLAIN).to_numpy(bool, na_value=True)
            whole = matched.reshape(len(places), -1).all(axis=1)
            if not whole.any():
                continue
            if not whole.all():
                texts = texts[np.repeat(whole, len(texts) // len(places))]
            if (found := _floats(texts, sign)) is not None:
                chosen = [place for place, fits in zip(places, whole, strict=True) if fits]
                numbers |= {place: (column, bool(sign)) for place, column in zip(
                    chosen, found.reshape(len(chosen), -1), strict=True)}
        left = {place: column for place, column in left.items() if place not in numbers}
    return numbers


def _first(column: pd.Series[Any]) -> str:
    """The first text that is not missing, "" where all are."""
    first = column.iat[0]
    return first if isinstance(first, str) else next(iter(column.dropna().iloc[:1]), "")


def _batches(columns: dict[int, pd.Series[Any]],
             places: Sequence[int]) -> Iterator[tuple[Sequence[int], pd.Series[Any]]]:
    """The columns of those places one under another, so many at a time that their texts take little memory."""
    if not places:
        return
    step = max(CELLS // len(columns[places[0]]), 1)
    for first in range(0, len(places), step):
        some = places[first:first + step]
        yield some, pd.concat([columns[place] for place in some], ignore_index=True)


def _floats(texts: pd.Series[Any], sign: str) -> Array | None:
    """The numbers of texts that are known to be some; (1,234) is below 0. None where one is beyond all reading."""
    lines = "\n".join(texts.fillna("").tolist())
    if sign:
        if not lines.isascii():
            lines = NOT_ASCII.sub("", lines.replace(MINUS, "-"))
        for word in ("USD", "EUR", "GBP"):
            lines = lines.replace(word, "")
        kept = f"0123456789eE+-{sign}(\n"
        left_out = bytes(code for code in range(128) if chr(code) not in kept)
        lines = lines.encode().translate(bytes.maketrans(f"{sign}(".encode(), b".-"), left_out).decode()
        if "--" in lines or "-+" in lines:
            lines = re.sub("-[-+]", "-", lines)
    try:
        found = pd.read_csv(io.StringIO(lines + "\n"), header=None, names=["number"], dtype={"number": float},
                            skip_blank_lines=False, na_values=[""], keep_default_na=False, quoting=csv.QUOTE_NONE,
                            sep="\x1f", engine="c")["number"].to_numpy(float, copy=True)
    except Exception:  # pandas raises many kinds
        return None
    return found if len(found) == len(texts) else None


def is_decorated(cell: str, decimal: str) -> bool:
    """Whether a number stands here, with the signs that people write beside it."""
    return bool(PLAIN_DECORATED[decimal].fullmatch(cell)) and bool(re.search("[0-9]", cell))


def is_missing(cell: str) -> bool:
    """Whether a cell says that there is no value."""
    return cell.strip() in MISSING


def is_number(cell: str, decimal: str = ".") -> bool:
    """Whether a number stands here: what Python takes for one, but for underscores and nan, or one with its signs."""
    if is_missing(cell):
        return False
    return is_plain(cell.replace(decimal, ".")) or any(is_decorated(cell, sign) for sign in DECORATED)


def is_plain(cell: str) -> bool:
    """Whether Python takes it for a number, but for underscores and nan."""
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell and not is_missing(cell)


def stray_word(column: pd.Series[Any]) -> tuple[int, str] | None:
    """The first cell of a column of words that is no number, and its row, from 1; None where no cell is a number."""
    known = column.notna().to_numpy(bool) & (column != "").to_numpy(bool, na_value=False)
    is_word = known & ~column.str.fullmatch(PLAIN).to_numpy(bool, na_value=False)
    if is_word.sum() == known.sum():
        return None
    row = int(is_word.argmax())
    return row + 1, str(column.iloc[row])
