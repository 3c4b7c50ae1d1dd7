"""The two collapses in one picture: how strong a layer's signal is, and how different its neurons are."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import altair as alt
import numpy as np

from initviz.charts.curves import levels
from initviz.charts.picture import INK, Data, Picture, carried, columns, literal_color, named, places_of, spread_apart
from initviz.core.wording import number

HEIGHT = 320
LEAST_DECADES = 2.0
BOTTOM = 0.7  # effective neurons: a little below the one of copies
LABEL_GAP = 0.06  # of the axis


@dataclass(frozen=True, eq=False)
class Path:
    """A start's hidden layers, first to last: scale (root mean square), variety (effective number of neurons)."""

    label: str
    color: str
    scale: Sequence[float]
    variety: Sequence[float]


@functools.cache
def picture() -> Picture:
    """Scale against variety, both on log axes, a path an initializer; datasets points, names, corners,
    frame, across, up.
    """
    frame = "data('frame')[0]"
    x = alt.X("x:Q",
              scale=alt.Scale(type="log", domain=alt.ExprRef(f"[{frame}.low, {frame}.high]"), nice=False, clamp=True),
              axis=alt.Axis(title="scale: root mean square of the activations", grid=False, labelOverlap=True,
                            **places_of("across", "y", "text")))
    y = alt.Y("y:Q",
              scale=alt.Scale(type="log", domain=alt.ExprRef(f"[{BOTTOM}, {frame}.top]"), nice=False, clamp=True),
              axis=alt.Axis(title="effective number of neurons", labelOverlap=True,
                            **places_of("up", "y", "text")))
    corners = alt.Chart(named("corners")).mark_text(fontSize=13, fill=INK, opacity=0.55, tooltip=None).encode(
        x=x, y=y, text="text:N")
    lines = alt.Chart(named("points")).mark_line(strokeWidth=1.6, opacity=0.7, tooltip=None).encode(
        x=x, y=y, detail="label:N", order="layer:Q", color=literal_color())
    points = alt.Chart(named("points")).mark_circle(opacity=1).encode(
        x=x, y=y, color=literal_color(), size=alt.Size("last:Q", scale=alt.Scale(domain=[0, 1], range=[30, 110]),
                                                       legend=None),
        tooltip=[alt.Tooltip("label:N", title="Initializer"), alt.Tooltip("layer:Q", title="Layer"),
                 alt.Tooltip("scale:N", title="Root mean square"), alt.Tooltip("variety:N", title="Effective neurons")])
    names = [alt.Chart(named("names")).transform_filter(f"datum.side == {side}").mark_text(
        align="left" if side > 0 else "right", dx=9 * side, fontSize=11, fill=INK, baseline="middle",
        tooltip=None).encode(x=x, y=y, text="text:N") for side in (-1, 1)]
    chart = alt.layer(corners, lines, points, *names, *carried("frame", "across", "up")).properties(
        width="container", height=HEIGHT)
    return Picture.of(chart, "Effective number of neurons against the scale of the signal, a path an initializer")


def data(paths: Sequence[Path], most: float) -> Data:
    """Datasets for ``picture``; ``most`` is the effective number of independent neurons.

    A scale of 0 or beyond all numbers stands at the edge, and its name says so.
    """
    top = max(2.0, 1.5 * most)
    known = np.array([s for path in paths for s in path.scale if np.isfinite(s) and s > 0] or [1.0])
    low, high = np.log10(known.min()), np.log10(known.max())
    pad = max(0.15 * (high - low), (LEAST_DECADES - (high - low)) / 2)
    low, high = low - pad, high + 2 * pad
    rows, ends = [], []
    for path in paths:
        where = [10.0 ** (low if s == 0 else high if not np.isfinite(s) else np.log10(s)) for s in path.scale]
        heights = [min(max(v, BOTTOM), top) if np.isfinite(v) else BOTTOM for v in path.variety]
        for index, (x, y) in enumerate(zip(where, heights, strict=True)):
            rows.append((x, y, path.label, path.color, index + 1, float(index == len(where) - 1),
                         number(float(path.scale[index])), number(float(path.variety[index]))))
        remark = "" if not where or (np.isfinite(path.scale[-1]) and path.scale[-1] > 0) else (
            " (0)" if path.scale[-1] == 0 else " (overflow)")
        fading = len(where) > 1 and where[-1] < where[0]  # then its name stands to the left, where no point is
        ends.append((where[-1] if where else 10.0**low, heights[-1] if heights else BOTTOM, path.label + remark,
                     -1 if fading and where[-1] > 10.0**low else 1))
    span = np.log(BOTTOM), np.log(top)
    places = np.exp(spread_apart([float(np.log(y)) for _, y, *_ in ends], LABEL_GAP * (span[1] - span[0]), *span))
    corners = ("faint, but different", "different and strong", "faint copies", "strong copies")
    left, right = 10.0 ** (low + 0.12 * (high - low)), 10.0 ** (high - 0.12 * (high - low))
    return {
        "points": columns(rows, "x", "y", "label", "color", "layer", "last", "scale", "variety"),
        "names": {"x": [x for x, *_ in ends], "y": places, "text": [text for _, _, text, _ in ends],
                  "side": [side for *_, side in ends]},
        "corners": {"x": [left, right, left, right], "y": [0.85 * top, 0.85 * top, 1.3, 1.3], "text": corners},
        "frame": {"low": [10.0**low], "high": [10.0**high], "top": [top]},
        "across": levels(low, high, log=True), "up": levels(0.0, float(np.log10(top)), log=True)}
