"""From a CSV file's bytes to columns: separators, header, comments, units, and numbers as people write them."""

from __future__ import annotations

import codecs
import csv
import io
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import Any

import numpy as np
import pandas as pd

from initviz.core.arrays import Array
from initviz.core.wording import cut, named, shown
from initviz.files.csv_lines import (
    HEAD_ROWS,
    MOST_HEAD,
    SPACES,
    from_first_row,
    separator_of,
    whole_lines,
    without_comments,
    without_titles,
)
from initviz.files.csv_numbers import MISSING, beside_numbers, converted, is_missing, is_number, truths, without_words
from initviz.files.stand_ins import check_is_itself

MOST_BYTES = 20 * 10**6
MOST_COLUMNS, MOST_ROWS, MOST_CELLS = 2_000, 20_000, 2_000_000
HEAD_CELLS = 10_000  # to learn how a file is written
MOST_DIGITS = 10  # of a row's number
ARCHIVES = (b"PK\3\4", b"\xd0\xcf\x11\xe0", b"PAR1", b"%PDF", b"\x1f\x8b")  # zip, Excel's old one, Parquet, PDF, gzip
JSON = re.compile(rb"\s*(?:\[\s*)?\{\s*\"[^\"\n]*\"\s*:|\s*\[\s*\[")
SEP_LINE = re.compile(r"\s*\"?sep=(.)\"?[ \t]*(?:\r\n|\r|\n)", re.IGNORECASE)


@dataclass(frozen=True)
class Text:
    """How a file is written: where its rows begin, what stands between cells, and whether a line names the columns.

    ``numeric`` are the places of the columns in which the first rows have a number.
    """

    data: bytes
    separator: str
    decimal: str
    names: tuple[str, ...] | None
    has_header: bool
    trailing: bool
    numeric: frozenset[int]
    notes: tuple[str, ...]


class Columns(Mapping[str, Array]):
    """Columns by name: arrays of floats, or of texts, which are made where one is asked for."""

    def __init__(self) -> None:
        self._held: dict[str, Array | pd.Series[Any]] = {}

    def put(self, name: str, column: Array | pd.Series[Any]) -> None:
        """Hold floats, or a series of texts."""
        self._held[name] = column

    def __getitem__(self, name: str) -> Array:
        column = self._held[name]
        if isinstance(column, pd.Series):
            column = self._held[name] = column.to_numpy(object, na_value="")
        return column

    def __iter__(self) -> Iterator[str]:
        return iter(self._held)

    def __len__(self) -> int:
        return len(self._held)

    def __contains__(self, name: object) -> bool:
        return name in self._held

    def texts(self, name: str) -> pd.Series[Any]:
        """A column of texts as a series, missing ones None."""
        column = self._held[name]
        return column if isinstance(column, pd.Series) else pd.Series(column, dtype="str")

    def words(self) -> list[str]:
        """The names of the columns of texts."""
        return [name for name, column in self._held.items() if not (
            isinstance(column, np.ndarray) and column.dtype.kind == "f")]

    def numbers(self) -> dict[str, Array]:
        """The columns of floats by name."""
        return {name: column for name, column in self._held.items()
                if isinstance(column, np.ndarray) and column.dtype.kind == "f"}


def columns_of(data: bytes) -> tuple[Columns, list[str]]:
    """The columns by name, floats with NaN where missing or texts, and sentences on how they were read."""
    text = _text(data)
    frame, notes = _frame(text)
    names = _names(text, frame)
    frame.columns = pd.Index(range(frame.shape[1]))
    values = Columns()
    decorated = []
    kinds = frame.dtypes.tolist()
    columns = {place: _texts(frame[place]) for place, kind in enumerate(kinds) if kind.kind not in "fiub"}
    numbers = converted(columns, text.decimal)
    for place, name in enumerate(names):
        if not name and kinds[place].kind == "f" and frame[place].isna().all():
            continue  # what follows a separator at the end of each line
        name = name or f"column {place + 1}"
        name = name if name not in values else f"{name} ({place + 1})"
        signs = False
        if place in columns and place not in numbers and (found := beside_numbers(columns[place])) and (
                left := converted({place: found[1]}, text.decimal)):
            numbers |= left
            notes.append(f"'{found[0].strip()}' beside the numbers of {shown(name)} is left out.")
        elif place in columns and place not in numbers and place in text.numeric and (
                few := without_words(columns[place], text.decimal)) and (
                left := converted({place: few[1]}, text.decimal)):
            numbers |= left
            notes.append(f"Cells of {shown(name)} that are no numbers are taken for missing: {named(few[0])}.")
        elif place in columns and place not in numbers and (found_truth := truths(columns[place])) is not None:
            numbers[place] = found_truth, False
        if place in numbers:
            held, signs = numbers[place]
        else:
            held = columns[place] if place in columns else frame[place].to_numpy(float, copy=True)
        held = _finite(held) if isinstance(held, np.ndarray) else held
        values.put(name, held)
        if signs:
            decorated.append(name)
    if len(values) < 2:
        raise ValueError("the file must have at least two columns, inputs and a target, with commas, semicolons or "
                         "tabs between them")
    if decorated:
        notes.append(f"Thousands separators, currency and percent signs are left out of the numbers of "
                     f"{named(decorated)}.")
    return values, notes


