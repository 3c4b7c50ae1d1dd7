"""What an audit looks like: families of tensors over depth, and which tensors are equal."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from initviz.charts import curves, equality
from initviz.charts.picture import UNORDERED, Data, Picture
from initviz.core.wording import listed
from initviz.diagnosis.audit.audit import Audit
from initviz.diagnosis.audit.laws import FAMILIES
from initviz.diagnosis.audit.recipes import blocks, expected_std
from initviz.diagnosis.audit.records import TensorRecord, sampling_error

MOST_FAMILIES, LEAST_MEMBERS = 8, 2
BAND = 3  # sampling errors to either side
ONE_LINE = 1.02  # times a level: nearer ones are drawn over one another
RIM = 3.0  # pixels by which a line under another is wider


def short_name(family: str) -> str:
    """A family's name without what all tensors' names share: what stands before the block's number, and the end."""
    return re.sub(r"[._/](?:weight|kernel)(?::0)?$", "", re.sub(r"^.*?#[._/]", "", family)) or family


def scale_families(audit: Audit) -> list[list[TensorRecord]]:
    """The families of random weights over blocks, those with findings first, each in the order of its numbers."""
    families: dict[tuple[str, tuple[int, ...]], list[TensorRecord]] = {}
    for record in audit.tensors:
        if record.role.numbers and record.role.fan_in and record.measures.finite and record.measures.rms > 0:
            families.setdefault((record.role.family, record.shape), []).append(record)
    blamed = {name for finding in audit.findings for name in finding.tensors}
    many = [sorted(family, key=lambda record: record.role.numbers) for family in families.values()
            if len(family) >= LEAST_MEMBERS]
    return sorted(many, key=lambda family: (not any(record.name in blamed for record in family), -len(family)))


def scale_picture() -> Picture:
    """Standard deviation of each family over the blocks; dashed and banded, what it should be."""
    return curves.picture("Standard deviation of each kind of tensor against the block, and what is expected, log axis",
                          "block", log=True)


def scale_data(audit: Audit) -> Data:
    """Lines of the first families; expected is what the recipe asks for, else the family's median."""
    lines = _lines(audit)
    return curves.data(lines, log=True, guides=_missed(lines))


def _lines(audit: Audit) -> list[curves.Series]:
    """The lines; of those that run on one another the first is the widest, so that all are seen."""
    depth, chosen = blocks(audit.tensors), scale_families(audit)[:MOST_FAMILIES]
    names = [short_name(family[0].role.family) for family in chosen]
    lines = [_series(audit, family, name, color, depth) for family, name, color in zip(
        chosen, _distinct(names, chosen), UNORDERED, strict=False)]
    above = {label: len(labels) - 1 - place for labels in _on_one_another(lines) for place, label in enumerate(labels)}
    return [replace(line, width=line.width + RIM * above.get(line.label, 0)) for line in lines]


def _on_one_another(lines: Sequence[curves.Series]) -> list[list[str]]:
    """The names of lines whose levels are within a line's width, in the order in which they are drawn."""
    groups: list[tuple[float, list[str]]] = []
    for level, label in sorted((float(np.median(line.y)), line.label) for line in lines):
        if groups and level <= groups[-1][0] * ONE_LINE:
            groups[-1][1].append(label)
        else:
            groups.append((level, [label]))
    return [[line.label for line in lines if line.label in labels] for _, labels in groups if len(labels) > 1]


def lines_on_one_another(audit: Audit) -> list[list[str]]:
    """The names of the lines that run on one another, from the widest to the one on top."""
    return _on_one_another(_lines(audit))


def _missed(lines: Sequence[curves.Series]) -> list[tuple[float, str]]:
    """The expected levels at which the lines that should run there do not, and the names of those lines."""
    missed: dict[float, list[str]] = {}
    for line in lines:
        assert line.expected is not None
        expected, least, most = line.expected
        if len(set(expected)) == 1 and ((line.y < least) | (line.y > most)).mean() > 0.5:
            missed.setdefault(float(f"{expected[0]:.3g}"), []).append(line.label)
    return [(level, f"expected of {listed(names)}") for level, names in missed.items()]


def _distinct(names: Sequence[str], families: Sequence[Sequence[TensorRecord]]) -> list[str]:
    """The names, with the shape behind those that several families share."""
    return [f"{name} {' × '.join(map(str, family[0].shape))}" if names.count(name) > 1 else name
            for name, family in zip(names, families, strict=True)]


def _series(audit: Audit, family: Sequence[TensorRecord], name: str, color: str, depth: int) -> curves.Series:
    rms = np.array([record.measures.rms for record in family])
    middle = float(np.median(rms))
    expected = np.array([_expected(audit, record, middle, depth) for record in family])
    errors = np.array([BAND * sampling_error(std, record.measures.count)
                       for std, record in zip(expected, family, strict=True)])
    single = all(len(record.role.numbers) == 1 for record in family)
    x = np.array([record.role.numbers[0] for record in family] if single else range(len(family)), float)
    return curves.Series(name, color, x, rms, expected=(expected, expected - errors, expected + errors))


def _expected(audit: Audit, record: TensorRecord, middle: float, depth: int) -> float:
    for entry in audit.recipe.entries_of(record.name)[:1] if audit.recipe else ():
        if entry.law in FAMILIES:
            return expected_std(record, entry, depth)
    return middle


def equality_data(audit: Audit) -> Data:
    """The map of the kinds of tensors among which some are equal; a tensor without a number stands in column 0."""
    group_of = {record.name: number_of_group for number_of_group, group in enumerate(audit.equal) for record in group}
    families: dict[str, list[TensorRecord]] = {}
    for record in audit.tensors:
        families.setdefault(record.role.family, []).append(record)
    shown = {family: members for family, members in families.items() if any(r.name in group_of for r in members)}
    cells = [equality.Cell(record.name, row, column, group_of.get(record.name))
             for row, members in enumerate(shown.values())
             for column, record in enumerate(sorted(members, key=lambda record: record.role.numbers))]
    return equality.data([short_name(family) for family in shown], cells)
