"""Rows from a CSV file: numbers to send through a network and a column to be predicted, read without trusting them."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from initviz.core.arrays import Array
from initviz.core.batches import Batch, standardized
from initviz.core.network import INPUT_STREAM, SEED, stream
from initviz.core.validation import Interval, check

MOST_BYTES = 20 * 10**6
MOST_COLUMNS, MOST_ROWS, MOST_CELLS, MOST_CLASSES = 2_000, 20_000, 2_000_000, 1_000
FEW_VALUES = 20  # so many different whole numbers or fewer are taken for classes, as a column of measurements has more
ROWS_A_CLASS = 5  # more values than that are classes where they count from 0 or 1 without a gap, with so many rows each
TARGET_KINDS = MappingProxyType({"auto": "As found", "classes": "Classes", "numbers": "Numbers"})
MOST_SHOWN, MOST_NAMED = 60, 5
MOST_HEAD, HEAD_ROWS = 10**6, 20  # letters and rows that are looked at for a header
SEPARATORS = ",;\t"
MISSING = ("", "?", "NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "-NaN", "nan", "-nan", "NULL", "null", "None")
COUNT = Interval(1, 1_000_000, integer=True)
LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True, eq=False)
class Table:
    """The columns of a file: ``values`` maps a name to floats (rows,), NaN where missing, or to texts.

    ``notes`` are sentences on how it was read and what was left out.
    """

    values: dict[str, Array]
    notes: tuple[str, ...]

    @property
    def columns(self) -> list[str]:
        """Names of the columns, in order."""
        return list(self.values)

    def batch(self, target: str, *, kind: str = "auto", standardize: bool = True, count: int = 128,
              seed: int = 0) -> Batch:
        """``count`` rows, or all where there are fewer, drawn by ``seed``: float32 inputs and the column ``target``.

        ``kind`` says what the target is: "classes", "numbers", which are standardized and predicted by the squared
        error, or "auto". Then words are classes, and so are whole numbers where there are up to 20 different ones, or
        where they count from 0 or 1 without a gap with 5 rows each. Inputs are the other columns of numbers that are
        not constant; rows that miss a value are left out. ValueError where nothing is left to learn from.
        """
        check("target", target, self.values.keys())
        check("target_kind", kind, TARGET_KINDS.keys())
        check("count", count, COUNT)
        inputs = {name: column for name, column in self.values.items()
                  if name != target and column.dtype.kind == "f" and not _constant(column)}
        if not inputs:
            raise ValueError(f"there must be a column of numbers beside the target {_shown(target)} that are not all "
                             "the same")
        x, wanted = np.stack(list(inputs.values()), axis=1), self.values[target]
        whole = np.isfinite(x).all(axis=1) & (np.isfinite(wanted) if wanted.dtype.kind == "f" else wanted != "")
        if whole.sum() < 2:
            raise ValueError("there must be at least two rows without a missing value")
        x, wanted = x[whole], wanted[whole]
        targets, loss, outputs = _targets(target, wanted, kind)
        if standardize:
            x = standardized(x / np.maximum(np.abs(x).max(axis=0), 1))  # squares of the largest numbers overflow
        elif np.abs(x).max() > LARGEST:
            raise ValueError(f"numbers beyond {LARGEST:.1g} need to be standardized")
        chosen = stream(check("seed", seed, SEED), INPUT_STREAM).permutation(len(x))[:count]
        return Batch(x[chosen].astype(np.float32), targets[chosen], loss, outputs)


def _shown(name: str) -> str:
    return repr(name if len(name) <= MOST_SHOWN else f"{name[:MOST_SHOWN]}...")


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMED:,} more" if len(names) > MOST_NAMED else ""
    return ", ".join(_shown(name) for name in names[:MOST_NAMED]) + more


def _lacks_numbers(column: Array) -> bool:
    return not np.isfinite(column).any()


def _constant(column: Array) -> bool:
    finite = column[np.isfinite(column)]
    return not finite.size or bool((finite == finite[0]).all())


def _are_classes(column: Array, kinds: Array) -> bool:
    """Whether a column without missing values, whose different values are ``kinds``, looks like classes."""
    if column.dtype.kind != "f" or len(kinds) <= FEW_VALUES:
        return column.dtype.kind != "f" or bool((kinds == np.round(kinds)).all())
    counted = kinds[0] in (0, 1) and np.array_equal(kinds, kinds[0] + np.arange(len(kinds)))
    return bool(counted and len(column) >= ROWS_A_CLASS * len(kinds))


def _targets(name: str, column: Array, kind: str) -> tuple[Array, str, int]:
    """Targets, loss and number of outputs for a column without missing values."""
    kinds, classes = np.unique(column, return_inverse=True)
    if len(kinds) < 2:
        raise ValueError(f"the target {_shown(name)} must have at least two different values")
    if kind == "numbers" and column.dtype.kind != "f":
        raise ValueError(f"the target {_shown(name)} must be of numbers to be predicted as such, and has "
                         f"{_shown(next((cell for cell in column if not _is_number(cell)), column[0]))}")
    if kind == "numbers" or (kind == "auto" and not _are_classes(column, kinds)):
        scaled = column / max(float(np.abs(column).max()), 1.0)
        return standardized(scaled[:, None]).astype(np.float32), "mse", 1
    if len(kinds) > MOST_CLASSES:
        raise ValueError(f"the target {_shown(name)} must have at most {MOST_CLASSES:,} classes, got {len(kinds):,}")
    return classes.astype(np.int64), "softmax_ce", len(kinds)


def say_target(name: str, batch: Batch) -> str:
    """How a target was read, in one sentence."""
    if batch.loss == "mse":
        return f"The target {_shown(name)} is read as numbers, standardized: squared error."
    return f"The target {_shown(name)} is read as {batch.outputs:,} classes: cross-entropy."


# ---------------------------------------------------------------------------------------------- reading

def read(data: bytes) -> Table:
    """The table in a CSV file's content; ValueError for all that is none.

    Separators are commas, semicolons (then decimal commas, too) or tabs. A first line names the columns where none of
    its cells is a number, or where a word of it stands above numbers. "?" is a missing value, as an empty cell is.
    """
    text = _decoded(data)
    first, second, *_ = [*re.split(r"[\r\n]+", text.strip("\r\n"), maxsplit=2), ""]
    separator = _separator(first, second)
    columns = first.count(separator) + 1
    if columns > MOST_COLUMNS:
        raise ValueError(f"the file must have at most {MOST_COLUMNS:,} columns, got {columns:,}")
    if columns < 2:
        raise ValueError("the file must have at least two columns, inputs and a target, with commas, semicolons or "
                         "tabs between them")
    rows = _first_rows(text, separator)
    if len(rows) > 1 and len(rows[1]) > len(rows[0]):  # pandas would take what has no name for an index
        raise ValueError(f"this cannot be read as a table: line 2 has {len(rows[1])} cells where {len(rows[0])} are "
                         "expected")
    decimal = "," if separator == ";" and "," in text else "."
    header = _is_header(rows, decimal)
    most = min(MOST_ROWS, MOST_CELLS // columns)
    try:
        frame = pd.read_csv(
            io.BytesIO(data), encoding="utf-8-sig", sep=separator, header=0 if header else None, nrows=most + 1,
            skipinitialspace=True, decimal=decimal, na_values=list(MISSING), keep_default_na=False)
    except Exception as error:  # pandas raises many kinds
        where = re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", str(error))
        reason = f": line {where[2]} has {where[3]} cells where {where[1]} are expected" if where else ""
        raise ValueError(f"this cannot be read as a table{reason}") from None
    if len(frame) < 2:
        raise ValueError(f"the file must have at least two rows of data, got {len(frame)}")
    notes = ["The first line is taken for the columns' names." if header else
             "The first line is taken for data, and the columns are numbered."]
    if len(frame) > most:
        frame = frame.iloc[:most]
        notes.append(f"Only the first {most:,} rows are read.")
    values: dict[str, Array] = {}
    for place, name in enumerate(frame.columns):
        text_name = _name(name, place, header)
        values[text_name if text_name not in values else f"{text_name} ({place + 1})"] = _column(frame.iloc[:, place])
    numbers = {name: column for name, column in values.items() if column.dtype.kind == "f"}
    if not numbers:
        raise ValueError("the file must have at least one column of numbers, and has words only")
    if all(_constant(column) for column in numbers.values()):
        raise ValueError("at least one column of numbers must not be constant, and all are")
    return Table(values, (*notes, *_notes(values)))


def _notes(values: dict[str, Array]) -> list[str]:
    notes = []
    words = [name for name, column in values.items() if column.dtype.kind != "f"]
    numbers = {name: column for name, column in values.items() if column.dtype.kind == "f"}
    empty = [name for name, column in numbers.items() if _lacks_numbers(column)]
    constant = [name for name, column in numbers.items() if _constant(column) and name not in empty]
    missing = {name: int((~np.isfinite(column)).sum()) for name, column in numbers.items()
               if name not in constant and name not in empty}
    lacking = [name for name, count in missing.items() if count]
    if words:
        notes.append(f"Columns of words can be the target and are no inputs: {_named(words)}.")
    for name, (row, cell) in [(name, place) for name in words if (place := _stray_word(values[name]))][:MOST_NAMED]:
        notes.append(f"Column {_shown(name)} has numbers, and is one of words for {_shown(cell)} in row {row:,}.")
    if empty:
        notes.append(f"Columns without a number are left out: {_named(empty)}.")
    if constant:
        notes.append(f"Constant columns are left out: {_named(constant)}.")
    if lacking:
        count = sum(missing.values())
        notes.append(f"Rows that miss a number are left out; {count:,} {'is' if count == 1 else 'are'} missing or "
                     f"infinite, in {_named(lacking)}.")
    return notes


def _stray_word(column: Array) -> tuple[int, str] | None:
    """The first cell of a column of words that is no number, and its row, from 1; None where no cell is a number."""
    is_word = np.isnan(_numbers(pd.Series(column, dtype=object))) & (column != "")
    if is_word.sum() == (column != "").sum():
        return None
    row = int(is_word.argmax())
    return row + 1, str(column[row])


def _decoded(data: bytes) -> str:
    if not data.strip():
        raise ValueError("the file is empty: it must have rows of numbers with commas between them")
    if len(data) > MOST_BYTES:
        raise ValueError(f"the file must be at most {MOST_BYTES / 1e6:,.0f} MB, got {len(data) / 1e6:,.0f}")
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise ValueError("the file is UTF-16: save it as UTF-8, which spreadsheets call CSV UTF-8")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError("the file is not UTF-8 text: save it as CSV UTF-8") from None
    if "\0" in text:
        raise ValueError("the file is no text: it holds zero bytes, as UTF-16 and binary files do: save it as CSV "
                         "UTF-8")
    return text


def _separator(first: str, second: str) -> str:
    """Semicolons or tabs where two lines have as many, as commas may be decimal; else what the first has most of."""
    for separator in ";\t":
        if 0 < first.count(separator) == second.count(separator):
            return separator
    return max(SEPARATORS, key=first.count)


def _first_rows(text: str, separator: str) -> list[list[str]]:
    """The cells of the first rows that are not blank."""
    try:
        return list(islice(filter(None, csv.reader(io.StringIO(text[:MOST_HEAD], newline=""), delimiter=separator,
                                                   skipinitialspace=True)), HEAD_ROWS))
    except csv.Error as error:
        raise ValueError(f"this cannot be read as a table: {error}") from None


def _is_header(rows: Sequence[Sequence[str]], decimal: str) -> bool:
    """Whether the first row names the columns: it has a word, and no number or a word above nothing but numbers."""
    def is_word(cell: str) -> bool:
        return not _is_missing(cell) and not _is_number(cell, decimal)

    words = [place for place, cell in enumerate(rows[0]) if is_word(cell)]
    if not any(_is_number(cell, decimal) for cell in rows[0]):
        return bool(words)
    below = [[row[place] for row in rows[1:] if place < len(row) and not _is_missing(row[place])] for place in words]
    return any(column and not any(map(is_word, column)) for column in below)


def _is_missing(cell: str) -> bool:
    return cell.strip() in MISSING


def _is_number(cell: str, decimal: str = ".") -> bool:
    """Whether a number stands here, for pandas: what Python takes for one, but for underscores and nan."""
    try:
        float(cell.replace(decimal, "."))
    except ValueError:
        return False
    return "_" not in cell and not _is_missing(cell)


def _name(name: Any, place: int, header: bool) -> str:
    text = str(name).strip()
    return text if header and text and not text.startswith("Unnamed: ") else f"column {place + 1}"


def _column(column: pd.Series[Any]) -> Array:
    """Floats, NaN where missing or infinite; texts where any cell is a word."""
    numbers = _numbers(column)
    if (np.isnan(numbers) & column.notna().to_numpy()).any():
        return column.fillna("").astype(str).to_numpy(object)
    numbers[np.isinf(numbers)] = math.nan
    return numbers


def _numbers(column: pd.Series[Any]) -> Array:
    """Floats, NaN where there is no number."""
    try:
        return pd.to_numeric(column, errors="coerce").to_numpy(float, na_value=math.nan).copy()
    except OverflowError:  # a whole number of hundreds of digits
        return np.full(len(column), math.nan)
