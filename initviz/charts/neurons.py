"""Heat maps of single neurons, side by side: copies are seen as equal columns."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt
import numpy as np
from numpy.typing import NDArray

from initviz.charts.picture import Data, Picture, carried, columns, named, stacked
from initviz.diagnosis import number

MOST_COLUMNS, MOST_ROWS = 24, 20
HEIGHT = 300
GAP = 2  # columns between two maps
DIVERGING = ["#2166ac", "#67a9cf", "#d1e5f0", "#f7f7f7", "#fddbc7", "#ef8a62", "#b2182b"]


@dataclass(frozen=True, eq=False)
class HeatMap:
    """A matrix (rows, columns) under a name; ``reach`` is the magnitude of full colour, None its own largest.

    ``missing`` is said where not all values are finite numbers.
    """

    label: str
    values: NDArray[Any]
    reach: float | None = None
    missing: str = "overflow"


@functools.cache
def picture() -> Picture:
    """Heat maps side by side; datasets cells, columns."""
    x_scale = alt.Scale(domain=alt.ExprRef("[0, data('columns')[0].span]"), nice=False, zero=False)
    y_scale = alt.Scale(domain=alt.ExprRef("[data('columns')[0].rows, 0]"), nice=False, zero=False)
    centres = "pluck(data('columns'), 'centre')"
    titles = alt.Axis(orient="top", values=alt.ExprRef(centres), title=None, grid=False,
                      labelExpr=f"split(data('columns')[indexof({centres}, datum.value)].title, '\\n')",
                      labelOverlap=False, labelFontSize=12, labelLineHeight=13, labelPadding=46)
    color: dict[str, Any] = {"field": "value", "type": "quantitative", "legend": None,
                             "scale": alt.Scale(domain=[-1, 1], range=DIVERGING, clamp=True)}
    cells = alt.Chart(named("cells")).mark_rect(strokeWidth=0.7, tooltip=None).encode(
        x=alt.X("x:Q", scale=x_scale, axis=titles), x2="x1:Q",
        y=alt.Y("y:Q", scale=y_scale, axis=alt.Axis(title=None, labels=False, grid=False)), y2="y1:Q",
        color=alt.Color(**color), stroke=alt.Stroke(**color))
    chart = alt.layer(cells, *carried("columns")).properties(width="container", height=HEIGHT)
    return Picture.of(chart, "Heat maps of single neurons, a column a neuron, one map an initialiser", "canvas")


def data(maps: Sequence[HeatMap]) -> Data:
    """Datasets for ``picture``: the first rows and columns of each map, under its name and the reach of its colours."""
    cells, titles = [], []
    rows = 1
    for index, heat_map in enumerate(maps):
        values = np.asarray(heat_map.values, np.float64)[:MOST_ROWS, :MOST_COLUMNS]
        rows, width = len(values), MOST_COLUMNS / values.shape[1]
        finite = np.isfinite(values)
        reach = heat_map.reach if heat_map.reach is not None else float(np.abs(values[finite]).max(initial=0))
        left = index * (MOST_COLUMNS + GAP)
        row, column = np.divmod(np.arange(values.size), values.shape[1])
        cells.append({
            "x": (left + column * width).astype(np.float32), "x1": (left + (column + 1) * width).astype(np.float32),
            "y": row.astype(np.int16), "y1": (row + 1).astype(np.int16),
            "value": np.where(finite, values / (reach or 1.0), np.nan).ravel().astype(np.float32)})
        said = heat_map.missing if not finite.all() else f"±{number(reach)}" if reach else "all 0"
        titles.append((left + MOST_COLUMNS / 2, "\n".join([*heat_map.label.split(" ", 1), said])))
    span = max(len(maps) * (MOST_COLUMNS + GAP) - GAP, 1)
    return {"cells": stacked(cells),
            "columns": columns([(centre, title, span, rows) for centre, title in titles],
                               "centre", "title", "span", "rows")}
