"""Both collapses in one picture, layer by layer: copies are equal columns, a weak signal is pale."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt
import numpy as np
from numpy.typing import NDArray

from initviz.charts.distributions import shown_layers
from initviz.charts.picture import (
    INK,
    Data,
    Picture,
    carried,
    columns,
    diverging_codes,
    diverging_shades,
    image_url,
    literal_color,
    named,
)
from initviz.core.arrays import Array
from initviz.core.wording import number

HEIGHT = 380
HEAD = 21  # pixels above the cells that hold the words
MOST_LAYERS, LEAST_ROWS = 9, 3
NEURONS, SAMPLES = 24, 12
COLUMN_GAP, ROW_GAP = 1 / 12, 0.12  # between two cells, of a cell's width and height
FULL = 2.0  # times a layer's scale: the full color of a value
DECADES = 6  # below the strongest layer at which nothing is seen any more


@dataclass(frozen=True, eq=False)
class HiddenLayer:
    """A hidden layer: outputs of some neurons (samples, neurons), scale (root mean square), effective neurons."""

    activations: Array
    scale: float
    effective: float


@dataclass(frozen=True, eq=False)
class Column:
    """An initializer's hidden layers, first to last, none where training diverged; what is seen, in a word on a color.
    """

    label: str
    layers: Sequence[HiddenLayer]
    word: str = ""
    color: str = "transparent"


@functools.cache
def picture() -> Picture:
    """One column per initializer, one row per layer, in each cell a column per neuron and a row per sample; datasets
    cells, columns, rows.
    """
    x = alt.Scale(domain=alt.ExprRef("[0, data('columns')[0].span]"), nice=False, zero=False)
    y = alt.Scale(domain=alt.ExprRef("[data('columns')[0].rows, 0]"), nice=False, zero=False)
    centers, places = "pluck(data('columns'), 'center')", "pluck(data('rows'), 'middle')"
    titles = alt.Axis(orient="top", values=alt.ExprRef(centers), title=None, grid=False, labelOverlap=False,
                      labelExpr=f"split(data('columns')[indexof({centers}, datum.value)].title, '\\n')",
                      labelFontSize=12, labelFontWeight="bold", labelLineHeight=13, labelPadding=HEAD + 17)
    layers = alt.Axis(values=alt.ExprRef(places), title=None, grid=False, labelOverlap=False,
                      labelExpr=f"data('rows')[indexof({places}, datum.value)].label")
    corners = {"x": alt.X("left:Q", scale=x, axis=titles), "x2": alt.X2("right:Q"),
          "y": alt.Y("top:Q", scale=y, axis=layers), "y2": alt.Y2("bottom:Q")}
    images = alt.Chart(named("cells")).mark_image(aspect=False, smooth=False, tooltip=None).encode(
        **corners, url=alt.Url("url:N"))
    cells = alt.Chart(named("cells"))
    frames = cells.mark_rect(fillOpacity=0, stroke=INK, strokeOpacity=0.25).encode(**corners, tooltip=[
        alt.Tooltip("label:N", title="Initializer"), alt.Tooltip("row:N", title="Where"),
        alt.Tooltip("scale:N", title="Root mean square"), alt.Tooltip("effective:N", title="Effective neurons")])
    notes = alt.Chart(named("cells")).mark_text(fontSize=11, fill=INK, baseline="middle", tooltip=None).encode(
        x=alt.X("center:Q", scale=x, axis=titles), y=alt.Y("middle:Q", scale=y, axis=layers), text=alt.Text("note:N"))
    heads = alt.Chart(named("columns"))
    bands = heads.mark_rect(fillOpacity=0.3, cornerRadius=4, clip=False, tooltip=None).encode(
        x=alt.X("left:Q", scale=x, axis=titles), x2=alt.X2("right:Q"), y=alt.value(-HEAD), y2=alt.value(-2),
        color=literal_color())
    words = heads.mark_text(fontSize=11, fontWeight="bold", fill=INK, baseline="middle", clip=False,
                            tooltip=None).encode(
        x=alt.X("center:Q", scale=x, axis=titles), y=alt.value(-HEAD / 2 - 1), text=alt.Text("word:N"))
    return Picture.of("Outputs of the neurons layer by layer, one column per initializer: copies are equal columns, a "
                      "weak signal is pale", images, frames, notes, bands, words, *carried("columns", "rows"),
                      height=HEIGHT)


def _pixels(layer: HiddenLayer, strongest: float) -> NDArray[np.uint8]:
    """The colors (samples, neurons, 4) of a layer's values over its scale, the more transparent the weaker it is."""
    values = np.asarray(layer.activations, np.float64)[:SAMPLES, :NEURONS]
    finite = np.isfinite(values)
    largest = float(np.abs(values[finite]).max(initial=0)) if finite.any() else 0.0
    unit = layer.scale * FULL if math.isfinite(layer.scale) and layer.scale > 0 else largest
    with np.errstate(over="ignore"):
        codes = diverging_codes(np.where(finite, values / (unit or 1.0), np.nan))
    weak = 1 + math.log10(layer.scale / strongest) / DECADES if 0 < layer.scale < math.inf else float(layer.scale > 0)
    alpha = np.full((*codes.shape, 1), round(255 * min(max(weak, 0.0), 1.0)), np.uint8)
    return np.concatenate([diverging_shades()[codes], alpha], axis=2)


def _note(layer: HiddenLayer) -> str:
    """The note in a cell that has no colors: "all 0" or "overflow", else nothing."""
    if layer.scale == 0:
        return "all 0"
    return "" if math.isfinite(layer.scale) else "overflow"


def data(columns_shown: Sequence[Column], names: Sequence[str] = ()) -> Data:
    """Datasets for ``picture``; ``names`` are those of the layers, else their numbers."""
    depth = max((len(column.layers) for column in columns_shown), default=0)
    numbers = shown_layers(depth, MOST_LAYERS) if depth else []
    names = names or [f"layer {number}" for number in range(1, depth + 1)]
    scales = [layer.scale for column in columns_shown for layer in column.layers if 0 < layer.scale < math.inf]
    strongest = max(scales, default=1.0)
    cells: list[tuple[Any, ...]] = []
    heads = []
    for index, column in enumerate(columns_shown):
        left = index * (1 + COLUMN_GAP)
        heads.append((left, left + 0.5, left + 1, "\n".join(column.label.split(" ", 1)), column.word, column.color))
        for row, layer_number in enumerate(numbers):
            if layer_number > len(column.layers):
                continue
            layer = column.layers[layer_number - 1]
            cells.append((left, left + 0.5, left + 1, row + ROW_GAP / 2, row + 0.5, row + 1 - ROW_GAP / 2,
                          image_url(_pixels(layer, strongest)), _note(layer), column.label, names[layer_number - 1],
                          number(layer.scale), number(layer.effective)))
    span = max(len(columns_shown) * (1 + COLUMN_GAP) - COLUMN_GAP, 1)
    rows = max(len(numbers), LEAST_ROWS)
    return {"cells": columns(cells, "left", "center", "right", "top", "middle", "bottom", "url", "note", "label",
                             "row", "scale", "effective"),
            "columns": columns([(*head, span, rows) for head in heads], "left", "center", "right", "title", "word",
                               "color", "span", "rows"),
            "rows": columns([(row + 0.5, names[layer - 1]) for row, layer in enumerate(numbers)], "middle", "label")}
