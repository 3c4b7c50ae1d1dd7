"""Which outputs of a recording a picture shows, and the lines through them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from initviz.charts import curves, modules
from initviz.charts.picture import UNORDERED, Data, Picture
from initviz.core.wording import cut
from initviz.diagnosis.recording.comparison import Comparison
from initviz.diagnosis.recording.report import RecordingReport
from initviz.diagnosis.recording.trunk import Trunk
from initviz.files.recording import Row

VIEWS: Mapping[str, str] = MappingProxyType({
    "depth": "The model's depth", "1": "Outermost modules", "2": "Modules, two levels", "3": "Modules, three levels",
    "all": "Every output"})
LEAST_SHARE = 0.05  # of units, that a picture shows
COLORS = (UNORDERED[0], UNORDERED[1], UNORDERED[2])


@dataclass(frozen=True)
class AxisPosition:
    """One place of a picture's axis: its name, and the row whose numbers stand there."""

    name: str
    row: int


def _short(row: Row) -> str:
    """A row's name, of attention without the name of PyTorch's function."""
    for name in ("scaled_dot_product_attention", "multi_head_attention_forward"):
        if row.function and row.kind == name:
            return cut(row.label.replace(f" {name}", ""))
    return cut(row.label)


def positions_of(trunk: Trunk, view: str) -> list[AxisPosition]:
    """The positions of a view: those along the trunk, every output, or containers closed below so many levels.

    A closed container has the numbers of the last output inside it.
    """
    rows = trunk.rows
    if view in ("depth", "all"):
        indices = trunk.levels if view == "depth" else trunk.measured
        return [AxisPosition(cut(rows[index].label), index) for index in indices]
    level = int(view)
    positions: list[AxisPosition] = []
    last_closed = None
    for index in trunk.measured:
        path = rows[index].path
        parts = path.split(".")
        closed = ".".join(parts[:level]) if path and len(parts) >= level else None
        if closed is not None and closed == last_closed:
            positions[-1] = AxisPosition(cut(closed), index)
        else:
            positions.append(AxisPosition(cut(rows[index].label), index))
        last_closed = closed
    return positions


def _series(label: str, color: str, rows: Sequence[Row | None], value: Callable[[Row], float], *,
            log: bool = True) -> curves.Series:
    """A line through the rows that there are; what has no place on the axis is said behind its name."""
    points = [(x, value(row)) for x, row in enumerate(rows) if row is not None and not math.isnan(value(row))]
    values = np.array([y for _, y in points], float)
    overflows = bool(np.isinf(values).any())
    remark = "overflow" if overflows else "" if not log else "0" if len(values) and not values.any() else (
        "0 at some" if (values == 0).any() else "")
    return curves.Series(label, color, np.array([x for x, _ in points], float), values, remark, lost_high=overflows)


def signal_of(row: Row) -> float:
    """Root mean square of an output."""
    return row.rms


def gradient_of(row: Row) -> float:
    """Root mean square of the gradient by an output; NaN where there is none."""
    return row.gradient.rms if row.gradient is not None else math.nan


def dead_of(row: Row) -> float:
    """Share of units that are 0 for every sample."""
    return row.zero_units / row.units


def copied_of(row: Row) -> float:
    """Share of units that are not 0 and repeat another one."""
    return (row.units - row.distinct - max(row.zero_units - 1, 0)) / row.units


def branch_of(row: Row) -> float:
    """A branch over its skip; NaN where the row is no sum of the two."""
    return row.skip.branch_rms / row.skip.skip_rms if row.skip is not None and row.skip.skip_rms > 0 else math.nan


@dataclass(frozen=True, eq=False)
class Compared:
    """The rows of a view in one recording or in two, by name; None where the second has none."""

    positions: tuple[AxisPosition, ...]
    labels: tuple[str, ...]
    rows: tuple[tuple[Row | None, ...], ...]

    @classmethod
    def of(cls, report: RecordingReport, view: str, other: RecordingReport | None = None,
           labels: tuple[str, ...] = ("",)) -> Compared:
        """A view of a report, beside it the same outputs of another one."""
        positions = positions_of(report.trunk, view)
        rows: list[tuple[Row | None, ...]] = [tuple(report.recording.rows[position.row] for position in positions)]
        if other is not None:
            second = {(pair.first.path, pair.first.kind, pair.first.call): pair.second
                      for pair in Comparison(report, other).matched}
            rows.append(tuple(second.get((row.path, row.kind, row.call)) for row in rows[0] if row is not None))
        return cls(tuple(positions), labels, tuple(rows))

    def picture(self, alt: str, value: Callable[[Row], float], *, log: bool = True,
                guides: Sequence[tuple[float, str]] = ()) -> tuple[Picture, Data] | None:
        """A chart of one number of the rows that have it; None where none has."""
        keep = [x for x, row in enumerate(self.rows[0]) if row is not None and not math.isnan(value(row))]
        if not keep:
            return None
        series = [_series(label, color, [rows[x] for x in keep], value, log=log)
                  for label, color, rows in zip(self.labels, COLORS, self.rows, strict=False)]
        kinds = [row.kind for x in keep if (row := self.rows[0][x]) is not None]
        return modules.picture(alt, log=log), modules.data(
            series, [self.positions[x].name for x in keep], [cut(kind) for kind in kinds], log=log, guides=guides)


def attention_picture(report: RecordingReport) -> tuple[Picture, Data] | None:
    """Entropy of attention and cosine between tokens over the depth; None where there are neither."""
    trunk, rows = report.trunk, report.recording.rows
    attention = {index for index in trunk.measured
                 if not math.isnan(rows[index].entropy) and len(rows[index].shape) > 2}
    stream = {index for index in trunk.levels if not math.isnan(rows[index].token_cosine)}
    indices = sorted(attention | stream)
    if not indices:
        return None
    series = [_series("entropy ÷ ln n", COLORS[0], [rows[index] if index in attention else None for index in indices],
                      lambda row: row.entropy, log=False),
              _series("token cosine", COLORS[1], [rows[index] if index in stream else None for index in indices],
                      lambda row: row.token_cosine, log=False)]
    return modules.picture("Entropy of attention and cosine between tokens, module by module", log=False), modules.data(
        [line for line in series if len(line.x)], [_short(rows[index]) for index in indices],
        [cut(rows[index].kind) for index in indices], log=False)


def units_picture(report: RecordingReport, positions: Sequence[AxisPosition]) -> tuple[Picture, Data] | None:
    """Shares of dead and of copied units over the positions of a view; None where no module has many."""
    rows = report.recording.rows
    shown = [position for position in positions if rows[position.row].distinct]
    series = [_series(label, color, [rows[position.row] for position in shown], value, log=False)
              for label, color, value in (("always 0", COLORS[0], dead_of), ("copies", COLORS[1], copied_of))]
    if not any((line.y > LEAST_SHARE).any() for line in series):
        return None
    return modules.picture("Shares of units that are 0 for every sample, and of copies, module by module", log=False
                           ), modules.data(series, [position.name for position in shown],
                                           [cut(rows[position.row].kind) for position in shown], log=False)
