"""What theory expects of one network: the scale of each layer's signal and gradient, with its band at finite width.

The band follows several networks through the maps: a middle one, and others whose lengths lie so many standard
deviations above and below it. In each layer the logarithm of the mean square varies as an average over so many neurons
does (Hanin and Nica 2018 for ReLU: by 5/width), which is added to what earlier layers pass on.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from initviz.core.arrays import Array
from initviz.core.network import Network
from initviz.core.propagation import QUIET
from initviz.theory.mean_field import Field

BAND = 3.0  # standard deviations to each side: 99.7 % of a normal law, so that 95 % is kept where it is not quite one
MOST_VARIANCE = 0.8  # relative, of an average over a layer: one that varies by more is no average, and has no band
# The networks that are followed: first that of infinite width, then by how many standard deviations they are longer.
SCORES = np.array([0.0, 0.0, 1.5, 3.0, -1.5, -3.0])
EXPECTED, MIDDLE, ENDS = 0, 1, slice(2, None)
LEFT = np.sqrt(BAND**2 - SCORES**2)  # standard deviations that a layer's own average may still add to each
GROUPS = 16  # of samples of about one length, of which the band's networks follow the mean


@dataclass(frozen=True, eq=False)
class Prediction:
    """Theory's word on each layer of one network: arrays (depth,) of root mean squares and standard deviations.

    Deltas begin with the measured error at the output. ``*_band`` are (2, depth): the least and the most of the same
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
    """Whether the weights are random with mean 0 and hidden layers have one bias, of which alone the theory speaks."""
    hidden = {network.bias_of(layer) for layer in range(network.depth - 1)}
    if len(hidden) > 1 or isinstance(network.bias_of(network.depth - 1), tuple) or any(
            isinstance(bias, tuple) for bias in hidden):
        return False
    return all(law.random and network.gain_of(layer) != 0 and law.variance(*network.sizes[layer:layer + 2]) > 0
               for layer in range(network.depth) for law in [network.law_of(layer)])


def field_of(network: Network) -> Field:
    """The wide limit of a network's hidden layers."""
    bias = network.bias_of(0)
    if isinstance(bias, tuple):
        raise ValueError("bias must be one number per hidden layer for a prediction, got one per neuron")
    return Field(network.activation, network.activation_pairs, bias)


def sigmas(network: Network, layer: int) -> tuple[float, float]:
    """(sigma_w, sigma_b) of a layer, 0 the first: sigma_w^2 is fan_in times the variance of a weight, with the gain."""
    fan_in, fan_out = network.sizes[layer], network.sizes[layer + 1]
    law = network.law_of(layer)
    own = law.bias_variance(fan_in, fan_out)
    return (abs(network.gain_of(layer)) * math.sqrt(fan_in * law.variance(fan_in, fan_out)),
            math.sqrt(network.bias_std**2 + own))


def predict(network: Network, x: Array, output_error: Array | float = 1.0) -> Prediction:
    """What theory expects of a network on the inputs ``x`` (batch, features).

    ``output_error`` is the mean square of dL/dz at the output, per sample (batch,) or one number. Every sample has a
    length of its own; a layer's mean square is their mean. Raises ValueError where ``can_predict`` is False.
    """
    if not can_predict(network):
        raise ValueError(f"initializer must draw random weights of mean 0 for a prediction, got {network.initializer}")
    lengths = np.square(x, dtype=np.float64).mean(axis=1)
    order = np.argsort(lengths)
    groups = np.array_split(order, min(GROUPS, len(order)))
    samples = _Samples(len(order), len(groups))
    with np.errstate(**QUIET):
        layers = _forward(network, samples, samples.of(lengths, groups))
        errors = samples.of(np.broadcast_to(np.asarray(output_error, float), lengths.shape), groups)
        squares = layers.squares | {"delta_rms": _backward(network, samples, layers, errors)}
        bands = {f"{name}_band": _bands(logs, variance, linked=name == "delta_rms")
                 for name, (logs, variance) in squares.items()}
        blurred = any(np.isnan(band[:, :-1]).any() for band in bands.values())
        return Prediction(**{name: np.exp(logs[:, EXPECTED] / 2) for name, (logs, _) in squares.items()},
                          **{name: band * (math.nan if blurred else 1) for name, band in bands.items()})


def _log_variance(relative: Array) -> Array:
    """Variance of ln m where m is a positive mean of this relative variance: trigamma(1 / relative), of a gamma law.

    NaN for a mean that varies by more than MOST_VARIANCE.
    """
    return np.where(relative <= MOST_VARIANCE, relative + relative**2 / 2 + relative**3 / 6, math.nan)


