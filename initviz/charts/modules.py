"""Lines over the modules of a model in the order of execution, named on the axis: scale, branches, attention."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import altair as alt
import numpy as np

from initviz.charts import curves
from initviz.charts.picture import INK, Data, Picture, carried, literal_color, named, places_of

HEIGHT = 300
MOST_TICKS = 26  # module names that fit the axis of half a page
MOST_LETTERS = 22  # of a name on the axis; the tooltip has it whole
NAME_ROOM, PLAIN_ROOM = 0.44, 0.03  # of the range of x


@functools.cache
def picture(alt_text: str, *, log: bool) -> Picture:
    """Datasets lines, names, frame, ticks, levels, guides."""
    frame = "data('frame')[0]"
    x = alt.X("x:Q", scale=alt.Scale(domain=alt.ExprRef(f"[{frame}.first, {frame}.last + {curves.room_for_names()}]"),
                                     nice=False, zero=False),
              axis=alt.Axis(title=None, grid=False, labelAngle=-40, labelOverlap=True, labelLimit=150,
                            **places_of("ticks", "x", "text")))
    y = alt.Y("y:Q", title=None,
              scale=alt.Scale(type="log" if log else "linear", nice=False, clamp=True, zero=False,
                              domain=alt.ExprRef(f"[{frame}.low, {frame}.high]")),
              axis=alt.Axis(labelOverlap=True, **places_of("levels", "y", "text")))
    guides = alt.Chart(named("guides")).mark_rule(strokeDash=[2, 3], stroke=INK, opacity=0.6, tooltip=None).encode(
        x=alt.X("from:Q"), x2=alt.X2("to:Q"), y=y)
    guide_names = alt.Chart(named("guides")).mark_text(
        align="right", dy=-7, fontSize=10, fill=INK, opacity=0.7, tooltip=None).encode(
        x=alt.X("to:Q"), y=y, text=alt.Text("text:N"))
    tooltip = [alt.Tooltip("place:N", title="Module"), alt.Tooltip("kind:N", title="Kind"),
               alt.Tooltip("label:N", title="Line"), alt.Tooltip("shown:N", title="Value")]
    lines = alt.Chart(named("lines")).mark_line(strokeWidth=2.2, clip=True).encode(
        x=x, y=y, detail=alt.Detail("label:N"), color=literal_color(), tooltip=tooltip)
    dots = alt.Chart(named("lines")).mark_point(size=34, filled=True, opacity=1, clip=True).encode(
        x=x, y=y, color=literal_color(), shape=alt.Shape("marker:N", scale=None), tooltip=tooltip)
    names = alt.Chart(named("names")).mark_text(
        align="left", dx=12, fontSize=11, fill=INK, baseline="middle", tooltip=None).encode(
        x=x, y=y, text=alt.Text("text:N"))
    return Picture.of(alt_text, guides, guide_names, lines, dots, names, *carried("frame", "ticks", "levels"),
                      height=HEIGHT)


def _cut(name: str) -> str:
    """The end of a name, which tells modules apart."""
    return name if len(name) <= MOST_LETTERS else f"…{name[1 - MOST_LETTERS:]}"


def data(series: Sequence[curves.Series], places: Sequence[str], kinds: Sequence[str], *, log: bool,
         guides: Sequence[tuple[float, str]] = ()) -> Data:
    """Datasets for ``picture``: lines whose x count the ``places``, named with their ``kinds``, from 0."""
    tables = {name: dict(table) for name, table in curves.data(series, log=log, guides=guides, last=None).items()}
    indices = np.asarray(tables["lines"]["x"], int)
    tables["lines"] |= {"place": [places[place] for place in indices], "kind": [kinds[place] for place in indices]}
    ticks = list(range(0, len(places), -(-len(places) // MOST_TICKS)) if places else [])
    last = max(len(places) - 1, 1)
    margin = NAME_ROOM if len(series) > 1 else PLAIN_ROOM
    tables["frame"] |= {"first": [-0.02 * last], "last": [float(last)], "room": [margin * last]}
    tables["names"] |= {"x": [float(last)] * len(series)}
    if len(series) == 1:
        tables["names"]["text"] = [series[0].remark]
        tables["frame"]["letters"] = [len(series[0].remark)]
    tables["ticks"] = {"x": ticks, "text": [_cut(places[place]) for place in ticks]}
    return {name: tables[name] for name in ("lines", "names", "frame", "ticks", "levels", "guides")}
