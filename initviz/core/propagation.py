"""One forward and one backward pass through a multilayer perceptron, exact and in the dtype of the arrays.

Conventions: ``z_l = h_{l-1} @ W_l + b_l``, ``h_l = phi(z_l)``, the last layer linear; ``delta_l = dL/dz_l``. Arrays of
activations are (batch, width), weights (fan_in, fan_out). Overflow gives inf (and inf - inf NaN), never a warning.

``forward``, ``backward`` and the losses also take a stack of networks of one shape: weights (networks, fan_in,
fan_out), biases (networks, 1, fan_out), everything else with the same leading axis.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from initviz.core.activations import ActivationFunction
from initviz.core.activations import activation as named_activation
from initviz.core.arrays import Array
from initviz.core.buffers import Buffers, NewArrays
from initviz.core.validation import check

QUIET: dict[str, Any] = {"over": "ignore", "invalid": "ignore", "divide": "ignore", "under": "ignore"}

PART = 1 << 15  # values of which an activation is computed at a time, so that what lies between stays in the cache


def _mean(values: Array, axis: int | tuple[int, int]) -> Any:
    """The mean along the last axis or the last two, summed in float64; np.mean itself takes longer than a small sum."""
    total = np.add.reduce(values, axis=axis, dtype=np.float64)
    return total / (values.size // total.size)


def _mse(output: Array, targets: Array) -> tuple[Any, Array]:
    residual = output - targets
    loss = _mean(residual * residual, (-2, -1))
    return loss, residual * (2 / targets.size)


def _softmax_ce(output: Array, targets: Array) -> tuple[Any, Array]:
    rows = np.arange(len(targets))
    shifted = output - np.maximum.reduce(output, axis=-1, keepdims=True)
    chosen = shifted[..., rows, targets]
    p = np.exp(shifted, out=shifted)
    total = np.add.reduce(p, axis=-1, keepdims=True)
    loss = _mean(np.log(total[..., 0]) - chosen, -1)
    p /= total
    p[..., rows, targets] -= 1
    p /= len(targets)
    return loss, p


def sigmoid(z: Array) -> Array:
    """1 / (1 + exp(-z)), without overflow."""
    small = np.exp(-np.abs(z))
    share: Array = np.where(z >= 0, 1, small) / (1 + small)
    return share


def _bce(output: Array, targets: Array) -> tuple[Any, Array]:
    cross_entropy = np.maximum(output, 0) - output * targets + np.log1p(np.exp(-np.abs(output)))
    return _mean(cross_entropy, (-2, -1)), (sigmoid(output) - targets) / targets.size


def _sigmoid_mse(output: Array, targets: Array) -> tuple[Any, Array]:
    y = sigmoid(output)
    loss, error = _mse(y, targets)
    return loss, error * y * (1 - y)


def _tanh_mse(output: Array, targets: Array) -> tuple[Any, Array]:
    y = np.tanh(output)
    loss, error = _mse(y, targets)
    return loss, error * (1 - y) * (1 + y)


# Each maps (output, targets) to the loss, one number a network, and dL/d output, where ``output`` is the last layer's
# preactivation: "bce" is binary cross-entropy of a sigmoid of it, as PyTorch's BCEWithLogitsLoss has it, "sigmoid_mse"
# and "tanh_mse" are squared errors of a sigmoid or tanh of it.
LOSSES: Mapping[str, Callable[[Array, Array], tuple[Any, Array]]] = MappingProxyType(
    {"mse": _mse, "softmax_ce": _softmax_ce, "bce": _bce, "sigmoid_mse": _sigmoid_mse, "tanh_mse": _tanh_mse})
LOSS_LABELS: Mapping[str, str] = MappingProxyType({
    "mse": "squared error", "softmax_ce": "cross-entropy", "bce": "sigmoid and binary cross-entropy",
    "sigmoid_mse": "sigmoid and squared error", "tanh_mse": "tanh and squared error"})


@dataclass(frozen=True, eq=False)
class Propagation:
    """What one pass computed: one entry per weight layer in each list, first layer first."""

    loss: float
    preactivations: list[Array]
    activations: list[Array]
    deltas: list[Array]
    weight_gradients: list[Array]
    bias_gradients: list[Array]
    input_gradient: Array


def product(a: Array, b: Array, name: Hashable, buffers: Buffers) -> Array:
    """a @ b, also for stacks, in the memory of that name."""
    shape = (*a.shape[:-1], b.shape[-1]) if a.ndim >= b.ndim else (*b.shape[:-2], a.shape[-2], b.shape[-1])
    dtype = a.dtype if a.dtype == b.dtype else np.result_type(a, b)
    out: Array = np.matmul(a, b, out=buffers.array(name, shape, dtype))
    return out


def _parts(*arrays: Array) -> Iterator[tuple[Array, ...]]:
    """Arrays of one shape in parts that are small enough for what is computed of them to stay in the cache."""
    if arrays[0].size <= PART or not all(array.flags.c_contiguous for array in arrays):
        yield arrays
        return
    flat = [array.reshape(-1) for array in arrays]
    for start in range(0, arrays[0].size, PART):
        yield tuple(array[start:start + PART] for array in flat)


def activate(phi: ActivationFunction, z: Array, out: Array, **params: Any) -> Array:
    """phi(z), written into ``out``."""
    if isinstance(phi.phi, np.ufunc):  # a copy takes a fifth of the time that tanh does
        return phi.phi(z, out=out)
    for values, of_z in _parts(out, z):
        values[...] = phi.value(of_z, **params)
    return out


def affine(h: Array, weight: Array, bias: Array, name: Hashable, buffers: Buffers) -> Array:
    """h @ weight + bias, also for stacks, in the memory of that name."""
    z = product(h, weight, name, buffers)
    z += bias
    return z


def multiply_by_derivative(phi: ActivationFunction, error: Array, z: Array, h: Array, h_is_known: bool = True,
                           **params: Any) -> None:
    """error *= phi'(z) in place. ``known`` says that h is phi(z)."""
    for values, of_z, of_h in _parts(error, z, h):
        values *= phi.derivative(of_z, of_h if h_is_known else None, **params)