# ---------------------------------------------------------------------------------------------- how it is written

def _text(data: bytes) -> Text:
    _check_bytes(data)
    notes: list[str] = []
    data = data.removeprefix(codecs.BOM_UTF8)
    if b"\n" not in data:  # lines end as on a Mac before 2001
        data = data.replace(b"\r", b"\n")
    data, comment = without_comments(data, notes)
    data = from_first_row(data)
    if not data:
        raise ValueError("the file is empty: it must have rows of numbers with commas between them")
    head = data[:MOST_HEAD].decode(errors="ignore")
    separator = ""
    if match := SEP_LINE.match(head):
        separator = match[1]
        data, head = data[len(match[0].encode()):], head[len(match[0]):]
        if separator not in head:
            raise ValueError(f"the line sep={shown(separator)[1:-1]} must name what stands between the cells below it")
    data = without_titles(data, separator, notes)
    head = data[:MOST_HEAD].decode(errors="ignore")
    lines = whole_lines(head)
    if not lines:
        raise ValueError("the file must have at least two rows of data, got 0")
    separator = separator or separator_of(lines)
    end = re.search(rb"[\r\n]|\Z", data)
    count = len(lines[0].split()) if separator == SPACES else 1 + max(
        lines[0].count(separator), data.count(separator.encode(), 0, end.start() if end else len(data)))
    if count > MOST_COLUMNS:
        raise ValueError(f"the file must have at most {MOST_COLUMNS:,} columns, got {count:,}")
    if count < 2:
        raise ValueError("the file must have at least two columns, inputs and a target, with commas, semicolons or "
                         "tabs between them")
    rows = _first_rows(head, separator)[:max(HEAD_CELLS // count, 4)]
    decimal = _decimal(rows, separator)
    trailing = len(rows) > 1 and all(len(row) == len(rows[0]) + 1 and not row[-1].strip() for row in rows[1:])
    if _has_row_names(rows, decimal) and not trailing:
        rows[0] = ["", *rows[0]]
        data = b'""' + (b" " if separator == SPACES else separator.encode()) + data
    if len(rows) > 1 and len(rows[1]) > len(rows[0]) and not trailing:  # pandas would take the first for an index
        raise ValueError(f"this cannot be read as a table: line 2 has {len(rows[1])} cells where {len(rows[0])} are "
                         "expected")
    header = _is_header(rows, decimal)
    names = None if header else _named_in(comment, separator, len(rows[0]))
    if header:
        data = _without_units(data, rows, decimal, notes)
    if decimal == ",":
        notes.append("Commas are read as decimal signs.")
    notes.insert(0, "The first line is taken for the columns' names." if header else
                 "The comment above the rows is taken for the columns' names." if names else
                 "The first line is taken for data, and the columns are numbered.")
    numeric: set[int] = set()
    for row in rows:
        numeric.update(index for index, cell in enumerate(row) if index not in numeric and is_number(cell, decimal))
    return Text(data, separator, decimal, names, header, trailing, frozenset(numeric), tuple(notes))


def _check_bytes(data: bytes) -> None:
    if not data or data.isspace():
        raise ValueError("the file is empty: it must have rows of numbers with commas between them")
    if len(data) > MOST_BYTES:
        raise ValueError(f"the file must be at most {MOST_BYTES / 1e6:,.0f} MB, got {len(data) / 1e6:,.0f}")
    check_is_itself(data)
    if data.startswith(ARCHIVES):
        raise ValueError("the file is a spreadsheet or another archive, and no text: save its sheet as CSV UTF-8")
    if JSON.match(data):
        raise ValueError("the file is JSON, and no table: save it as CSV, such as with pandas.read_json(FILE).to_csv")
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise ValueError("the file is UTF-16: save it as UTF-8, which spreadsheets call CSV UTF-8")
    if not data.isascii():
        decoder = codecs.getincrementaldecoder("utf-8")()
        try:
            for start in range(0, len(data), MOST_HEAD):
                decoder.decode(data[start:start + MOST_HEAD], start + MOST_HEAD >= len(data))
        except UnicodeDecodeError:
            raise ValueError("the file is not UTF-8 text: save it as CSV UTF-8") from None
    if b"\0" in data:
        raise ValueError("the file is no text: it holds zero bytes, as UTF-16 and binary files do: save it as CSV "
                         "UTF-8")


def _first_rows(head: str, separator: str) -> list[list[str]]:
    """The cells of the first rows that are not blank."""
    if separator == SPACES:
        return [line.replace('"', "").split() for line in head.splitlines()[:HEAD_ROWS] if line.strip()]
    try:
        return list(islice(filter(None, csv.reader(io.StringIO(head, newline=""), delimiter=separator,
                                                   skipinitialspace=True)), HEAD_ROWS))
    except (csv.Error, TypeError) as error:
        raise ValueError(f"this cannot be read as a table: {error}") from None


def _decimal(rows: Sequence[Sequence[str]], separator: str) -> str:
    """The sign, comma or point, that in most cells cannot stand between thousands, as in 0,5, 0.125 and 1,234.5.

    Where all may, as in 1,234, it is a comma beside semicolons, which stand where commas are decimal signs.
    """
    cells = [cell.strip() for row in rows for cell in row]
    points, commas = (sum(bool(re.fullmatch(
        rf"\W*(?:0?{sign}[0-9]+|[0-9{other}]*{sign}(?:[0-9]{{1,2}}|[0-9]{{4,}})|[0-9]+{other}[0-9]{{3}}{sign}[0-9]+)\D*",
        cell)) for cell in cells) for sign, other in ((r"\.", ","), (",", r"\.")))
    if points != commas:
        return "," if commas > points else "."
    return "," if separator == ";" and any(re.search("[0-9],[0-9]", cell) for cell in cells) else "."


def _is_header(rows: Sequence[Sequence[str]], decimal: str) -> bool:
    """Whether the first row names the columns: it counts them, or it has a word, and no number or one above numbers."""
    if _counts(rows):
        return True

    def is_word(cell: str) -> bool:
        return not is_missing(cell) and not is_number(cell, decimal)

    words = [index for index, cell in enumerate(rows[0]) if is_word(cell)]
    if not any(is_number(cell, decimal) for cell in rows[0]):
        return bool(words)
    below = [[row[index] for row in rows[1:] if index < len(row) and not is_missing(row[index])] for index in words]
    return any(column and not any(map(is_word, column)) for column in below)


def _counts(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first row is 0, 1, 2, ... or 1, 2, 3, ... as of columns without names, and the second does not go on.

    Other whole numbers in equal steps, such as years, are names where a column below has decimals throughout.
    """
    cells = [cell.strip() for cell in rows[0]]
    cells = cells if cells[0] else cells[1:]
    if len(rows) < 2 or len(cells) < 2 or not all(re.fullmatch("[0-9]{1,5}", cell) for cell in cells):
        return False
    numbers = [int(cell) for cell in cells]
    if {b - a for a, b in pairwise(numbers)} != {numbers[1] - numbers[0]} or numbers[1] <= numbers[0]:
        return False
    if len(cells) > 2 and (numbers[0], numbers[1] - numbers[0]) in ((0, 1), (1, 1)):
        return rows[1][-1].strip() != str(2 * len(cells) - 1 + numbers[0])
    return any(len(row) > len(rows[0]) - len(cells) and all(re.search("[0-9][.,][0-9]", row[index]) for row in rows[1:]
               if index < len(row)) for index in range(len(rows[0]) - len(cells), len(rows[0])) for row in rows[1:2])


def _has_row_names(rows: Sequence[Sequence[str]], decimal: str) -> bool:
    """Whether each row begins with a number of its own that counts, or a name, above which the first has nothing."""
    if len(rows) < 3 or {len(row) for row in rows[1:]} != {len(rows[0]) + 1} or any(
            is_number(cell, decimal) for cell in rows[0]):
        return False
    names = [row[0].strip() for row in rows[1:]]
    return len({*names}) == len(names) and (
        names == [str(int(names[0]) + index) for index in range(len(names))] if names[0].isdecimal() and len(
            names[0]) < MOST_DIGITS else not any(is_number(name, decimal) for name in names))


def _without_units(data: bytes, rows: list[list[str]], decimal: str, notes: list[str]) -> bytes:
    """The data without the lines of units below the names, which also leave ``rows``; says in ``notes`` which."""
    while _is_units(rows, decimal):
        names_line, units_line, *_ = data[:MOST_HEAD].splitlines(keepends=True)
        if names_line.count(b'"') % 2 or units_line.count(b'"') % 2:
            break
        data = names_line + data[len(names_line) + len(units_line):]
        notes.append(f"The line of units is left out: {named([cell for cell in rows[1] if cell.strip()])}.")
        del rows[1]
    return data


def _is_units(rows: Sequence[Sequence[str]], decimal: str) -> bool:
    """Whether the second row is of units: words, 1 or nothing, above columns of numbers."""
    if len(rows) < 4 or any(is_number(cell, decimal) and cell.strip() != "1" for cell in rows[1]):
        return False
    words = [index for index, cell in enumerate(rows[1]) if cell.strip() and not is_number(cell, decimal)]
    below = [[row[index] for row in rows[2:] if index < len(row) and not is_missing(row[index])] for index in words]
    return any(column and all(is_number(cell, decimal) for cell in column) for column in below)


def _named_in(comment: bytes, separator: str, count: int) -> tuple[str, ...] | None:
    """The names of the columns in a comment, as numpy.savetxt writes them; None where it has another number."""
    line = comment.decode(errors="ignore").strip().lstrip("#/").strip()
    cells = line.split() if separator == SPACES else line.split(separator)
    names = tuple(cell.strip() for cell in cells)
    return names if len(names) == count and all(names) and not any(map(is_number, names)) else None


# ---------------------------------------------------------------------------------------------- what it holds

def _frame(text: Text) -> tuple[pd.DataFrame, list[str]]:
    columns = max(text.data[:MOST_HEAD].split(b"\n", 1)[0].count(text.separator.encode()), 1) + 1
    most = min(MOST_ROWS, MOST_CELLS // columns)
    notes = list(text.notes)
    try:
        frame = pd.read_csv(
            io.BytesIO(text.data), encoding="utf-8", sep=text.separator, header=0 if text.has_header else None,
            nrows=most + 1, skipinitialspace=True, decimal=text.decimal, na_values=list(MISSING),
            keep_default_na=False, index_col=False if text.trailing else None, low_memory=False)
    except Exception as error:  # pandas raises many kinds
        mismatch = re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", str(error))
        reason = f": line {mismatch[2]} has {mismatch[3]} cells where {mismatch[1]} are expected" if mismatch else ""
        raise ValueError(f"this cannot be read as a table{reason}") from None
    if len(frame) < 2:
        raise ValueError(f"the file must have at least two rows of data, got {len(frame)}")
    if len(frame) > most:
        frame = frame.iloc[:most]
        notes.append(f"Only the first {most:,} rows are read.")
    return frame, notes


def _names(text: Text, frame: pd.DataFrame) -> list[str]:
    """The columns' names, "" where there is none."""
    if text.names:
        return [cut(name) for name in text.names][:frame.shape[1]]
    if not text.has_header:
        return [""] * frame.shape[1]
    names = [" ".join(str(name).split()) for name in frame.columns]
    return ["" if name.startswith("Unnamed: ") else cut(name) for name in names]


def _texts(column: pd.Series[Any]) -> pd.Series[Any]:
    """A column of no numbers as texts."""
    return column if isinstance(column.dtype, pd.StringDtype) else column.astype("str")


def _finite(numbers: Array) -> Array:
    numbers[np.isinf(numbers)] = math.nan
    return numbers
