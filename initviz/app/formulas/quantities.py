"""What the formulas page tells of each entry of the two tables, for the sizes now chosen."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from initviz.app.caches import cached
from initviz.app.settings import Settings
from initviz.core.activations import ACTIVATIONS
from initviz.core.initializers import INITIALIZERS, initialize, law_of
from initviz.core.network import WEIGHT_STREAM, Network, stream
from initviz.core.statistics import Bins
from initviz.core.validation import Parameter, ParamItems
from initviz.core.wording import number
from initviz.diagnosis.remedies import in_words, recommended
from initviz.theory.mean_field import Field
from initviz.theory.trajectory import field_of, sigmas

POPULAR_COMBINATIONS = (
    ("he_normal", "relu"), ("xavier_normal", "relu"), ("torch_linear", "relu"), ("he_normal", "gelu"),
    ("he_normal", "silu"), ("he_normal", "elu"), ("lecun_normal", "tanh"), ("xavier_normal", "sigmoid"),
    ("lecun_normal", "softplus"), ("lecun_normal", "selu"))
DRIFT_LAYERS = 50
LAYERS = MappingProxyType({"first": "First", "hidden": "Hidden", "output": "Output"})
PICTURE_BINS = Bins(-4, 4, 41)  # in units of 1/sqrt(fan_in)
MOST_PICTURE_FAN = 256


@dataclass(frozen=True)
class Promise:
    """What an initializer promises for one shape, with the gain: mean, variance and standard deviation of a weight."""

    fan_in: int
    fan_out: int
    mean: float
    variance: float

    @property
    def std(self) -> float:
        """Standard deviation."""
        return math.sqrt(self.variance)


def shapes(settings: Settings) -> list[tuple[int, int]]:
    """The different (fan_in, fan_out) of the network's layers, first layer first."""
    return list(dict.fromkeys(zip(settings.sizes[:-1], settings.sizes[1:], strict=True)))


def promises(key: str, settings: Settings) -> list[Promise]:
    """What the initializer promises for each shape of the network."""
    laws = [law_of(key, first=layer == 0, **settings.initializer_params(key)) for layer in range(settings.depth)]
    return [Promise(*shape, settings.gain * law.mean(*shape), settings.gain**2 * law.variance(*shape))
            for shape, law in zip(shapes(settings), laws, strict=False)]


def xavier_and_lecun(settings: Settings) -> str:
    """How far the two are apart in the first layer of this network that is not square."""
    for xavier, lecun in zip(promises("xavier_normal", settings), promises("lecun_normal", settings), strict=True):
        if xavier.fan_in != xavier.fan_out:
            return (f"the two differ wherever a layer is not square: for {xavier.fan_in} → {xavier.fan_out} Xavier "
                    f"draws a standard deviation of {number(xavier.std)} and LeCun one of {number(lecun.std)}")
    return "the two differ wherever a layer is not square, which none of this network is"


def layer_shape(role: str, settings: Settings) -> tuple[int, int]:
    """(fan_in, fan_out) of a layer of LAYERS: the hidden one stands between two others, as wide as they are."""
    sizes, width = settings.sizes, settings.width
    return {"first": (sizes[0], sizes[1]), "hidden": (width, width), "output": (sizes[-2], sizes[-1])}[role]


def promise(key: str, settings: Settings, role: str) -> Promise:
    """What the initializer promises for a layer of LAYERS."""
    law = law_of(key, first=role == "first", **settings.initializer_params(key))
    shape = layer_shape(role, settings)
    return Promise(*shape, settings.gain * law.mean(*shape), settings.gain**2 * law.variance(*shape))


@cached(8e6)
def _drawn_counts(key: str, params: ParamItems, shape: tuple[int, int], first: bool, gain: float,
                  seed: int) -> NDArray[np.int64]:
    weights = initialize(key, *shape, rng=stream(seed, WEIGHT_STREAM, 0 if first else 1), gain=gain, first=first,
                         **dict(params))
    return PICTURE_BINS.count_values(weights, 1 / math.sqrt(shape[0]))


def distribution(key: str, settings: Settings, role: str) -> NDArray[np.int64]:
    """Counts of one drawn layer's weights in PICTURE_BINS, ends included."""
    fan_in, fan_out = (min(fan, MOST_PICTURE_FAN) for fan in layer_shape(role, settings))
    return _drawn_counts(key, tuple(settings.initializer_params(key).items()), (fan_in, fan_out), role == "first",
                         settings.gain, settings.seed)


def code(key: str, framework: str, settings: Settings) -> str:
    """The line that draws the initializer's law in a framework, with the parameters and the gain now chosen."""
    entry = INITIALIZERS[key]
    line = entry.code[framework].format(**settings.initializer_params(key))
    if entry.bias_code:
        line += f"\n# and the biases: {entry.bias_code[framework]}"
    if settings.gain == 1:
        return line
    return f"{line}\n# then multiply the weights by the gain, {settings.gain:g}"


