"""Rows from a CSV file: numbers to send through a network and what is to be predicted, read without trusting them."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from initviz.core.arrays import Array
from initviz.core.batches import BOUNDS, Batch, standardized, with_loss
from initviz.core.network import INPUT_STREAM, SEED, stream
from initviz.core.propagation import LOSS_LABELS
from initviz.core.validation import Interval, check
from initviz.core.wording import MOST_NAMED, named, shown
from initviz.files.csv_numbers import is_number, stray_word
from initviz.files.csv_text import MOST_BYTES, MOST_COLUMNS, MOST_ROWS, Columns, columns_of

__all__ = ["MOST_BYTES", "MOST_COLUMNS", "MOST_ROWS", "TARGET_KINDS", "Table", "describe_target", "kind_of_target",
           "names_in", "read"]
MOST_CLASSES, MOST_WORDS = 1_000, 50  # of a target, and of a column of words that is encoded
FEW_VALUES = 20  # so many different whole numbers or fewer are taken for classes, as a column of measurements has more
ROWS_A_CLASS = 5  # more values than that are classes where they count from 0 or 1 without a gap, with so many rows each
NAMING = 10  # words that all differ, from which on they are names and no classes
TARGET_NAMES = frozenset({"label", "labels", "target", "targets", "class", "y"})
NUMBERING = re.compile(r"(?i:(?:.*[_ .-])?(?:id|idx|index|row|no|nr))|.*[a-z](?:I[dD]|Index)")
TARGET_KINDS = MappingProxyType({"auto": "As found", "classes": "Classes", "numbers": "Numbers"})
COUNT = Interval(1, 1_000_000, integer=True)
LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True, eq=False)
class Table:
    """The columns of a file: ``values`` maps a name to floats (rows,), NaN where missing, or to texts.

    ``notes`` are sentences on how it was read and what was left out.
    """

    values: Columns
    notes: tuple[str, ...]

    @property
    def columns(self) -> list[str]:
        """Names of the columns, in order."""
        return list(self.values)

    def default_target(self) -> str:
        """The only column with a target's name, else the last that is neither the same throughout nor words that are
        all different.
        """
        numbers = self.values.numbers()
        by_name = [name for name in self.columns if name.lower() in TARGET_NAMES]
        if len(by_name) == 1 and not (by_name[0] in numbers and _constant(numbers[by_name[0]])):
            return by_name[0]
        return next((name for name in reversed(self.columns) if not (
            _constant(numbers[name]) if name in numbers else _all_differ(self.values.texts(name)))), self.columns[-1])

    def counting(self) -> list[str]:
        """The columns that number the rows: each value is 1 more than the one above, or, as the name of an index says
        or a first column without a name, each is whole and another.
        """
        unnamed = {"column 1"} if any(not name.startswith("column ") for name in self.columns) else set()
        return [name for name, column in self.values.numbers().items() if len(column) > 2 and (
            (column[0] in (0, 1) and np.array_equal(column, column[0] + np.arange(len(column))))
            or ((NUMBERING.fullmatch(name) or name in unnamed) and bool((column == np.round(column)).all())
                and len(np.unique(column)) == len(column)))]

    def encodable(self) -> list[str]:
        """The columns of words that have few kinds, so that each kind can be an input of 0 or 1."""
        return [name for name in self.values.words() if len(set(self.values[name]) - {""}) <= MOST_WORDS]

    def batch(self, target: str | Sequence[str], *, kind: str = "auto", standardize: bool = True, count: int = 128,
              seed: int = 0, inputs: Sequence[str] | None = None, drop: Sequence[str] = (), one_hot: bool = False,
              standardize_target: bool = True, outputs: int | None = None, loss: str | None = None) -> Batch:
        """``count`` rows, or all where there are fewer, drawn by ``seed``: float32 inputs and the column ``target``.

        ``kind`` says what the target is: "classes", "numbers", predicted by the squared error, or "auto". Then words
        are classes, and so are whole numbers where there are up to 20 different ones that come again, or where they
        count from 0 or 1 without a gap with 5 rows each. Several targets are numbers. Inputs are the columns
        ``inputs``, or all other columns of numbers, without those of ``drop``; with ``one_hot`` columns of few words,
        too, an input for each word. How many inputs there are never depends on the rows that are drawn; a constant
        column is 0 when standardized. Two classes for one of ``outputs`` are 0 and 1 of a sigmoid ("bce"); ``loss``
        says another than the target suggests, of which those with bounds leave the target in its own scale. Rows that
        miss a value are left out. ValueError where nothing is left.
        """
        targets = [target] if isinstance(target, str) else list(target)
        for name in targets:
            self.check("target", name)
        check("target_kind", kind, TARGET_KINDS.keys())
        check("count", count, COUNT)
        columns = self._inputs(targets, inputs, drop, one_hot)
        complete = np.ones(len(next(iter(columns.values()))), bool)
        for column in [*columns.values(), *(self.values[name] for name in targets)]:
            complete &= np.isfinite(column) if column.dtype.kind == "f" else column != ""
        if complete.sum() < 2:
            raise ValueError("there must be at least two rows without a missing value")
        target_values, own_loss, width = _targets({name: self.values[name][complete] for name in targets}, kind,
                                           standardize_target and loss not in BOUNDS)
        if (own_loss, width, outputs) == ("softmax_ce", 2, 1):
            target_values, own_loss, width = target_values[:, None].astype(np.float32), "bce", 1
        chosen = stream(check("seed", seed, SEED), INPUT_STREAM).permutation(int(complete.sum()))[:count]
        x = np.empty((len(chosen), len(columns)), np.float32)
        for index, column in enumerate(columns.values()):
            values = column[complete]
            if standardize:
                values = standardized((values / max(np.abs(values).max(), 1))[:, None])[:, 0]  # squares may overflow
            elif np.abs(values).max() > LARGEST:
                raise ValueError(f"numbers beyond {LARGEST:.1g} need to be standardized")
            x[:, index] = values[chosen]
        batch = Batch(x, target_values[chosen], own_loss, width)
        return batch if loss is None else with_loss(batch, loss)

    def check(self, field: str, name: str) -> str:
        """The name, where it is a column's; ValueError that says which there are."""
        if name in self.values:
            return name
        numbered = self.columns == [f"column {index + 1}" for index in range(len(self.columns))]
        which = (f"the columns, which are numbered: 'column 1' to 'column {len(self.columns)}'" if numbered
                 and len(self.columns) > MOST_NAMED else ", ".join(self.columns) if len(
                     self.columns) <= MOST_NAMED else named(self.columns))
        raise ValueError(f"{field} must be one of {which}, got {shown(name)}")

    def _inputs(self, targets: Sequence[str], inputs: Sequence[str] | None, drop: Sequence[str],
                one_hot: bool) -> dict[str, Array]:
        """The input columns by name, words encoded."""
        for field, names in (("inputs", inputs or ()), ("drop", drop)):
            for name in names:
                self.check(field, name)
        if overlapping := [name for name in inputs or () if name in targets]:
            raise ValueError(f"inputs must not name the target, got {shown(overlapping[0])}")
        names = [name for name in (self.columns if inputs is None else dict.fromkeys(inputs))
                  if name not in targets and name not in drop]
        encodable = set(self.encodable()) if one_hot else set()
        numbers = self.values.numbers()
        columns: dict[str, Array] = {}
        for name in names:
            if name in numbers and not _lacks_numbers(numbers[name]):
                columns[name] = numbers[name]
            elif name in encodable:
                column = self.values[name]
                columns |= {f"{name} = {word}": np.where(column == "", np.nan, column == word)
                            for word in sorted(set(column) - {""})}
            elif inputs is not None:
                raise ValueError(f"inputs must be columns of numbers{'' if one_hot else ' or be encoded'}, and "
                                 f"{shown(name)} is none")
        if not columns or all(map(_constant, columns.values())):
            raise ValueError(f"there must be a column of numbers beside the target {named(targets)} that are not all "
                             f"the same{'' if one_hot or not self.encodable() else ', or of words that are encoded'}")
        return columns