def _bands(logs: Array, variance: Array, *, linked: bool) -> Array:
    """(2, layers): roots of the least and most of mean squares, from their logarithms (layers, networks) and the
    variance (layers,) that a layer's own average adds to them.

    Lengths and the layer's own average vary independently: together they may go BAND standard deviations, shared
    between both as is worst. ``linked`` ones may go as far each, the longer up and the shorter down. Of one sample the
    middle of the logarithms lies half their variance below that of the mean; of many that vary each on its own it does
    not: the least is one sample's, the most is many samples'.
    """
    middle, own = logs[:, MIDDLE], np.sqrt(variance)[:, None]
    apart = logs[:, MIDDLE:] - middle[:, None]
    down, up = (np.where(linked & (sign * SCORES[MIDDLE:] > 0), BAND, LEFT[MIDDLE:]) * own for sign in (-1, 1))
    far = np.hypot(np.stack([-apart.min(axis=1), apart.max(axis=1)]), BAND * own[:, 0])  # as if lengths were normal
    ends = np.stack([middle - variance / 2 + np.minimum((apart - down).min(axis=1), -far[0]),
                     middle + np.maximum((apart + up).max(axis=1), far[1])])
    return np.exp(np.where(np.isinf(middle), middle, ends) / 2)


class _Samples:
    """Numbers of the samples of all networks in one row: every sample of the first, groups of samples of the others."""

    def __init__(self, count: int, groups: int) -> None:
        self.count, self.groups = count, groups
        self.counts = np.array([count] + [groups] * (len(SCORES) - 1))
        self.starts = np.cumsum(self.counts) - self.counts

    def of(self, values: Array, groups: list[Array]) -> Array:
        """The row of values of the samples (samples,)."""
        return np.concatenate([values, *[np.array([values[group].mean() for group in groups])] * (len(SCORES) - 1)])

    def mean(self, row: Array) -> Array:
        """The mean over each network's samples: (..., networks)."""
        return np.add.reduceat(row, self.starts, axis=-1) / self.counts

    def log_mean(self, logs: Array) -> Array:
        """ln of the mean of exp(logs) over each network's samples: (..., networks)."""
        largest = np.maximum.reduceat(logs, self.starts, axis=-1)
        return largest + np.log(self.mean(np.exp(logs - np.repeat(largest, self.counts, axis=-1))))

    def middle(self, row: Array) -> Array:
        """The middle network's."""
        return row[self.count:self.count + self.groups]


@dataclass(frozen=True, eq=False)
class _Layers:
    """What the followed networks have: ``squares`` maps a statistic to the logarithms of its squares (layers, networks)
    and to the log-variances (layers,) of a layer's own average.

    For the way back, of each hidden layer: ``chi``, ln E phi'^2 of all samples (hidden, samples), the log-variance
    ``noise`` (hidden,) of its average, and ``passed_on`` (hidden, ends), which part of the ENDS' distance from the
    middle came from the layer before.
    """

    squares: dict[str, tuple[Array, Array]]
    chi: Array
    noise: Array
    passed_on: Array


def _forward(network: Network, samples: _Samples, incoming: Array) -> _Layers:
    """Follow the networks forward from samples of these mean squares."""
    field, depth, widths = field_of(network), network.depth, np.array(network.sizes[1:])
    passed_on = np.zeros((depth, len(SCORES[ENDS])))
    lengths, outputs, centered = (np.zeros((depth, len(SCORES))) for _ in range(3))
    kurtoses = np.ones((3, depth))  # of phi, of phi less its mean, of phi'
    chi = np.zeros((depth - 1, len(incoming)))
    added = 0.0  # variance of ln q, from the average over the layer before
    sigma = [sigmas(network, layer) for layer in range(depth)]
    for layer, (sigma_w, sigma_b) in enumerate(sigma):
        q = sigma_w**2 * incoming + sigma_b**2
        if layer:
            move, passed_on[layer] = _spread(samples.mean(q), added)
            q *= np.repeat(move, samples.counts)
        lengths[layer] = samples.mean(q)
        if layer == depth - 1:
            break
        at = field.tabulated(q)
        outputs[layer] = samples.mean(at.square)
        centered[layer] = np.maximum(outputs[layer] - samples.mean(at.mean) ** 2, 0)
        square = float(outputs[layer, MIDDLE])
        slope = float(samples.middle(at.derivative_square).sum()) / samples.groups
        kurtoses[:, layer] = [_kurtosis(samples.middle(fourth), whole) for fourth, whole in (
            (at.fourth, square), (at.central_fourth, float(centered[layer, MIDDLE])), (at.slope_fourth, slope))]
        chi[layer] = np.log(np.maximum(at.derivative_square, 1e-300))
        next_w, next_b = sigma[layer + 1]
        following = next_w**2 * square + next_b**2
        share = next_w**2 * square / following if following > 0 else 0.0
        relative = (kurtoses[0, layer] - 1) / widths[layer]
        added = share**2 * float(_log_variance(relative)) if relative <= MOST_VARIANCE else 0.0
        incoming = at.square
    outputs[-1] = centered[-1] = lengths[-1]  # linear
    shared = np.array([np.square(network.bias_of(layer)) for layer in range(depth)])[:, None]
    outputs[-1] += shared[-1]
    biased = lengths + shared
    varying = lengths[:, MIDDLE] / np.where(biased[:, MIDDLE] > 0, biased[:, MIDDLE], 1)
    of_rms = 2 * varying * (2 - varying)
    last = np.arange(depth) == depth - 1
    shares = {
        "preactivation_rms": of_rms, "preactivation_std": np.full(depth, 2.0),
        "activation_rms": np.where(last, of_rms, kurtoses[0] - 1), "activation_std": np.where(last, 2, kurtoses[1] - 1)}
    squares = {"preactivation_rms": biased, "preactivation_std": lengths, "activation_rms": outputs,
               "activation_std": centered}
    noise = _log_variance((3 * kurtoses[2] - 1) / widths)[:-1]
    return _Layers({name: (np.log(squares[name]), _log_variance(shares[name] / widths)) for name in squares},
                   chi, noise, passed_on[:-1])


