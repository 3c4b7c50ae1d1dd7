"""The plots of an experiment, as curves."""

from __future__ import annotations

from initviz.charts import curves
from initviz.charts.picture import UNORDERED, Data, Picture, color_of, sequential
from initviz.experiments import Plot


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
