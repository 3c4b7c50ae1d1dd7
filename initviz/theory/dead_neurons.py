"""Neurons that are off: how likely a network is born dead, and what share of a layer is off for a whole batch."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from initviz.core.activations import erf
from initviz.core.arrays import Array
from initviz.core.network import Network
from initviz.core.propagation import QUIET
from initviz.core.validation import Interval, check
from initviz.theory.mean_field import expectation
from initviz.theory.prediction import expected_correlations, expected_lengths
from initviz.theory.trajectory import field_of

WIDTH = Interval(1, math.inf, integer=True)


def born_dead(widths: Sequence[int]) -> float:
    """Probability that some hidden layer is off for one input: 1 - prod(1 - 2^-N_l), exact.

    It holds for any symmetric continuous law of weights (and biases): each of the N_l preactivations is below 0 with
    probability 1/2, whatever the scale. Nothing passes such a layer, neither signal nor gradient. For a whole domain of
    inputs it is an upper bound (Lu et al. 2020). Raises ValueError for a width below 1.
    """
    log_survival = sum(math.log1p(-(2.0 ** -check("widths", width, WIDTH))) for width in widths)
    return -math.expm1(log_survival)


def mean_cosine(x: Array) -> float:
    """Mean cosine between rows of ``x`` (samples, features); rows of zeros are left out, 0 for fewer than two."""
    lengths = np.sqrt(np.square(x, dtype=np.float64).sum(axis=1))
    rows = x[lengths > 0] / lengths[lengths > 0, None]
    count = len(rows)
    if count < 2:
        return 0.0
    return float((np.square(rows.sum(axis=0)).sum() - count) / (count * (count - 1)))


def expected_dead_shares(network: Network, x: Array) -> Array:
    """Share of each hidden layer's neurons that no input of ``x`` (batch, features) turns on, in a wide network.

    All m preactivations of a neuron are below 0 with probability E Phi(-u / sqrt((1 - c) q))^m, u normal with mean
    ``bias`` and variance c q: q is the length and c the correlation, one for all pairs, the inputs' mean taken from
    layer to layer. c goes to 1 with depth, and the share to that of a single input, 1/2 without bias. NaN where the
    length is 0 or overflows.
    """
    with np.errstate(**QUIET):
        square, count = float(np.mean(np.square(x, dtype=np.float64))), len(x)
        correlations = expected_correlations(network, max(mean_cosine(x), 0.0), square)
    shares = []
    for q, c in zip(expected_lengths(network, square), correlations, strict=True):
        if not 0 < q < math.inf or math.isnan(c):
            shares.append(math.nan)
            continue
        own_std = math.sqrt(2 * max(1 - c, 1e-12))  # of a sample's own part, in units of sqrt(q)

        def all_off(u: Array, own_std: float = own_std) -> Array:
            return ((1 - erf(u / own_std)) / 2) ** count

        shares.append(float(expectation(all_off, max(c, 0.0), field_of(network).bias / math.sqrt(q))))
    return np.array(shares)