def _spread(lengths: Array, variance: float) -> tuple[Array, Array]:
    """What moves the networks' lengths apart by an average's log-variance, a factor each, and the parts passed on."""
    logs = np.log(np.maximum(lengths, 1e-300))
    sign = np.sign(SCORES[ENDS])
    before = np.maximum(sign * (logs[ENDS] - logs[MIDDLE]), 0)
    after = np.hypot(before, SCORES[ENDS] * math.sqrt(variance))
    move = np.zeros(len(SCORES))
    move[ENDS] = logs[MIDDLE] + sign * after - logs[ENDS]
    move[MIDDLE:] -= variance / 2
    return np.exp(move), before / np.where(after > 0, after, 1)


def _backward(network: Network, samples: _Samples, layers: _Layers, errors: Array) -> tuple[Array, Array]:
    """Logarithms of the deltas' mean squares (layers, networks) and the log-variance (layers,) on the way to each."""
    factors = np.array([network.gain_of(layer)**2 * fan_out * network.law_of(layer).variance(fan_in, fan_out)
                        for layer, (fan_in, fan_out) in enumerate(pairwise(network.sizes[1:]), 1)])
    steps = layers.chi + np.log(np.maximum(factors, 1e-300))[:, None]
    way = np.concatenate([np.cumsum(steps[::-1], axis=0)[::-1], np.zeros((1, len(errors)))])
    squares = samples.log_mean(way + np.log(np.maximum(errors, 1e-300)))
    noise = np.append(np.cumsum(layers.noise[::-1])[::-1], 0.0)
    # The ends' deviation of ln chi, summed over the layers: as if all moved together, and as they do, where a deviation
    # of one layer's length is passed on to the next in part only (``moved`` with the first layer's, ``rest`` without).
    chi = samples.log_mean(layers.chi)
    together, moved, rest, kept = (np.zeros(len(SCORES[ENDS])) for _ in range(4))
    for layer in reversed(range(len(chi))):
        apart = chi[layer, ENDS] - chi[layer, MIDDLE]
        together = together + apart
        rest = rest + (1 - kept**2) * moved**2
        moved = apart + kept * moved
        kept = layers.passed_on[layer]
        share = np.minimum(np.sqrt(moved**2 + rest) / np.where(together == 0, math.inf, np.abs(together)), 1)
        squares[layer, ENDS] = squares[layer, MIDDLE] + share * (squares[layer, ENDS] - squares[layer, MIDDLE])
    return squares, noise


def _kurtosis(fourth: Array, square: float) -> float:
    """E v^4 / (E v^2)^2 of the sum of samples (batch,), at least 1, if they move together as far as they can.

    By Cauchy and Schwarz: the root of a product's expectation is at most that of the roots. 1 where v is 0.
    """
    return max((float(np.sqrt(fourth).sum()) / len(fourth) / square) ** 2, 1.0) if square > 0 else 1.0


def expected_correlations(network: Network, correlation: float, mean_square: float = 1.0) -> Array:
    """Correlation of two inputs' preactivations (less the common bias) in each hidden layer; NaN at length 0.

    ``correlation`` is the inputs' cosine, ``mean_square`` that of their entries.
    """
    lengths, (sigma_w, sigma_b) = expected_lengths(network, mean_square), sigmas(network, 0)
    with np.errstate(**QUIET):
        first = (sigma_w**2 * mean_square * correlation + sigma_b**2) / lengths[0] if lengths[0] > 0 else math.nan
        return field_of(network).correlations(
            first, lengths, [sigmas(network, layer) for layer in range(1, network.depth - 1)])


def expected_lengths(network: Network, mean_square: float = 1.0) -> Array:
    """Variance of the preactivations in each hidden layer, for inputs whose entries have that mean square."""
    field = field_of(network)
    sigma_w, sigma_b = sigmas(network, 0)
    with np.errstate(**QUIET):
        return field.lengths(sigma_w**2 * mean_square + sigma_b**2,
                             [sigmas(network, layer) for layer in range(1, network.depth - 1)])