def activation_code(key: str, framework: str, settings: Settings) -> str:
    """phi(z) in a framework, with the parameters now chosen."""
    return ACTIVATIONS[key].code[framework].format(**settings.activation_params(key))


def parameters_in_words(parameters: Mapping[str, Parameter], values: Mapping[str, Any]) -> str:
    """Parameters with their values, such as "He's fan = fan_in"; empty where there are none."""
    return ", ".join(f"{parameter.label} = {values[name]:g}" if isinstance(values[name], int | float)
                     else f"{parameter.label} = {values[name]}" for name, parameter in parameters.items())


def activation_curve(key: str, settings: Settings) -> NDArray[np.float64]:
    """phi on 81 points from -4 to 4, or over two periods where phi repeats itself within that."""
    phi, params = ACTIVATIONS[key], settings.activation_params(key)
    reach = min(4.0, phi.period(**params))
    return phi.value(np.linspace(-reach, reach, 81), **params)


def derivative_at_zero(key: str, settings: Settings) -> float:
    """phi'(0)."""
    return float(ACTIVATIONS[key].derivative(np.zeros(1), **settings.activation_params(key))[0])


def variance_keeping_gain(key: str, settings: Settings) -> float:
    """1 / sqrt(E phi^2) for a unit normal z: the sigma_w under which a wide network keeps a variance of 1."""
    return Field(key, tuple(settings.activation_params(key).items())).gain()


@dataclass(frozen=True, eq=False)
class Drift:
    """What mean-field theory expects in wide square layers, from unit inputs on; arrays (DRIFT_LAYERS,).

    ``length`` is the variance of the preactivations, ``activation_rms`` the root mean square of the activations,
    ``gradient`` what the squared gradient has been multiplied by since that layer, on average.
    """

    initializer: str
    activation: str
    length: NDArray[np.float64]
    activation_rms: NDArray[np.float64]
    gradient: NDArray[np.float64]

    @property
    def label(self) -> str:
        """Such as "He normal, ReLU"."""
        return f"{INITIALIZERS[self.initializer].label}, {ACTIVATIONS[self.activation].label}"


def drift(network: Network) -> Drift:
    """What mean-field theory expects of the hidden layers of such a network, DRIFT_LAYERS of them, from unit inputs."""
    field, (sigma_w, sigma_b) = field_of(network), sigmas(network, 1)
    lengths = field.lengths(1.0, [(sigma_w, sigma_b)] * DRIFT_LAYERS)
    moments = field.moments(lengths)
    return Drift(network.initializer, network.activation, lengths, np.sqrt(moments.square),
                 (sigma_w**2 * moments.derivative_square).cumprod())


def drifts(width: int) -> list[Drift]:
    """How popular combinations drift with depth; ``width`` matters only to laws that draw biases."""
    return [drift(Network((width,) * 4, activation, initializer))
            for initializer, activation in POPULAR_COMBINATIONS]


@dataclass(frozen=True, eq=False)
class SuitableInitialization:
    """The initialization that suits an activation in a plain network, in ``words``: why, its weights by layer, and what
    follows.
    """

    words: str
    why: str
    promises: Mapping[str, Promise]
    drift: Drift


def answer(settings: Settings) -> SuitableInitialization:
    """Which initializer suits the activation and sizes chosen, by the rule that Diagnose recommends by."""
    network, why = recommended(replace(settings, gain=1.0, bias=0.0, bias_std=0.0).network("lecun_normal"))
    key, params = network.initializer, dict(network.initializer_params)
    promises = {}
    for role in LAYERS:
        law, shape = law_of(key, first=role == "first", **params), layer_shape(role, settings)
        promises[role] = Promise(*shape, 0.0, network.gain_of(0)**2 * law.variance(*shape))
    square = replace(network, sizes=(settings.width,) * 4)
    return SuitableInitialization(in_words(network), why, promises, drift(square))


def drift_table(drifts: Sequence[Drift]) -> pd.DataFrame:
    """One row per combination: the variance of its preactivations at some layers, and the squared gradient's factor."""
    layers = (1, 5, 10, 30, DRIFT_LAYERS)
    return pd.DataFrame([{
        "Initializer and activation": drift.label,
        **{f"Layer {layer}": number(float(drift.length[layer - 1])) for layer in layers},
        f"Squared gradient over {DRIFT_LAYERS} layers": number(float(drift.gradient[-1]))} for drift in drifts])


def tanh_decay(drifts: Sequence[Drift]) -> tuple[float, float]:
    """Root mean square of h in the last layer of LeCun with tanh, and 1 / sqrt(2 l) there."""
    drift = next(drift for drift in drifts if (drift.initializer, drift.activation) == ("lecun_normal", "tanh"))
    return float(drift.activation_rms[-1]), 1 / math.sqrt(2 * DRIFT_LAYERS)
