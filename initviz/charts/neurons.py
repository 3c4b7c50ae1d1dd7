"""Neurons x samples of one layer: copies are seen as equal columns."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import altair as alt
import numpy as np
import pandas as pd

from initviz.charts.picture import Data, Picture, carried, label_of, named
from initviz.diagnosis import number
from initviz.simulation import Run

SHOWN_NEURONS, SHOWN_SAMPLES = 24, 20
HEIGHT = 300
GAP = 2  # cells between two initialisers
DIVERGING = ["#2166ac", "#67a9cf", "#d1e5f0", "#f7f7f7", "#fddbc7", "#ef8a62", "#b2182b"]


@functools.cache
def picture() -> Picture:
    """A heat map an initialiser, side by side; datasets cells, columns."""
    x_scale = alt.Scale(domain=alt.ExprRef("[0, data('columns')[0].span]"), nice=False, zero=False)
    y_scale = alt.Scale(domain=alt.ExprRef("[data('columns')[0].samples, 0]"), nice=False, zero=False)
    titles = alt.Axis(orient="top", values=alt.ExprRef("pluck(data('columns'), 'centre')"), title=None, grid=False,
                      labelExpr="split(data('columns')[indexof(pluck(data('columns'), 'centre'), datum.value)].title, '\\n')",
                      labelOverlap=False, labelFontSize=12, labelLineHeight=13, labelPadding=46)
    color = {"field": "value", "type": "quantitative", "legend": None,
             "scale": alt.Scale(domain=[-1, 1], range=DIVERGING, clamp=True)}
    cells = alt.Chart(named("cells")).mark_rect(strokeWidth=0.7, tooltip=None).encode(
        x=alt.X("x:Q", scale=x_scale, axis=titles), x2="x1:Q",
        y=alt.Y("y:Q", scale=y_scale, axis=alt.Axis(title="samples", labels=False, grid=False)), y2="y1:Q",
        color=alt.Color(**color), stroke=alt.Stroke(**color))
    chart = alt.layer(cells, *carried("columns")).properties(width="container", height=HEIGHT)
    return Picture.of(chart, "Activations of single neurons for single samples, one heat map an initialiser", "canvas")


def data(runs: Sequence[Run], layer: int) -> Data:
    """Datasets cells and columns for one layer; each map is scaled to its own largest magnitude, which stands above it."""
    cells, columns = [], []
    samples = 1
    for index, run in enumerate(runs):
        h = run.samples[layer - 1][:SHOWN_SAMPLES, :SHOWN_NEURONS].astype(np.float64)
        samples, neurons = h.shape
        finite = np.isfinite(h)
        largest = float(np.abs(h[finite]).max(initial=0))
        scaled = np.where(finite, h / largest if largest else 0.0, np.nan)
        left = index * (SHOWN_NEURONS + GAP)
        width = SHOWN_NEURONS / neurons
        sample, neuron = np.divmod(np.arange(h.size), neurons)
        cells.append(pd.DataFrame({
            "x": (left + neuron * width).astype(np.float32), "x1": (left + (neuron + 1) * width).astype(np.float32),
            "y": sample.astype(np.int16), "y1": (sample + 1).astype(np.int16),
            "value": scaled.ravel().astype(np.float32)}))
        reach = "overflow" if not finite.all() else f"±{number(largest)}" if largest else "all 0"
        columns.append((left + SHOWN_NEURONS / 2, "\n".join([*label_of(run.network.initializer).split(" ", 1), reach])))
    span = max(len(runs) * (SHOWN_NEURONS + GAP) - GAP, 1)
    frame = pd.DataFrame(columns, columns=["centre", "title"]).assign(span=span, samples=samples)
    empty = pd.DataFrame({"x": [], "x1": [], "y": [], "y1": [], "value": []})
    return {"cells": pd.concat(cells, ignore_index=True) if cells else empty, "columns": frame}
