"""What theory expects of one network: the scale of each layer's signal and gradient, with its band at finite width.

Source of the band: Hanin and Nica 2018 for ReLU; for others the variance of a layer's average, passed on by d ln V.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from initviz.initializers import rule
from initviz.meanfield.field import Field
from initviz.network import Network
from initviz.propagation import QUIET

Array = NDArray[Any]
BAND = 2.5  # standard deviations to each side: 98.8 % of a normal law, so that 95 % is kept where it is not quite one


@dataclass(frozen=True, eq=False)
class Prediction:
    """Theory's word on each layer of one network: arrays (depth,), root mean squares or standard deviations.

    Deltas start from the measured error at the output. ``*_spread`` is the standard deviation, between draws of the
    weights, of the natural logarithm of a layer's mean square; its mean lies half its variance below the prediction's.
    """

    preactivation_rms: Array
    preactivation_std: Array
    preactivation_spread: Array
    activation_rms: Array
    activation_std: Array
    activation_spread: Array
    delta_rms: Array
    delta_spread: Array

    def expected(self, quantity: str, statistic: str) -> Array:
        """The prediction for "activation", "preactivation" or "delta", as "rms" or "std" (a delta's mean is 0)."""
        found: Array = getattr(self, "delta_rms" if quantity == "delta" else f"{quantity}_{statistic}")
        return found

    def band(self, quantity: str, statistic: str) -> tuple[Array, Array]:
        """Least and most of the layer's statistic in at least 95 % of all draws of the weights."""
        spread = getattr(self, f"{quantity}_spread")
        with np.errstate(**QUIET):
            centre = self.expected(quantity, statistic) * np.exp(-np.square(spread) / 4)
            return centre * np.exp(-BAND * spread / 2), centre * np.exp(BAND * spread / 2)


def _log_variance(relative: float) -> float:
    """Variance of ln m where m is a positive mean of this relative variance: trigamma(1 / relative), of a gamma law."""
    return relative + relative**2 / 2 + relative**3 / 6


def can_predict(network: Network) -> bool:
    """Whether the weights are random with mean 0, of which alone the theory speaks."""
    law = rule(network.initializer, **dict(network.initializer_params))
    first, last = network.sizes[:2], network.sizes[-2:]
    return law.random and law.variance(*first) > 0 and law.variance(*last) > 0


def field_of(network: Network) -> Field:
    """The wide limit of a network's hidden layers."""
    return Field(network.activation, network.activation_pairs, network.bias)


def sigmas(network: Network, layer: int) -> tuple[float, float]:
    """(sigma_w, sigma_b) of a layer, 0 the first: sigma_w^2 is fan_in times the variance of a weight, with the gain."""
    fan_in, fan_out = network.sizes[layer], network.sizes[layer + 1]
    law = rule(network.initializer, **dict(network.initializer_params))
    own = law.bias_variance(fan_in, fan_out)
    return (abs(network.gain) * math.sqrt(fan_in * law.variance(fan_in, fan_out)),
            math.sqrt(network.bias_std**2 + own))


def predict(network: Network, x: Array, output_error: Array | float = 1.0) -> Prediction:
    """What theory expects of a network on the inputs ``x`` (batch, features).

    ``output_error`` is the mean square of dL/dz at the output, per sample (batch,) or one number. Every sample has a
    length of its own; a layer's mean square is their mean. Raises ValueError where ``can_predict`` is False.
    """
    if not can_predict(network):
        raise ValueError(f"initializer must draw random weights of mean 0 for a prediction, got {network.initializer}")
    field, depth = field_of(network), network.depth
    rows: dict[str, list[float]] = {name: [] for name in Prediction.__dataclass_fields__}
    chis, noise, lengths = [], [], []
    variance = 0.0  # of ln q between draws
    with np.errstate(**QUIET):
        incoming = np.square(x, dtype=np.float64).mean(axis=1)  # mean square of what a layer is given, for each sample
        for layer, width in enumerate(network.sizes[1:]):
            sigma_w, sigma_b = sigmas(network, layer)
            q = sigma_w**2 * incoming + sigma_b**2
            at, last = field.tabulated(q), layer == depth - 1
            length = float(np.mean(q))
            square, first = (q + network.bias**2, np.full_like(q, network.bias)) if last else (at.square, at.mean)
            mean_square = float(np.mean(square))
            centred = max(mean_square - float(np.mean(first)) ** 2, 0.0)
            kurtosis = 3.0 if last else _kurtosis(float(np.mean(at.fourth)), mean_square)
            of_std = 3.0 if last else _kurtosis(float(np.mean(at.central_fourth)), centred)
            rows["preactivation_std"].append(math.sqrt(length))
            rows["preactivation_rms"].append(math.sqrt(length + network.bias**2))
            rows["activation_rms"].append(math.sqrt(mean_square))
            rows["activation_std"].append(math.sqrt(centred))
            # A layer's mean square varies with its length, and as an average over so many neurons.
            rows["preactivation_spread"].append(math.sqrt(variance + _log_variance(2 / width)))
            rows["activation_spread"].append(math.sqrt(variance + _log_variance((max(kurtosis, of_std) - 1) / width)))
            if last:
                break
            lengths.append(length)
            chis.append(at.slope_square)
            noise.append(_log_variance((3 * _kurtosis(float(np.mean(at.slope_fourth)), float(np.mean(at.slope_square)))
                                        - 1) / width))
            # Of a deviation of ln q the next layer keeps d ln V / d ln q, and adds that of its own average.
            next_w, next_b = sigmas(network, layer + 1)
            following = next_w**2 * mean_square + next_b**2
            keeps = next_w**2 * float(np.mean(at.growth)) * length / following if following > 0 else 0.0
            random_share = next_w**2 * mean_square / following if following > 0 else 0.0
            variance = keeps**2 * variance + random_share**2 * _log_variance((kurtosis - 1) / width)
            incoming = at.square

        error = np.broadcast_to(np.asarray(output_error, float), q.shape)
        rows["delta_rms"].append(math.sqrt(float(np.mean(error))))
        rows["delta_spread"].append(0.0)
        total = drift = 0.0
        law = rule(network.initializer, **dict(network.initializer_params))
        for layer in reversed(range(depth - 1)):
            fan_in, fan_out = network.sizes[layer + 1:layer + 3]
            error = error * (network.gain**2 * fan_out * law.variance(fan_in, fan_out) * chis[layer])
            rows["delta_rms"].append(math.sqrt(float(np.mean(error))))
            # Beside each layer's own average, deviations of the lengths move phi', at worst all the same way.
            total += noise[layer]
            drift += abs(field.elasticity(lengths[layer])) * rows["preactivation_spread"][layer]
            rows["delta_spread"].append(math.sqrt(total + drift**2))
    for name in ("delta_rms", "delta_spread"):
        rows[name].reverse()
    return Prediction(**{name: np.array(values) for name, values in rows.items()})


def _kurtosis(fourth: float, square: float) -> float:
    """E v^4 / (E v^2)^2, at least 1; 1 where v is 0."""
    return max(fourth / square**2, 1.0) if square**2 > 0 else 1.0


def expected_correlations(network: Network, correlation: float, mean_square: float = 1.0) -> Array:
    """Correlation of two inputs' preactivations (less the common bias) in each hidden layer; NaN at length 0.

    ``correlation`` is the inputs' cosine, ``mean_square`` that of their entries.
    """
    field = field_of(network)
    q, c, found = mean_square, correlation, []
    with np.errstate(**QUIET):
        for layer in range(max(network.depth - 1, 1)):
            sigma_w, sigma_b = sigmas(network, layer)
            if layer == 0:
                length = sigma_w**2 * mean_square + sigma_b**2
                c = (sigma_w**2 * mean_square * correlation + sigma_b**2) / length if length > 0 else math.nan
            else:
                length = float(field.length(q, sigma_w, sigma_b))
                c = field.correlation(c, q, q, sigma_w, sigma_b) if math.isfinite(c) and q > 0 else math.nan
            q = length
            found.append(c)
    return np.array(found)


def expected_lengths(network: Network, mean_square: float = 1.0) -> Array:
    """Variance of the preactivations in each hidden layer, for inputs whose entries have that mean square."""
    field = field_of(network)
    sigma_w, sigma_b = sigmas(network, 0)
    found = [sigma_w**2 * mean_square + sigma_b**2]
    with np.errstate(**QUIET):
        for layer in range(1, network.depth - 1):
            found.append(float(field.length(found[-1], *sigmas(network, layer))))
    return np.array(found)
