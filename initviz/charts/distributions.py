"""The first picture: one column an initializer, one row a layer, the distribution of what the layer holds."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import altair as alt
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from initviz.charts.picture import (
    INK,
    Data,
    Picture,
    carried,
    color_of,
    column_titles,
    columns,
    literal_color,
    named,
    places_of,
    upwards,
)
from initviz.core.initializers import label_of
from initviz.core.simulation import Run
from initviz.core.statistics import Bins
from initviz.core.wording import number, percent

MOST_ROWS = 10
ROW_HEIGHT = 46
FRAME_HEIGHT = 70
MARGIN = 0.05  # of a column's width, left free at each side
PEAK = 0.86  # of a row's height
FULL = 100  # a film's height of a peak: small integers are sent
ALIKE = 64 * float(np.finfo(np.float32).eps)  # of the largest: a range that round-off may have made
SPIKE = 1e-3  # a range of values narrower than this part of a bin is drawn as one spike
LEAST_PEAK = 0.02  # of all values: a layer whose other values are fewer is not blown up to full height
MOMENTS = ("mean", "std", "min", "max")
ALIGNED: dict[int, Literal["left", "center", "right"]] = {-1: "right", 0: "center", 1: "left"}
NARROW = 52  # pixels of a column: its name is then written upwards
NOTED = 0.01  # a share beyond the axis is noted from here on

AXIS_TITLES = {
    "activation": "activation h",
    "preactivation": "preactivation z, in units of the input's root mean square",
    "delta": "delta dL/dz, in units of the error passed back with its length",
    "weight": "weight, in units of 1/√fan_in",
    "weight_gradient": "weight gradient, in units of what the error would make of independent samples",
}


def axis_title(quantity: str) -> str:
    """What the x axis shows and in which units, as the beginning of a sentence."""
    title = AXIS_TITLES[quantity]
    return title[0].upper() + title[1:]


def shown_layers(depth: int, most: int = MOST_ROWS) -> list[int]:
    """The layers that get a row: all, or evenly chosen ones, first and last among them."""
    return [int(layer) for layer in np.unique(np.linspace(1, depth, min(depth, most)).round())]


def height(depth: int) -> int:
    """Height of the picture in pixels."""
    return FRAME_HEIGHT + ROW_HEIGHT * len(shown_layers(depth))


def _chart(frame: str = "") -> alt.LayerChart | alt.FacetChart:
    """Distributions by layer and initializer. ``frame``, where given, is the parameter that says which frame is shown:
    then an outline's heights are in f0, f1 and so on, and spikes and notes name their frame.
    """
    x_scale = alt.Scale(domain=alt.ExprRef("[0, max(1, length(data('columns')))]"), nice=False, zero=False)
    y_scale = alt.Scale(domain=alt.ExprRef("[-max(1, length(data('rows'))), 0]"), nice=False, zero=False)
    y_axis = alt.Axis(values=alt.ExprRef("sequence(-length(data('rows')) + 0.5, 0, 1)"), title=None,
                      grid=False, labelExpr="data('rows')[round(-datum.value - 0.5)].label", labelOverlap=False,
                      labelPadding=6)
    top = column_titles(**upwards(f"width / max(1, length(data('columns'))) < {NARROW}", 20))
    bottom = alt.Axis(orient="bottom", title=None, grid=False, labelOverlap="greedy", labelPadding=2,
                      **places_of("ticks", "x", "label"))
    y = alt.Y("y:Q", scale=y_scale, axis=y_axis)

    cells = alt.Chart(named("cells")).mark_rect(fillOpacity=0.05, cornerRadius=3).encode(
        x=alt.X("x0:Q", scale=x_scale, axis=top), x2="x1:Q", y=alt.Y("y0:Q", scale=y_scale, axis=y_axis), y2="y1:Q",
        color=literal_color())
    outline, spikes, notes = (alt.Chart(named(name)) for name in ("outline", "spikes", "notes"))
    if frame:
        outline = outline.transform_calculate(y=f"datum.base + {PEAK / FULL} * datum['f' + {frame}]")
        spikes, notes = (chart.transform_filter(f"datum.frame == {frame}") for chart in (spikes, notes))
    else:
        cells = cells.encode(tooltip=[alt.Tooltip(f"{name}:N", title=title) for name, title in (
            ("initializer", "Initializer"), ("layer", "Layer"), ("mean", "Mean"), ("std", "Standard deviation"),
            ("min", "Smallest"), ("max", "Largest"), ("zeros", "Exactly 0"))]).add_params(
            alt.selection_point(name="cell", fields=["layer", "key"], on="click", clear=False, toggle=False))
    outline = outline.mark_area(
        interpolate="step", fillOpacity=0.75, strokeWidth=0, clip=True, tooltip=None).encode(
        x=alt.X("x:Q", scale=x_scale, axis=bottom), y=y, y2="base:Q", detail="cell:Q", color=literal_color())
    spikes = spikes.mark_rule(strokeWidth=3, strokeCap="butt", tooltip=None).encode(
        x=alt.X("x:Q", scale=x_scale, axis=None), y=y, y2="base:Q", color=literal_color())
    written = [notes.transform_filter(f"datum.side == {side}").mark_text(
        fontSize=11, fill=INK, tooltip=None, baseline="middle", dx=7 * side, align=ALIGNED[side]).encode(
        x=alt.X("x:Q", scale=x_scale, axis=None), y=y, text="text:N") for side in ALIGNED]
    return alt.layer(cells, outline, spikes, *written, *carried("columns", "rows", "ticks")).properties(
        width="container")


@functools.cache
def picture() -> Picture:
    """Distributions by layer and initializer; datasets outline, spikes, cells, notes, columns, rows, ticks."""
    return Picture.of(_chart(), "Distributions of neurons, a row a layer, a column an initializer")


@functools.cache
def film(name: str, low: float, high: float, step: float, first: float) -> Picture:
    """The same with a slider inside it for a number from ``low`` to ``high``, of which every ``step`` is a frame."""
    number_shown = alt.param(name="shown", value=first, bind=alt.binding_range(min=low, max=high, step=step,
                                                                              name=f"{name} "))
    frame = alt.param(name="frame", expr=f"round((shown - {low}) / {step})")
    return Picture.of(_chart("frame").add_params(number_shown, frame),
                      f"Distributions of neurons, a row a layer, a column an initializer, a slider for {name}")


def _within(fraction: Any) -> Any:
    """Position inside a column of a fraction of its axis."""
    return MARGIN + (1 - 2 * MARGIN) * fraction


@dataclass(frozen=True, eq=False)
class _Shape:
    """Bin heights (1 is the peak), a spike (position, share) and notes, in fractions of a cell.

    A note is (x, y, text, side): the text stands right (1) or left (-1) of its place, or on it (0).
    """

    heights: NDArray[np.float32] | None = None
    spike: tuple[float, float] | None = None
    notes: tuple[tuple[float, float, str, int], ...] = ()


def _shape(run: Run, quantity: str, layer: int) -> _Shape:
    """What is drawn of one layer, in fractions of its cell."""
    bins, i = run.bins[quantity], layer - 1
    low, high = (float(run.column(f"{quantity}_{end}")[i]) for end in ("min", "max"))
    if not (math.isfinite(low) and math.isfinite(high)):
        return _Shape(notes=((0.5, 0.45, "not a number" if math.isnan(low) or math.isnan(high) else "overflow", 0),))
    start, end = (bins.coordinate(np.array([low, high]), run.units[quantity][i]) - bins.low) / (bins.high - bins.low)
    if end - start <= SPIKE / bins.count and 0 <= start <= 1:
        alike = high - low <= ALIKE * max(abs(low), abs(high))
        said = (f"all {number(float(run.column(f'{quantity}_mean')[i]))}" if alike else
                f"within ±{number(max(abs(low), abs(high)))}" if low < 0 < high else f"{number(low)} to {number(high)}")
        at = float(start)
        return _Shape(spike=(at, 1.0), notes=((_within(at), 0.5, said, 1 if at < 0.6 else -1),))

    counts = run.counts[quantity][i]
    total = max(int(counts.sum()), 1)
    notes = tuple((x, 0.86, text, 0) for x, share, text in (
        (0.16, counts[0] / total, f"← {percent(counts[0] / total)}"),
        (0.84, counts[-1] / total, f"{percent(counts[-1] / total)} →")) if share > NOTED)
    heights, spike = counts[1:-1].astype(np.float32), None
    zeros, zero_at = float(run.column(f"{quantity}_zero_share")[i]), -bins.low / (bins.high - bins.low)
    if zeros > NOTED and 0 <= zero_at < 1:  # exact zeros stand apart, or their bin would dwarf the rest
        zero_bin = int(zero_at * bins.count)
        heights[zero_bin] = max(0.0, heights[zero_bin] - round(zeros * total))
        spike = (zero_at, zeros)
    return _Shape(heights / max(float(heights.max()), LEAST_PEAK * total), spike, notes)


def data(runs: Sequence[Run], quantity: str) -> Data:
    """The datasets of ``picture`` for runs of one depth and one axis, at least one."""
    drawn = _drawn(runs, quantity)
    colors = [color_of(run.network.initializer) for run in runs]
    bins = runs[0].bins[quantity]
    filled = [(column, row, shape.heights) for column, row, _, _, shape in drawn if shape.heights is not None]
    outline = _places(bins, [(column, row) for column, row, _ in filled], colors)
    heights = np.concatenate([heights for *_, heights in filled] or [np.zeros(0, np.float32)])

    def statistic(name: str, run: Run, layer: int) -> float:
        return float(run.column(f"{quantity}_{name}")[layer - 1])

    cells = columns([(*_corners(column, row), colors[column], run.network.initializer,
                      label_of(run.network.initializer), layer,
                      *(number(statistic(name, run, layer)) for name in MOMENTS),
                      percent(statistic("zero_share", run, layer))) for column, row, run, layer, _ in drawn],
                    *CORNERS, "color", "key", "initializer", "layer", *MOMENTS, "zeros")
    return {
        "outline": outline | {"y": outline["base"] + PEAK * heights}, "cells": cells,
        "spikes": columns(_spikes(drawn, colors), "x", "base", "y", "color"),
        "notes": columns(_notes(drawn), "x", "y", "text", "side"), **_frame(runs, bins)}


def film_data(frames: Sequence[Sequence[Run]], quantity: str) -> Data:
    """The datasets of ``film``: the runs of each frame, all of the same initializers, depth and axis."""
    runs = frames[0]
    bins = runs[0].bins[quantity]
    colors = [color_of(run.network.initializer) for run in runs]
    by_frame = [_drawn(shown, quantity) for shown in frames]
    flat = np.zeros(bins.count, np.float32)
    heights = {f"f{index}": np.concatenate([
        np.round(FULL * (flat if shape.heights is None else shape.heights)) for *_, shape in drawn]).astype(np.int8)
        for index, drawn in enumerate(by_frame)}
    cells = [(column, row) for column, row, *_ in by_frame[0]]
    return {
        "outline": _places(bins, cells, colors) | heights,
        "cells": columns([(*_corners(column, row), colors[column]) for column, row in cells], *CORNERS, "color"),
        "spikes": columns([(*spike, index) for index, drawn in enumerate(by_frame) for spike in _spikes(drawn, colors)],
                          "x", "base", "y", "color", "frame"),
        "notes": columns([(*note, index) for index, drawn in enumerate(by_frame) for note in _notes(drawn)],
                         "x", "y", "text", "side", "frame"), **_frame(runs, bins)}


_Drawn = list[tuple[int, int, Run, int, _Shape]]  # column, row, run, layer and what is drawn of it
CORNERS = ("x0", "x1", "y0", "y1")


def _drawn(runs: Sequence[Run], quantity: str) -> _Drawn:
    """Every cell, column by column."""
    return [(column, row, run, layer, _shape(run, quantity, layer))
            for column, run in enumerate(runs) for row, layer in enumerate(shown_layers(run.network.depth))]


def _corners(column: int, row: int) -> tuple[float, float, float, float]:
    return column + 0.02, column + 0.98, -row - 0.97, -row - 0.03


def _places(bins: Bins, cells: Sequence[tuple[int, int]], colors: Sequence[str]) -> dict[str, Any]:
    """Where the outlines of some cells stand, a row a bin."""
    places = np.repeat([column for column, _ in cells], bins.count).astype(np.int16)
    centers = np.tile((np.arange(bins.count) + 0.5) / bins.count, len(cells))
    return {
        "cell": np.repeat(np.arange(len(cells), dtype=np.int16), bins.count),
        "x": (places + _within(centers)).astype(np.float32),
        "base": -1 - np.repeat([row for _, row in cells], bins.count).astype(np.float32),
        "color": pd.Categorical.from_codes(places, colors)}


def _spikes(drawn: _Drawn, colors: Sequence[str]) -> list[tuple[Any, ...]]:
    return [(column + _within(shape.spike[0]), -row - 1.0, -row - 1 + PEAK * shape.spike[1], colors[column])
            for column, row, _, _, shape in drawn if shape.spike]


def _notes(drawn: _Drawn) -> list[tuple[Any, ...]]:
    return [(column + x, -row - 1 + y, text, side) for column, row, _, _, shape in drawn
            for x, y, text, side in shape.notes]


def _frame(runs: Sequence[Run], bins: Bins) -> Data:
    """Names of the columns and rows, and the ticks of every column."""
    depth = runs[0].network.depth
    ticks = [(column + _within((value - bins.low) / (bins.high - bins.low)), _tick(value, bins.scale))
             for column in range(len(runs)) for value in _tick_values(bins)]
    return {
        "columns": {"label": [label_of(run.network.initializer) for run in runs]},
        "rows": {"label": [f"layer {layer}" if layer < depth else "output" for layer in shown_layers(depth)]},
        "ticks": columns(ticks, "x", "label")}


def _tick_values(bins: Bins) -> list[float]:
    if bins.scale == "symlog":
        return [-9.0, -6.0, -3.0, 0.0, 3.0, 6.0, 9.0]
    span = bins.high - bins.low
    step = 0.5 if span <= 1.5 else 1 if span <= 3 else 2
    values = np.arange(np.ceil(bins.low / step), np.floor(bins.high / step) + 1) * step
    return [float(value) for value in values if bins.low + 0.03 * span <= value <= bins.high - 0.03 * span]


def _tick(coordinate: float, scale: str) -> str:
    if scale == "linear":
        return f"{coordinate + 0.0:.2g}".replace("-", "−")
    if round(coordinate) == 0:
        return "0"
    return ("−" if coordinate < 0 else "") + number(10.0 ** (abs(coordinate) - 6), 1).replace("1 × ", "")
