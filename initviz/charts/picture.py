"""What every chart shares: a constant Vega-Lite spec, the data that changes, and the way from both to a file."""

from __future__ import annotations

import base64
import functools
import io
import json
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt
import numpy as np
import pandas  # noqa: F401  Altair looks into it where it is loaded, and fails where another session's page half has
from altair import Chart
from numpy.typing import NDArray
from PIL import Image  # what Streamlit itself reads pictures with

from initviz.core.initializers import INITIALIZERS, law_of

Columns = Mapping[str, Any]  # sequences of one length by name: lists, arrays, categoricals
Data = Mapping[str, Columns]
INK = "currentColor"  # text in a mark follows the page's theme


@dataclass(frozen=True, eq=False)
class Picture:
    """A chart whose ``spec`` never changes; its named datasets do. ``alt`` names it for those who do not see it.

    A constant spec is what lets a browser update the chart in place: limits and labels of a run travel in its data.
    """

    spec: dict[str, Any]
    alt: str

    @functools.cached_property
    def enlarged(self) -> dict[str, Any]:
        """The spec with larger text, for a screen in front of a class; as constant."""
        spec: dict[str, Any] = _grown(self.spec)
        spec["config"]["axis"] = _grown(PLAIN_SIZES) | spec["config"]["axis"]
        return spec

    @classmethod
    def of(cls, alt_text: str, *layers: Chart, height: int | None = None) -> Picture:
        """The picture of charts over named data, each drawn upon those before it.

        Altair's own layering copies every part of every chart again and again: more than half of the 170 ms that the
        pictures of a server's first visit took.
        """
        # The page's theme gives the rest of the config; its gray of axes' words is too pale to be read.
        spec: dict[str, Any] = {
            "width": "container", "layer": [], "params": [],
            "config": {"axis": {"labelColor": INK, "titleColor": INK, "labelOpacity": 0.75, "titleOpacity": 0.75}},
            "usermeta": {"embedOptions": {"renderer": "svg"}}}  # on a canvas text would not follow the theme
        if height is not None:
            spec["height"] = height
        for number, layer in enumerate(layers):
            part = layer.to_dict(validate=False, context={"top_level": False})  # the tests validate
            part["mark"]["aria"] = False  # the alt text speaks for all marks; nameless ones only disturb
            for parameter in part.pop("params", []):  # which Streamlit looks for at the top, beside their view's name
                if "select" in parameter:
                    parameter["views"] = [part.setdefault("name", f"layer_{number}")]
                spec["params"].append(parameter)
            spec["layer"].append(part)
        return cls(spec, alt_text)


ENLARGED = 1.3
SIZES = ("fontSize", "labelFontSize", "titleFontSize", "lineHeight", "labelLineHeight", "labelPadding")
PLAIN_SIZES = {"labelFontSize": 12, "titleFontSize": 13}  # of an axis that names none


def _grown(part: Any) -> Any:
    """A part of a spec with the sizes of its text larger."""
    if isinstance(part, dict):
        return {key: value * ENLARGED if key in SIZES and isinstance(value, int | float) else _grown(value)
                for key, value in part.items()}
    return [_grown(item) for item in part] if isinstance(part, list) else part


def named(name: str) -> alt.NamedData:
    """The dataset of that name."""
    return alt.NamedData(name=name)


def carried(*names: str) -> list[alt.Chart]:
    """Empty layers for datasets that only expressions read: Vega-Lite leaves out those that no mark draws."""
    return [alt.Chart(named(name)).mark_point(size=0, opacity=0, tooltip=None).encode() for name in names]


def columns(rows: Iterable[Sequence[Any]], *names: str) -> Columns:
    """The columns of a table that is given row by row."""
    by_row = list(rows)
    return {name: [row[index] for row in by_row] for index, name in enumerate(names)}


