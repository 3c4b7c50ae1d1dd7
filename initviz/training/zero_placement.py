"""Where zeros may stand: which tensors of a small network get a gradient, and when, predicted and measured.

A network is an expression of products, sums and activations over tensors that start as zeros, as one constant, or at
random. The prediction follows from the expression alone, without numbers: a product passes nothing on where one of its
factors is zero, and passes nothing back to a factor where the other is. The measurement is gradient descent.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from types import MappingProxyType

import numpy as np

from initviz.core.activations import activation
from initviz.core.arrays import Array

STATES = MappingProxyType({"zero": "Zero", "constant": "Constant", "random": "Random"})
SAMPLES, WIDTH, CONSTANT = 16, 4, 0.5
LOOKAHEAD = 8  # steps of a prediction: after them nothing new happens in an expression of a few factors
STEPS, RATE = 60, 0.1  # of the measurement: differences that pass through several factors grow slowly
APART = 1e-9  # of the largest entry: copies whose parts differ by less are equal but for round-off
Shape = tuple[str, ...]


# ---------------------------------------------------------------------------------------------- expressions

@dataclass(frozen=True)
class Input:
    """The batch (samples, features)."""


@dataclass(frozen=True)
class Tensor:
    """A tensor by its name; ``axes`` names what each axis counts: two tensors that share a name share the units."""

    name: str
    axes: Shape


@dataclass(frozen=True)
class MatMul:
    """``left @ right``."""

    left: Expression
    right: Expression


@dataclass(frozen=True)
class Multiply:
    """The product element by element, of a row or a scalar with every row where one factor has fewer axes."""

    left: Expression
    right: Expression


@dataclass(frozen=True)
class Add:
    """The sum."""

    left: Expression
    right: Expression


@dataclass(frozen=True)
class Activate:
    """phi, element by element."""

    key: str
    inner: Expression


@dataclass(frozen=True)
class Transpose:
    """The last two axes exchanged."""

    inner: Expression


@dataclass(frozen=True)
class Softmax:
    """Softmax over the last axis."""

    inner: Expression


@dataclass(frozen=True)
class Pick:
    """One place of the last axis, which keeps its length of 1."""

    inner: Expression
    place: int


Expression = Input | Tensor | MatMul | Multiply | Add | Activate | Transpose | Softmax | Pick


def tensors_of(expression: Expression) -> dict[str, Tensor]:
    """The tensors of an expression by name, in the order in which they are met."""
    match expression:
        case Tensor():
            return {expression.name: expression}
        case MatMul(left, right) | Multiply(left, right) | Add(left, right):
            return tensors_of(left) | tensors_of(right)
        case Activate(_, inner) | Transpose(inner) | Softmax(inner) | Pick(inner, _):
            return tensors_of(inner)
        case Input():
            return {}


# ---------------------------------------------------------------------------------------------- prediction

def is_zero(expression: Expression, zero: Mapping[str, bool]) -> bool:
    """Whether the value of the expression is exactly zero, given which tensors are."""
    match expression:
        case Input():
            return False
        case Tensor(name):
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
        case Tensor(name):
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
        case Input():
            return


Uneven = Mapping[str, frozenset[str]]  # of each tensor the axes along which its slices differ


def _is_uneven(expression: Expression, zero: Mapping[str, bool], uneven: Uneven) -> bool:
    """Whether the units of what the expression gives, its last axis, differ from one another."""
    if is_zero(expression, zero):
        return False
    match expression:
        case Input():
            return True
        case Tensor(name, axes):
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
        case Tensor(name, axes):
            if axes and comes_back_uneven:
                yield name, axes[-1]
            if len(axes) > 1 and inputs_differ:
                yield name, axes[0]
        case MatMul(left, right):
            if not is_zero(left, zero):
                yield from _parted(right, zero, uneven, _is_uneven(left, zero, uneven), comes_back_uneven)
            if not is_zero(right, zero):
                rows = isinstance(right, Tensor) and right.axes[0] in uneven[right.name]
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
        case Input():
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
        uneven = {name: axes | {axis for other, axis in parted if other == name} for name, axes in uneven.items()}
        zero = {name: was and name not in moved for name, was in zero.items()}
    return {name: Fate(first[name], MappingProxyType({axis: axis in uneven[name] for axis in tensor.axes}))
            for name, tensor in tensors.items()}


# ---------------------------------------------------------------------------------------------- measurement

UNITS: Mapping[str, int] = MappingProxyType({"in": 5, "a": WIDTH, "b": WIDTH, "out": 3})


def initial(tensors: Mapping[str, Tensor], states: Mapping[str, str], seed: int,
            units: Mapping[str, int] = UNITS) -> dict[str, Array]:
    """Arrays of the tensors, drawn as their states say; ``units`` is the length of each axis."""
    rng = np.random.default_rng(seed)
    arrays = {}
    for name, tensor in tensors.items():
        shape = tuple(units[axis] for axis in tensor.axes)
        drawn = rng.standard_normal(shape) / math.sqrt(max(shape[0] if shape else 1, 1))
        arrays[name] = {"zero": np.zeros(shape), "constant": np.full(shape, CONSTANT), "random": drawn}[states[name]]
    return arrays


@dataclass(eq=False)
class _Node:
    """A value and how to send a gradient of it back."""

    value: Array
    back: Callable[[Array, dict[str, Array]], None]


def _evaluate(expression: Expression, arrays: Mapping[str, Array], x: Array) -> _Node:
    match expression:
        case Input():
            return _Node(x, lambda dy, gradients: None)
        case Tensor(name):
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
                whole = np.zeros_like(below.value)
                whole[..., place:place + 1] = dy
                below.back(whole, gradients)
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
class Measured:
    """What training showed: each tensor's fate, its arrays after the last step, and the largest gradient by step."""

    fates: Mapping[str, Fate]
    arrays: Mapping[str, Array]
    gradients: Mapping[str, Sequence[float]]
    loss: Sequence[float]


