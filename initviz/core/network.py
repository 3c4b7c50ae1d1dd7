"""Network: a frozen, hashable description of a multilayer perceptron and of how its parameters are drawn."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from initviz.core.activations import ACTIVATIONS, activation
from initviz.core.arrays import Array
from initviz.core.initializers import DTYPES, INITIALIZERS, initialize, law_of
from initviz.core.validation import ANY, Interval, check, check_parameters

Pairs = tuple[tuple[str, Any], ...]

SIZE = Interval(1, 1_000_000, integer=True)
SEED = Interval(0, 2**63 - 1, integer=True)
MOST_LAYERS = 1000  # that a text may ask for
INPUT_STREAM, WEIGHT_STREAM, BIAS_STREAM = range(3)


def stream(seed: int, *path: int) -> np.random.Generator:
    """The random stream of that seed and path: inputs, weights and biases of each layer have one each."""
    return np.random.default_rng((seed, *path))


def read_sizes(text: str) -> tuple[int, ...]:
    """Layer sizes, inputs to outputs, from a text such as "784-512-512-10"; ValueError where it is none."""
    parts = re.split(r"\s*(?:->|[-,;x×→])\s*|\s+", text.strip())
    if len(parts) < 2 or len(parts) > MOST_LAYERS + 1 or not all(re.fullmatch("[0-9]{1,7}", part) for part in parts):
        shown = text if len(text) <= 40 else f"{text[:40]}..."
        raise ValueError(f"sizes must be 2 to {MOST_LAYERS + 1} whole numbers such as 784-512-512-10, got {shown!r}")
    return tuple(check("sizes", int(part), SIZE) for part in parts)


def _draw(initializer: str, params: Pairs, fan_in: int, fan_out: int, seed: int, layer: int, dtype: str) -> Array:
    """Weights of a layer before the gain multiplies them, read-only."""
    drawn = initialize(initializer, fan_in, fan_out, rng=stream(seed, WEIGHT_STREAM, layer), dtype=dtype,
                       first=layer == 0, **dict(params))
    drawn.flags.writeable = False
    return drawn


MOST_REMEMBERED = 1 << 15  # numbers: of such matrices the last 256 are kept, at most 64 MB, for a slider to use again
_remembered_draw = functools.lru_cache(maxsize=256)(_draw)


@dataclass(frozen=True)
class Network:
    """A multilayer perceptron ``z = h @ W + b``, ``h = phi(z)``, whose last layer is linear.

    ``sizes`` runs from the inputs to the outputs, so there are ``len(sizes) - 1`` weight layers. Weights are drawn by
    ``initializer`` with ``initializer_params`` and multiplied by ``gain``. Biases are ``bias`` plus ``bias_std`` times
    a unit normal, plus what the initializer itself draws (torch_linear does). Layer l is drawn from the same stream
    whatever the initializer: two initializers are compared on the same random numbers.

    Raises ValueError naming the field, the value and what is allowed.
    """

    sizes: tuple[int, ...] = (64, 128, 128, 10)
    activation: str = "relu"
    initializer: str = "he_normal"
    gain: float = 1.0
    bias: float = 0.0
    bias_std: float = 0.0
    seed: int = 0
    dtype: str = "float32"
    activation_params: Mapping[str, Any] | Pairs = field(default=())
    initializer_params: Mapping[str, Any] | Pairs = field(default=())

    def __post_init__(self) -> None:
        put = object.__setattr__
        sizes = tuple(self.sizes) if hasattr(self.sizes, "__iter__") and not isinstance(self.sizes, str | bytes) else ()
        if len(sizes) < 2:
            raise ValueError(f"sizes must be at least two integers, inputs to outputs, got {self.sizes!r}")
        put(self, "sizes", tuple(check("sizes", size, SIZE) for size in sizes))
        check("activation", self.activation, ACTIVATIONS.keys())
        check("initializer", self.initializer, INITIALIZERS.keys())
        put(self, "gain", check("gain", self.gain, ANY))
        put(self, "bias", check("bias", self.bias, ANY))
        put(self, "bias_std", check("bias_std", self.bias_std, Interval(0, math.inf)))
        put(self, "seed", check("seed", self.seed, SEED))
        check("dtype", self.dtype, DTYPES)
        entries: dict[str, Any] = {"activation": ACTIVATIONS[self.activation],
                                   "initializer": INITIALIZERS[self.initializer]}
        for name, entry in entries.items():
            pairs = getattr(self, f"{name}_params")
            try:
                given = dict(pairs)
            except (TypeError, ValueError):
                raise ValueError(f"{name}_params must map names to values, got {pairs!r}") from None
            given = check_parameters(getattr(self, name), given, entry.parameters)
            put(self, f"{name}_params", tuple(sorted(given.items())))

    @property
    def depth(self) -> int:
        """Number of weight layers."""
        return len(self.sizes) - 1

    @property
    def activation_pairs(self) -> Pairs:
        """The activation's parameters as sorted pairs."""
        return tuple(dict(self.activation_params).items())

    def activation_entry(self) -> tuple[Any, dict[str, Any]]:
        """The activation's record and its parameters."""
        return activation(self.activation), dict(self.activation_params)

    def parameters(self) -> tuple[list[Array], list[Array]]:
        """Weights, each of shape (fan_in, fan_out), and biases, each (fan_out,), in ``dtype``."""
        weights, biases = [], []
        dtype = np.dtype(self.dtype)
        own_bias = law_of(self.initializer, **dict(self.initializer_params)).bias
        params = tuple(dict(self.initializer_params).items())
        with np.errstate(over="ignore"):
            gain = np.asarray(self.gain, dtype)
        for layer, (fan_in, fan_out) in enumerate(pairwise(self.sizes)):
            draw = _remembered_draw if fan_in * fan_out <= MOST_REMEMBERED else _draw
            drawn = draw(self.initializer, params, fan_in, fan_out, self.seed, layer, self.dtype)
            with np.errstate(over="ignore", invalid="ignore"):  # what the dtype cannot hold becomes inf
                weights.append(drawn * gain)
                bias = np.full(fan_out, self.bias, dtype)
                if self.bias_std or own_bias:
                    rng = stream(self.seed, BIAS_STREAM, layer)
                if self.bias_std:
                    bias += dtype.type(self.bias_std) * rng.standard_normal(fan_out, dtype=dtype.type)
                if own_bias:
                    bias += own_bias(fan_in, fan_out, rng, dtype)
            biases.append(bias)
        return weights, biases
