"""A small network of products, sums and activations as a diagram, with what its tensors start as."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import product
from types import MappingProxyType
from typing import Any

import altair as alt

from initviz.charts.picture import INK, Data, Picture, carried, columns, named
from initviz.training.zero_placement import (
    STATES,
    Activate,
    Add,
    BatchInput,
    Expression,
    MatMul,
    Multiply,
    NamedTensor,
    is_zero,
)
from initviz.training.zero_reasons import PHI, symbol

LANE = 105  # pixels of height that a lane takes
SLIM = "width < 420"  # pixels: a phone
RADIUS = f"({SLIM} ? 16 : 24)"  # pixels from the center of a node to its edges
FILLS = {"zero": "transparent", "constant": "#D67A00", "random": "#5C8FFF"}


@dataclass
class _Drawing:
    """Nodes by the expression that they compute, and edges from one to another."""

    places: dict[Expression, tuple[int, int]] = field(default_factory=dict)  # column, lane
    edges: list[tuple[Expression, Expression]] = field(default_factory=list)

    @property
    def lanes(self) -> int:
        """How many rows there are."""
        return 1 + max(lane for _, lane in self.places.values())

    def put(self, expression: Expression, lane: int) -> None:
        """Place an expression and what it is made of: inputs to its left, a second operand a lane below."""
        if expression in self.places:
            return
        sources = _sources(expression)
        for index, source in enumerate(sources):
            self.put(source, lane + index)
            self.edges.append((source, expression))
        column = 1 + max((self.places[source][0] for source in sources), default=-1)
        self.places[expression] = (column, lane)


def _sources(expression: Expression) -> tuple[Expression, ...]:
    """What a node gets along its edges: a product with a tensor is that tensor's box on the edge of the other."""
    match expression:
        case MatMul(inner, NamedTensor()) | Multiply(inner, NamedTensor()) | Activate(_, inner):
            return (inner,)
        case Add(left, right) | Multiply(left, right):
            return (left, right)
        case BatchInput():
            return ()
    raise TypeError(f"a diagram is made of layers, sums, products and activations, got {type(expression).__name__}")


def _tensor(expression: Expression) -> NamedTensor | None:
    match expression:
        case MatMul(_, NamedTensor() as tensor) | Multiply(_, NamedTensor() as tensor):
            return tensor
    return None


def _operator(expression: Expression) -> str:
    match expression:
        case BatchInput():
            return "x"
        case Add():
            return "+"
        case Activate(key, _):
            return PHI.get(key, key)
    return "×"


def _drawing(expression: Expression) -> _Drawing:
    drawing = _Drawing()
    drawing.put(expression, 0)
    return drawing


def height(expression: Expression) -> int:
    """Pixels."""
    return LANE * _drawing(expression).lanes


@functools.cache
def picture() -> Picture:
    """Tensors as boxes on the way from the input to the output; datasets segments, arrows, boxes, operators, frame."""
    frame = "data('frame')[0]"
    x = alt.X("x:Q", axis=None, scale=alt.Scale(domain=alt.ExprRef(f"[-0.5, {frame}.columns - 0.5]"), nice=False,
                                                zero=False))
    y = alt.Y("y:Q", axis=None, scale=alt.Scale(domain=alt.ExprRef(f"[{frame}.lanes - 0.5, -0.5]"), nice=False,
                                                zero=False))
    tip: dict[str, Any] = {"size": alt.ExprRef(f"{SLIM} ? 25 : 50"), "filled": True, "fill": INK, "opacity": 0.75,
                           "tooltip": None}
    arrows = [
        alt.Chart(named("arrows")).transform_filter("!datum.upward").mark_point(
            shape="triangle-right", xOffset=alt.ExprRef(f"-({RADIUS} + 3)"), **tip).encode(x=x, y=y),
        alt.Chart(named("arrows")).transform_filter("datum.upward").mark_point(
            shape="triangle-up", yOffset=alt.ExprRef(f"{RADIUS} + 3"), **tip).encode(x=x, y=y)]
    tooltip = [alt.Tooltip("name:N", title="Tensor"), alt.Tooltip("state:N", title="Initially"),
               alt.Tooltip("answer:N", title="First gradient")]
    boxes = alt.Chart(named("boxes")).mark_point(
        shape="square", size=alt.ExprRef(f"pow(2 * ({RADIUS} - 3), 2)"), filled=True, fillOpacity=0.3, stroke=INK,
        strokeWidth=1.4, opacity=1).encode(x=x, y=y, fill=alt.Fill("color:N", scale=None), tooltip=tooltip)
    words: dict[str, Any] = {"fill": INK, "tooltip": None}
    names = alt.Chart(named("boxes")).mark_text(
        fontSize=alt.ExprRef(f"{SLIM} ? 8 : 12"), fontWeight="bold", baseline="middle", **words).encode(
        x=x, y=y, text=alt.Text("name:N"))
    remarks = alt.Chart(named("boxes")).mark_text(
        fontSize=alt.ExprRef(f"{SLIM} ? 8 : 12"), baseline="top", lineBreak="\n", dy=alt.ExprRef(f"{RADIUS} + 2"),
        **words).encode(x=x, y=y, text=alt.Text("remark:N"))
    operators = alt.Chart(named("operators")).mark_text(
        fontSize=alt.ExprRef(f"{SLIM} ? 10 : 15"), fontWeight="bold", baseline="middle", **words).encode(
        x=x, y=y, text=alt.Text("name:N"))
    return Picture.of("A small network: tensors as boxes between the input and the output, and what each holds before "
                      "training", boxes, *_segments(), *arrows, names, remarks, operators, *carried("frame"),
                      height=LANE)


