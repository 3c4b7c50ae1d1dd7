"""Lines over layers or steps, named where they end: the one line chart of the app."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt
import numpy as np

from initviz.charts.picture import (
    INK,
    Columns,
    Data,
    Picture,
    carried,
    columns,
    literal_color,
    named,
    places_of,
    spread_apart,
)
from initviz.core.arrays import Array
from initviz.core.wording import number

HEIGHT = 300
WIDTH, POINT = 2.2, 30  # of a line in pixels, and the area of its points
LABEL_GAP = 0.05  # of the axis: the least distance between two labels at the lines' ends
LABEL_ROOM = 0.42  # of the range of x, kept free for labels
LEAST_DECADES, LEAST_SPAN = 1.0, 0.1
LETTER, KEY = 6.2, 24  # pixels of a letter of a name, and of the symbol before it
MOST_ROOM = 0.6  # of a slim chart, for names
MOST_LEVELS = 7  # named places on the y axis
MOST_DECADES = 306.0



@dataclass(frozen=True, eq=False)
class Series:
    """A line: its name, color and points. Values that are not finite (on a log axis: not above 0) are left out.

    ``remark`` stands in brackets behind the name. ``lost_high`` says that what is left out lies above, not below.
    ``expected`` is what theory expects at each x: a dashed line, and the least and most of a band around it.
    """

    label: str
    color: str
    x: Array
    y: Array
    remark: str = ""
    lost_high: bool = False
    expected: tuple[Array, Array, Array] | None = None
    marker: str = "circle"
    width: float = WIDTH  # pixels; lines that run on one another are all seen where the first is the widest


def room_for_names() -> str:
    """The part of the x axis that names at the lines' ends take, as an expression: in a slim chart it is larger."""
    frame = "data('frame')[0]"
    pixels = f"min({frame}.letters * {LETTER} + {KEY}, {MOST_ROOM} * width)"
    return f"max({frame}.room, ({frame}.last - {frame}.first) * {pixels} / (width - {pixels}))"


@functools.cache
def picture(alt_text: str, x_title: str, *, log: bool, labels_right: bool = True, points: bool = True,
            base: int | None = None) -> Picture:
    """Lines with names at their right or left ends; datasets lines, dots (lines of one point), names, frame, ticks,
    levels, guides, expected. Where ``base`` is given, x is an exponent of it: a log axis.
    """
    text_of_tick = "datum.value" if base is None else f"round(pow({base}, datum.value))"
    frame = "data('frame')[0]"
    margin = room_for_names()
    domain = (f"[{frame}.first, {frame}.last + {margin}]" if labels_right
              else f"[{frame}.first - {margin}, {frame}.last]")
    x = alt.X("x:Q", scale=alt.Scale(domain=alt.ExprRef(domain), nice=False, zero=False),
              axis=alt.Axis(values=alt.ExprRef("pluck(data('ticks'), 'x')"), title=x_title, grid=False,
                            labelExpr=f"format({text_of_tick}, '~g')", labelOverlap=True))
    y = alt.Y("y:Q", title=None,
              scale=alt.Scale(type="log" if log else "linear", nice=False, clamp=True, zero=False,
                              domain=alt.ExprRef(f"[{frame}.low, {frame}.high]")),
              axis=alt.Axis(orient="left" if labels_right else "right", labelOverlap=True,
                            **places_of("levels", "y", "text")))
    side = 1 if labels_right else -1
    guides = alt.Chart(named("guides")).mark_rule(strokeDash=[2, 3], stroke=INK, opacity=0.6, tooltip=None).encode(
        x=alt.X("from:Q"), x2=alt.X2("to:Q"), y=y)
    guide_names = alt.Chart(named("guides")).mark_text(  # in the middle, as lines often begin at a guide
        dy=-7, fontSize=11, fill=INK, opacity=0.8, tooltip=None).encode(x=alt.X("x:Q"), y=y, text=alt.Text("text:N"))
    bands = alt.Chart(named("expected")).mark_area(opacity=0.13, clip=True, tooltip=None).encode(
        x=x, y=alt.Y("low:Q"), y2=alt.Y2("high:Q"), detail=alt.Detail("label:N"), color=literal_color())
    dashes = alt.Chart(named("expected")).mark_line(
        strokeWidth=1.6, strokeDash=[5, 4], clip=True, tooltip=None).encode(
        x=x, y=y, detail=alt.Detail("label:N"), color=literal_color())
    of_x = [alt.Tooltip("x:Q", title=x_title)] if base is None else []
    tooltip = [alt.Tooltip("label:N", title="Line"), *of_x, alt.Tooltip("shown:N", title="Value")]
    lines = [alt.Chart(named("lines")).mark_line(clip=True).encode(
        x=x, y=y, detail=alt.Detail("label:N"), color=literal_color(), tooltip=tooltip,
        strokeWidth=alt.StrokeWidth("width:Q", scale=None, legend=None))]
    if points:
        lines.append(alt.Chart(named("lines")).mark_point(filled=True, opacity=1, clip=True).encode(
            x=x, y=y, color=literal_color(), shape=alt.Shape("marker:N", scale=None), tooltip=tooltip,
            size=alt.Size("area:Q", scale=None, legend=None)))
    dots = alt.Chart(named("dots")).mark_circle(size=45, opacity=1, clip=True, tooltip=None).encode(
        x=x, y=y, color=literal_color())
    names = alt.Chart(named("names")).mark_text(
        align="left" if labels_right else "right", dx=20 * side, fontSize=11, fill=INK, baseline="middle",
        tooltip=None).encode(x=x, y=y, text=alt.Text("text:N"))
    keys = alt.Chart(named("names")).mark_point(
        size=55, filled=True, opacity=1, xOffset=13 * side, tooltip=None).encode(
        x=x, y=y, color=literal_color(), shape=alt.Shape("marker:N", scale=None))
    return Picture.of(alt_text, guides, bands, dashes, *lines, dots, guide_names, names, keys,
                      *carried("frame", "ticks", "levels"), height=HEIGHT)


