"""A map of equal tensors: one row per kind of tensor, one column per block; equal tensors have one color."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import altair as alt

from initviz.charts.picture import (
    INK,
    UNORDERED,
    Data,
    Picture,
    carried,
    columns,
    literal_color,
    named,
    places_of,
)

HEIGHT = 300
MOST_ROWS, MOST_COLUMNS = 16, 64
SINGLE = "#8888884D"  # a tensor that equals no other


@dataclass(frozen=True)
class Cell:
    """A tensor: its name, where it stands, and the number of its group of equal tensors; None where it has none."""

    name: str
    row: int
    column: int
    group: int | None


@functools.cache
def picture() -> Picture:
    """Cells colored by group; datasets cells, rows, ticks, frame."""
    frame = "data('frame')[0]"
    x = alt.X("left:Q", scale=alt.Scale(domain=alt.ExprRef(f"[0, {frame}.columns]"), nice=False),
              axis=alt.Axis(title="block", orient="top", grid=False, values=alt.ExprRef("pluck(data('ticks'), 'x')"),
                            labelExpr="format(datum.value - 0.5, 'd')"))
    y = alt.Y("top:Q", scale=alt.Scale(domain=alt.ExprRef(f"[{frame}.rows, 0]"), nice=False),
              axis=alt.Axis(title=None, grid=False, labelLimit=220, labelOverlap=False,
                            **places_of("rows", "center", "label")))
    cells = alt.Chart(named("cells")).mark_rect(stroke=INK, strokeOpacity=0.25).encode(
        x=x, x2=alt.X2("right:Q"), y=y, y2=alt.Y2("bottom:Q"), color=literal_color(),
        tooltip=[alt.Tooltip("name:N", title="Tensor"), alt.Tooltip("words:N", title="Equal to")])
    return Picture.of("Map of equal tensors: one row per kind, one column per block, one color for equal ones",
                      cells, *carried("frame", "rows", "ticks"), height=HEIGHT)


def data(rows: Sequence[str], cells: Sequence[Cell]) -> Data:
    """Datasets for ``picture``, of the first rows and columns."""
    rows = rows[:MOST_ROWS]
    visible = [cell for cell in cells if cell.row < len(rows) and cell.column < MOST_COLUMNS]
    width = max((cell.column for cell in visible), default=0) + 1
    members: dict[int | None, list[str]] = {}
    for cell in cells:
        members.setdefault(cell.group, []).append(cell.name)
    step = max(1, -(-width // 12))
    return {
        "cells": columns([
            (cell.column + 0.04, cell.column + 0.96, cell.row + 0.08, cell.row + 0.92, cell.name,
             SINGLE if cell.group is None else UNORDERED[cell.group % len(UNORDERED)],
             "none" if cell.group is None else f"{len(members[cell.group]) - 1} others") for cell in visible],
            "left", "right", "top", "bottom", "name", "color", "words"),
        "rows": columns([(place + 0.5, label) for place, label in enumerate(rows)], "center", "label"),
        "ticks": {"x": [place + 0.5 for place in range(0, width, step)]},
        "frame": {"columns": [width], "rows": [max(len(rows), 1)]}}
