"""The singular values of a network's input-output Jacobian, and what theory predicts of them.

Sources: Saxe, McClelland and Ganguli 2014; Pennington, Schoenholz and Ganguli 2017, "Resurrecting the sigmoid".
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from initviz.core.arrays import Array
from initviz.core.network import Network
from initviz.core.propagation import QUIET, forward
from initviz.theory.trajectory import can_predict, field_of, sigmas

INCOMING = 15  # weights of a neuron that are not 0 in a sparse initialization


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Singular values of dh_l/dx at some layers: ``values`` (layers, width), descending; NaN where they overflow.

    ``mean_square`` and ``variance`` of the squared singular values are theory's, NaN where it has no word.
    """

    layers: list[int]
    values: Array
    mean_square: Array
    variance: Array


def spectrum(network: Network, x: Array, layers: list[int]) -> Spectrum:
    """The Jacobian of the hidden layers ``layers`` (1 the first) at one input ``x`` (features,), in float64.

    Raises ValueError where a layer is not hidden or the hidden layers are not all as wide as the input.
    """
    widths = set(network.sizes[:-1])
    if len(widths) > 1:
        raise ValueError(f"sizes must be one width up to the output for a Jacobian, got {network.sizes}")
    if not layers or min(layers) < 1 or max(layers) >= network.depth:
        raise ValueError(f"layers must be hidden ones, 1 to {network.depth - 1}, got {layers}")
    weights, biases = network.parameters()
    weights, biases = [w.astype(np.float64) for w in weights], [b.astype(np.float64) for b in biases]
    phi, params = network.activation_entry()
    jacobian = np.eye(network.sizes[0])
    singular_values, means, variances = [], [], []
    mean, excess = 1.0, 0.0
    with np.errstate(**QUIET):
        passed = forward(weights, biases, np.asarray(x, np.float64)[None], network.activation, **params)
        expected = _expected_spread(network, x)
        for layer, (z, h), (factor, spread) in zip(range(1, max(layers) + 1), passed, expected, strict=False):
            jacobian = (jacobian @ weights[layer - 1]) * phi.derivative(z, h, **params)
            mean *= factor
            excess += spread
            if layer in layers:
                finite = np.isfinite(jacobian).all()
                singular_values.append(np.linalg.svd(jacobian, compute_uv=False) if finite
                                       else np.full(len(jacobian), math.nan))
                means.append(mean)
                variances.append(mean * mean * excess)
    return Spectrum(list(layers), np.array(singular_values), np.array(means), np.array(variances))


def _expected_spread(network: Network, x: Array) -> Iterator[tuple[float, float]]:
    """What each layer multiplies the mean squared singular value by, and adds to its relative variance; NaN where
    theory has no word.
    """
    if not can_predict(network):
        yield from itertools.repeat((math.nan, math.nan))
    sigmas_of_layers = [sigmas(network, layer) for layer in range(network.depth - 1)]
    mean_square = np.square(x, dtype=float).mean()
    for layer, (_, moments) in enumerate(field_of(network).layers(mean_square, sigmas_of_layers)):
        first, second = float(moments.derivative_square), float(moments.derivative_fourth)
        yield (sigmas_of_layers[layer][0]**2 * first,
               (second / first**2 if first > 0 else math.nan) - 1 + _spread_of_weights(network, layer))


def _spread_of_weights(network: Network, layer: int) -> float:
    """Relative variance of the squared singular values of one wide square matrix, the -s_1 of Pennington et al. 2017.

    0 for orthogonal matrices, 1 for independent entries. A column of k normal entries has a squared length that varies
    by 2/k, which does not fall with the width: 1 + 2/k.
    """
    key, _ = network.initializer_of(layer)
    if key == "orthogonal":
        return 0.0
    return 1 + 2 / min(INCOMING, network.sizes[layer]) if key == "sparse" else 1.0
