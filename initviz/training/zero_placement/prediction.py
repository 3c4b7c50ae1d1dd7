"""Prediction: which tensors get a gradient, and when, from the expression and its zeros alone, without numbers.

A product passes nothing on where one of its factors is zero, and passes nothing back to a factor where the other is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from initviz.core.activations import activation
from initviz.training.zero_placement.expressions import (
    Activate,
    Add,
    BatchInput,
    Expression,
    MatMul,
    Multiply,
    NamedTensor,
    tensors_of,
)

LOOKAHEAD = 8  # steps of a prediction: after them nothing new happens in an expression of a few factors


def is_zero(expression: Expression, zero: Mapping[str, bool]) -> bool:
    """Whether the value of the expression is exactly zero, given which tensors are."""
    match expression:
        case BatchInput():
            return False
        case NamedTensor(name):
            return zero[name]
        case MatMul(left, right) | Multiply(left, right):
            return is_zero(left, zero) or is_zero(right, zero)
        case Add(left, right):
            return is_zero(left, zero) and is_zero(right, zero)
        case Activate(key, inner):
            return is_zero(inner, zero) and _value_at_zero(key) == 0
    raise TypeError(f"expression must be made of products, sums and activations, got {type(expression).__name__}")


def _value_at_zero(key: str) -> float:
    return float(activation(key).value(np.zeros(1))[0])


def passes_at_zero(key: str) -> bool:
    return float(activation(key).derivative(np.zeros(1))[0]) != 0


def _reached(expression: Expression, zero: Mapping[str, bool]) -> Iterator[str]:
    """The tensors to which a gradient comes back that is not exactly zero, where one comes to the expression."""
    match expression:
        case NamedTensor(name):
            yield name
        case MatMul(left, right) | Multiply(left, right):
            for factor, other in ((left, right), (right, left)):
                if not is_zero(other, zero):
                    yield from _reached(factor, zero)
        case Add(left, right):
            yield from _reached(left, zero)
            yield from _reached(right, zero)
        case Activate(key, inner):
            if not is_zero(inner, zero) or passes_at_zero(key):
                yield from _reached(inner, zero)
        case BatchInput():
            return


Uneven = Mapping[str, frozenset[str]]  # of each tensor the axes along which its slices differ


def _is_uneven(expression: Expression, zero: Mapping[str, bool], uneven: Uneven) -> bool:
    """Whether the units of what the expression gives, its last axis, differ from one another."""
    if is_zero(expression, zero):
        return False
    match expression:
        case BatchInput():
            return True
        case NamedTensor(name, axes):
            return bool(axes) and axes[-1] in uneven[name]
        case MatMul(_, right):
            return _is_uneven(right, zero, uneven)
        case Multiply(left, right) | Add(left, right):
            return _is_uneven(left, zero, uneven) or _is_uneven(right, zero, uneven)
        case Activate(_, inner):
            return _is_uneven(inner, zero, uneven)
    raise TypeError(f"expression must be made of products, sums and activations, got {type(expression).__name__}")


def _parted(expression: Expression, zero: Mapping[str, bool], uneven: Uneven, inputs_differ: bool,
            comes_back_uneven: bool) -> Iterator[tuple[str, str]]:
    """(tensor, axis) wherever the gradient differs along an axis, given whether the gradient that comes back does.

    ``inputs_differ`` says so of the units that a tensor is multiplied with.
    """
    match expression:
        case NamedTensor(name, axes):
            if axes and comes_back_uneven:
                yield name, axes[-1]
            if len(axes) > 1 and inputs_differ:
                yield name, axes[0]
        case MatMul(left, right):
            if not is_zero(left, zero):
                yield from _parted(right, zero, uneven, _is_uneven(left, zero, uneven), comes_back_uneven)
            if not is_zero(right, zero):
                rows = isinstance(right, NamedTensor) and right.axes[0] in uneven[right.name]
                yield from _parted(left, zero, uneven, inputs_differ, rows)
        case Multiply(left, right):
            for factor, other in ((left, right), (right, left)):
                if not is_zero(other, zero):
                    yield from _parted(factor, zero, uneven, inputs_differ,
                                       comes_back_uneven or _is_uneven(other, zero, uneven))
        case Add(left, right):
            yield from _parted(left, zero, uneven, inputs_differ, comes_back_uneven)
            yield from _parted(right, zero, uneven, inputs_differ, comes_back_uneven)
        case Activate(key, inner):
            if not is_zero(inner, zero) or passes_at_zero(key):
                yield from _parted(inner, zero, uneven, inputs_differ,
                                   comes_back_uneven or _is_uneven(inner, zero, uneven))
        case BatchInput():
            return


@dataclass(frozen=True)
class Fate:
    """What becomes of a tensor: the first step whose gradient of it is not exactly zero (None: never), and for each of
    its axes whether the units that it counts differ after the last step.
    """

    first_step: int | None
    units_differ: Mapping[str, bool]


def predict(expression: Expression, states: Mapping[str, str], steps: int = LOOKAHEAD) -> dict[str, Fate]:
    """The fate of every tensor, from the expression and the tensors' states ("zero", "constant", "random") alone."""
    tensors = tensors_of(expression)
    zero = {name: states[name] == "zero" for name in tensors}
    uneven = {name: frozenset(tensor.axes if states[name] == "random" else ()) for name, tensor in tensors.items()}
    first: dict[str, int | None] = dict.fromkeys(tensors)
    for step in range(steps):
        moved = set(_reached(expression, zero))
        parted = set(_parted(expression, zero, uneven, True, True))
        for name in moved:
            if first[name] is None:
                first[name] = step
        uneven = {name: axes | {axis for tensor, axis in parted if tensor == name} for name, axes in uneven.items()}
        zero = {name: was and name not in moved for name, was in zero.items()}
    return {name: Fate(first[name], MappingProxyType({axis: axis in uneven[name] for axis in tensor.axes}))
            for name, tensor in tensors.items()}
