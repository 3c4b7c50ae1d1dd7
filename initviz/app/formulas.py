"""What the formulas page tells of each entry of the two tables, for the sizes now chosen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from initviz.app.settings import Settings
from initviz.core.activations import ACTIVATIONS
from initviz.core.initializers import INITIALIZERS, initialize, law_of
from initviz.core.network import WEIGHT_STREAM, Network, stream
from initviz.core.statistics import Bins
from initviz.core.wording import number
from initviz.theory.mean_field import Field
from initviz.theory.prediction import field_of, sigmas

PAIRS = (("he_normal", "relu"), ("xavier_normal", "relu"), ("torch_linear", "relu"), ("he_normal", "gelu"),
         ("he_normal", "silu"), ("he_normal", "elu"), ("lecun_normal", "tanh"), ("xavier_normal", "sigmoid"),
         ("lecun_normal", "softplus"), ("lecun_normal", "selu"))
DRIFT_LAYERS = 50
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
    law = law_of(key, **settings.initializer_params(key))
    return [Promise(fan_in, fan_out, settings.gain * law.mean(fan_in, fan_out),
                    settings.gain**2 * law.variance(fan_in, fan_out)) for fan_in, fan_out in shapes(settings)]


def xavier_and_lecun(settings: Settings) -> str:
    """How far the two are apart in the first layer of this network that is not square."""
    for xavier, lecun in zip(promises("xavier_normal", settings), promises("lecun_normal", settings), strict=True):
        if xavier.fan_in != xavier.fan_out:
            return (f"the two differ wherever a layer is not square: for {xavier.fan_in} → {xavier.fan_out} Xavier "
                    f"draws a standard deviation of {number(xavier.std)} and LeCun one of {number(lecun.std)}")
    return "the two differ wherever a layer is not square, which none of this network is"


def hidden(key: str, settings: Settings) -> Promise:
    """What the initializer promises for a hidden layer between two others, as wide as they are."""
    law, width = law_of(key, **settings.initializer_params(key)), settings.width
    return Promise(width, width, settings.gain * law.mean(width, width), settings.gain**2 * law.variance(width, width))


def distribution(key: str, settings: Settings) -> NDArray[np.int64]:
    """Counts of one drawn hidden layer's weights in PICTURE_BINS, ends included."""
    fan = min(settings.width, MOST_PICTURE_FAN)
    weights = initialize(key, fan, fan, rng=stream(settings.seed, WEIGHT_STREAM, 1), gain=settings.gain,
                         **settings.initializer_params(key))
    return PICTURE_BINS.count_values(weights, 1 / math.sqrt(fan))


def code(key: str, framework: str, settings: Settings) -> str:
    """The line that draws the initializer's law in a framework, with the parameters and the gain now chosen."""
    entry = INITIALIZERS[key]
    line = entry.code[framework].format(**settings.initializer_params(key))
    if entry.bias_code:
        line += f"\n# and the biases: {entry.bias_code[framework]}"
    if settings.gain == 1:
        return line
    return f"{line}\n# then multiply the weights by the gain, {settings.gain:g}"


def activation_curve(key: str, settings: Settings) -> NDArray[np.float64]:
    """phi on 81 points from -4 to 4."""
    return ACTIVATIONS[key].value(np.linspace(-4, 4, 81), **settings.activation_params(key))


def slope_at_zero(key: str, settings: Settings) -> float:
    """phi'(0)."""
    return float(ACTIVATIONS[key].derivative(np.zeros(1), **settings.activation_params(key))[0])


def variance_keeping_gain(key: str, settings: Settings) -> float:
    """1 / sqrt(E phi^2) for a unit normal z: the sigma_w under which a wide network keeps a variance of 1."""
    return Field(key, tuple(settings.activation_params(key).items())).gain()


@dataclass(frozen=True, eq=False)
class Drift:
    """What mean-field theory expects of a pair in wide square layers, from unit inputs on; arrays (DRIFT_LAYERS,).

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


def drifts(width: int) -> list[Drift]:
    """How the popular pairs drift with depth; ``width`` matters only to laws that draw biases."""
    found = []
    for initializer, activation in PAIRS:
        network = Network((width, width, width), activation, initializer)
        field, (sigma_w, sigma_b) = field_of(network), sigmas(network, 0)
        q = sigma_w**2 + sigma_b**2
        lengths, sizes, chis = [], [], []
        for _ in range(DRIFT_LAYERS):
            at = field.moments(q)
            lengths.append(q)
            sizes.append(math.sqrt(float(at.square)))
            chis.append(sigma_w**2 * float(at.derivative_square))
            q = sigma_w**2 * float(at.square) + sigma_b**2
        found.append(Drift(initializer, activation, np.array(lengths), np.array(sizes),
                           np.array(chis, np.float64).cumprod()))
    return found


def drift_table(found: Sequence[Drift]) -> pd.DataFrame:
    """A row a pair: the variance of its preactivations at some layers, and the gradient's factor over all of them."""
    layers = (1, 5, 10, 30, DRIFT_LAYERS)
    return pd.DataFrame([{
        "Pair": drift.label, **{f"Layer {layer}": number(float(drift.length[layer - 1])) for layer in layers},
        f"Squared gradient over {DRIFT_LAYERS} layers": number(float(drift.gradient[-1]))} for drift in found])


def tanh_decay(found: Sequence[Drift]) -> tuple[float, float]:
    """Root mean square of h in the last layer of LeCun with tanh, and 1 / sqrt(2 l) there."""
    drift = next(drift for drift in found if (drift.initializer, drift.activation) == ("lecun_normal", "tanh"))
    return float(drift.activation_rms[-1]), 1 / math.sqrt(2 * DRIFT_LAYERS)
