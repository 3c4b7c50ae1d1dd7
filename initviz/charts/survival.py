"""The share of seeds whose gradient survives, over depth and width."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence

import altair as alt

from initviz.charts.picture import Data, Picture, columns, named
from initviz.core.wording import percent

HEIGHT = 320


@functools.cache
def picture() -> Picture:
    """A heat map with the share in each cell; dataset cells."""
    x = alt.X("width:O", axis=alt.Axis(title="width", labelAngle=0))
    y = alt.Y("depth:O", axis=alt.Axis(title="depth"))
    color = alt.Color("share:Q", legend=None, scale=alt.Scale(domain=[0, 0.5, 1], clamp=True,
                                                               range=["#b2182b", "#f7f0e0", "#2166ac"]))
    cells = alt.Chart(named("cells")).mark_rect().encode(x=x, y=y, color=color, tooltip=[
        alt.Tooltip("depth:O", title="Depth"), alt.Tooltip("width:O", title="Width"),
        alt.Tooltip("said:N", title="Survives"), alt.Tooltip("of:Q", title="Networks")])
    dark = alt.condition("abs(datum.share - 0.5) > 0.32", alt.value("white"), alt.value("#222222"))
    shares = alt.Chart(named("cells")).mark_text(fontSize=12, tooltip=None).encode(
        x=x, y=y, text=alt.Text("said:N"), color=dark)
    return Picture.of("Share of networks whose gradient survives, by depth and width", cells, shares, height=HEIGHT)


def data(shares: Mapping[tuple[int, int], tuple[float, int]], depths: Sequence[int], widths: Sequence[int]) -> Data:
    """Dataset for ``picture``; a size without an answer yet has an empty cell."""
    rows = [(depth, width, *shares.get((depth, width), (float("nan"), 0))) for depth in depths for width in widths]
    return {"cells": columns(
        [(depth, width, share, of, percent(share) if of else "") for depth, width, share, of in rows],
        "depth", "width", "share", "of", "said")}