def stacked(parts: Sequence[Columns]) -> Columns:
    """Tables of the same columns, one below the other."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def places_of(dataset: str, at: str, name: str) -> dict[str, Any]:
    """Options of an axis whose places and their names are columns of a dataset."""
    places = f"pluck(data('{dataset}'), '{at}')"
    return {"values": alt.ExprRef(places), "labelExpr": f"data('{dataset}')[indexof({places}, datum.value)].{name}"}


COLUMN_NAME = "data('columns')[round(datum.value - 0.5)].label"
A_WORD_A_LINE = f"split({COLUMN_NAME}, ' ')"


def column_titles(name: str = A_WORD_A_LINE, **options: Any) -> alt.Axis:
    """The axis at the top of columns of width 1; ``name`` is the expression of a column's name, the dataset columns
    holds their labels.
    """
    return alt.Axis(orient="top", values=alt.ExprRef("sequence(0.5, length(data('columns')), 1)"), title=None,
                    grid=False, labelOverlap=False, labelFontSize=12, labelFontWeight="bold", labelLineHeight=13,
                    labelExpr=name, **options)


def fitted_column_titles(one_column: str, *, wide: int, narrow: int, padding: int, more: int) -> alt.Axis:
    """``column_titles`` on one line from ``wide`` pixels of ``one_column`` (an expression), upwards below ``narrow``;
    between them words take a line each, and ``more`` padding.
    """
    def either(up: str, flat: str) -> alt.ExprRef:
        return alt.ExprRef(f"{one_column} < {narrow} ? {up} : {flat}")

    one_row = f"{one_column} < {narrow} || {one_column} >= {wide}"
    return column_titles(f"{one_row} ? {COLUMN_NAME} : {A_WORD_A_LINE}", labelAngle=either("-90", "0"),
                         labelAlign=either("'left'", "'center'"), labelBaseline=either("'middle'", "'bottom'"),
                         labelPadding=alt.ExprRef(f"{one_row} ? {padding} : {padding + more}"))


def literal_color(field: str = "color") -> alt.Color:
    """Colors that stand in the data."""
    return alt.Color(f"{field}:N", scale=None, legend=None)


def color_of(key: str) -> str:
    """The color of an initializer, the same in every picture."""
    return INITIALIZERS[key].color


MARKERS = {"normal": "circle", "uniform": "square", "truncated_normal": "triangle-up", "constant": "cross",
           "other": "diamond"}


def marker_of(key: str) -> str:
    """The shape of an initializer's points, by its family: where colors are hard to tell apart it helps."""
    return MARKERS[law_of(key).family]


VERDICT_COLORS = {None: "#1E9E5A", "error": "#D9482B", "warning": "#E0A100", "note": "#8A8F98"}  # by severity
# Of all colors of this file and of the initializers' table a test holds the distances, to eyes that see all colors
# and to those that do not, and the contrast to both themes.
ORDERED = ("#A385B8", "#525CCC", "#4799CC", "#1F7A5C", "#A38F00", "#8F5C33")
# For what has no order and is no initializer.
UNORDERED = ("#5C8FFF", "#D67A00", "#477033", "#B814A3", "#CC0000", "#7A8F85", "#66665C", "#5C3DFF", "#AD8F66",
             "#998FAD", "#855C7A")


def sequential(count: int) -> list[str]:
    """Colors for what is ordered, such as layers: first to last from violet to amber."""
    return [ORDERED[round(position * (len(ORDERED) - 1) / max(count - 1, 1))] for position in range(count)]


DIVERGING = ("#2166ac", "#67a9cf", "#d1e5f0", "#f7f7f7", "#fddbc7", "#ef8a62", "#b2182b")  # from -1 over 0 to 1
SHADES = 100  # to each side of 0
MISSING = (120, 120, 120)


def rgb(color: str) -> tuple[int, int, int]:
    """Red, green and blue, 0 to 255, of a color as #rrggbb."""
    red, green, blue = (int(color[i:i + 2], 16) for i in (1, 3, 5))
    return red, green, blue


@functools.cache
def diverging_shades() -> NDArray[np.uint8]:
    """The colors (2 * SHADES + 2, 3) of -1 to 1, and one for what is no number."""
    positions = np.linspace(0, len(DIVERGING) - 1, 2 * SHADES + 1)
    stops = np.array([rgb(color) for color in DIVERGING])
    mixed = np.stack([np.interp(positions, np.arange(len(stops)), stops[:, channel]) for channel in range(3)], axis=1)
    return np.vstack([mixed.round(), MISSING]).astype(np.uint8)


