"""A small network as nodes and edges, with its values and gradients written on it."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import altair as alt
import numpy as np

from initviz.charts.picture import INK, Data, Picture, columns, literal_color, named
from initviz.core.arrays import Array
from initviz.core.propagation import Propagation
from initviz.core.wording import number

HEIGHT = 390
PLACES = (0.0, 0.6, 1.0)  # of inputs, hidden neurons and output: room for the labels of the first edges
LABELS = ((0.34, 0.25), (0.45, 0.5))  # parts of an edge's x and y where its label stands: at a quarter of the height
# between them the edges of two inputs are evenly apart
SPAN = 0.72  # of the height, from the first neuron of the largest layer to its last
POSITIVE, NEGATIVE = "#CC0000", "#5C8FFF"  # as in the heat maps: red is positive, blue negative
GROUPS = ("#D67A00", "#B814A3", "#477033")  # copies share a color
WIDEST = 2.0  # magnitude of a weight at the widest edge
SLIM = "width < 420"  # pixels: a phone
NODE, LABEL = f"{SLIM} ? 20 : 24", f"{SLIM} ? 25 : 30"  # pixels from the center of a neuron, of a label, to its edges
DIGITS = 2


@functools.cache
def picture() -> Picture:
    """A network of one hidden layer; datasets edges, nodes."""
    x = alt.X("x:Q", axis=None, scale=alt.Scale(domain=[-0.1, 1.12], nice=False, zero=False))
    y = alt.Y("y:Q", axis=None, scale=alt.Scale(domain=[0, 1], nice=False))
    small = alt.ExprRef(f"{SLIM} ? 10 : 12")
    tooltip = [alt.Tooltip("name:N", title="Weight"), alt.Tooltip("weight:N", title="w"),
               alt.Tooltip("gradient:N", title="dL/dw")]
    pieces = [piece for names, ends in (
        (("x", "y", "label_x", "label_y"), (NODE, f"-({LABEL})")),
        (("label_x", "label_y", "x2", "y2"), (LABEL, f"-({NODE})"))) for piece in _lines(names, ends, tooltip)]
    label_x, label_y = alt.X("label_x:Q", axis=None), alt.Y("label_y:Q", axis=None)
    weights = alt.Chart(named("edges")).mark_text(
        fontSize=small, fontWeight="bold", fill=INK, baseline="middle", dy=alt.ExprRef("data('edges')[0].lift")).encode(
        x=label_x, y=label_y, text=alt.Text("weight:N"), tooltip=tooltip)
    gradients = alt.Chart(named("edges")).mark_text(
        fontSize=small, fontStyle="italic", fill=INK, baseline="middle", dy=8).encode(
        x=label_x, y=label_y, text=alt.Text("shown:N"), tooltip=tooltip)
    circles = alt.Chart(named("nodes")).mark_point(
        size=alt.ExprRef(f"{SLIM} ? 1100 : 1700"), filled=True, fillOpacity=0.22, strokeWidth=2.5, opacity=1,
        strokeOpacity=1, tooltip=None).encode(
        x=x, y=y, fill=alt.Fill("color:N", scale=None), stroke=alt.Stroke("color:N", scale=None))
    values = alt.Chart(named("nodes")).mark_text(
        fontSize=small, fontWeight="bold", fill=INK, baseline="middle", tooltip=None).encode(
        x=x, y=y, text=alt.Text("value:N"))
    names = alt.Chart(named("nodes")).mark_text(
        fontSize=13, fill=INK, baseline="bottom", dy=alt.ExprRef(f"{SLIM} ? -21 : -26"), tooltip=None).encode(
        x=x, y=y, text=alt.Text("name:N"))
    remarks = alt.Chart(named("nodes")).mark_text(
        fontSize=small, fontStyle="italic", fill=INK, baseline="top", lineBreak="\n",
        dy=alt.ExprRef(f"{SLIM} ? 22 : 27"), tooltip=None).encode(x=x, y=y, text=alt.Text("remark:N"))
    return Picture.of("A small network: inputs, hidden neurons and the output as nodes, weights as edges, with values "
                      "and gradients", circles, *pieces, weights, gradients, values, names, remarks, height=HEIGHT)


def _lines(names: tuple[str, str, str, str], ends: tuple[str, str], tooltip: Sequence[alt.Tooltip]) -> list[alt.Chart]:
    """One piece of every edge, between the columns ``names``, moved sideways at its ends by pixels: the shade of the
    chosen weight, and the line.
    """
    corners = {
        "x": alt.X(f"{names[0]}:Q", axis=None), "y": alt.Y(f"{names[1]}:Q", axis=None),
        "x2": f"{names[2]}:Q", "y2": f"{names[3]}:Q"}
    start, end = alt.ExprRef(ends[0]), alt.ExprRef(ends[1])
    width = alt.StrokeWidth("size:Q", scale=alt.Scale(domain=[0, WIDEST], range=[0.8, 9], clamp=True), legend=None)
    return [alt.Chart(named("edges")).transform_filter("datum.chosen").mark_rule(
                strokeWidth=18, opacity=0.16, stroke=INK, tooltip=None, xOffset=start, x2Offset=end).encode(**corners),
            alt.Chart(named("edges")).mark_rule(opacity=0.85, xOffset=start, x2Offset=end).encode(
                **corners, color=literal_color(), strokeWidth=width, tooltip=tooltip)]


def data(weights: Sequence[Array], x: Array, targets: Array, passed: Propagation, *, groups: Sequence[int],
         backward: bool = True, chosen: int | None = None) -> Data:
    """Datasets for ``picture``: a network of one hidden layer and one output on one sample.

    ``x`` (1, inputs), ``targets`` (1, 1). ``groups`` gives each hidden neuron the number of its group of copies.
    Without ``backward`` no gradient is written. ``chosen`` is the place of one weight to point out, counted layer by
    layer, row by row.
    """
    sizes = (len(weights[0]), *(w.shape[1] for w in weights))
    step = SPAN / max(max(sizes) - 1, 1)
    heights = [[0.5 + step * ((size - 1) / 2 - index) for index in range(size)] for size in sizes]
    names = names_of(sizes)
    edges: list[tuple[Any, ...]] = []
    for layer, (shape, w, gradient) in enumerate(zip(pairwise(sizes), weights, passed.weight_gradients, strict=True)):
        left, right = PLACES[layer], PLACES[layer + 1]
        across, along = LABELS[layer]
        for i, j in np.ndindex(shape):
            low, high, value = heights[layer][i], heights[layer + 1][j], float(w[i, j])
            derivative = number(float(gradient[i, j]), DIGITS) if backward else ""
            edges.append((
                left, low, right, high, left + across * (right - left), low + along * (high - low), abs(value),
                POSITIVE if value > 0 else NEGATIVE if value < 0 else INK, len(edges) == chosen,
                f"{names[layer][i]} → {names[layer + 1][j]}", number(value, DIGITS), derivative,
                f"d {derivative}" if backward else "", -7 if backward else 0))
    return {"edges": columns(edges, "x", "y", "x2", "y2", "label_x", "label_y", "size", "color", "chosen", "name",
                             "weight", "gradient", "shown", "lift"),
            "nodes": columns(_nodes(heights, names, x, targets, passed, groups, backward),
                             "x", "y", "name", "value", "remark", "color")}


def names_of(sizes: Sequence[int]) -> list[list[str]]:
    """The names of the neurons of a network of one hidden layer: x₁, x₂; h₁, h₂, h₃; ŷ."""
    return [[f"{letter}{chr(0x2081 + index)}" if letter != "ŷ" else letter for index in range(size)]
            for letter, size in zip("xhŷ", sizes, strict=True)]


def _nodes(heights: Sequence[Sequence[float]], names: Sequence[Sequence[str]], x: Array, targets: Array,
           passed: Propagation, groups: Sequence[int], backward: bool) -> list[tuple[float, float, str, str, str, str]]:
    """One row per neuron: place, name, value, what stands under it, color."""
    rows = []
    for layer, values in enumerate((x[0], *(h[0] for h in passed.activations))):
        for index, value in enumerate(values):
            remark = f"δ {number(float(passed.deltas[layer - 1][0, index]), DIGITS)}" if layer and backward else ""
            if layer == 2:
                lines = (f"target {number(float(targets[0, index]), DIGITS)}", f"loss {number(passed.loss, DIGITS)}")
                remark = "\n".join([*([remark] if remark else []), *lines])
            color = GROUPS[groups[index] % len(GROUPS)] if layer == 1 else "#7A8F85"
            rows.append((PLACES[layer], heights[layer][index], names[layer][index], number(float(value), DIGITS),
                         remark, color))
    return rows
