"""Measurement: gradient descent on an expression, and which of its tensors got a gradient."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from initviz.core.activations import activation
from initviz.core.arrays import Array
from initviz.training.zero_placement.expressions import (
    Activate,
    Add,
    BatchInput,
    Expression,
    MatMul,
    Multiply,
    NamedTensor,
    Pick,
    Softmax,
    Transpose,
    tensors_of,
)
from initviz.training.zero_placement.prediction import Fate

SAMPLES, WIDTH, CONSTANT = 16, 4, 0.5
STEPS, RATE = 60, 0.1  # of the measurement: differences that pass through several factors grow slowly
APART = 1e-9  # of the largest entry: copies whose parts differ by less are equal but for round-off
UNITS: Mapping[str, int] = MappingProxyType({"in": 5, "a": WIDTH, "b": WIDTH, "out": 3})


def initial(tensors: Mapping[str, NamedTensor], states: Mapping[str, str], seed: int,
            units: Mapping[str, int] = UNITS) -> dict[str, Array]:
    """Arrays of the tensors, drawn as their states say; ``units`` is the length of each axis."""
    rng = np.random.default_rng(seed)
    arrays = {}
    for name, tensor in tensors.items():
        shape = tuple(units[axis] for axis in tensor.axes)
        random = rng.standard_normal(shape) / math.sqrt(max(shape[0] if shape else 1, 1))
        arrays[name] = {"zero": np.zeros(shape), "constant": np.full(shape, CONSTANT), "random": random}[states[name]]
    return arrays


@dataclass(eq=False)
class _Node:
    """A value and how to send a gradient of it back."""

    value: Array
    back: Callable[[Array, dict[str, Array]], None]


def _evaluate(expression: Expression, arrays: Mapping[str, Array], x: Array) -> _Node:
    match expression:
        case BatchInput():
            return _Node(x, lambda dy, gradients: None)
        case NamedTensor(name):
            return _Node(arrays[name], lambda dy, gradients: gradients.__setitem__(
                name, gradients.get(name, 0) + _summed_to(dy, arrays[name].shape)))
        case Activate(key, inner):
            below = _evaluate(inner, arrays, x)
            phi = activation(key)
            return _Node(phi.value(below.value), lambda dy, gradients: below.back(
                dy * phi.derivative(below.value), gradients))
        case Transpose(inner):
            below = _evaluate(inner, arrays, x)
            return _Node(below.value.swapaxes(-1, -2), lambda dy, gradients: below.back(
                dy.swapaxes(-1, -2), gradients))
        case Softmax(inner):
            below = _evaluate(inner, arrays, x)
            powers = np.exp(below.value - below.value.max(axis=-1, keepdims=True))
            shares = powers / powers.sum(axis=-1, keepdims=True)
            return _Node(shares, lambda dy, gradients: below.back(
                shares * (dy - (dy * shares).sum(axis=-1, keepdims=True)), gradients))
        case Pick(inner, place):
            below = _evaluate(inner, arrays, x)

            def spread(dy: Array, gradients: dict[str, Array]) -> None:
                gradient = np.zeros_like(below.value)
                gradient[..., place:place + 1] = dy
                below.back(gradient, gradients)
            return _Node(below.value[..., place:place + 1], spread)
    left, right = _evaluate(expression.left, arrays, x), _evaluate(expression.right, arrays, x)
    match expression:
        case MatMul():
            def back(dy: Array, gradients: dict[str, Array]) -> None:
                left.back(dy @ right.value.swapaxes(-1, -2), gradients)
                right.back(_summed_to(left.value.swapaxes(-1, -2) @ dy, right.value.shape), gradients)
            return _Node(left.value @ right.value, back)
        case Multiply():
            def back(dy: Array, gradients: dict[str, Array]) -> None:
                left.back(_summed_to(dy * right.value, left.value.shape), gradients)
                right.back(_summed_to(dy * left.value, right.value.shape), gradients)
            return _Node(left.value * right.value, back)
        case Add():
            def back(dy: Array, gradients: dict[str, Array]) -> None:
                left.back(dy, gradients)
                right.back(dy, gradients)
            return _Node(left.value + right.value, back)


def _summed_to(dy: Array, shape: tuple[int, ...]) -> Array:
    """A gradient summed over the axes along which a value was repeated."""
    while dy.ndim > len(shape):
        dy = dy.sum(axis=0)
    repeated = tuple(axis for axis, length in enumerate(shape) if length == 1 < dy.shape[axis])
    return dy.sum(axis=repeated, keepdims=True) if repeated else dy


@dataclass(frozen=True, eq=False)
class Measurement:
    """What training showed: each tensor's fate, its arrays after the last step, and the largest gradient by step."""

    fates: Mapping[str, Fate]
    arrays: Mapping[str, Array]
    gradients: Mapping[str, Sequence[float]]
    loss: Sequence[float]


def measure(expression: Expression, states: Mapping[str, str], *, seed: int = 0, steps: int = STEPS,
            rate: float = RATE, units: Mapping[str, int] = UNITS) -> Measurement:
    """Gradient descent on the squared error of random targets, in float64; a zero gradient is exactly 0."""
    tensors = tensors_of(expression)
    rng = np.random.default_rng((seed, 1))
    x, targets = rng.standard_normal((SAMPLES, units["in"])), rng.standard_normal((SAMPLES, units["out"]))
    arrays, sizes, losses = descend(expression, initial(tensors, states, seed, units), x, targets, steps, rate)
    first = {name: next((step for step, size in enumerate(values) if size != 0), None)
             for name, values in sizes.items()}
    fates = {name: Fate(first[name], MappingProxyType({
        axis: _differ(arrays[name], place) for place, axis in enumerate(tensor.axes)}))
        for name, tensor in tensors.items()}
    return Measurement(fates, arrays, sizes, losses)


def descend(expression: Expression, arrays: Mapping[str, Array], x: Array, targets: Array, steps: int,
            rate: float) -> tuple[dict[str, Array], dict[str, list[float]], list[float]]:
    """Gradient descent on the mean squared error: the arrays after the last step; by step, the largest gradient of
    each tensor and the loss.
    """
    arrays = dict(arrays)
    sizes: dict[str, list[float]] = {name: [] for name in arrays}
    losses = []
    for _ in range(steps):
        node, gradients = _evaluate(expression, arrays, x), dict[str, Array]()
        error = node.value - targets
        losses.append(float(np.mean(error * error)))
        node.back(2 * error / error.size, gradients)
        for name in arrays:
            gradient = gradients.get(name, np.zeros_like(arrays[name]))
            sizes[name].append(float(np.abs(gradient).max()))
            arrays[name] = arrays[name] - rate * gradient
    return arrays, sizes, losses


def _differ(array: Array, axis: int) -> bool:
    """Whether the slices of an array along an axis differ from the first."""
    slices = np.moveaxis(array, axis, 0)
    return bool(np.abs(slices - slices[:1]).max() > APART * (np.abs(array).max() or 1))
