"""Pictures with a slider of their own: the frames of all steps are sent once, and scrubbed without the server.

A frame is an image. A cell of a decision boundary holds ten times the class plus nine times the confidence above
chance; one of weights the value over the largest, times a hundred.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt
import numpy as np
from numpy.typing import NDArray

from initviz.charts.picture import (
    Columns,
    Data,
    Picture,
    carried,
    column_titles,
    diverging_codes,
    diverging_shades,
    image_url,
    named,
    rgb,
    stacked,
)

HEIGHT = 250
CLASS_COLORS = ["#0072B2", "#E69F00", "#009E73"]
FILLED = 0.92  # of a column's width


@dataclass(frozen=True, eq=False)
class Film:
    """Frames of one contender: ``cells`` (frames, rows, columns) of small integers, as the module says."""

    label: str
    cells: NDArray[np.int8]


def _picture(alt_text: str, with_points: bool) -> Picture:
    scrub = alt.param(name="scrub", value=100, bind=alt.binding_range(min=0, max=100, step=1, name="First to last, % "))
    frame = "round(scrub / 100 * (length(data('steps')) - 1))"  # the slider does not know how many frames there are
    columns = "length(data('columns'))"
    # A film is square: few columns leave the rest of the width free, many are not as high as the picture.
    reach = alt.ExprRef(f"[0, max(1, {columns}, width * {FILLED} / height)]")
    x_scale = alt.Scale(domain=reach, nice=False, zero=False)
    side = f"min(height, {FILLED} * width / max(1, {columns}))"
    y_scale = alt.Scale(domain=[0, 1], nice=False, zero=False, range=[alt.ExprRef(side), 0])
    x = alt.X("x:Q", scale=x_scale, axis=column_titles(labelPadding=20))
    images = alt.Chart(named("images")).transform_calculate(url=f"datum['f' + {frame}]").mark_image(
        aspect=False, smooth=False, tooltip=None).encode(
        x=x, x2=alt.X2("x1:Q"), y=alt.Y("y:Q", scale=y_scale, axis=None), y2=alt.Y2("y1:Q"), url=alt.Url("url:N"))
    clock = alt.Chart(named("steps")).mark_point(size=0, opacity=0, tooltip=None).encode(
        x=alt.X("at:Q", scale=x_scale, axis=alt.Axis(
            orient="bottom", values=[0], title=None, grid=False, labelAlign="left", labelOverlap=False, labelLimit=300,
            labelFontSize=14, labelFontWeight="bold", labelExpr=f"'step ' + data('steps')[{frame}].step")))
    layers = [images.add_params(scrub)]
    if with_points:
        layers.append(alt.Chart(named("points")).mark_circle(size=16, opacity=1, stroke="white", strokeWidth=0.7,
                                                             tooltip=None).encode(
            x=x, y=alt.Y("y:Q", scale=y_scale, axis=None),
            fill=alt.Fill("color:N", scale=None)))
    return Picture.of(alt_text, *layers, clock, *carried("columns"), height=HEIGHT)


@functools.cache
def boundaries() -> Picture:
    """Decision boundaries of all contenders, side by side; datasets images, points, columns, steps."""
    return _picture("Decision boundaries of every contender, a slider for the step", with_points=True)


@functools.cache
def first_weights() -> Picture:
    """The first neurons' incoming weights as little images; datasets images, columns, steps."""
    return _picture("First layer's weights of every contender as images, a slider for the step", with_points=False)


def _class_shades() -> NDArray[np.uint8]:
    """The colors of a class and a confidence: the surer, the fuller."""
    colors = np.repeat([rgb(color) for color in CLASS_COLORS], 10, axis=0).astype(float)
    paleness = np.tile(0.9 * (1 - 0.09 * np.arange(10)), len(CLASS_COLORS))[:, None]
    return (colors + (255 - colors) * paleness).round().astype(np.uint8)


def data(films: Sequence[Film], steps: Sequence[int], points: tuple[NDArray[Any], NDArray[Any]] | None = None) -> Data:
    """Datasets for both pictures. ``points`` are positions (count, 2) in 0..1 and classes (count,).

    A film that ended early keeps its last frame.
    """
    shades = diverging_shades() if points is None else _class_shades()
    images, spots = [], []
    for index, film in enumerate(films):
        left = index + (1 - FILLED) / 2
        urls = [image_url(diverging_codes(cells / 100) if points is None else cells.astype(np.uint8), shades)
                for cells in film.cells]
        images.append({"x": [left], "x1": [left + FILLED], "y": [0.0], "y1": [1.0]} | {
            f"f{frame}": [urls[min(frame, len(urls) - 1)]] for frame in range(len(steps))})
        if points is not None:
            spots.append({"x": (left + FILLED * points[0][:, 0]).astype(np.float32),
                          "y": points[0][:, 1].astype(np.float32), "color": np.array(CLASS_COLORS)[points[1]]})
    datasets: dict[str, Columns] = {
        "images": stacked(images), "columns": {"label": [film.label for film in films]},
        "steps": {"step": list(map(int, steps)), "at": [0.0] * len(steps)}}
    return datasets | ({"points": stacked(spots)} if spots else {})