def names_in(text: str, columns: Sequence[str]) -> list[str]:
    """The columns that a text names, with commas between them; a name with a comma may stand in quotation marks."""
    return [text] if text in columns else [name.strip() for name in next(csv.reader([text], skipinitialspace=True), [])]


def _lacks_numbers(column: Array) -> bool:
    return not np.isfinite(column).any()


def _all_differ(column: pd.Series[Any]) -> bool:
    """Whether all words of a column differ, of so many that they name the rows."""
    known = column[column != ""].dropna()
    return len(known) >= NAMING and bool(known.is_unique)


def _constant(column: Array) -> bool:
    finite = column[np.isfinite(column)]
    return not finite.size or bool((finite == finite[0]).all())


def _are_classes(column: Array, kinds: Array) -> bool:
    """Whether a column without missing values, whose different values are ``kinds``, looks like classes."""
    if column.dtype.kind != "f":
        return True
    whole_numbers = bool((kinds == np.round(kinds)).all())
    counted = kinds[0] in (0, 1) and np.array_equal(kinds, kinds[0] + np.arange(len(kinds)))
    if len(kinds) > 2 and (len(kinds) == len(column) or (2 * len(kinds) > len(column) and not counted)):
        return False  # few rows of different numbers are measured, not counted
    if len(kinds) <= FEW_VALUES:
        return whole_numbers
    return bool(counted and len(column) >= ROWS_A_CLASS * len(kinds))


