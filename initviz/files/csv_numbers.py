"""Numbers as people write them in the cells of a table: with separators of thousands, currency and percent signs."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from initviz.core.arrays import Array

ERRORS = ("#DIV/0!", "#N/A", "#NAME?", "#NULL!", "#NUM!", "#REF!", "#VALUE!")  # of spreadsheets
MISSING = (*ERRORS, "", "?", "-", "--", "\u2013", "\u2014", ".", "NA", "N/A", "n/a", "N.A.", "n.a.", "na", "<NA>",
           "#NA", "NaN", "-NaN", "nan", "-nan", "NULL", "null", "None", r"\N")
MINUS = "\u2212"
SPACE, SIGN = "[ \t\n\f\r]*", f"[-+{MINUS}]?"  # of ASCII, spelled out: for \s pandas leaves Arrow's faster expressions
MARKS = "' \u00a0\u202f"
MONEY = "(?:[$\u20ac\u00a3\u00a5]|USD|EUR|GBP)?"
DECORATED = {  # numbers with thousands separators, currency and percent signs, by their decimal sign
    decimal: (rf"{SPACE}\(?{SPACE}{SIGN}{SPACE}{MONEY}{SPACE}(?:{SIGN}|\()"
              rf"(?:[0-9]{{1,3}}(?:[{thousands}{MARKS}][0-9]{{3}})+|[0-9]+|"
              rf"[0-9]{{1,2}}(?:[{thousands}][0-9]{{2}})+[{thousands}][0-9]{{3}})?"  # lakhs and crores
              rf"(?:[{decimal}][0-9]*)?(?:[eE][-+]?[0-9]+)?{SPACE}(?:%|{MONEY}){SPACE}\)?{SPACE}")
    for decimal, thousands in ((".", ","), (",", "."))}
PLAIN_DECORATED = {decimal: re.compile(pattern) for decimal, pattern in DECORATED.items()}
PLAIN = rf"{SPACE}[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?{SPACE}|{SPACE}[-+]?[Ii]nf(?:inity)?{SPACE}"
CELLS = 100_000  # that are converted at once: their texts take some 20 MB
BESIDE = re.compile(  # a number, a currency before it or a unit of a few letters behind it
    r"(?P<before>(?:[A-Z]{1,2}[$]|[A-Z]{3}|kr|z\u0142|Rs\.?|[\u20a0-\u20bf])? ?)[-+]?[0-9][0-9.,' ]*"
    r"(?P<after> ?(?:[A-Z]{3}|kr|[\u20a0-\u20bf]|[A-Za-z\u00b0\u00b5\u03bc\u03a9][A-Za-z/\u00b2\u00b3]{0,5})?)")
MOST_STRAY, MOST_KINDS, MANY, FEWEST = 2, 5, 10, 3  # of words among numbers: numbers to each, kinds; different numbers
MOST_FORMS = 1_000  # of the texts of some columns, digits aside
AS_ZERO = bytes.maketrans(b"123456789", b"000000000")
LEFT_OUT = {sign: bytes(sorted({*range(256)} - {*f"0123456789eE+-{sign}(\n".encode()})) for sign in DECORATED}


def converted(columns: dict[int, pd.Series[Any]], decimal: str) -> dict[int, tuple[Array, bool]]:
    """The columns of texts that hold numbers alone: floats, NaN where missing, and whether signs stood by them."""
    firsts = {index: _first(column) for index, column in columns.items()}
    remaining = {index: column for index, column in columns.items() if is_number(firsts[index])}
    numbers: dict[int, tuple[Array, bool]] = {}
    signs = dict.fromkeys((decimal, *DECORATED))
    for sign in (",", "", ".") if decimal == "," else ("", *signs):
        fitting = [index for index in remaining if re.fullmatch(DECORATED[sign] if sign else PLAIN, firsts[index])]
        step = max(CELLS // len(remaining[fitting[0]]), 1) if fitting else 1
        for first in range(0, len(fitting), step):
            indices = fitting[first:first + step]
            group = [remaining[index] for index in indices]
            by_form = _by_form(group, sign) if sign else None
            numbers |= {index: (column, bool(sign)) for index, column in zip(
                indices, _by_text(group, sign) if by_form is None else by_form, strict=True) if column is not None}
        remaining = {index: column for index, column in remaining.items() if index not in numbers}
    return numbers


def beside_numbers(column: pd.Series[Any]) -> tuple[str, pd.Series[Any]] | None:
    """The unit or currency that stands, the same in each cell, beside a number, and the cells without it."""
    match = BESIDE.fullmatch(_first(column).strip())
    if match is None or not (before := match["before"]) + (after := match["after"]):
        return None
    cells = column.str.strip()
    present = cells.dropna()
    if not (present.str.startswith(before) & present.str.endswith(after)).all():
        return None
    return f"{before}{after}", cells.str.slice(len(before), -len(after) if after else None)


def without_words(column: pd.Series[Any], decimal: str) -> tuple[list[str], pd.Series[Any]] | None:
    """Few words among many numbers, such as unknown or the Total of a last line, and the column with none in their
    place; None for a column that is no such.
    """
    present = column.notna().to_numpy(bool)
    for pattern in (PLAIN, DECORATED[decimal]):
        fits = column.str.fullmatch(pattern).to_numpy(bool, na_value=False)
        is_word = present & ~fits
        if not 0 < MOST_STRAY * is_word.sum() <= fits.sum():
            continue
        kinds, different = column[is_word].str.strip().unique().tolist(), column[fits].nunique()
        if len(kinds) <= MOST_KINDS and (different >= MANY or different == fits.sum() >= FEWEST):
            return kinds, column.mask(is_word)
    return None


def truths(column: pd.Series[Any]) -> Array | None:
    """A column of True and False as 1 and 0, NaN where missing; None for any other."""
    if _first(column).strip().lower() not in ("true", "false"):
        return None
    known = column.dropna().str.strip().str.lower()
    if not {*known.unique().tolist()} <= {"true", "false"}:
        return None
    return np.array(known.eq("true").astype(float).reindex(column.index), float)


def _first(column: pd.Series[Any]) -> str:
    """The first text that is not missing, "" where all are."""
    first = column.iat[0]
    return first if isinstance(first, str) else next(iter(column.dropna().iloc[:1]), "")


def _cleaned(text: bytes, sign: str) -> bytes:
    """Texts of numbers with signs as plain numbers with a point; (1,234) is below 0."""
    text = text.replace(MINUS.encode(), b"-").replace(b"EUR", b"")  # whose E might be an exponent's
    return re.sub(b"-[-+]", b"-", _without_signs(text, sign))


def _without_signs(text: bytes, sign: str) -> bytes:
    return text.translate(bytes.maketrans(f"{sign}(".encode(), b".-"), LEFT_OUT[sign])


def _by_form(columns: Sequence[pd.Series[Any]], sign: str) -> list[Array | None] | None:
    """The numbers of each column, None for one that holds other texts, by the forms that texts have, such as $0,000, of
    which there are few; None where there are many, where PyArrow is missing, or where a number is beyond all reading.
    """
    try:
        import pyarrow as pa
    except ImportError:
        return None
    texts, lengths = [], []
    for column in columns:
        array = pa.array(column, pa.large_string())
        array = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
        array = array.fill_null("") if array.null_count else array
        ends = np.frombuffer(array.buffers()[1], np.int64, len(array) + 1, 8 * array.offset)
        texts.append(memoryview(array.buffers()[2])[ends[0]:ends[-1]])
        lengths.append(np.diff(ends))
    text, lengths_of_texts = b"".join(texts), np.concatenate(lengths)

    def strings(content: bytes, sizes: Array, missing: Array | None = None) -> Any:
        validity = None if missing is None else pa.py_buffer(np.packbits(~missing, bitorder="little"))
        ends = np.concatenate([[0], np.cumsum(sizes)])
        return pa.LargeStringArray.from_buffers(len(sizes), pa.py_buffer(ends), pa.py_buffer(content), validity)

    forms = strings(text.translate(AS_ZERO), lengths_of_texts).dictionary_encode()
    kinds = forms.dictionary.to_pylist()
    if len(kinds) > MOST_FORMS:
        return None
    kind = forms.indices.to_numpy()
    fits = np.array([not form or bool(PLAIN_DECORATED[sign].fullmatch(form)) for form in kinds])
    all_fit = fits[kind].reshape(len(columns), -1).all(axis=1)
    if not all_fit.all():
        chosen = [column for column, fit in zip(columns, all_fit, strict=True) if fit]
        readable = _by_form(chosen, sign) if chosen else []
        return None if readable is None else [readable.pop(0) if fit else None for fit in all_fit]
    cleaned = [_cleaned(form.encode(), sign) for form in kinds]
    signs_alone = cleaned == [_without_signs(form.encode(), sign) for form in kinds]
    content = (_without_signs if signs_alone else _cleaned)(text, sign)
    sizes = np.array([len(form) for form in cleaned])[kind]
    try:
        if sizes.sum() != len(content):  # signs of two cells were taken for one
            return None
        read = strings(content, sizes, lengths_of_texts == 0).cast(pa.float64())
        numbers = np.array(read.to_numpy(zero_copy_only=False))
    except pa.ArrowInvalid:
        return None
    return list(numbers.reshape(len(columns), -1))


def _by_text(columns: Sequence[pd.Series[Any]], sign: str) -> list[Array | None]:
    """The numbers of each column, read text by text; None for a column that holds other texts."""
    texts = pd.concat(columns, ignore_index=True)
    matched = texts.str.fullmatch(DECORATED[sign] if sign else PLAIN).to_numpy(bool) | texts.isna().to_numpy(bool)
    all_fit = matched.reshape(len(columns), -1).all(axis=1)
    if not all_fit.all():
        texts = texts[np.repeat(all_fit, len(texts) // len(columns))]
    numbers = _floats(texts, sign) if all_fit.any() else None
    if numbers is None:
        return [None] * len(columns)
    readable = iter(numbers.reshape(int(all_fit.sum()), -1))
    return [next(readable) if fit else None for fit in all_fit]


def _floats(texts: pd.Series[Any], sign: str) -> Array | None:
    """The numbers of texts that are known to be some; None where one is beyond all reading."""
    lines = "\n".join(texts.fillna("").tolist())
    lines = _cleaned(lines.encode(), sign).decode() if sign else lines
    try:
        numbers = pd.read_csv(io.StringIO(lines + "\n"), header=None, names=["number"], dtype={"number": float},
                            skip_blank_lines=False, na_values=[""], keep_default_na=False, quoting=csv.QUOTE_NONE,
                            sep="\x1f", engine="c")["number"].to_numpy(float, copy=True)
    except Exception:  # pandas raises many kinds
        return None
    return numbers if len(numbers) == len(texts) else None


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
    present = column.notna().to_numpy(bool) & (column != "").to_numpy(bool, na_value=False)
    is_word = present & ~column.str.fullmatch(PLAIN).to_numpy(bool, na_value=False)
    if is_word.sum() == present.sum():
        return None
    row = int(is_word.argmax())
    return row + 1, str(column.iloc[row])