def forward(weights: Sequence[Array], biases: Sequence[Array], x: Array, activation: str,
            masks: Sequence[Array] = (), buffers: Buffers | None = None,
            **params: Any) -> Iterator[tuple[Array, Array]]:
    """Yield (z, h) of each layer, first to last; h of the last layer is its z.

    ``masks``, where given, multiply the activations of the hidden layers, as dropout does. With ``buffers`` the arrays
    are valid until the same buffers serve another pass.
    """
    phi, buffers = named_activation(activation), buffers or NewArrays()
    h = x
    for layer, (w, b) in enumerate(zip(weights, biases, strict=True), 1):
        h = z = affine(h, w, b, ("preactivation", layer), buffers)
        if layer < len(weights):
            h = activate(phi, z, buffers.array(("activation", layer), z.shape, z.dtype), **params)
            if masks:
                h *= masks[layer - 1]
        yield z, h


def backward(weights: Sequence[Array], x: Array, preactivations: Sequence[Array], activations: Sequence[Array],
             delta: Array, activation: str, masks: Sequence[Array] = (), buffers: Buffers | None = None,
             keep: bool = True, **params: Any) -> Iterator[tuple[Array, Array]]:
    """Yield (delta, weight gradient) of each layer, last to first; ``delta`` is dL/dz of the last layer.

    With ``buffers`` a delta is valid for two layers, a gradient until the same buffers serve another pass, or, without
    ``keep``, for two layers as well.
    """
    phi, buffers = named_activation(activation), buffers or NewArrays()
    for layer in reversed(range(1, len(weights))):
        h, z = activations[layer - 1], preactivations[layer - 1]
        yield delta, product(h.swapaxes(-1, -2), delta, ("gradient", layer if keep else layer % 2), buffers)
        delta = product(delta, weights[layer].swapaxes(-1, -2), ("delta", layer % 2), buffers)
        if masks:
            delta *= masks[layer - 1]
        multiply_by_derivative(phi, delta, z, h, not masks, **params)
    yield delta, product(x.swapaxes(-1, -2), delta, ("gradient", 0), buffers)