def data(series: Sequence[Series], *, log: bool, labels_right: bool = True,
         guides: Sequence[tuple[float, str]] = (), last: float | None = None) -> Data:
    """Datasets for ``picture``. ``guides`` are dotted levels and their names; ``last`` holds the x axis open so far."""
    points = [_on_axis(line, log) for line in series]
    expected = _theory(series, log)
    low, high = _y_range([*(y for _, y in points), np.array([level for level, _ in guides]), expected["y"]], log)
    for name in ("low", "high"):
        expected[name] = np.clip(expected[name], _unlog(low, log), _unlog(high, log))
    first, final, is_whole = _x_range(series, last)
    names = [line.label + (f" ({line.remark})" if line.remark else "") for line in series]
    return {
        "lines": _line_rows(series, points),
        "dots": columns([(float(x[0]), float(y[0]), line.color) for line, (x, y) in zip(series, points, strict=True)
                         if len(x) == 1], "x", "y", "color"),
        "names": {
            "x": [final if labels_right else first] * len(series),
            "y": [_unlog(place, log) for place in _places_of_names(series, points, low, high, log, labels_right)],
            "text": names, "color": [line.color for line in series], "marker": [line.marker for line in series]},
        "frame": {"low": [_unlog(low, log)], "high": [_unlog(high, log)], "first": [first], "last": [final],
                  "room": [max(LABEL_ROOM * (final - first), 1.0 if is_whole else 0.0)],
                  "letters": [max(map(len, names), default=0)]},
        "ticks": {"x": _ticks(first, final, is_whole)},
        "levels": levels(low, high, log),
        "guides": {"x": [(first + final) / 2] * len(guides),
                   "from": [first] * len(guides), "to": [final] * len(guides),
                   "y": [float(level) for level, _ in guides], "text": [name for _, name in guides]},
        "expected": expected}


def _on_axis(line: Series, log: bool) -> tuple[Array, Array]:
    """The x and y of a line's points that the axes can show."""
    keep = np.isfinite(line.y) & ((line.y > 0) | (not log))
    return np.asarray(line.x)[keep], np.asarray(line.y, float)[keep]


def _unlog(value: float, log: bool) -> float:
    """The number at a place of the y axis, whose places are exponents of 10 where it is a log axis."""
    return 10.0**value if log else value


def _y_range(values: Sequence[Array], log: bool) -> tuple[float, float]:
    """Where the y axis begins and ends; exponents of 10, both of them numbers, on a log axis."""
    every = np.concatenate(values)
    low, high = _range(np.log10(every) if log else every, LEAST_DECADES if log else LEAST_SPAN)
    if log:
        low, high = (min(max(end, -MOST_DECADES + more), MOST_DECADES + more) for end, more in ((low, -1), (high, 0)))
    return low, high


def _x_range(series: Sequence[Series], last: float | None) -> tuple[float, float, bool]:
    """Where the x axis begins and ends, and whether all x are whole numbers, as of layers and steps."""
    xs = np.concatenate([np.asarray(line.x, float) for line in series] + [np.zeros(0 if last is None else 1)])
    first = float(xs.min(initial=math.inf)) if xs.size else 0.0
    final = max(float(xs.max(initial=-math.inf)), last or first) if xs.size else 1.0
    return first, final, first == final or bool((xs == np.round(xs)).all())


def _places_of_names(series: Sequence[Series], points: Sequence[tuple[Array, Array]], low: float, high: float,
                     log: bool, labels_right: bool) -> list[float]:
    """Where the lines' names stand on the y axis: at their ends, but so far apart that all can be read."""
    on_axis = np.log10 if log else np.asarray
    ends = [_end(line, x, y, on_axis, low, high, labels_right) for line, (x, y) in zip(series, points, strict=True)]
    gap = LABEL_GAP * (high - low)
    return spread_apart(ends, gap, low + gap / 2, high - gap / 2)


