"""The phase diagram over (sigma_w, sigma_b): what kind of network each point is, and where the initializers lie."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np
from numpy.typing import NDArray

from initviz.charts.picture import (
    DIVERGING,
    MISSING,
    Columns,
    Data,
    Picture,
    carried,
    columns,
    image_url,
    literal_color,
    named,
    rgb,
)

HEIGHT = 380
STEP = 0.1  # between the points that a click can choose
LINE = 0.08  # of sigma_b: a line of text
NAMED_AT, NAMED_FROM = 0.7, 0.2  # of the plane: the height of the regions' names, the least width of a region named
DEEPEST = 100.0  # layers: a depth scale beyond is drawn as critical
ORDERED, CRITICAL, CHAOTIC, UNBOUNDED = rgb(DIVERGING[0]), (250, 247, 240), rgb(DIVERGING[-1]), MISSING


@functools.cache
def picture(most_w: float, most_b: float) -> Picture:
    """The diagram as an image under points that can be clicked; datasets image, regions, cells, critical, ring, points,
    here.
    """
    x = alt.X("sigma_w:Q", scale=alt.Scale(domain=[0, most_w], nice=False, zero=False),
              axis=alt.Axis(title="σ_w", grid=False, tickCount=8, labelFlushOffset=-3))
    y = alt.Y("sigma_b:Q", scale=alt.Scale(domain=[0, most_b], nice=False, zero=False),
              axis=alt.Axis(title="σ_b", grid=False, tickCount=8))
    image = alt.Chart(named("image")).mark_image(
        width=alt.ExprRef("width"), height=alt.ExprRef("height"), aspect=False, align="left", baseline="top").encode(
        x=alt.value(0), y=alt.value(0), url=alt.Url("url:N"))
    spot = alt.selection_point(name="spot", fields=["sigma_w", "sigma_b"], on="click", clear=False, toggle=False)
    cells = alt.Chart(named("cells")).mark_rect(fillOpacity=0.01, fill="white", tooltip=None, cursor="pointer").encode(
        x=alt.X("left:Q", scale=alt.Scale(domain=[0, most_w], nice=False, zero=False), title="σ_w"),
        x2=alt.X2("right:Q"),
        y=alt.Y("bottom:Q", scale=alt.Scale(domain=[0, most_b], nice=False, zero=False), title="σ_b"),
        y2=alt.Y2("top:Q"),
    ).add_params(spot)
    line = alt.Chart(named("critical")).mark_line(stroke="#222222", strokeWidth=2, clip=True, tooltip=None).encode(
        x=x, y=y, order=alt.Order("place:Q"))
    ring = alt.Chart(named("ring")).mark_point(
        filled=False, size=170, stroke="#222222", strokeWidth=2, opacity=1, tooltip=None).encode(x=x, y=y)
    points = alt.Chart(named("points")).mark_point(
        filled=True, size=110, opacity=1, stroke="white", strokeWidth=1.5).encode(
        x=x, y=y, color=literal_color(), tooltip=[
            alt.Tooltip("label:N", title="Initializer"), alt.Tooltip("sigma_w:Q", title="σ_w", format=".3f"),
            alt.Tooltip("sigma_b:Q", title="σ_b", format=".3f")])
    regions = alt.Chart(named("regions")).mark_text(
        fontSize=13, lineHeight=17, fontWeight="bold", lineBreak="\n", fill="white", baseline="middle",
        tooltip=None).encode(x=x, y=y, text=alt.Text("text:N"))
    words: dict[str, Any] = {"align": "left", "dx": 8, "baseline": "middle", "fontSize": 11, "tooltip": None}
    label_encoding = {"x": x, "y": alt.Y("name_at:Q", title="σ_b"), "text": alt.Text("name:N")}
    halo = alt.Chart(named("points")).mark_text(
        stroke="white", strokeWidth=3, strokeOpacity=0.8, **words).encode(**label_encoding)
    names = alt.Chart(named("points")).mark_text(fill="#111111", **words).encode(**label_encoding)
    here = alt.Chart(named("here")).mark_point(
        shape="cross", angle=45, filled=True, size=220, fill="#111111", stroke="white", strokeWidth=1.5, opacity=1,
        tooltip=None).encode(x=x, y=y)
    return Picture.of("Phase diagram over sigma_w and sigma_b: ordered, chaotic and critical networks",
                      image, regions, line, cells, ring, points, halo, names, here, *carried("image"), height=HEIGHT)


def shade(chi: NDArray[Any]) -> NDArray[np.uint8]:
    """Colors (rows, columns, 3) of chi_1: blue ordered, red chaotic, the paler the longer the depth scale."""
    with np.errstate(divide="ignore", invalid="ignore"):
        depth = 1 / np.abs(np.log(chi))
    near = np.log10(np.clip(depth, 1.0, DEEPEST)) / np.log10(DEEPEST)  # 0 far from critical, 1 at it
    far = np.where((chi < 1)[..., None], np.array(ORDERED), np.array(CHAOTIC))
    mixed = far + near[..., None] * (np.array(CRITICAL) - far)
    return np.where(np.isnan(chi)[..., None], np.array(UNBOUNDED), mixed).round().astype(np.uint8)


def _regions(chi: NDArray[Any], most_w: float, most_b: float) -> list[tuple[float, float, str]]:
    """(sigma_w, sigma_b, name) of the regions, each in the middle of the widest stretch at one height."""
    row = chi[round(NAMED_AT * (len(chi) - 1))]
    regions = []
    for name, belongs in (("gradients\nshrink", row < 1), ("gradients\ngrow", row > 1),
                          ("the signal grows\nwithout bound", np.isnan(row))):
        edges = np.flatnonzero(np.diff(np.concatenate([[False], belongs, [False]])))
        stretches = list(zip(edges[::2], edges[1::2], strict=True))
        first, last = max(stretches, key=lambda stretch: stretch[1] - stretch[0], default=(0, 0))
        if last - first >= NAMED_FROM * len(row):
            regions.append(((first + last) / 2 / len(row) * most_w, NAMED_AT * most_b, name))
    return regions


def data(chi: NDArray[Any], most_w: float, most_b: float, critical: tuple[NDArray[Any], NDArray[Any]],
         points: Sequence[tuple[str, str, float, float]], here: tuple[float, float]) -> Data:
    """Datasets for ``picture``: chi_1 (sigma_b rising by rows), critical line, (label, color, sigma_w, sigma_b)."""
    w, b = (np.arange(0, most + STEP / 2, STEP) for most in (most_w, most_b))
    sigma_b, sigma_w = (axis.ravel() for axis in np.meshgrid(b, w, indexing="ij"))
    inside = (critical[0] <= 2 * most_w) & (critical[1] <= 2 * most_b)  # NaN is not
    line_w, line_b = critical[0][inside], critical[1][inside]
    rings = int(len(line_w) > 0 and np.ptp(line_w) + np.ptp(line_b) < 1e-3)
    return {
        "image": {"url": [image_url(shade(chi)[::-1])]},
        "regions": columns(_regions(chi, most_w, most_b), "sigma_w", "sigma_b", "text"),
        "cells": {
            "sigma_w": sigma_w.round(3), "sigma_b": sigma_b.round(3),
            "left": np.maximum(sigma_w - STEP / 2, 0), "right": np.minimum(sigma_w + STEP / 2, most_w),
            "bottom": np.maximum(sigma_b - STEP / 2, 0), "top": np.minimum(sigma_b + STEP / 2, most_b)},
        "critical": {"sigma_w": line_w, "sigma_b": line_b, "place": np.arange(len(line_w), dtype=float)},
        "ring": {"sigma_w": line_w[:rings], "sigma_b": line_b[:rings]},
        "points": _named(points, most_w, most_b),
        "here": {"sigma_w": [float(here[0])], "sigma_b": [float(here[1])]}}


def _named(points: Sequence[tuple[str, str, float, float]], most_w: float, most_b: float) -> Columns:
    """The points inside the diagram; names of points at one place are joined, and those of neighbors stand apart."""
    places: dict[tuple[float, float], list[tuple[str, str]]] = {}
    for label, color, w, b in points:
        if w <= most_w and b <= most_b:
            places.setdefault((round(w, 4), round(b, 4)), []).append((label, color))
    rows = []
    for number, ((w, b), entries) in enumerate(sorted(places.items())):
        rows += [(label, color, w, b, ", ".join(name for name, _ in entries) if not index else "",
                  min(b + LINE * (1 + number % 4), most_b - LINE)) for index, (label, color) in enumerate(entries)]
    return columns(rows, "label", "color", "sigma_w", "sigma_b", "name", "name_at")