def _targets(columns: dict[str, Array], kind: str, standardize: bool) -> tuple[Array, str, int]:
    """Targets, loss and number of outputs for columns without missing values."""
    if len(columns) == 1:
        name, column = next(iter(columns.items()))
        kinds, classes = np.unique(column, return_inverse=True)
        _check_varies(name, kinds)
        if kind == "classes" or (kind == "auto" and _are_classes(column, kinds)):
            if len(kinds) > MOST_CLASSES:
                raise ValueError(f"the target {shown(name)} must have at most {MOST_CLASSES:,} classes, got "
                                 f"{len(kinds):,}")
            if kind == "auto" and column.dtype.kind != "f" and _all_differ(pd.Series(column)):
                raise ValueError(f"the target {shown(name)} must have words that come again, or numbers, and has "
                                 f"{len(kinds):,} different words such as {shown(column[0])} in {len(column):,} rows")
            return classes.astype(np.int64), "softmax_ce", len(kinds)
    elif kind == "classes":
        raise ValueError(f"several targets must be numbers, got classes for {named(list(columns))}")
    for name, column in columns.items():
        if column.dtype.kind != "f":
            raise ValueError(f"the target {shown(name)} must be of numbers to be predicted as such, and has "
                             f"{shown(next((cell for cell in column if not is_number(cell)), column[0]))}")
        _check_varies(name, np.unique(column))
    values = np.stack(list(columns.values()), axis=1)
    if standardize:
        values = standardized(values / np.maximum(np.abs(values).max(axis=0), 1))
    elif np.abs(values).max() > LARGEST:
        raise ValueError(f"targets beyond {LARGEST:.1g} need to be standardized")
    return values.astype(np.float32), "mse", values.shape[1]


def _check_varies(name: str, kinds: Array) -> None:
    if len(kinds) < 2:
        raise ValueError(f"the target {shown(name)} must have at least two different values")


def describe_target(name: str | Sequence[str], batch: Batch, standardized_target: bool = True) -> str:
    """How a target was read and what was done to it, in one sentence."""
    names = [name] if isinstance(name, str) else list(name)
    return (f"The target{'' if len(names) == 1 else 's'} {named(names)} {'is' if len(names) == 1 else 'are'} read as "
            f"{kind_of_target(batch, standardized_target)}: {LOSS_LABELS[batch.loss]}.")


