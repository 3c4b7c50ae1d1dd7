"""When copies part: a lane an attempt, one line while its neurons are copies, many strands from where they differ."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import altair as alt

from initviz.charts.picture import INK, UNORDERED, Data, Picture, carried, columns, literal_color, named, places_of

ROW = 30  # pixels of a lane
FRAME = 44
STRANDS, APART = 5, 0.13  # the most strands of neurons that differ, and how far they stand from one another, of a lane
FAN = 0.05  # of the width: where strands have come apart
ROOM = 0.2  # of the width, beyond the last step, for words
COPIES = "#8A8F98"


@dataclass(frozen=True)
class Lane:
    """An attempt: its name, the step from which on its neurons differ, None where they never do, and how many different
    ones there are at the end; 0 where it diverged.
    """

    label: str
    parted: int | None
    different: int


def height(lanes: int) -> int:
    """Height of the picture in pixels."""
    return FRAME + ROW * lanes


@functools.cache
def picture() -> Picture:
    """Lanes of copies and of what became of them; datasets copies, strands, names, lanes, frame."""
    frame = "data('frame')[0]"
    x = alt.X("x:Q", scale=alt.Scale(domain=alt.ExprRef(f"[0, {frame}.last * (1 + {ROOM} * (width < 420 ? 2 : 1))]"),
                                     nice=False, zero=False),
              axis=alt.Axis(title="step", grid=False, values=alt.ExprRef(f"[0, {frame}.last / 2, {frame}.last]")))
    y = alt.Y("y:Q", scale=alt.Scale(domain=alt.ExprRef(f"[{frame}.lanes, 0]"), nice=False, zero=False),
              axis=alt.Axis(title=None, grid=False, labelOverlap=False, labelLimit=200,
                            **places_of("lanes", "y", "label")))
    copies = alt.Chart(named("copies")).mark_rule(strokeWidth=7, stroke=COPIES, tooltip=None).encode(
        x=x, x2=alt.X2("to:Q"), y=y)
    strands = alt.Chart(named("strands")).mark_line(strokeWidth=2, interpolate="monotone", tooltip=None).encode(
        x=x, y=y, detail=alt.Detail("strand:N"), color=literal_color())
    words = alt.Chart(named("names")).mark_text(align="left", dx=8, fontSize=11, fill=INK, baseline="middle",
                                                tooltip=None).encode(x=x, y=y, text=alt.Text("text:N"))
    return Picture.of("One lane an attempt: a thick line while neurons are copies, strands once they differ",
                      copies, strands, words, *carried("lanes", "frame"))


def data(lanes: Sequence[Lane], last: int) -> Data:
    """Datasets for ``picture`` over the steps 0 to ``last``."""
    copies, strands, words = [], [], []
    for row, lane in enumerate(lanes):
        middle, end = row + 0.5, last if lane.parted is None else lane.parted
        if end > 0:
            copies.append((0.0, float(end), middle))
        words.append((float(last), middle, "diverged" if not lane.different else
                      "never" if lane.parted is None else f"at step {lane.parted}" if lane.parted else "no copies"))
        if lane.parted is None:
            continue
        many = min(STRANDS, max(lane.different, 2))
        for strand in range(many):
            off = (strand - (many - 1) / 2) * APART
            fanned = min(float(end) + FAN * last, float(last))
            points = [(float(end), middle + (off if end == 0 else 0.0)), (fanned, middle + off),
                      (float(last), middle + off)]
            strands += [(at, y, f"{row} {strand}", UNORDERED[strand]) for at, y in dict(points).items()]
    return {"copies": columns(copies, "x", "to", "y"),
            "strands": columns(strands, "x", "y", "strand", "color"),
            "names": columns(words, "x", "y", "text"),
            "lanes": columns([(row + 0.5, lane.label) for row, lane in enumerate(lanes)], "y", "label"),
            "frame": {"last": [float(max(last, 1))], "lanes": [max(len(lanes), 1)]}}
