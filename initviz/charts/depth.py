"""Scale against depth on a log axis, all initialisers in one chart: the signal forward, the gradient backward."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import altair as alt
import numpy as np
import pandas as pd

from initviz.charts.picture import INK, Data, Picture, carried, color_of, label_of, literal_color, named, spread_apart
from initviz.diagnosis import number
from initviz.simulation import Run

HEIGHT = 300
LABEL_GAP = 0.075  # of the axis: the least distance between two labels at the lines' ends
LABEL_ROOM = 0.42  # of the layers' range, kept free for labels
LEAST_DECADES = 1.0
SHOWN_DECADES = 80  # float32 spans 83


def _picture(alt_text: str, labels_right: bool) -> Picture:
    room = "data('frame')[0].room"
    low, high = ("1", f"data('frame')[0].depth + {room}") if labels_right else (f"1 - {room}", "data('frame')[0].depth")
    x_axis = alt.Axis(values=alt.ExprRef("pluck(data('ticks'), 'layer')"), title="hidden layer", grid=False, format="d",
                      labelOverlap=True)
    x = alt.X("layer:Q", scale=alt.Scale(domain=alt.ExprRef(f"[{low}, {high}]"), nice=False, zero=False), axis=x_axis)
    y = alt.Y("value:Q", title=None,
              scale=alt.Scale(type="log", domain=alt.ExprRef("[data('frame')[0].low, data('frame')[0].high]"),
                              nice=False, clamp=True),
              axis=alt.Axis(orient="left" if labels_right else "right", format="~e", tickCount=6, labelOverlap=True,
                            labelExpr="datum.value >= 0.001 && datum.value < 10000 ? format(datum.value, '~g') "
                                      ": format(datum.value, '~e')"))
    lines = alt.Chart(named("lines")).mark_line(
        strokeWidth=2.2, clip=True, point=alt.OverlayMarkDef(size=26), tooltip=None).encode(
        x=x, y=y, detail="initializer:N", color=literal_color(),
        tooltip=[alt.Tooltip("initializer:N", title="Initialiser"), alt.Tooltip("layer:Q", title="Layer"),
                 alt.Tooltip("shown:N", title="Value")])
    names = alt.Chart(named("names")).mark_text(
        align="left" if labels_right else "right", dx=8 if labels_right else -8, fontSize=11, fill=INK,
        baseline="middle", tooltip=None).encode(x=x, y=y, text="text:N")
    chart = alt.layer(lines, names, *carried("frame", "ticks")).properties(width="container", height=HEIGHT)
    return Picture.of(chart, alt_text)


@functools.cache
def forward_picture() -> Picture:
    """The activations' scale, layer by layer; names stand at the right, where the signal arrives."""
    return _picture("Scale of the activations against the layer, one line an initialiser, log axis", labels_right=True)


@functools.cache
def backward_picture() -> Picture:
    """The deltas' scale, layer by layer; names stand at the left, where the gradient arrives."""
    return _picture("Scale of the deltas against the layer, one line an initialiser, log axis", labels_right=False)


def data(runs: Sequence[Run], quantity: str, spread: str, *, arriving: int) -> Data:
    """Datasets lines, names, frame, ticks for one statistic ("std" or "rms") of a quantity in the hidden layers.

    The output layer is left out: its few neurons have another scale (a network of one layer has no other).

    ``arriving`` is the layer at which the names stand: -1 the last (forward), 0 the first (backward). Zeros, overflows
    and round-off have no place on a log axis: such layers are left out and the name says why.
    """
    depth = max(runs[0].network.depth - 1, 1) if runs else 1
    layers = np.arange(1, depth + 1)
    values = {run: run.column(f"{quantity}_{spread}")[:depth] for run in runs}
    drawn = {}
    for run, value in values.items():
        cancels = quantity == "delta" and run.hidden_gradient_is_round_off
        keep = np.isfinite(value) & (value > 0) & (not cancels)
        drawn[run] = (layers[keep], value[keep])
    logs = np.log10(np.concatenate([value for _, value in drawn.values()] or [np.ones(1)]) if drawn else np.ones(1))
    low, high = (float(logs.min()), float(logs.max())) if logs.size else (-1.0, 0.0)
    pad = max(0.06 * (high - low), (LEAST_DECADES - (high - low)) / 2, 0.04)
    low, high = low - pad, high + pad
    places = []
    for run in runs:
        at, value = drawn[run]
        if not at.size:
            places.append(high if not np.isfinite(values[run]).all() else low)
        elif not np.isfinite(values[run][arriving]):
            places.append(high)
        else:
            places.append(low if values[run][arriving] == 0 else math.log10(value[arriving]))
    gap = LABEL_GAP * (high - low)
    placed = spread_apart(places, gap, low + gap / 2, high - gap / 2)
    frame = {"low": 10.0**low, "high": 10.0**high, "depth": depth, "room": max(LABEL_ROOM * (depth - 1), 1.0)}
    return {
        "lines": pd.DataFrame({
            "layer": np.concatenate([drawn[run][0] for run in runs]).astype(np.int16) if runs else [],
            "value": np.concatenate([drawn[run][1] for run in runs]) if runs else [],
            "initializer": [label_of(run.network.initializer) for run in runs for _ in drawn[run][0]],
            "color": [color_of(run.network.initializer) for run in runs for _ in drawn[run][0]],
            "shown": [number(value) for run in runs for value in drawn[run][1]]}),
        "names": pd.DataFrame({
            "layer": [float(depth if arriving else 1)] * len(runs), "value": [10.0**place for place in placed],
            "text": [label_of(run.network.initializer) + _reason(values[run], drawn[run][0]) for run in runs],
            "color": [color_of(run.network.initializer) for run in runs]}),
        "frame": pd.DataFrame([frame]),
        "ticks": pd.DataFrame({"layer": np.unique(np.linspace(1, depth, min(depth, 10)).round())}),
    }


def _reason(value: np.ndarray, drawn: np.ndarray) -> str:
    """Why a line is missing or stops, in brackets; nothing where it is whole."""
    if len(drawn) == len(value):
        return ""
    if not np.isfinite(value).all():
        return " (overflow)"
    return " (0)" if not len(drawn) else " (0 beyond)"