def check_shapes(weights: Sequence[Array], biases: Sequence[Array], x: Array) -> None:
    """Raise ValueError where the shapes of x, weights and biases do not chain."""
    if not weights or len(weights) != len(biases):
        raise ValueError(f"biases must be one for each weight, at least one, got {len(biases)} for {len(weights)}")
    fan = x.shape[1] if x.ndim == 2 else None
    if fan is None or len(x) == 0:
        raise ValueError(f"x must have shape (batch, features) with at least one row, got {x.shape}")
    for layer, (w, b) in enumerate(zip(weights, biases, strict=True), 1):
        if w.ndim != 2 or w.shape[0] != fan or w.shape[1] < 1:
            raise ValueError(f"weights of layer {layer} must have shape ({fan}, fan_out), got {w.shape}")
        if b.shape != (w.shape[1],):
            raise ValueError(f"biases of layer {layer} must have shape ({w.shape[1]},), got {b.shape}")
        fan = w.shape[1]


def check_targets(targets: Array, loss: str, batch: int, outputs: int) -> None:
    """Raise ValueError where the targets do not fit the loss and the output (batch, outputs)."""
    check("loss", loss, LOSSES.keys())
    if loss != "softmax_ce" and targets.shape != (batch, outputs):
        raise ValueError(f"targets must have shape ({batch}, {outputs}) for {loss}, got {targets.shape}")
    if loss == "bce" and not (targets.min() >= 0 and targets.max() <= 1):
        raise ValueError(f"targets must be between 0 and 1 for bce, got {targets.min():g} to {targets.max():g}")
    if loss == "softmax_ce":
        if targets.shape != (batch,) or targets.dtype.kind not in "iu":
            raise ValueError(f"targets must be {batch} integer classes, got {targets.dtype} {targets.shape}")
        if targets.min() < 0 or targets.max() >= outputs:
            raise ValueError(f"targets must be classes from 0 to {outputs - 1}, got {targets.min()} to {targets.max()}")


def floating(values: Any, name: str) -> Array:
    """The values as an array of floating-point numbers, in their dtype where they have one.

    Raises ValueError under that name for what is not an array of real numbers.
    """
    try:
        array = np.asarray(values)
    except ValueError:  # rows of different lengths
        array = np.empty(0, object)
    if array.dtype.kind not in "fiub":
        raise ValueError(f"{name} must be an array of real numbers, got {values!r:.60}")
    return array if array.dtype.kind == "f" else array.astype(np.float64)


def propagate(weights: Sequence[Array], biases: Sequence[Array], x: Array, targets: Array, *, activation: str,
              loss: str, **activation_params: Any) -> Propagation:
    """One forward and one backward pass for explicit arrays.

    ``loss`` is "mse" (mean over batch and outputs), "softmax_ce" (mean over the batch; integer classes), "bce" (binary
    cross-entropy of a sigmoid of the outputs), "sigmoid_mse" or "tanh_mse" (squared errors of a sigmoid or tanh).
    Raises ValueError for shapes that do not chain, targets that do not fit, and unknown names.
    """
    weights, biases = [floating(w, "weights") for w in weights], [floating(b, "biases") for b in biases]
    x, targets = floating(x, "x"), np.asarray(targets)
    check_shapes(weights, biases, x)
    check_targets(targets, loss, len(x), weights[-1].shape[1])
    with np.errstate(**QUIET):
        forwards = list(forward(weights, biases, x, activation, **activation_params))
        preactivations, activations = [z for z, _ in forwards], [h for _, h in forwards]
        value, delta = LOSSES[loss](activations[-1], targets)
        backwards = list(backward(weights, x, preactivations, activations, delta, activation, **activation_params))
        deltas, gradients = [d for d, _ in reversed(backwards)], [g for _, g in reversed(backwards)]
        bias_gradients = [d.sum(axis=0) for d in deltas]
        input_gradient = deltas[0] @ weights[0].T
    return Propagation(float(value), preactivations, activations, deltas, gradients, bias_gradients, input_gradient)
