"""The kinds of layers that transform a signal one after another: dense, activation, normalization."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar

import numpy as np
from numpy.random import Generator

from initviz.core.activations import ACTIVATIONS
from initviz.core.arrays import ROUND_OFF, Array
from initviz.core.buffers import Buffers
from initviz.core.initializers import INITIALIZERS, initialize, law_of
from initviz.core.layers.chain import ALONE, Layer, LayerContext, Parameters, Shapes
from initviz.core.network import SIZE
from initviz.core.propagation import activate, multiply_by_derivative, product
from initviz.core.validation import ANY, NOT_NEGATIVE, ParamItems, check, check_parameters, params_of


def _row(parameter: Array) -> Array:
    """A parameter of one number a neuron, (width,) or (networks, width), so that it multiplies a signal."""
    return parameter if parameter.ndim == 1 else parameter[:, None]


def _make_copies_equal(y: Array, weight: Array) -> None:
    """Make neurons with equal weights equal to the last bit in y = x @ weight, also of some networks of a stack.

    A product may sum equal columns in different orders, and a normalization would divide what differs by sqrt(eps).
    """
    first = weight[..., 0, :]
    alike = (first == first[..., :1]).all(axis=-1)
    if alike.any() and weight.shape[-1] > 1:
        alike = alike & (weight == weight[..., :1]).all(axis=(-2, -1))
        y[alike] = y[alike][..., :1]


def _spare(name: str, context: LayerContext, shape: tuple[int, ...], dtype: Any, in_use: Array) -> Array:
    """Memory for a gradient on its way back that does not overlap ``taken``, where the gradient before it lies."""
    depth = context.path.count(".")
    out = context.buffers.array((name, depth, 0), shape, dtype)
    return context.buffers.array((name, depth, 1), shape, dtype) if np.may_share_memory(out, in_use) else out


class _ElsewhereThan(Buffers):
    """Buffers whose one array does not overlap another."""

    def __init__(self, context: LayerContext, in_use: Array) -> None:
        self.context, self.taken = context, in_use

    def array(self, name: Any, shape: tuple[int, ...], dtype: Any) -> Array:
        return _spare(name, self.context, shape, dtype, self.taken)


@dataclass(frozen=True)
class Dense(Layer):
    """A linear layer ``x @ weight + bias``; weight (fan_in, fan_out), bias (fan_out,).

    ``width`` is fan_out. Weights are drawn by ``initializer`` with ``initializer_params`` and multiplied by ``gain``;
    biases are ``bias`` plus ``bias_std`` times a unit normal, plus what the initializer itself draws.
    """

    label: ClassVar[str] = "Dense"
    width: int
    initializer: str = "he_normal"
    gain: float = 1.0
    bias: float = 0.0
    bias_std: float = 0.0
    initializer_params: Mapping[str, Any] | ParamItems = field(default=())

    def __post_init__(self) -> None:
        put = object.__setattr__
        put(self, "width", check("width", self.width, SIZE))
        check("initializer", self.initializer, INITIALIZERS.keys())
        put(self, "gain", check("gain", self.gain, ANY))
        put(self, "bias", check("bias", self.bias, ANY))
        put(self, "bias_std", check("bias_std", self.bias_std, NOT_NEGATIVE))
        params = check_parameters(self.initializer, params_of("initializer_params", self.initializer_params),
                                  INITIALIZERS[self.initializer].parameters)
        put(self, "initializer_params", tuple(sorted(params.items())))

    def output_width(self, width: int) -> int:
        """fan_out."""
        return self.width

    def shapes(self, width: int) -> Shapes:
        """The weight's and the bias's."""
        return {"weight": (width, self.width), "bias": (self.width,)}

    def draw(self, width: int, rng: Generator, dtype: str = "float64",
             bias_rng: Generator | None = None) -> dict[str, Array]:
        """Weight and bias; the bias from a random stream of its own where one is given."""
        params = dict(self.initializer_params)
        weight = initialize(self.initializer, width, self.width, rng=rng, gain=self.gain, dtype=dtype, **params)
        kind = np.dtype(dtype).type
        rng, of_law = bias_rng or rng, law_of(self.initializer, **params).bias
        with np.errstate(over="ignore", invalid="ignore"):  # what the dtype cannot hold becomes inf
            bias = np.full(self.width, self.bias, dtype)
            if self.bias_std:
                bias += kind(self.bias_std) * rng.standard_normal(self.width, dtype=kind)
            if of_law:
                bias += of_law(width, self.width, rng, dtype)
        return {"weight": weight, "bias": bias}

    def forward(self, parameters: Parameters, x: Array, context: LayerContext = ALONE) -> tuple[Array, Any]:
        """x @ weight + bias, and x."""
        z = product(x, parameters["weight"], (context.path, "output"), context.buffers)
        _make_copies_equal(z, parameters["weight"])
        z += _row(parameters["bias"])
        return z, x

    def backward(self, parameters: Parameters, saved: Any, dy: Array,
                 context: LayerContext = ALONE) -> tuple[Array, dict[str, Array]]:
        """dx = dy @ weight.T, dweight = x.T @ dy, dbias = the sum of dy over the batch."""
        gradients = {"bias": dy.sum(axis=-2)}
        if context.weight_gradients:
            context.weight_gradients(context.path, partial(product, saved.swapaxes(-1, -2), dy, "gradient",
                                                           context.buffers))
        else:
            gradients["weight"] = product(saved.swapaxes(-1, -2), dy, (context.path, "gradient"), context.buffers)
        transposed = parameters["weight"].swapaxes(-1, -2)
        dx = product(dy, transposed, "delta", _ElsewhereThan(context, dy))
        _make_copies_equal(dx, transposed)
        return dx, gradients


@dataclass(frozen=True, init=False)
class Activation(Layer):
    """An activation function of the table, elementwise: ``Activation("leaky_relu", negative_slope=0.1)``."""

    label: ClassVar[str] = "Activation"
    key: str
    params: ParamItems

    def __init__(self, key: str, **params: Any) -> None:
        entry = ACTIVATIONS[check("activation", key, ACTIVATIONS.keys())]
        object.__setattr__(self, "key", key)
        object.__setattr__(self, "params", tuple(sorted(check_parameters(key, params, entry.parameters).items())))

    def forward(self, parameters: Parameters, x: Array, context: LayerContext = ALONE) -> tuple[Array, Any]:
        """phi(x), and both."""
        x = np.ascontiguousarray(x)
        y = activate(ACTIVATIONS[self.key], x, context.buffers.array((context.path, "output"), x.shape, x.dtype),
                     **dict(self.params))
        return y, (x, y)

    def backward(self, parameters: Parameters, saved: Any, dy: Array,
                 context: LayerContext = ALONE) -> tuple[Array, dict[str, Array]]:
        """dx = dy phi'(x)."""
        dx = dy if context.overwrite and dy.flags.c_contiguous else np.array(dy, order="C")
        multiply_by_derivative(ACTIVATIONS[self.key], dx, *saved, **dict(self.params))
        return dx, {}


