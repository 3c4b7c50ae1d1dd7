"""The first picture: one column an initializer, one row a layer, the distribution of what the layer's neurons hold."""

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
    columns,
    fitted_column_titles,
    literal_color,
    named,
    places_of,
)
from initviz.core.initializers import label_of
from initviz.core.simulation import NEURON_QUANTITIES, Run
from initviz.core.statistics import Bins, moments
from initviz.core.wording import counted, number, percent

MOST_ROWS = 10
ROW_HEIGHT, TALLEST_ROW, ALL_ROWS = 33, 64, 330  # pixels: a row's height, that of a few rows, that of many together
FRAME_HEIGHT = 92
HEAD = 21  # pixels above the cells that hold the verdicts
MARGIN = 0.05  # of a column's width, left free at each side
PEAK = 0.86  # of a row's height
ALIKE = 64 * float(np.finfo(np.float32).eps)  # of the largest: a range that round-off may have made
SPIKE = 0.25  # a range of values narrower than this part of a bin is drawn as one spike
LEAST_PEAK = 0.02  # of all values: a layer whose other values are fewer is not blown up to full height
FACTS = {"initializer": "Initializer", "layer": "Layer", "shown": "Shown", "mean": "Mean", "std": "Standard deviation",
         "min": "Smallest", "max": "Largest", "zeros": "Exactly 0"}  # of a cell, when a mouse rests on it
STATISTICS = ("mean", "std", "min", "max")
ALIGNED: dict[int, Literal["left", "center", "right"]] = {-1: "right", 0: "center", 1: "left"}
LINE, LETTERS, BESIDE = 12, 11, 6  # pixels: a note's line, its letters' size, how far it stands from its needle
SLENDER = " .,'il"  # letters half as wide as the others, which are about half as wide as the font is large
WIDE, NARROW = 104, 56  # from the first a column's name is on one line, below the second it is written upwards
NOTED = 0.01  # a share beyond the axis is noted from here on
NOTE_WIDTH, BELOW_NOTE = 0.4, 0.5  # of a cell: what a note of a share takes, and how high bars reach under it
ZEROS_NOTED = 0.02  # a share of exact zeros

AXIS_TITLES = {
    "activation": "activation h",
    "preactivation": "preactivation z",
    "delta": "delta dL/dz, in units of the output's error passed back with its length",
    "weight": "weight",
    "weight_gradient": "weight gradient dL/dW, in units of what the error would make of independent samples",
}
IN_UNITS = ("delta", "weight_gradient")  # of which each layer has its own unit; the others have numbers on their axis


@dataclass(frozen=True)
class Head:
    """The heading of a column: a word in a colored band, and what is shown when a mouse rests on it."""

    word: str
    color: str
    facts: str


NO_HEAD = Head("", "transparent", "")


def axis_title(quantity: str) -> str:
    """The title of the x axis: its quantity and units."""
    return AXIS_TITLES[quantity]


def shown_layers(depth: int, most: int = MOST_ROWS) -> list[int]:
    """The layers that get a row: all, or evenly chosen ones, first and last among them."""
    return [int(layer) for layer in np.unique(np.linspace(1, depth, min(depth, most)).round())]