def kind_of_target(batch: Batch, standardized_target: bool = True) -> str:
    """What a target is read as and what was done to it, as "2 classes for one output" or "numbers, standardized"."""
    if batch.loss == "softmax_ce":
        return f"{batch.outputs:,} classes"
    if np.isin(batch.targets, (0, 1)).all() or (batch.loss == "tanh_mse" and np.isin(batch.targets, (-1, 1)).all()):
        return "2 classes for one output" if batch.outputs == 1 else (
            f"{batch.outputs:,} classes or columns of 0 and 1")
    return f"numbers, {'standardized' if standardized_target and batch.loss == 'mse' else 'in their own scale'}"


# ---------------------------------------------------------------------------------------------- reading

def read(data: bytes) -> Table:
    """The table in a CSV file's content; ValueError for all that is none.

    Separators are commas, semicolons, tabs, bars or spaces; a ``sep=`` line may say which. A first line names the
    columns where it counts them (0, 1, 2), where none of its cells is a number, or where a word of it stands above
    numbers. Comment lines, a line of units and separators at the ends of lines are left out. Numbers may have thousands
    separators, currency and percent signs and decimal commas. "?" is a missing value, as an empty cell is.
    """
    values, notes = columns_of(data)
    numbers = values.numbers()
    table = Table(values, ())
    if not numbers and not table.encodable():
        raise ValueError("the file must have at least one column of numbers or of few words, and has many words only")
    if numbers and all(_constant(column) for column in numbers.values()):
        raise ValueError("at least one column of numbers must not be constant, and all are")
    return Table(values, (*notes, *_notes(table)))


def _with_examples(table: Table, words: Sequence[str]) -> str:
    """The names of columns of words, the first few; in brackets a text that was perhaps meant for a number."""
    firsts = {name: str(table.values.texts(name).iloc[0]).strip() for name in words[:MOST_NAMED]}
    few = [shown(name) + (f" ({shown(text)})" if re.match(r"\W*[0-9]", text) else "") for name, text in firsts.items()]
    return ", ".join(few) + (f" and {len(words) - MOST_NAMED:,} more" if len(words) > MOST_NAMED else "")


def _notes(table: Table) -> list[str]:
    notes = []
    words, numbers = table.values.words(), table.values.numbers()
    empty = [name for name, column in numbers.items() if _lacks_numbers(column)]
    constant = [name for name, column in numbers.items() if _constant(column) and name not in empty]
    missing = {name: int((~np.isfinite(column)).sum()) for name, column in numbers.items() if name not in empty}
    lacking = [name for name, count in missing.items() if count]
    if words:
        notes.append("Columns of words can be the target, and inputs only where their few words are encoded: "
                     f"{_with_examples(table, words)}.")
    strays = [(name, row) for name in words[:MOST_NAMED] if (row := stray_word(table.values.texts(name)))]
    notes += [f"Column {shown(name)} has numbers, and is one of words for {shown(cell)} in row {row:,}."
              for name, (row, cell) in strays]
    if empty:
        notes.append(f"Columns without a number are left out: {named(empty)}.")
    if constant:
        notes.append(f"Constant columns stay as inputs, of zeros when standardized: {named(constant)}.")
    if lacking:
        count = sum(missing.values())
        notes.append(f"Rows that miss a number are left out; {count:,} {'is' if count == 1 else 'are'} missing or "
                     f"infinite, in {named(lacking)}.")
    without = {name: count for name in words if (count := int(table.values.texts(name).isna().sum()))}
    if without:
        some = ", ".join(f"{count:,} of {shown(name)}" for name, count in islice(without.items(), MOST_NAMED))
        more = f" and of {len(without) - MOST_NAMED:,} more columns" if len(without) > MOST_NAMED else ""
        notes.append("Words are missing, as empty cells, NA or None are, in rows that are left out where the column is "
                     f"used: {some}{more}.")
    if counting := table.counting():
        notes.append(f"{named(counting)} {'counts' if len(counting) == 1 else 'count'} the rows, which tells a network "
                     "nothing of them: leave out what is no measurement.")
    return notes
