"""What the formulas page tells of each entry of the two tables, for the sizes now chosen."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from initviz.activations import ACTIVATIONS
from initviz.initializers import INITIALIZERS, initialize, rule
from initviz.network import WEIGHT_STREAM, stream
from initviz.settings import Settings
from initviz.statistics import Bins

FRAMEWORKS = ("NumPy", "PyTorch", "Keras", "JAX")
PICTURE_BINS = Bins(-4, 4, 41)  # in units of 1/sqrt(fan_in)
MOST_PICTURE_FAN = 256


@dataclass(frozen=True)
class Promise:
    """What an initialiser promises for one shape, with the gain: mean, variance and standard deviation of a weight."""

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
    """What the initialiser promises for each shape of the network."""
    law = rule(key, **settings.initializer_params(key))
    return [Promise(fan_in, fan_out, settings.gain * law.mean(fan_in, fan_out),
                    settings.gain**2 * law.variance(fan_in, fan_out)) for fan_in, fan_out in shapes(settings)]


def distribution(key: str, settings: Settings) -> NDArray[np.int64]:
    """Counts of one drawn hidden layer's weights in PICTURE_BINS, ends included."""
    fan = min(settings.width, MOST_PICTURE_FAN)
    weights = initialize(key, fan, fan, rng=stream(settings.seed, WEIGHT_STREAM, 1), gain=settings.gain,
                         **settings.initializer_params(key))
    return PICTURE_BINS.count_values(weights, 1 / math.sqrt(fan))


def code(key: str, framework: str, settings: Settings) -> str:
    """The line that draws the initialiser's law in a framework, with the parameters and the gain now chosen."""
    line = INITIALIZERS[key].code[framework].format(**settings.initializer_params(key))
    if settings.gain == 1:
        return line
    return f"{line}\n# then multiply the weights by the gain, {settings.gain:g}"


def activation_curve(key: str, settings: Settings) -> NDArray[np.float64]:
    """phi on 81 points from -4 to 4."""
    params = {"negative_slope": settings.slope} if key == "leaky_relu" else {}
    return ACTIVATIONS[key].value(np.linspace(-4, 4, 81), **params)


def slope_at_zero(key: str, settings: Settings) -> float:
    """phi'(0)."""
    params = {"negative_slope": settings.slope} if key == "leaky_relu" else {}
    return float(ACTIVATIONS[key].derivative(np.zeros(1), **params)[0])