def height(depth: int) -> int:
    """Height of the picture in pixels."""
    rows = len(shown_layers(depth))
    return FRAME_HEIGHT + rows * min(TALLEST_ROW, ALL_ROWS // rows)


@functools.cache
def picture() -> Picture:
    """Distributions by layer and initializer under the verdicts; datasets outline, spikes, cells, notes, columns, rows,
    axis, ticks.
    """
    x_scale = alt.Scale(domain=alt.ExprRef("[0, max(1, length(data('columns')))]"), nice=False, zero=False)
    y_scale = alt.Scale(domain=alt.ExprRef("[-max(1, length(data('rows'))), 0]"), nice=False, zero=False)
    y_axis = alt.Axis(values=alt.ExprRef("sequence(-length(data('rows')) + 0.5, 0, 1)"), title=None,
                      grid=False, labelExpr="data('rows')[round(-datum.value - 0.5)].label", labelOverlap=False,
                      labelPadding=6)
    one_column = "width / max(1, length(data('columns')))"
    top = fitted_column_titles(one_column, wide=WIDE, narrow=NARROW, padding=HEAD + 4, more=13)
    bottom = alt.Axis(orient="bottom", grid=False, labelOverlap="greedy", labelPadding=2, title=" ", titlePadding=4,
                      **places_of("ticks", "x", "label"))  # the title only keeps room for the one in the data
    x, y = alt.X("x:Q", scale=x_scale, axis=None), alt.Y("y:Q", scale=y_scale, axis=y_axis)

    cells = alt.Chart(named("cells")).mark_rect(fillOpacity=0.07, cornerRadius=3).encode(
        x=alt.X("x0:Q", scale=x_scale, axis=top), x2=alt.X2("x1:Q"), y=alt.Y("y0:Q", scale=y_scale, axis=y_axis),
        y2=alt.Y2("y1:Q"), color=literal_color(),
        tooltip=[alt.Tooltip(f"{name}:N", title=title) for name, title in FACTS.items()]).add_params(
        alt.selection_point(name="cell", fields=["layer", "key"], on="click", clear=False, toggle=False))
    outline = alt.Chart(named("outline")).mark_area(
        interpolate="step", fillOpacity=0.8, strokeWidth=0, clip=True, tooltip=None).encode(
        x=alt.X("x:Q", scale=x_scale, axis=bottom), y=y, y2=alt.Y2("base:Q"),
        detail=alt.Detail("cell:Q"), color=literal_color())
    spikes = alt.Chart(named("spikes")).mark_rule(strokeWidth=4, strokeCap="butt", tooltip=None).encode(
        x=x, y=y, y2=alt.Y2("base:Q"), color=literal_color())
    notes = alt.Chart(named("notes")).transform_calculate(
        fits=f"(datum.room * {one_column} - {BESIDE}) / {LETTERS}").transform_calculate(
        said="datum.fits >= datum.long ? datum.text : datum.fits >= datum.middle ? datum.short : datum.least",
        lines="datum.fits >= datum.long && datum.text != datum.short ? 2 : 1")
    written = [notes.transform_filter(f"datum.side == {side} && datum.lines == {lines}").mark_text(
        fontSize=LETTERS, lineHeight=LINE, lineBreak="\n", fill=INK, tooltip=None, baseline="middle",
        dx=BESIDE * side, dy=-LINE / 2 * (lines - 1), align=ALIGNED[side]).encode(x=x, y=y, text=alt.Text("said:N"))
        for side in ALIGNED for lines in (1, 2)]
    heads = alt.Chart(named("columns"))
    bands = heads.mark_rect(fillOpacity=0.3, cornerRadius=4, clip=False).encode(
        x=alt.X("x0:Q", scale=x_scale, axis=None), x2=alt.X2("x1:Q"), y=alt.value(-HEAD), y2=alt.value(-2),
        color=literal_color(), tooltip=[alt.Tooltip("label:N", title="Initializer"),
                                        alt.Tooltip("facts:N", title="Verdict")])
    words = heads.transform_calculate(
        said=f"{one_column} > 72 ? datum.word : split(datum.word, ' ')[0]").mark_text(
        fontSize=11, fontWeight="bold", fill=INK, tooltip=None, baseline="middle", clip=False).encode(
        x=alt.X("center:Q", scale=x_scale, axis=None), y=alt.value(-HEAD / 2 - 1), text=alt.Text("said:N"))
    title = alt.Chart(named("axis")).mark_text(fontSize=12, fill=INK, fillOpacity=0.75, tooltip=None,
                                                  clip=False).encode(
        x=alt.value(alt.expr("width / 2")), y=alt.value(alt.expr("height + 27")), text=alt.Text("title:N"))
    return Picture.of("Distributions of neurons: one row per layer, one column per initializer, under verdicts",
                      cells, outline, spikes, *written, bands, words, title, *carried("rows", "ticks"))


def _within(fraction: Any) -> Any:
    """Position inside a column of a fraction of its axis."""
    return MARGIN + (1 - 2 * MARGIN) * fraction


@dataclass(frozen=True, eq=False)
class _Shape:
    """What is drawn of one layer, in fractions of a cell: edges and heights of bins (1 is the peak), a spike (position,
    share), notes, and the moments of the values.

    A note is (x, y, text, side): the text stands right (1) or left (-1) of its place, or on it (0).
    """

    values: tuple[float, ...]
    heights: NDArray[np.float32] | None = None
    spike: tuple[float, float] | None = None
    notes: tuple[tuple[float, float, str, int], ...] = ()


@dataclass(frozen=True, eq=False)
class _Axis:
    """The axis that all columns and rows share: the bins, in units of ``unit``, None where each layer has its own."""

    bins: Bins
    unit: float | None

    @classmethod
    def of(cls, run: Run, quantity: str) -> _Axis:
        return cls(run.bins[quantity], None if quantity in IN_UNITS else max(run.units[quantity]))

    def fraction(self, values: NDArray[Any], own_unit: float) -> NDArray[Any]:
        """Where on the axis some values lie, from 0 to 1."""
        return (self.bins.coordinate(values, self.unit or own_unit) - self.bins.low) / (self.bins.high - self.bins.low)

    def bin_fractions(self, own_unit: float) -> NDArray[Any]:
        """Where on the axis the edges of the bins of a layer lie."""
        return self.fraction(self.bins.edge_values * own_unit, own_unit)


def _shape(run: Run, quantity: str, layer: int, one_sample: bool) -> _Shape:
    """The _Shape of one layer in a run."""
    axis, i = _Axis.of(run, quantity), layer - 1
    single = one_sample and quantity in NEURON_QUANTITIES
    neurons = run.neurons[quantity][i].astype(float) if single else None
    if quantity == "delta" and run.hidden_gradient_is_round_off and layer < run.network.depth:
        return _spike((0.0,) * 5 + (1.0,), 0.5, _points_label(neurons) + "all 0: errors cancel")
    values = moments(neurons[None]) if neurons is not None else tuple(
        float(run.column(f"{quantity}_{name}")[i]) for name in (*STATISTICS, "rms", "zero_share"))
    _, _, low, high, _, zeros = values
    if not (math.isfinite(low) and math.isfinite(high)):
        label = "not a number" if math.isnan(low) or math.isnan(high) else "overflow"
        return _Shape(values, notes=((0.5, 0.45, label, 0),))
    unit = run.units[quantity][i]
    start, end = (float(at) for at in axis.fraction(np.array([low, high]), unit))
    alike = high - low <= ALIKE * max(abs(low), abs(high))
    if alike or (end - start <= SPIKE / axis.bins.count and start >= 0 and end <= 1):
        label = (f"all {number(values[0])}" if alike
                 else f"within ±{number(max(abs(low), abs(high)))}" if low < 0 < high
                 else f"{number(low)} to {number(high)}")
        middle = (start + end) / 2
        label = "← " * (middle < 0) + label + " →" * (middle > 1)
        return _spike(values, min(max(middle, 0.0), 1.0), _points_label(neurons) + label)
    counts = run.counts[quantity][i] if neurons is None else axis.bins.count_values(neurons[None], unit, (low, high))
    return _spread(values, axis, counts, zeros)


def _points_label(neurons: NDArray[Any] | None) -> str:
    return "" if neurons is None else f"{counted(neurons.size, 'neuron')},\n"


def _spike(values: Sequence[float], at: float, label: str) -> _Shape:
    return _Shape(tuple(values), spike=(at, 1.0), notes=((_within(at), 0.5, label, 1 if at < 0.55 else -1),))


def _spread(values: Sequence[float], axis: _Axis, counts: NDArray[Any], zeros: float) -> _Shape:
    """The shape of counted values: exact zeros and what lies beyond the axis stand apart."""
    bins, total = axis.bins, max(int(counts.sum()), 1)
    beyond = counts[0] / total, counts[-1] / total
    heights, spike, notes = counts[1:-1].astype(np.float32), None, []
    zero_at = -bins.low / (bins.high - bins.low)
    if zeros > ZEROS_NOTED and 0 <= zero_at < 1:  # or their bin would dwarf the rest
        zero_bin = int(zero_at * bins.count)
        heights[zero_bin] = max(0.0, heights[zero_bin] - round(zeros * total))
        spike = (zero_at, min(1.0, zeros * total / max(float(heights.max()), 1.0)))
        notes.append((0.99, 0.74, f"{percent(zeros)} exactly 0", -1))
    line = 0.4 if notes else 0.74
    notes += [(x, line, text, side) for x, share, text, side in (
        (0.01, beyond[0], f"← {percent(beyond[0])}", 1), (0.99, beyond[1], f"{percent(beyond[1])} →", -1))
        if share > NOTED]
    shape = heights / max(float(heights.max()), LEAST_PEAK * total)
    if spike is None and any(_under(shape, side) > BELOW_NOTE for *_, side in notes):
        shape *= BELOW_NOTE
    return _Shape(tuple(values), shape, spike, tuple(notes))


def _under(shape: NDArray[Any], side: int) -> float:
    """The highest bar under a note at the left (``side`` 1) or right end of a cell."""
    reach = int(len(shape) * NOTE_WIDTH)
    return float((shape[:reach] if side == 1 else shape[-reach:]).max(initial=0))


def _fitted(x: float, text: str, side: int) -> tuple[float, str, str, str, float, float]:
    """The part of a column that a note beside ``x`` has; the note, its last line, the least that says it; and how wide
    the first two are, in sizes of their letters.
    """
    short = text.split("\n")[-1]
    least = short.split(":")[0].replace("all ", "").replace("exactly", "=")
    width = {1: 1 - x, -1: x, 0: 2 * min(x, 1 - x)}[side]
    return width, text, short, least, max(map(_wide, text.split("\n"))), _wide(short)


def _wide(text: str) -> float:
    return sum(0.25 if letter in SLENDER else 0.5 for letter in text)


_Drawn = list[tuple[int, int, Run, int, _Shape]]  # column, row, run, layer and what is drawn of it
CORNERS = ("x0", "x1", "y0", "y1")


def data(runs: Sequence[Run], quantity: str, heads: Sequence[Head] = (), *, one_sample: bool = True) -> Data:
    """The datasets of ``picture`` for runs of one depth and one axis, at least one, and a head for each if any.

    Of ``one_sample`` each neuron's one value is counted, else the values of all samples. Weights and their gradients
    are the same for every sample.
    """
    shapes: _Drawn = [(column, row, run, layer, _shape(run, quantity, layer, one_sample))
                     for column, run in enumerate(runs) for row, layer in enumerate(shown_layers(run.network.depth))]
    colors = [color_of(run.network.initializer) for run in runs]
    single = one_sample and quantity in NEURON_QUANTITIES
    values_shown = f"every neuron's value for sample {runs[0].sample + 1}" if single else "all values"
    cells = columns([(column + 0.02, column + 0.98, -row - 0.97, -row - 0.03, colors[column], run.network.initializer,
                      label_of(run.network.initializer), layer, values_shown, *map(number, shape.values[:4]),
                      percent(shape.values[5])) for column, row, run, layer, shape in shapes],
                    *CORNERS, "color", "key", "initializer", "layer", "shown", *STATISTICS, "zeros")
    spikes = columns([(column + _within(shape.spike[0]), -row - 1.0, -row - 1 + PEAK * shape.spike[1], colors[column])
                      for column, row, _, _, shape in shapes if shape.spike], "x", "base", "y", "color")
    notes = columns([(column + x, -row - 1 + y, side, *_fitted(x, text, side)) for column, row, _, _, shape in shapes
                     for x, y, text, side in shape.notes], "x", "y", "side", "room", "text", "short", "least", "long",
                    "middle")
    return {"outline": _outlines(shapes, quantity, colors), "cells": cells, "spikes": spikes, "notes": notes,
            **_frame(runs, quantity, heads)}


def _outlines(shapes: _Drawn, quantity: str, colors: Sequence[str]) -> dict[str, Any]:
    """The outlines of all cells that have one, one row per bin."""
    filled = [(column, row, run, layer, shape.heights) for column, row, run, layer, shape in shapes
              if shape.heights is not None]
    edges = [_Axis.of(run, quantity).bin_fractions(run.units[quantity][layer - 1]) for _, _, run, layer, _ in filled]
    counts = [len(heights) for *_, heights in filled]
    places = np.repeat([column for column, *_ in filled], counts).astype(np.int16)
    base = -1 - np.repeat([row for _, row, *_ in filled], counts).astype(np.float32)
    centers = np.concatenate([(ends[1:] + ends[:-1]) / 2 for ends in edges] or [np.zeros(0)])
    heights = np.concatenate([heights for *_, heights in filled] or [np.zeros(0, np.float32)])
    return {"cell": np.repeat(np.arange(len(filled), dtype=np.int16), counts),
            "x": (places + _within(centers)).astype(np.float32), "base": base, "y": base + PEAK * heights,
            "color": pd.Categorical.from_codes(places, list(colors))}


def _frame(runs: Sequence[Run], quantity: str, heads: Sequence[Head]) -> Data:
    """Names and verdicts of the columns, names of the rows, and the ticks of every column."""
    axis, depth = _Axis.of(runs[0], quantity), runs[0].network.depth
    heads = heads or [NO_HEAD] * len(runs)
    ticks = [(column + _within(at), label) for column in range(len(runs)) for at, label in _ticks(axis)]
    rows = [f"layer {layer}" if layer < depth else "output" for layer in shown_layers(depth)]
    return {
        "columns": columns([(label_of(run.network.initializer), column + 0.02, column + 0.5, column + 0.98, head.word,
                             head.color, head.facts)
                            for column, (run, head) in enumerate(zip(runs, heads, strict=True))],
                           "label", "x0", "center", "x1", "word", "color", "facts"),
        "rows": {"label": rows}, "axis": {"title": [axis_title(quantity)]},
        "ticks": columns(ticks, "x", "label")}


def _ticks(axis: _Axis) -> list[tuple[float, str]]:
    """Places on the axis and the numbers that belong there."""
    unit = axis.unit or 1.0
    if axis.bins.scale == "symlog":
        values = [sign * 10.0**power for power in (3, 0, -3) for sign in (-1, 1)] + [0.0]
    else:
        low, high = axis.bins.low * unit, axis.bins.high * unit
        step = _round_step((high - low) / 3)
        values = [step * count for count in range(math.ceil(low / step), math.floor(high / step) + 1)]
    places = axis.fraction(np.array(values), 1.0)
    return sorted((float(at), _tick(value)) for at, value in zip(places, values, strict=True) if 0.03 <= at <= 0.97)


def _round_step(most: float) -> float:
    """The largest of 1, 2 and 5 times a power of ten up to ``most``."""
    power = 10.0 ** math.floor(math.log10(most))
    return max(factor for factor in (1, 2, 5) if factor * power <= most * (1 + 1e-9)) * power


def _tick(value: float) -> str:
    return "0" if abs(value) < 1e-12 else number(value, 1).replace("1 × ", "")