def _segments() -> list[alt.Chart]:
    """Straight pieces of the edges, solid and dashed, which leave room for the nodes at which they begin or end."""
    x, y = alt.X("x:Q", axis=None), alt.Y("y:Q", axis=None)
    pieces = []
    for level, begins, ends, zero in product((True, False), repeat=4):
        test = " && ".join(name if holds else f"!{name}" for name, holds in (
            ("datum.level", level), ("datum.begins", begins), ("datum.ends", ends), ("datum.zero", zero)))
        offset, offset2 = ("xOffset", "x2Offset") if level else ("yOffset", "y2Offset")
        sign, sign2 = ("", "-") if level else ("", "")
        cuts: dict[str, Any] = ({offset: alt.ExprRef(f"{sign}{RADIUS}")} if begins else {}) | (
            {offset2: alt.ExprRef(f"{sign2}({RADIUS} + 4)")} if ends else {})
        pieces.append(alt.Chart(named("segments")).transform_filter(test).mark_rule(
            stroke=INK, strokeWidth=1.6, opacity=0.75, strokeDash=[2, 4] if zero else [1, 0], tooltip=None,
            **cuts).encode(x=x, y=y, x2=alt.X2("x2:Q"), y2=alt.Y2("y2:Q")))
    return pieces


def data(expression: Expression, states: Mapping[str, str], answers: Mapping[str, str] = MappingProxyType({})) -> Data:
    """Datasets for ``picture``: the states ("zero", "constant", "random") and, where known, the answers by tensor.

    Edges whose value is exactly zero before training are dashed.
    """
    drawing = _drawing(expression)
    zero = {name: state == "zero" for name, state in states.items()}
    segments: list[tuple[Any, ...]] = []  # two ends; whether level, cut at its ends, and zero
    arrows: list[tuple[int, int, bool]] = []
    for source, target in drawing.edges:
        (x, y), (x2, y2) = drawing.places[source], drawing.places[target]
        passes_zero = is_zero(source, zero)
        if y == y2:
            segments.append((x, y, x2, y2, True, True, True, passes_zero))
        elif y < y2:  # a fork, beside the words under the source
            middle = x + 0.5
            segments += [(middle, y, middle, y2, False, False, False, passes_zero),
                         (middle, y2, x2, y2, True, False, True, passes_zero)]
        else:
            segments += [(x, y, x2, y, True, True, False, passes_zero),
                         (x2, y, x2, y2, False, False, True, passes_zero)]
        arrows.append((x2, y2, y > y2))
    column, lane = drawing.places[expression]
    segments.append((column, lane, column + 1, lane, True, True, True, is_zero(expression, zero)))
    arrows.append((column + 1, lane, False))
    boxes, operators = [], [(column + 1, lane, "y")]
    for node, place in drawing.places.items():
        tensor = _tensor(node)
        if tensor is None:
            operators.append((*place, _operator(node)))
            continue
        state, answer = STATES[states[tensor.name]].lower(), answers.get(tensor.name, "")
        boxes.append((*place, symbol(tensor.name), state, answer, f"{state}\n{answer}" if answer else state,
                      FILLS[states[tensor.name]]))
    return {"segments": columns(segments, "x", "y", "x2", "y2", "level", "begins", "ends", "zero"),
            "arrows": columns(arrows, "x", "y", "upward"), "operators": columns(operators, "x", "y", "name"),
            "boxes": columns(boxes, "x", "y", "name", "state", "answer", "remark", "color"),
            "frame": {"columns": [column + 2], "lanes": [drawing.lanes]}}
