"""The variance map: one layer's length against the next one's, and the steps that a network takes on it."""

from __future__ import annotations

import functools

import altair as alt
import numpy as np
from numpy.typing import NDArray

from initviz.charts.picture import INK, UNORDERED, Data, Picture, carried, literal_color, named

HEIGHT = 380
MAP, STAIRS, MEASURED = UNORDERED[0], UNORDERED[1], UNORDERED[2]


@functools.cache
def picture() -> Picture:
    """V(q) against q with the diagonal; datasets curve, diagonal, stairs, points, frame."""
    frame = "data('frame')[0]"
    scale = alt.Scale(domain=alt.ExprRef(f"[0, {frame}.most]"), nice=False, zero=False, clamp=True)
    x = alt.X("x:Q", scale=scale, axis=alt.Axis(title="length q of a layer: variance of its preactivations", grid=False,
                                                tickCount=6))
    y = alt.Y("y:Q", scale=scale, axis=alt.Axis(title="length of the next layer", tickCount=6))
    diagonal = alt.Chart(named("diagonal")).mark_line(stroke=INK, strokeDash=[2, 3], opacity=0.6, tooltip=None).encode(
        x=x, y=y)
    lines = [alt.Chart(named(name)).mark_line(strokeWidth=width, color=color, clip=True, tooltip=None).encode(
        x=x, y=y, order=alt.Order("place:Q")) for name, width, color in (("curve", 2.4, MAP), ("stairs", 1.4, STAIRS))]
    points = alt.Chart(named("points")).mark_circle(size=60, opacity=0.9, clip=True).encode(
        x=x, y=y, color=literal_color(), tooltip=[
            alt.Tooltip("layer:Q", title="Layer"), alt.Tooltip("x:Q", title="Measured length", format=".4g"),
            alt.Tooltip("y:Q", title="Of the next", format=".4g")])
    return Picture.of("The variance map V(q) with the staircase of this network's layers",
                      diagonal, *lines, points, *carried("frame"), height=HEIGHT)


def data(q: NDArray[np.float64], mapped: NDArray[np.float64], lengths: NDArray[np.float64],
         measured: NDArray[np.float64], most: float) -> Data:
    """Datasets for ``picture``: the map at ``q``, predicted and measured lengths, layer by layer, up to ``most``."""
    stairs = np.repeat(lengths, 2)
    return {
        "curve": {"x": q, "y": mapped, "place": np.arange(len(q), dtype=float)},
        "diagonal": {"x": [0.0, most], "y": [0.0, most]},
        "stairs": {"x": stairs[:-1], "y": np.concatenate([[0.0], stairs[2:]]),
                   "place": np.arange(len(stairs) - 1, dtype=float)},
        "points": {"x": measured[:-1], "y": measured[1:], "color": [MEASURED] * (len(measured) - 1),
                   "layer": np.arange(1, len(measured), dtype=float)},
        "frame": {"most": [most]}}
