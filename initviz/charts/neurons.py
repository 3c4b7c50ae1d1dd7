"""Heat maps of single neurons, side by side: copies are seen as equal columns."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt
import numpy as np
from numpy.typing import NDArray

from initviz.charts.picture import Data, Picture, columns, diverging_codes, diverging_shades, image_url, named
from initviz.core.wording import number

MOST_COLUMNS, MOST_ROWS = 24, 24
HEIGHT = 300
GAP = 1 / 12  # between two maps, of the width of one


@dataclass(frozen=True, eq=False)
class HeatMap:
    """A matrix (rows, columns) under a name; ``reach`` is the magnitude of full color, None its own largest.

    ``missing`` is said where not all values are finite numbers.
    """

    label: str
    values: NDArray[Any]
    reach: float | None = None
    missing: str = "overflow"


@functools.cache
def picture(square: bool = False) -> Picture:
    """Heat maps side by side, an image each, whose cells are ``square`` or fill the room; dataset maps."""
    x_scale = alt.Scale(domain=alt.ExprRef("[0, data('maps')[0].span]"), nice=False, zero=False)
    centers = "pluck(data('maps'), 'center')"
    titles = alt.Axis(orient="top", values=alt.ExprRef(centers), title=None, grid=False,
                      labelExpr=f"split(data('maps')[indexof({centers}, datum.value)].title, '\\n')",
                      labelOverlap=False, labelFontSize=12, labelLineHeight=13, labelPadding=46)
    maps = alt.Chart(named("maps")).mark_image(aspect=square, smooth=False, tooltip=None).encode(
        x=alt.X("left:Q", scale=x_scale, axis=titles), x2=alt.X2("right:Q"), y=alt.value(0), y2=alt.value("height"),
        url=alt.Url("url:N"))
    words = ("Similarities of neurons, one row and one column per neuron" if square else
             "Heat maps of single neurons, one column per neuron")
    return Picture.of(f"{words}, one map an initializer", maps, height=HEIGHT)


def data(maps: Sequence[HeatMap]) -> Data:
    """Dataset for ``picture``: the first rows and columns of each map, under its name and the reach of its colors."""
    span = max(len(maps) * (1 + GAP) - GAP, 1)
    rows = []
    for index, heat_map in enumerate(maps):
        values = np.asarray(heat_map.values, np.float64)[:MOST_ROWS, :MOST_COLUMNS]
        finite = np.isfinite(values)
        reach = heat_map.reach if heat_map.reach is not None else float(np.abs(values[finite]).max(initial=0))
        codes = diverging_codes(np.where(finite, values / (reach or 1.0), np.nan))
        note = heat_map.missing if not finite.all() else f"±{number(reach)}" if reach else "all 0"
        left = index * (1 + GAP)
        rows.append((left, left + 0.5, left + 1, span, "\n".join([*heat_map.label.split(" ", 1), note]),
                     image_url(codes, diverging_shades())))
    return {"maps": columns(rows, "left", "center", "right", "span", "title", "url")}
