"""Network: a frozen, hashable description of a multilayer perceptron and of how its parameters are drawn."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from initviz.core.activations import ACTIVATIONS, activation
from initviz.core.arrays import Array
from initviz.core.initializers import DTYPES, INITIALIZERS, Law, initialize, law_of
from initviz.core.validation import ANY, NOT_NEGATIVE, Interval, ParamItems, check, check_parameters, params_of
from initviz.core.wording import shown

Gain = float | tuple[float, ...]
NeuronBias = float | tuple[float, ...]  # of a layer: one for all its neurons, or one each
Bias = float | tuple[NeuronBias, ...]

SIZE = Interval(1, 1_000_000, integer=True)
SEED = Interval(0, 2**63 - 1, integer=True)
MOST_LAYERS = 1000  # that a text may ask for
INPUT_STREAM, WEIGHT_STREAM, BIAS_STREAM = range(3)


def stream(seed: int, *path: int) -> np.random.Generator:
    """The random stream of that seed and path: inputs, weights and biases of each layer have one each."""
    return np.random.default_rng((seed, *path))


def read_sizes(text: str) -> tuple[int, ...]:
    """Layer sizes, inputs to outputs, from a text such as "784-512-512-10"; raises ValueError for any other."""
    parts = re.split(r"\s*(?:->|[-,;x×→])\s*|\s+", text.strip())
    if len(parts) < 2 or len(parts) > MOST_LAYERS + 1 or not all(re.fullmatch("[0-9]{1,7}", part) for part in parts):
        cut_text = text if len(text) <= 40 else f"{text[:40]}..."
        raise ValueError(f"sizes must be 2 to {MOST_LAYERS + 1} whole numbers such as 784-512-512-10, got {cut_text!r}")
    return tuple(check("sizes", int(part), SIZE) for part in parts)


def read_numbers(field: str, text: str) -> float | tuple[float, ...]:
    """The number, or the numbers between commas, of a text such as "1.414, 1.414, 0.01"; else raises ValueError.
    """
    try:
        numbers = tuple(float(part) for part in text.split(","))
    except ValueError:
        raise ValueError(f"{field} must be a number, or several with commas between them, got {shown(text)}") from None
    return numbers[0] if len(numbers) == 1 else numbers


def _draw(initializer: str, params: ParamItems, fan_in: int, fan_out: int, seed: int, layer: int, dtype: str) -> Array:
    """Weights of a layer before the gain multiplies them, read-only."""
    drawn = initialize(initializer, fan_in, fan_out, rng=stream(seed, WEIGHT_STREAM, layer), dtype=dtype,
                       first=layer == 0, **dict(params))
    drawn.flags.writeable = False
    return drawn


def _per_layer(field: str, value: Any, sizes: tuple[int, ...]) -> Gain:
    """A number, or one per weight layer; where they are all the same, that number."""
    if not isinstance(value, tuple | list):
        return float(check(field, value, ANY))
    depth = len(sizes) - 1
    if len(value) != depth:
        raise ValueError(f"{field} must be a number or {depth}, one per weight layer, got {len(value)}")
    values = tuple(float(check(f"{field} of layer {layer}", number, ANY)) for layer, number in enumerate(value, 1))
    return values[0] if len(set(values)) == 1 else values


def with_output_bias(bias: Bias, output: NeuronBias, depth: int) -> Bias:
    """The biases of ``depth`` layers, the last one's ``output``."""
    hidden = bias[:-1] if isinstance(bias, tuple) else (bias,) * (depth - 1)
    return (*hidden, output)


def _biases(value: Any, sizes: tuple[int, ...]) -> Bias:
    """As ``_per_layer``, where a layer's may be one number per neuron."""
    if not isinstance(value, tuple | list) or not any(isinstance(of_layer, tuple | list) for of_layer in value):
        return _per_layer("bias", value, sizes)
    firsts = [of_layer[0] if isinstance(of_layer, tuple | list) and of_layer else of_layer for of_layer in value]
    _per_layer("bias", firsts, sizes)
    biases: list[NeuronBias] = []
    for layer, of_layer in enumerate(value, 1):
        if not isinstance(of_layer, tuple | list):
            biases.append(float(of_layer))
            continue
        if len(of_layer) != sizes[layer]:
            raise ValueError(f"bias of layer {layer} must be a number or {sizes[layer]}, one per neuron, got "
                             f"{len(of_layer)}")
        biases.append(tuple(float(check(f"bias of layer {layer}", number, ANY)) for number in of_layer))
    return tuple(biases)


@dataclass(frozen=True)
class NetworkDescription:
    """What every description of a network declares beside its shape: the activation, and how parameters are drawn."""

    activation: str = "relu"
    initializer: str = "he_normal"
    gain: Gain = 1.0
    bias: Bias = 0.0
    bias_std: float = 0.0
    seed: int = 0
    dtype: str = "float32"
    activation_params: Mapping[str, Any] | ParamItems = ()
    initializer_params: Mapping[str, Any] | ParamItems = ()

    def _check_description(self, **more: Mapping[str, Any]) -> None:
        """Check the fields above, and those that name an entry of the tables ``more``; parameters become sorted items.

        Raises ValueError naming the field, the value and what is allowed.
        """
        put = object.__setattr__  # a frozen dataclass checks itself in __post_init__
        for name, table in {"activation": ACTIVATIONS, "initializer": INITIALIZERS, **more}.items():
            check(name, getattr(self, name), tuple(table))
            params = params_of(f"{name}_params", getattr(self, f"{name}_params"))
            checked_params = check_parameters(getattr(self, name), params, table[getattr(self, name)].parameters)
            put(self, f"{name}_params", tuple(sorted(checked_params.items())))
        put(self, "bias_std", check("bias_std", self.bias_std, NOT_NEGATIVE))
        put(self, "seed", check("seed", self.seed, SEED))
        check("dtype", self.dtype, DTYPES)

    @property
    def activation_items(self) -> ParamItems:
        """The activation's parameters as sorted items."""
        return tuple(dict(self.activation_params).items())

    def activation_entry(self) -> tuple[Any, dict[str, Any]]:
        """The activation's record and its parameters."""
        return activation(self.activation), dict(self.activation_params)


