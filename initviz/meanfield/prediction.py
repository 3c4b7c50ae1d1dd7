"""What theory expects of one network: the scale of each layer's signal and gradient, with its band at finite width.

The band follows several networks through the maps: a middle one, and others whose lengths lie so many standard
deviations above and below it. In each layer the logarithm of the mean square varies as an average over so many neurons
does (Hanin and Nica 2018 for ReLU: by 5/width), which is added to what earlier layers pass on.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from initviz.initializers import rule
from initviz.meanfield.field import Field
from initviz.network import Network
from initviz.propagation import QUIET

Array = NDArray[Any]
BAND = 3.0  # standard deviations to each side: 99.7 % of a normal law, so that 95 % is kept where it is not quite one
MOST_VARIANCE = 0.8  # relative, of an average over a layer: one that varies by more is no average, and has no band
# The networks that are followed: first that of infinite width, then by how many standard deviations they are longer.
SCORES = np.array([0.0, 0.0, 1.5, 3.0, -1.5, -3.0])
EXPECTED, MIDDLE, ENDS = 0, 1, slice(2, None)
LEFT = np.sqrt(BAND**2 - SCORES**2)  # standard deviations that a layer's own average may still add to each


@dataclass(frozen=True, eq=False)
class Prediction:
    """Theory's word on each layer of one network: arrays (depth,) of root mean squares and standard deviations.

    Deltas start from the measured error at the output. ``*_band`` are (2, depth): the least and the most of the same
    in at least 95 % of all draws of the weights; NaN where so few neurons of a layer carry the signal that their
    average is none.
    """

    preactivation_rms: Array
    preactivation_rms_band: Array
    preactivation_std: Array
    preactivation_std_band: Array
    activation_rms: Array
    activation_rms_band: Array
    activation_std: Array
    activation_std_band: Array
    delta_rms: Array
    delta_rms_band: Array

    def expected(self, quantity: str, statistic: str) -> Array:
        """The prediction for "activation", "preactivation" or "delta", as "rms" or "std" (a delta's mean is 0)."""
        found: Array = getattr(self, f"{quantity}_{'rms' if quantity == 'delta' else statistic}")
        return found

    def band(self, quantity: str, statistic: str) -> tuple[Array, Array]:
        """Least and most of the layer's statistic in at least 95 % of all draws of the weights."""
        least, most = getattr(self, f"{quantity}_{'rms' if quantity == 'delta' else statistic}_band")
        return least, most


def can_predict(network: Network) -> bool:
    """Whether the weights are random with mean 0, of which alone the theory speaks."""
    law = rule(network.initializer, **dict(network.initializer_params))
    first, last = network.sizes[:2], network.sizes[-2:]
    return law.random and network.gain != 0 and law.variance(*first) > 0 and law.variance(*last) > 0


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
    found: dict[str, list[float]] = {name: [] for name in Prediction.__dataclass_fields__ if "band" not in name}
    bands: dict[str, list[Array]] = {f"{name}_band": [] for name in found}

    def note(name: str, squares: Array, variance: float) -> None:
        """Keep a mean square of the networks; ``variance`` is that of its logarithm, as an average over a layer."""
        found[name].append(math.sqrt(max(float(squares[EXPECTED]), 0.0)))
        with np.errstate(**QUIET):
            bands[f"{name}_band"].append(_band(np.log(squares), variance))

    with np.errstate(**QUIET):
        steps = _forward(network, x, note)
        found["delta_rms"], bands["delta_rms_band"] = _backward(network, steps, output_error, len(x))
    blurred = any(np.isnan(ends).any() for name in bands for ends in bands[name][:-1])
    return Prediction(**{name: np.array(values) for name, values in found.items()},
                      **{name: np.array(values).T * (math.nan if blurred else 1) for name, values in bands.items()})


def _log_variance(relative: float) -> float:
    """Variance of ln m where m is a positive mean of this relative variance: trigamma(1 / relative), of a gamma law.

    NaN for a mean that varies by more than MOST_VARIANCE.
    """
    return relative + relative**2 / 2 + relative**3 / 6 if relative <= MOST_VARIANCE else math.nan


def _band(logs: Array, variance: float, linked: bool = False) -> Array:
    """(2,): root of the least and most of a mean square, from its logarithms in the networks and its own variance.

    Lengths and the layer's own average vary independently: together they may go BAND standard deviations, shared
    between both as is worst. ``linked`` ones may go as far each, the longer up and the shorter down. Of one sample the
    middle of the logarithms lies half their variance below that of the mean; of many that vary each on its own it does
    not: the least is one sample's, the most is many samples'.
    """
    middle = logs[MIDDLE]
    if not np.isfinite(middle):
        return np.full(2, math.inf if middle > 0 else 0.0)
    apart, own = logs[MIDDLE:] - middle, LEFT[MIDDLE:] * math.sqrt(variance)
    down, up = (np.where(linked & (sign * SCORES[MIDDLE:] > 0), BAND * math.sqrt(variance), own) for sign in (-1, 1))
    return np.exp((middle + np.array([np.min(apart - down) - variance / 2, np.max(apart + up)])) / 2)


@dataclass(frozen=True, eq=False)
class _Step:
    """What the backward pass needs of a hidden layer: E phi'^2 of the networks for each sample (networks, batch), the
    log-variance of its own average, and which part of the ENDS' distance from the middle came from the layer before.
    """

    chi: Array
    noise: float
    passed_on: Array


def _forward(network: Network, x: Array, note: Callable[[str, Array, float], None]) -> list[_Step]:
    """Follow the networks forward, ``note`` what they have in each layer, and return what the way back needs."""
    field, steps = field_of(network), []
    incoming = np.tile(np.square(x, dtype=np.float64).mean(axis=1), (len(SCORES), 1))
    passed_on = np.zeros(len(SCORES[ENDS]))
    added = np.zeros(len(SCORES))  # variance of ln q, from the average over the layer before
    for layer, width in enumerate(network.sizes[1:]):
        sigma_w, sigma_b = sigmas(network, layer)
        q = sigma_w**2 * incoming + sigma_b**2
        if layer:
            q, passed_on = _spread(q, added)
        length = q.mean(axis=1)
        square = length + network.bias**2
        varying = length[MIDDLE] / square[MIDDLE] if square[MIDDLE] > 0 else 1.0
        of_std, of_rms = (_log_variance(share / width) for share in (2.0, 2 * varying * (2 - varying)))
        note("preactivation_std", length, of_std)
        note("preactivation_rms", square, of_rms)
        if layer == network.depth - 1:  # linear
            note("activation_std", length, of_std)
            note("activation_rms", square, of_rms)
            break
        at = field.tabulated(q)
        square = at.square.mean(axis=1)
        centred = np.maximum(square - at.mean.mean(axis=1) ** 2, 0)
        shares = [_log_variance((kurtosis - 1) / width) for kurtosis in _kurtosis(at.fourth, square)]
        note("activation_rms", square, shares[MIDDLE])
        note("activation_std", centred,
             _log_variance((float(_kurtosis(at.central_fourth, centred)[MIDDLE]) - 1) / width))
        slopes = _kurtosis(at.slope_fourth, at.slope_square.mean(axis=1))
        steps.append(_Step(at.slope_square, _log_variance((3 * float(slopes[MIDDLE]) - 1) / width), passed_on))
        next_w, next_b = sigmas(network, layer + 1)
        following = next_w**2 * square + next_b**2
        added = np.nan_to_num(np.square(next_w**2 * square / np.where(following > 0, following, 1)) * shares)
        incoming = at.square
    return steps


def _spread(q: Array, variance: Array) -> tuple[Array, Array]:
    """Lengths (networks, batch) after an average's log-variance has moved them apart, and the parts passed on."""
    logs = np.log(np.maximum(q.mean(axis=1), 1e-300))
    sign = np.sign(SCORES[ENDS])
    before = np.maximum(sign * (logs[ENDS] - logs[MIDDLE]), 0)
    after = np.hypot(before, SCORES[ENDS] * np.sqrt(variance[ENDS]))
    move = np.zeros(len(q))
    move[ENDS] = logs[MIDDLE] + sign * after - logs[ENDS]
    move[MIDDLE:] -= variance[MIDDLE] / 2
    return q * np.exp(move)[:, None], before / np.where(after > 0, after, 1)


def _backward(network: Network, steps: Sequence[_Step], output_error: Array | float,
              batch: int) -> tuple[list[float], list[Array]]:
    """Deltas' root mean squares and their bands, first layer first."""
    law = rule(network.initializer, **dict(network.initializer_params))
    error = np.broadcast_to(np.asarray(output_error, float), (batch,))
    logs = np.tile(np.log(np.maximum(error, 1e-300)), (len(SCORES), 1))  # of the networks' squared deltas
    squares = _log_mean(logs)
    found = [(math.exp(squares[EXPECTED] / 2), _band(squares, 0.0))]
    noise = 0.0
    # The ends' deviation of ln chi, summed over the layers: as if all moved together, and as they do, where a deviation
    # of one layer's length is passed on to the next in part only (``moved`` with the first layer's, ``rest`` without).
    together, moved, rest, passed_on = (np.zeros(len(SCORES[ENDS])) for _ in range(4))
    for layer in reversed(range(network.depth - 1)):
        step, (fan_in, fan_out) = steps[layer], network.sizes[layer + 1:layer + 3]
        logs = logs + np.log(np.maximum(network.gain**2 * fan_out * law.variance(fan_in, fan_out) * step.chi, 1e-300))
        noise += step.noise
        chi = np.log(np.maximum(step.chi.mean(axis=1), 1e-300))
        apart = chi[ENDS] - chi[MIDDLE]
        together = together + apart
        rest = rest + (1 - passed_on**2) * moved**2
        moved = apart + passed_on * moved
        passed_on = step.passed_on
        squares = _log_mean(logs)
        share = np.minimum(np.sqrt(moved**2 + rest) / np.where(together == 0, math.inf, np.abs(together)), 1)
        expected = math.exp(squares[EXPECTED] / 2)
        squares[ENDS] = squares[MIDDLE] + share * (squares[ENDS] - squares[MIDDLE])
        # What lengthens a signal on its way forward through some weights lengthens the gradient on its way back.
        found.append((expected, _band(squares, noise, linked=True)))
    return [expected for expected, _ in found[::-1]], [band for _, band in found[::-1]]


def _log_mean(logs: Array) -> Array:
    """ln of the mean of exp(logs) over the last axis."""
    largest = logs.max(axis=-1, keepdims=True)
    found: Array = largest[..., 0] + np.log(np.exp(logs - largest).mean(axis=-1))
    return found


def _kurtosis(fourth: Array, square: Array) -> Array:
    """(networks,): E v^4 / (E v^2)^2 of the samples' sum, at least 1, if samples move together as far as they can.

    By Cauchy and Schwarz: the root of a product's expectation is at most that of the roots. 1 where v is 0.
    """
    whole = np.sqrt(fourth).mean(axis=1)
    return np.where(square > 0, np.maximum(np.square(whole / np.where(square > 0, square, 1)), 1.0), 1.0)


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