def measure(expression: Expression, states: Mapping[str, str], *, seed: int = 0, steps: int = STEPS,
            rate: float = RATE, units: Mapping[str, int] = UNITS) -> Measured:
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
    return Measured(fates, arrays, sizes, losses)


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


# ---------------------------------------------------------------------------------------------- the table

@dataclass(frozen=True)
class Wiring:
    """A small network: what it is, its expression, the usual states of its tensors, and where it is from."""

    label: str
    expression: Expression
    usual: Mapping[str, str]
    formula: str
    source: str


X = Input()


def _linear(inner: Expression, name: str, fan_in: str, fan_out: str) -> MatMul:
    return MatMul(inner, Tensor(name, (fan_in, fan_out)))


def _branch(inner: Expression) -> Expression:
    """W2 tanh(W1 h) for a stream h of the units "a"."""
    return _linear(Activate("tanh", _linear(inner, "W1", "a", "b")), "W2", "b", "a")


STREAM = _linear(X, "W_in", "in", "a")

WIRINGS: Mapping[str, Wiring] = MappingProxyType({
    "chain": Wiring(
        "A chain of layers",
        _linear(Activate("tanh", _linear(Activate("tanh", _linear(X, "W1", "in", "a")), "W2", "a", "b")),
                "W3", "b", "out"),
        MappingProxyType({"W1": "zero", "W2": "zero", "W3": "zero"}), "y = W₃ tanh(W₂ tanh(W₁ x))",
        "Goodfellow, Bengio and Courville 2016, section 8.4"),
    "relu_chain": Wiring(
        "A chain with ReLU",
        _linear(Activate("relu", _linear(X, "W1", "in", "a")), "W2", "a", "out"),
        MappingProxyType({"W1": "zero", "W2": "random"}), "y = W₂ ReLU(W₁ x)",
        "Goodfellow, Bengio and Courville 2016, section 8.4"),
    "lora": Wiring(
        "A LoRA pair", Add(_linear(X, "W0", "in", "out"), _linear(_linear(X, "A", "in", "a"), "B", "a", "out")),
        MappingProxyType({"W0": "random", "A": "random", "B": "zero"}), "y = W₀ x + B A x",
        "Hu et al. 2021, section 4.1"),
    "residual": Wiring(
        "A residual branch, last layer zero", _linear(Add(STREAM, _branch(STREAM)), "W_out", "a", "out"),
        MappingProxyType({"W_in": "random", "W1": "random", "W2": "zero", "W_out": "random"}),
        "y = W_out (h + W₂ tanh(W₁ h))", "Zhang et al. 2019, section 3"),
    "gamma": Wiring(
        "A residual branch, its last gain zero",
        _linear(Add(STREAM, Multiply(_branch(STREAM), Tensor("gamma", ("a",)))), "W_out", "a", "out"),
        MappingProxyType({"W_in": "random", "W1": "random", "W2": "random", "gamma": "zero", "W_out": "random"}),
        "y = W_out (h + γ · W₂ tanh(W₁ h))", "Goyal et al. 2017, section 5.1"),
    "alpha": Wiring(
        "A residual branch, its scale zero (ReZero)",
        _linear(Add(STREAM, Multiply(_branch(STREAM), Tensor("alpha", ()))), "W_out", "a", "out"),
        MappingProxyType({"W_in": "random", "W1": "random", "W2": "random", "alpha": "zero", "W_out": "random"}),
        "y = W_out (h + α W₂ tanh(W₁ h))", "Bachlechner et al. 2021, section 3"),
    "readout": Wiring(
        "A zero read-out", _linear(Activate("tanh", _linear(X, "W1", "in", "a")), "W_out", "a", "out"),
        MappingProxyType({"W1": "random", "W_out": "zero"}), "y = W_out tanh(W₁ x)", "Yang et al. 2022, appendix D.2"),
    "gate": Wiring(
        "A gate", _linear(Multiply(_linear(X, "V", "in", "a"), _linear(X, "G", "in", "a")), "W_out", "a", "out"),
        MappingProxyType({"V": "random", "G": "zero", "W_out": "random"}), "y = W_out (V x · G x)",
        "adaLN-Zero and zero convolutions are such gates"),
})


def combinations(wiring: Wiring) -> Iterator[dict[str, str]]:
    """Every choice of states for the tensors of a wiring."""
    names = list(tensors_of(wiring.expression))
    for states in product(STATES, repeat=len(names)):
        yield dict(zip(names, states, strict=True))


LORA_UNITS: Mapping[str, int] = MappingProxyType({"in": 12, "a": 8, "out": 12})


def learned_rank(a: str, b: str, *, seed: int = 0, steps: int = 50) -> int:
    """The rank of B A after so many steps, of a LoRA adapter of rank 8 whose factors are initialized so."""
    expression = WIRINGS["lora"].expression
    arrays = measure(expression, {"W0": "random", "A": a, "B": b}, seed=seed, steps=steps, units=LORA_UNITS).arrays
    values = np.linalg.svd(arrays["A"] @ arrays["B"], compute_uv=False)
    return int((values > APART * values[0]).sum()) if values[0] else 0