MOST_CACHED = 1 << 15  # numbers: of such matrices the last 256 are kept, at most 64 MB, for a slider to use again
_cached_draw = functools.lru_cache(maxsize=256)(_draw)


@dataclass(frozen=True)
class LayerSizes:
    """The shape of a plain network: its arguments begin with the sizes of the layers, inputs to outputs."""

    sizes: tuple[int, ...] = (64, 128, 128, 10)


@dataclass(frozen=True)
class Network(NetworkDescription, LayerSizes):  # a dataclass takes the fields of its last base first
    """A multilayer perceptron ``z = h @ W + b``, ``h = phi(z)``, whose last layer is linear.

    ``sizes`` runs from the inputs to the outputs, so there are ``len(sizes) - 1`` weight layers. Weights are drawn by
    ``initializer`` with ``initializer_params`` and multiplied by ``gain``. Biases are ``bias`` plus ``bias_std`` times
    a unit normal, plus what the initializer itself draws (torch_linear does). Layer l is drawn from the same stream
    whatever the initializer: two initializers are compared on the same random numbers.

    ``gain`` and ``bias`` may be tuples of one number per weight layer; a layer's bias may itself be a tuple of one
    number per neuron, as an output bias of log class shares is. ``output_initializer``, where given, draws the last
    layer's weights in place of ``initializer``.

    Raises ValueError naming the field, the value and what is allowed.
    """

    output_initializer: str | None = None
    output_initializer_params: Mapping[str, Any] | ParamItems = ()

    def __post_init__(self) -> None:
        put = object.__setattr__
        sizes = tuple(self.sizes) if hasattr(self.sizes, "__iter__") and not isinstance(self.sizes, str | bytes) else ()
        if len(sizes) < 2:
            raise ValueError(f"sizes must be at least two integers, inputs to outputs, got {self.sizes!r}")
        put(self, "sizes", tuple(check("sizes", size, SIZE) for size in sizes))
        put(self, "gain", _per_layer("gain", self.gain, self.sizes))
        put(self, "bias", _biases(self.bias, self.sizes))
        if self.output_initializer is not None:
            self._check_description(output_initializer=INITIALIZERS)
        elif tuple(self.output_initializer_params):
            raise ValueError("output_initializer_params must not be given without an output_initializer")
        else:
            self._check_description()

    @property
    def depth(self) -> int:
        """Number of weight layers."""
        return len(self.sizes) - 1

    def initializer_of(self, layer: int) -> tuple[str, dict[str, Any]]:
        """The initializer of a weight layer, 0 the first, and its parameters."""
        if self.output_initializer is not None and layer == self.depth - 1:
            return self.output_initializer, dict(self.output_initializer_params)
        return self.initializer, dict(self.initializer_params)

    def gain_of(self, layer: int) -> float:
        """The gain of a weight layer, counted from 0."""
        return self.gain[layer] if isinstance(self.gain, tuple) else self.gain

    def bias_of(self, layer: int) -> NeuronBias:
        """The bias of a layer, 0 the first: one number, or one per neuron."""
        return self.bias[layer] if isinstance(self.bias, tuple) else self.bias

    def law_of(self, layer: int) -> Law:
        """The law by which a layer's weights are drawn, 0 the first, before the gain multiplies them."""
        key, params = self.initializer_of(layer)
        return law_of(key, first=layer == 0, **params)

    @property
    def alike(self) -> bool:
        """Whether every layer has the same initializer, gain and bias."""
        return self.output_initializer is None and not isinstance(self.gain, tuple) and not isinstance(self.bias, tuple)

    def parameters(self) -> tuple[list[Array], list[Array]]:
        """Weights, each of shape (fan_in, fan_out), and biases, each (fan_out,), in ``dtype``."""
        weights, biases = [], []
        dtype = np.dtype(self.dtype)
        for layer, (fan_in, fan_out) in enumerate(pairwise(self.sizes)):
            key, params = self.initializer_of(layer)
            draw = _cached_draw if fan_in * fan_out <= MOST_CACHED else _draw
            weight = draw(key, tuple(params.items()), fan_in, fan_out, self.seed, layer, self.dtype)
            own_bias = law_of(key, **params).bias
            with np.errstate(over="ignore", invalid="ignore"):  # what the dtype cannot hold becomes inf
                weights.append(weight * np.asarray(self.gain_of(layer), dtype))
                bias = np.full(fan_out, self.bias_of(layer), dtype)
                if self.bias_std or own_bias:
                    rng = stream(self.seed, BIAS_STREAM, layer)
                if self.bias_std:
                    bias += dtype.type(self.bias_std) * rng.standard_normal(fan_out, dtype=dtype.type)
                if own_bias:
                    bias += own_bias(fan_in, fan_out, rng, dtype)
            biases.append(bias)
        return weights, biases