def _line_rows(series: Sequence[Series], points: Sequence[tuple[Array, Array]]) -> dict[str, Any]:
    """A row a point of a line."""
    return {
        "x": np.concatenate([x for x, _ in points] or [np.zeros(0)]).astype(np.float32),
        "y": np.concatenate([y for _, y in points] or [np.zeros(0)]),
        "label": [line.label for line, (x, _) in zip(series, points, strict=True) for _ in x],
        "color": [line.color for line, (x, _) in zip(series, points, strict=True) for _ in x],
        "marker": [line.marker for line, (x, _) in zip(series, points, strict=True) for _ in x],
        "width": [line.width for line, (x, _) in zip(series, points, strict=True) for _ in x],
        "area": [POINT * (line.width / WIDTH)**1.3 for line, (x, _) in zip(series, points, strict=True) for _ in x],
        "shown": [number(value) for _, y in points for value in y]}


def _theory(series: Sequence[Series], log: bool) -> dict[str, Any]:
    """A row an expected point."""
    pieces: dict[str, list[Array]] = {name: [np.zeros(0)] for name in ("x", "y", "low", "high")}
    labels: list[str] = []
    colors: list[str] = []
    for line in series:
        if line.expected is None:
            continue
        y, least, most = (np.asarray(values, float) for values in line.expected)
        keep = np.isfinite(y) & np.isfinite(most) & ((least >= 0) & (y > 0) | (not log))
        for name, values in (("x", np.asarray(line.x, float)), ("y", y), ("low", least), ("high", most)):
            pieces[name].append(values[keep])
        labels += [line.label] * int(keep.sum())
        colors += [line.color] * int(keep.sum())
    return {name: np.concatenate(arrays) for name, arrays in pieces.items()} | {"label": labels, "color": colors}


def levels(low: float, high: float, log: bool) -> Columns:
    """Round places on the y axis and their names; ``low`` and ``high`` are exponents of 10 where it is a log axis."""
    if log:
        step = max(1, round(_step(high - low, MOST_LEVELS)))
        multiples = (1, 2, 5) if high - low <= MOST_LEVELS / 3 else (1,)
        places = [multiple * 10.0**power for power in range(math.floor(low), math.floor(high) + 1)
                  if power % step == 0 for multiple in multiples]
        ticks = [tick for tick in places if low <= math.log10(tick) <= high]
    else:
        step_size = _step(high - low, MOST_LEVELS)
        ticks = [float(f"{index * step_size:.12g}") for index in range(math.ceil(low / step_size - 1e-9),
                                                                       math.floor(high / step_size + 1e-9) + 1)]
    return {"y": ticks, "text": [_round_number(tick) for tick in ticks]}


def _round_number(value: float) -> str:
    """A round number without the digits that say nothing: 0.2, 5000, 10⁻⁴, 1.5 × 10⁴."""
    text = f"{value:g}" if value == 0 or 1e-3 <= abs(value) < 1e4 else number(value, 3)
    return re.sub(r"\.?0+ ×", " ×", text).removeprefix("1 × ").replace("-", "−")


def _step(span: float, most: int) -> float:
    """The least of 1, 2, 5 times a power of 10 that goes into ``span`` at most ``most`` times."""
    step = 10.0 ** math.floor(math.log10(span / most))
    return step * next(multiple for multiple in (1.0, 2.0, 5.0, 10.0) if multiple * step * most >= span * (1 - 1e-9))


def _ticks(first: float, final: float, is_whole: bool) -> Array:
    """About ten round places on the x axis; whole numbers and the first of them for layers and steps."""
    if first == final:
        return np.array([first])
    step = max(_step(final - first, 10), 1.0 if is_whole else 0.0)
    low = first + step / 2 * (1 + 1e-9) if is_whole else first
    places = step * np.arange(math.ceil(low / step - 1e-9), math.floor(final / step + 1e-9) + 1)
    return np.round(np.concatenate([[first], places] if is_whole else [places]), 12)


def _range(values: Array, least: float) -> tuple[float, float]:
    if not values.size:
        return -least / 2, least / 2
    low, high = float(values.min()), float(values.max())
    pad = max(0.06 * (high - low), (least - (high - low)) / 2)
    return low - pad, high + pad


def _end(line: Series, x: Array, y: Array, on_axis: Any, low: float, high: float, labels_right: bool) -> float:
    """Where on the axis a line arrives: at its last point, or at the edge beyond which its end is lost."""
    arriving = -1 if labels_right else 0
    if not len(y) or not len(line.x) or x[arriving] != np.asarray(line.x)[arriving]:
        return high if line.lost_high else low
    return float(on_axis(y[arriving]))
