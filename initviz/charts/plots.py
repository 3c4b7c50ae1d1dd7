"""Plots that an experiment asks for, as curves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from initviz.charts import curves
from initviz.charts.picture import UNORDERED, Data, Picture, color_of, sequential
from initviz.core.arrays import Array


@dataclass(frozen=True, eq=False)
class Line:
    """A line of a plot: name, points, and ``expected``, theory's or the paper's values at the same x (drawn dashed).

    ``initializer`` gives it that initializer's color.
    """

    label: str
    x: Array
    y: Array
    expected: Array | None = None
    initializer: str | None = None


@dataclass(frozen=True, eq=False)
class Plot:
    """Lines over one x axis; ``guides`` are dotted levels and their names. ``title`` says what y is.

    ``points`` marks the points of the lines; ``ordered`` lines, such as layers, get colors in their order.
    """

    title: str
    x_title: str
    lines: Sequence[Line]
    log: bool = False
    guides: Sequence[tuple[float, str]] = ()
    points: bool = True
    ordered: bool = False


def picture(plot: Plot) -> Picture:
    """The picture of a plot."""
    return curves.picture(plot.title, plot.x_title, log=plot.log, points=plot.points)


def data(plot: Plot) -> Data:
    """The datasets of a plot."""
    plain = sequential(len(plot.lines)) if plot.ordered else UNORDERED
    colors = [color_of(line.initializer) if line.initializer else plain[i % len(plain)]
              for i, line in enumerate(plot.lines)]
    series = [curves.Series(line.label, color, line.x, line.y,
                            expected=None if line.expected is None else (line.expected,) * 3)
              for line, color in zip(plot.lines, colors, strict=True)]
    return curves.data(series, log=plot.log, guides=plot.guides)