def diverging_codes(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Which of the ``diverging_shades`` each value has; beyond -1 and 1 that of the end."""
    codes = np.round(SHADES * np.clip(values, -1, 1)) + SHADES
    return np.where(np.isnan(codes), 2 * SHADES + 1, codes).astype(np.uint8)


def image_url(pixels: NDArray[np.uint8], shades: NDArray[np.uint8] | None = None) -> str:
    """An image as a link that carries it: (rows, columns, 3), or (rows, columns) of places among ``shades``.

    One image takes a browser a hundredth of what as many rectangles take.
    """
    image = Image.fromarray(pixels)
    if shades is not None:
        image.putpalette(shades.ravel().tolist())
    file = io.BytesIO()
    image.save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def spread_apart(positions: list[float], gap: float, low: float, high: float) -> list[float]:
    """Positions moved as little as need be to lie ``gap`` apart and between ``low`` and ``high``, in their order."""
    order = np.argsort(positions, kind="stable")
    gap = min(gap, (high - low) / max(len(positions), 1))
    placed = np.array(positions, float)
    floor = low
    for index in order:
        floor = placed[index] = max(placed[index], floor)
        floor += gap
    ceiling = high
    for index in order[::-1]:
        ceiling = placed[index] = min(placed[index], ceiling)
        ceiling -= gap
    return [float(position) for position in placed]


def _with_data(picture: Picture, data: Data, **options: Any) -> dict[str, Any]:
    """The spec with its data inside it."""
    records = {name: [dict(zip(table, row, strict=True)) for row in zip(*(
        np.asarray(column).tolist() for column in table.values()), strict=True)] for name, table in data.items()}
    spec = picture.spec | {"datasets": records} | options
    spec.pop("usermeta", None)
    return spec


def chart(picture: Picture, data: Data, *, height: int = 300, width: int = 700) -> alt.LayerChart:
    """The picture with its data as an Altair chart, for a notebook; ``.save(file)`` writes it as HTML, PNG or SVG."""
    spec = _with_data(picture, data, width=width, height=height)
    return alt.LayerChart.from_dict(json.loads(json.dumps(spec).replace(INK, "#666666")))  # seen on white and on black


LETTER = 6.4  # pixels of a letter of the settings in a file


def _with_y_title(layer: dict[str, Any], title: str) -> dict[str, Any]:
    """A layer with a name at its y axis, if it has one."""
    y = layer.get("encoding", {}).get("y", {})
    return layer | {"encoding": layer["encoding"] | {"y": y | {"title": title}}} if y.get("axis") else layer


@dataclass(frozen=True, eq=False)
class SavedPicture:
    """A picture with its data, and what a file of it needs to stand alone: its title and the name of its y axis."""

    picture: Picture
    data: Data
    title: str
    y_title: str = ""
    height: int = 300  # pixels

    def file(self, form: str, settings: str) -> bytes:
        """The file, "svg" or "png"; ``settings`` stand under the title."""
        return save(self.picture, self.data, height=self.height, form=form, title=self.title, y_title=self.y_title,
                    settings=settings)


def save(picture: Picture, data: Data, *, height: int, width: int = 1000, form: str = "svg", title: str = "",
         y_title: str = "", settings: str = "") -> bytes:
    """The picture with its data as a file, "svg" or "png", on white, under a title and the settings that made it.

    ``y_title`` names a y axis that goes without a name on the page, where words above the picture say it.
    """
    import vl_convert

    head = {"title": {"text": title, "subtitle": textwrap.wrap(settings, int(width / LETTER)), "anchor": "start",
                      "offset": 12, "fontSize": 16, "subtitleFontSize": 12, "subtitlePadding": 6}} if title else {}
    spec = _with_data(picture, data, width=width, height=height, background="white", padding=10, config={
        "view": {"stroke": None}, "axis": {"grid": False, "domain": False, "ticks": False}}, **head)
    if y_title:
        spec["layer"] = [_with_y_title(layer, y_title) for layer in spec["layer"]]
    if form == "svg":
        return str(vl_convert.vegalite_to_svg(spec)).replace(INK, "#222222").encode()
    return bytes(vl_convert.vegalite_to_png(spec, scale=2))
