"""Two inputs on their way through one network: how their correlation moves, measured."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np

from initviz.core.arrays import Array
from initviz.core.network import INPUT_STREAM, Network, stream
from initviz.core.propagation import QUIET, forward
from initviz.core.validation import Interval, check

CORRELATION = Interval(-1, 1)
DRAWS, MOST_WEIGHTS = 20, 2e7  # other networks that show the spread, as far as so many weights go
LEAST_DRAWS = 5


def two_inputs(features: int, correlation: float, seed: int = 0) -> Array:
    """Two inputs (2, features) of mean square 1 whose cosine is exactly ``correlation``; one feature has only +-1."""
    check("correlation", correlation, CORRELATION)
    draws = stream(seed, INPUT_STREAM).standard_normal((2, features))
    first = draws[0] / np.linalg.norm(draws[0])
    other = draws[1] - (draws[1] @ first) * first
    length = float(np.linalg.norm(other))
    other = other / length if length > 1e-12 else np.zeros(features)
    second = correlation * first + math.sqrt(1 - correlation**2) * other
    return math.sqrt(features) * np.stack([first, second])


def measured_correlations(network: Network, correlation: float) -> Array:
    """The cosine of the two inputs' preactivations (less the bias all share) in each hidden layer; NaN at length 0."""
    x = two_inputs(network.sizes[0], correlation, network.seed).astype(network.dtype)
    weights, biases = network.parameters()
    _, params = network.activation_entry()
    correlations = []
    with np.errstate(**QUIET):
        for z, _ in list(forward(weights, biases, x, network.activation, **params))[: max(network.depth - 1, 1)]:
            z = z.astype(np.float64) - network.bias_of(0)
            z = z / np.abs(z).max()
            correlations.append(float(z[0] @ z[1] / np.sqrt((z[0] @ z[0]) * (z[1] @ z[1]))))
    return np.array(correlations)


def drawn_correlations(network: Network, correlation: float) -> Array:
    """``measured_correlations`` for further draws of the weights, one row each; no rows if that would take too long."""
    draws = int(min(DRAWS, MOST_WEIGHTS // sum(a * b for a, b in pairwise(network.sizes))))
    return np.array([measured_correlations(replace(network, seed=network.seed + 1 + draw), correlation)
                     for draw in range(draws if draws >= LEAST_DRAWS else 0)])
