"""The first picture: one column an initialiser, one row a layer, the distribution of what the layer holds."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import altair as alt
import numpy as np
import pandas as pd

from initviz.charts.picture import INK, Data, Picture, carried, color_of, label_of, literal_color, named
from initviz.diagnosis import number, percent
from initviz.simulation import Run
from initviz.statistics import Bins

MOST_ROWS = 10
ROW_HEIGHT = 46
FRAME_HEIGHT = 70
MARGIN = 0.05  # of a column's width, left free at each side
PEAK = 0.86  # of a row's height
SPIKE = 1e-3  # a range of values narrower than this part of a bin is drawn as one spike
NOTED = 0.005  # a share beyond the axis is noted from here on

AXIS_TITLES = {
    "activation": "activation h",
    "preactivation": "preactivation z, in units of the input's root mean square",
    "delta": "delta dL/dz, in units of the error passed back with its length",
    "weight": "weight, in units of 1/√fan_in",
    "weight_gradient": "weight gradient, in units of what the error would make of independent samples",
}


def shown_layers(depth: int, most: int = MOST_ROWS) -> list[int]:
    """The layers that get a row: all, or evenly chosen ones, first and last among them."""
    return [int(layer) for layer in np.unique(np.linspace(1, depth, min(depth, most)).round())]


def height(depth: int) -> int:
    """Height of the picture in pixels."""
    return FRAME_HEIGHT + ROW_HEIGHT * len(shown_layers(depth))


@functools.cache
def picture() -> Picture:
    """Distributions by layer and initialiser; datasets outline, spikes, cells, notes, columns, rows, ticks."""
    x_scale = alt.Scale(domain=alt.ExprRef("[0, max(1, length(data('columns')))]"), nice=False, zero=False)
    y_scale = alt.Scale(domain=alt.ExprRef("[-max(1, length(data('rows'))), 0]"), nice=False, zero=False)
    y_axis = alt.Axis(values=alt.ExprRef("sequence(-length(data('rows')) + 0.5, 0, 1)"), title=None, grid=False,
                      labelExpr="data('rows')[round(-datum.value - 0.5)].label", labelOverlap=False, labelPadding=6)
    top = alt.Axis(orient="top", values=alt.ExprRef("sequence(0.5, length(data('columns')), 1)"), title=None, grid=False,
                   labelExpr="split(data('columns')[round(datum.value - 0.5)].label, ' ')", labelOverlap=False,
                   labelFontSize=12, labelFontWeight="bold", labelPadding=20, labelLineHeight=13)
    bottom = alt.Axis(orient="bottom", values=alt.ExprRef("pluck(data('ticks'), 'x')"), title=None, grid=False,
                      labelExpr="data('ticks')[indexof(pluck(data('ticks'), 'x'), datum.value)].label",
                      labelOverlap="greedy", labelPadding=2)
    y = alt.Y("y:Q", scale=y_scale, axis=y_axis)

    cells = alt.Chart(named("cells")).mark_rect(fillOpacity=0.05, cornerRadius=3).encode(
        x=alt.X("x0:Q", scale=x_scale, axis=top), x2="x1:Q", y=alt.Y("y0:Q", scale=y_scale, axis=y_axis), y2="y1:Q",
        color=literal_color(),
        tooltip=[alt.Tooltip(f"{name}:N", title=title) for name, title in (
            ("initializer", "Initialiser"), ("layer", "Layer"), ("mean", "Mean"), ("std", "Standard deviation"),
            ("min", "Smallest"), ("max", "Largest"), ("zeros", "Exactly 0"))],
    ).add_params(alt.selection_point(name="cell", fields=["layer", "key"], on="click", clear=False, toggle=False))
    outline = alt.Chart(named("outline")).mark_area(
        interpolate="step", fillOpacity=0.75, strokeWidth=0, clip=True, tooltip=None).encode(
        x=alt.X("x:Q", scale=x_scale, axis=bottom), y=y, y2="base:Q", detail="cell:Q", color=literal_color())
    spikes = alt.Chart(named("spikes")).mark_rule(strokeWidth=3, strokeCap="butt", tooltip=None).encode(
        x=alt.X("x:Q", scale=x_scale, axis=None), y=y, y2="base:Q", color=literal_color())
    notes = alt.Chart(named("notes")).mark_text(fontSize=11, fill=INK, tooltip=None, baseline="middle").encode(
        x=alt.X("x:Q", scale=x_scale, axis=None), y=y, text="text:N")
    chart = alt.layer(cells, outline, spikes, notes, *carried("columns", "rows", "ticks")).properties(width="container")
    return Picture.of(chart, "Distributions of neurons, a row a layer, a column an initialiser")


def _position(column: int, fraction: np.ndarray | float) -> np.ndarray | float:
    return column + MARGIN + (1 - 2 * MARGIN) * fraction


def data(runs: Sequence[Run], quantity: str) -> Data:
    """The datasets of ``picture`` for runs of one depth and one axis."""
    depth = runs[0].network.depth if runs else 0
    rows = shown_layers(depth) if runs else []
    bins = runs[0].bins[quantity] if runs else None
    outline: list[pd.DataFrame] = []
    spikes, cells, notes, ticks = [], [], [], []
    for column, run in enumerate(runs):
        assert bins is not None
        key = run.network.initializer
        color = color_of(key)
        for value in _tick_values(bins):
            fraction = (value - bins.low) / (bins.high - bins.low)
            ticks.append((float(_position(column, fraction)), _tick(value, bins.scale)))
        counts, units = run.counts[quantity], run.units[quantity]
        stat = {name: run.column(f"{quantity}_{name}") for name in ("mean", "std", "min", "max", "zero_share")}
        for row, layer in enumerate(rows):
            i, base = layer - 1, -(row + 1.0)
            cells.append((column + 0.02, column + 0.98, base + 0.03, base + 0.97, color, key, label_of(key), layer,
                          number(stat["mean"][i]), number(stat["std"][i]), number(stat["min"][i]),
                          number(stat["max"][i]), percent(stat["zero_share"][i])))
            centre = float(_position(column, 0.5))
            if not (np.isfinite(stat["min"][i]) and np.isfinite(stat["max"][i])):
                notes.append((centre, base + 0.45, "overflow" if not np.isnan(stat["min"][i]) else "not a number"))
                continue
            where = (bins.coordinate(np.array([stat["min"][i], stat["max"][i]]), units[i]) - bins.low) / (bins.high - bins.low)
            total = counts[i].sum()
            below, above = counts[i][0] / total, counts[i][-1] / total
            if where[1] - where[0] <= SPIKE / bins.count and 0 <= where[0] <= 1:
                x = float(_position(column, float(where.mean())))
                spikes.append((x, base, base + PEAK, color))
                side = 0.12 if where[0] < 0.75 else -0.12
                notes.append((x + side * 1.4, base + 0.5, f"all {number(stat['mean'][i])}"))
                continue
            inside = counts[i][1:-1].astype(float)
            zero_bin = int((0 - bins.low) / (bins.high - bins.low) * bins.count)
            zeros = stat["zero_share"][i]
            if zeros > NOTED and 0 <= zero_bin < bins.count:
                inside[zero_bin] = max(0.0, inside[zero_bin] - round(zeros * total))
                x = float(_position(column, (0 - bins.low) / (bins.high - bins.low)))
                spikes.append((x, base, base + PEAK * zeros, color))
            peak = max(inside.max(), 0.02 * total)
            centres = (np.arange(bins.count) + 0.5) / bins.count
            outline.append(pd.DataFrame({
                "cell": np.full(bins.count, column * MOST_ROWS + row, np.int16),
                "x": np.asarray(_position(column, centres), np.float32),
                "y": (base + PEAK * inside / peak).astype(np.float32), "base": np.float32(base),
                "color": color}))
            if below > NOTED:
                notes.append((column + 0.16, base + 0.86, f"← {percent(below)}"))
            if above > NOTED:
                notes.append((column + 0.84, base + 0.86, f"{percent(above)} →"))
    empty_outline = pd.DataFrame({"cell": [], "x": [], "y": [], "base": [], "color": []})
    outlines = pd.concat(outline, ignore_index=True) if outline else empty_outline
    outlines["color"] = outlines["color"].astype("category")
    return {
        "outline": outlines,
        "spikes": pd.DataFrame(spikes, columns=["x", "base", "y", "color"]),
        "cells": pd.DataFrame(cells, columns=["x0", "x1", "y0", "y1", "color", "key", "initializer", "layer", "mean",
                                              "std", "min", "max", "zeros"]),
        "notes": pd.DataFrame(notes, columns=["x", "y", "text"]),
        "columns": pd.DataFrame({"label": [label_of(run.network.initializer) for run in runs]}),
        "rows": pd.DataFrame({"label": [f"layer {layer}" if layer < depth else "output" for layer in rows]}),
        "ticks": pd.DataFrame(ticks, columns=["x", "label"]),
    }


def _tick_values(bins: Bins) -> list[float]:
    if bins.scale == "symlog":
        return [-9.0, 0.0, 9.0]
    span = bins.high - bins.low
    step = 0.5 if span <= 1.5 else 1 if span <= 3 else 2
    values = np.arange(np.ceil(bins.low / step), np.floor(bins.high / step) + 1) * step
    return [float(value) for value in values if bins.low + 0.03 * span <= value <= bins.high - 0.03 * span]


def _tick(coordinate: float, scale: str) -> str:
    if scale == "linear":
        return f"{coordinate:.2g}".replace("-", "−")
    if round(coordinate) == 0:
        return "0"
    return ("−" if coordinate < 0 else "") + number(10.0 ** (abs(coordinate) - 6), 1).replace("1 × ", "")