def _centered(x: Array, axis: int) -> Array:
    """x less its mean along an axis, exactly 0 where all values along it are the same."""
    mean = x.mean(axis=axis, keepdims=True)
    centered = x - mean
    spread = np.abs(centered).max(axis=axis, keepdims=True)
    near = (spread <= ROUND_OFF * np.finfo(x.dtype).eps * np.abs(mean)) & (spread > 0)
    if near.any():  # where a mean of equal numbers may differ from them by round-off
        apart = x - x.take([0], axis=axis)
        centered = np.where(near, apart - apart.mean(axis=axis, keepdims=True), centered)
    return centered


@dataclass(frozen=True)
class Norm(Layer):
    """Divides a signal by its size along an axis, then multiplies by a learned weight and adds a learned bias.

    ``eps`` is added to the variance under the root; ``weight`` is the initial value of every entry of the weight.
    """

    axis: ClassVar[int] = -1
    centers: ClassVar[bool] = True
    eps: float = 1e-5
    weight: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "eps", check("eps", self.eps, NOT_NEGATIVE))
        object.__setattr__(self, "weight", check("weight", self.weight, ANY))

    def shapes(self, width: int) -> Shapes:
        """The weight's and, where the mean is taken off, the bias's."""
        return dict.fromkeys(("weight", "bias") if self.centers else ("weight",), (width,))

    def draw(self, width: int, rng: Generator, dtype: str = "float64") -> dict[str, Array]:
        """A weight of the initial value, a bias of 0."""
        return {name: np.full(shape, self.weight if name == "weight" else 0.0, dtype)
                for name, shape in self.shapes(width).items()}

    def forward(self, parameters: Parameters, x: Array, context: LayerContext = ALONE) -> tuple[Array, Any]:
        """The normalized signal, scaled and shifted; saved is the normalized signal and what it was divided by."""
        if self.axis == -2 and x.shape[-2] < 2:
            raise ValueError("batch must be at least 2 samples where BatchNorm takes its variance over them, got "
                             f"{x.shape[-2]}")
        h = _centered(x, self.axis) if self.centers else x.copy()
        size = np.sqrt(np.mean(h * h, axis=self.axis, keepdims=True) + self.eps)
        h /= size
        y = h * _row(parameters["weight"])
        if self.centers:
            y += _row(parameters["bias"])
        return y, (h, size)

    def backward(self, parameters: Parameters, saved: Any, dy: Array,
                 context: LayerContext = ALONE) -> tuple[Array, dict[str, Array]]:
        """dx = (g - mean g - h mean(g h)) / size with g = dy weight; without the mean of g where none is taken off."""
        h, size = saved
        term = dy * h
        gradients = {"weight": term.sum(axis=-2)}
        if self.centers:
            gradients["bias"] = dy.sum(axis=-2)
        weight = _row(parameters["weight"])
        g = np.multiply(dy, weight, out=dy if context.overwrite and dy.shape == h.shape else None)
        term *= weight
        shared = term.mean(axis=self.axis, keepdims=True)
        if self.centers:
            g -= g.mean(axis=self.axis, keepdims=True)
        g -= np.multiply(h, shared, out=term)
        g /= size
        return g, gradients


@dataclass(frozen=True)
class LayerNorm(Norm):
    """Layer normalization (Ba, Kiros and Hinton 2016): each sample less its mean over the neurons, divided by its
    population standard deviation, times ``weight``, plus ``bias``.

    Of a sample whose neurons are all equal, as copies are, and of a width of 1, nothing is left but ``bias``: 0 is
    divided by sqrt(eps), and where eps is 0 by 0, which gives NaN.
    """

    label: ClassVar[str] = "LayerNorm"


@dataclass(frozen=True)
class RMSNorm(Norm):
    """Root mean square normalization (Zhang and Sennrich 2019): each sample divided by its root mean square over the
    neurons, times ``weight``; it has no bias.
    """

    label: ClassVar[str] = "RMSNorm"
    centers: ClassVar[bool] = False


@dataclass(frozen=True)
class BatchNorm(Norm):
    """Batch normalization (Ioffe and Szegedy 2015) as in training: each neuron less its mean over the batch, divided by
    its population standard deviation over the batch, times ``weight``, plus ``bias``.

    A batch of one sample has no variance, and is refused.
    """

    label: ClassVar[str] = "BatchNorm"
    axis: ClassVar[int] = -2
