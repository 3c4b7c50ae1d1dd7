"""How many different neurons a layer has, how they correlate, and how many are dead or saturated.

A matrix of activations H has shape (batch, neurons). Tolerances are relative to s = max |H| (of two neurons: to their
own) and to the dtype's eps, so that H and 1e-200 H get the same shape metrics.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from initviz.core.arrays import Array
from initviz.core.buffers import Buffers, NewArrays
from initviz.core.cost import COVARIANCE_ROWS
from initviz.core.statistics.summary import (
    CANCELLATION,
    LONGEST_SUM,
    NAN,
    mean_square,
    moments_of_each,
    round_off,
    row_dots,
)

DISTINCT_TOLERANCE = 1e-9  # relative; in float32, 64 eps
FEW_SAMPLES = 8
SATURATED = 0.97  # |tanh| beyond this; Karpathy, makemore part 3


class Diversity(NamedTuple):
    """How different the neurons of a layer are on one batch.

    - ``distinct_neurons``: columns that differ somewhere by more than 1e-9 (float32: 64 eps) of their own largest value
    - ``correlated_neurons``: neurons that vary over the batch, for which a correlation is defined
    - ``mean_abs_correlation``: mean |r| over pairs of those; NaN for fewer than two
    - ``participation_ratio``: tr(K)^2 / ||K||_F^2 of the covariance K of the neurons; 0 where none varies
    - ``neuron_spread``: root of the mean over samples of the variance between neurons; 0 for copies
    - ``sample_spread``: root of the mean over neurons of the variance between samples; 0 where the input is lost
    """

    distinct_neurons: int
    correlated_neurons: int
    mean_abs_correlation: float
    participation_ratio: float
    neuron_spread: float
    sample_spread: float


def participation_baseline(batch: int, neurons: int) -> float:
    """Participation ratio expected of independent normal neurons, n (B - 1) / (n + B - 1); 0 for one sample.

    Centering the columns leaves B - 1 degrees of freedom: then E tr(K)^2 is about n^2 + 2n / (B - 1) and E ||K||_F^2
    about n + n (n + 1) / (B - 1) in units of the variance squared, whose quotient this is to leading order.
    """
    return neurons * (batch - 1) / (neurons + batch - 1)


def correlation_baseline(batch: int) -> float:
    """Mean |r| expected of independent normal neurons: Gamma((B-1)/2) / (sqrt(pi) Gamma(B/2)); NaN for one sample.

    r^2 of B independent normal samples has the law Beta(1 / 2, (B - 2) / 2); at B = 2 it is 1.
    """
    return math.exp(math.lgamma((batch - 1) / 2) - math.lgamma(batch / 2)) / math.sqrt(math.pi) if batch > 1 else NAN


def distinct_neurons(h: Array, extremes: tuple[float, float] | None = None) -> int:
    """Number of different columns of ``h`` (batch, neurons); NaN and inf give 0.

    Two columns are one where they differ nowhere by more than the tolerance times the larger of their own largest
    magnitudes, so that small neurons beside large ones are told apart.
    """
    low, high = extremes or (float(h.min()), float(h.max()))
    largest = max(abs(low), abs(high))
    if not math.isfinite(largest):
        return 0
    if largest == 0:
        return 1
    tolerance = _tolerance(h, largest)
    projection = _projection(h[None])[0]
    order = np.argsort(projection, kind="stable")
    near = np.append(np.diff(projection[order]) <= 2 * tolerance, False)
    distinct = len(order) - int(np.count_nonzero(near))  # of groups of neighbors
    if distinct == len(order):
        return distinct
    relative = tolerance / largest
    firsts = np.flatnonzero(near & ~np.append(False, near[:-1]))
    lasts = np.flatnonzero(~near & np.append(False, near[:-1]))
    # most near ones are two that a few samples tell apart
    left, right, sample = order[firsts], order[lasts], h[:FEW_SAMPLES]
    apart = (lasts - firsts == 1) & (np.abs(sample[:, left] - sample[:, right]).max(axis=0) > tolerance)
    distinct += int(np.count_nonzero(apart))
    for begin, end in zip(firsts[~apart], lasts[~apart], strict=True):
        group = h[:, order[begin:end + 1]]
        sizes = np.abs(group).max(axis=0)
        while True:  # those like the first are one neuron, the others are looked at again
            difference = np.abs(group[:, 1:] - group[:, :1]).max(axis=0)
            later_groups = 1 + np.flatnonzero(difference > relative * np.maximum(sizes[1:], sizes[0]))
            group, sizes = group[:, later_groups], sizes[later_groups]
            if len(later_groups) < 2:
                distinct += len(later_groups)
                break
            distinct += 1
    return distinct


def _tolerance(h: Array, largest: float) -> float:
    return max(DISTINCT_TOLERANCE, round_off(h)) * largest


def _projection(h: Array) -> Array:
    """Each neuron of a stack (networks, batch, neurons) as one number: columns within a tolerance are near on any
    direction, so that only neighbors on this one need comparing.
    """
    batch = h.shape[1]
    direction = (0.5 + np.arange(batch) * 0.6180339887498949 % 1).astype(h.dtype) / h.dtype.type(batch)
    with np.errstate(over="ignore", invalid="ignore"):
        projection: Array = np.matmul(direction, h)
    return projection


def distinct_weights(w: Array, b: Array) -> int:
    """Number of neurons that differ in an incoming weight or the bias: ``w`` is (fan_in, fan_out), ``b`` (fan_out,)."""
    neurons = w.shape[1]
    if len(np.unique(w[0])) == neurons:
        return neurons
    if (w == w[:, :1]).all() and (b == b[0]).all():
        return 1
    columns = np.ascontiguousarray(np.vstack([w, b[None]]).T)
    return len({column.tobytes() for column in columns})


def has_equal_rows(w: Array) -> bool:
    """Whether all inputs of a layer have the same outgoing weights: equal rows of ``w`` (fan_in, fan_out)."""
    return bool((w[:, 0] == w[0, 0]).all() and (w == w[:1]).all())


def diversity(h: Array) -> Diversity:
    """Diversity of the columns of ``h`` (batch, neurons)."""
    statistics = diversity_of_each(h[None], moments_of_each(h[None]))[0].tolist()
    return Diversity(int(statistics[0]), int(statistics[1]), *statistics[2:])


def diversity_of_each(h: Array, measured: Array, buffers: Buffers | None = None, *, correlations: bool = True) -> Array:
    """Diversity of each of a stack (networks, batch, neurons), whose ``moments_of_each`` are measured already:
    (networks, 6), in the order of Diversity. Without ``correlations`` what takes a product of all neurons is NaN.
    """
    low, high = measured[:, 2], measured[:, 3]
    largest = np.maximum(np.abs(low), np.abs(high))
    count, neurons = len(h), h.shape[2]
    safe = (largest > 1e-4) & (largest < 1e4)
    if not safe.all():  # powers of the others would overflow or vanish: each is divided by its largest
        statistics = np.empty((count, len(Diversity._fields)))
        for index in np.flatnonzero(~safe):
            statistics[index] = _careful_diversity(h[index:index + 1], float(largest[index]), correlations)
        if safe.any():
            statistics[safe] = diversity_of_each(h[safe], measured[safe], buffers, correlations=correlations)
        return statistics

    floor = round_off(h) * largest
    nearest = np.diff(np.sort(_projection(h), axis=1), axis=1).min(axis=1, initial=math.inf)
    distinct = [neurons if near > 2 * _tolerance(h, size) else distinct_neurons(values, (a, b))
                for values, near, size, a, b in zip(h, nearest, largest, low, high, strict=True)]
    square, spreads = np.square(measured[:, 4]), []
    for axis in (2, 1):  # between neurons, between samples
        center = _means(h, axis)
        between = square - np.square(center, dtype=float).mean(axis=1)
        for index in np.flatnonzero(between < CANCELLATION * square):
            apart = h[index:index + 1] - h[index:index + 1].take([0], axis=axis)  # exactly 0 where all are alike
            between[index] = mean_square(apart) - float(np.square(_means(apart, axis), dtype=float).mean())
        spread = np.sqrt(np.maximum(between, 0))
        spreads.append(np.where(spread < floor, 0.0, spread))
    neuron_spread, sample_spread = spreads
    correlated, correlation, ratio = (
        _correlations(h, floor, sample_spread, buffers or NewArrays()) if correlations else np.full((3, count), NAN))
    return np.stack([distinct, correlated, correlation, ratio, neuron_spread, sample_spread], axis=1)


def _means(h: Array, axis: int) -> Array:
    """Means over the samples (1) or the neurons (2) of a stack (networks, batch, neurons), in the dtype."""
    if axis == 2:
        return np.add.reduce(h, axis=2) / h.dtype.type(h.shape[2])
    step = LONGEST_SUM // 16  # NumPy adds rows one after the other
    parts = [np.add.reduce(h[:, at:at + step], axis=1) for at in range(0, h.shape[1], step)]
    total = parts[0] if len(parts) == 1 else np.sum(parts, axis=0, dtype=float)
    return (total / h.shape[1]).astype(h.dtype)


def _correlations(h: Array, floor: Array, sample_spread: Array, buffers: Buffers) -> tuple[Array, Array, Array]:
    """Correlated neurons, mean |correlation| and participation ratio of each of a stack (networks, batch, neurons)."""
    count, batch, neurons = h.shape
    centered = np.subtract(h, _means(h, 1)[:, None], out=buffers.array("centered", h.shape, h.dtype))
    blocks = [slice(at, at + COVARIANCE_ROWS) for at in range(0, neurons, COVARIANCE_ROWS)]

    def rows(block: slice) -> Array:
        """The rows of the covariance that belong to a block of neurons, (networks, rows, neurons)."""
        selected = centered[:, :, block].swapaxes(1, 2)
        shape = count, selected.shape[1], neurons
        return np.matmul(selected, centered, out=buffers.array("covariance", shape, h.dtype))

    covariance = rows(blocks[0])
    power = covariance.diagonal(axis1=1, axis2=2).astype(float) if len(blocks) == 1 else np.concatenate(
        [np.square(centered[:, :, block], dtype=float).sum(axis=1) for block in blocks], axis=1)
    varies = power > batch * np.square(floor)[:, None]
    defined = np.count_nonzero(varies, axis=1)
    inverse = np.where(varies, 1 / np.sqrt(np.where(varies, power, 1)), 0).astype(h.dtype)
    whole, total = np.zeros(count), np.zeros(count)  # of K^2, and of |r| over all ordered pairs
    for block in blocks:
        covariance = covariance if block.start == 0 else rows(block)
        whole += row_dots(covariance, covariance).sum(axis=1, dtype=float)
        np.abs(covariance, out=covariance)
        total += np.vecdot(np.vecdot(covariance, inverse[:, None]), inverse[:, block])
    ratio = np.where(sample_spread > 0, np.square(power.sum(axis=1)) / np.where(whole > 0, whole, 1), 0)
    possible = defined * (defined - 1)
    correlation = np.where(possible > 0, np.clip((total - defined) / np.where(possible > 0, possible, 1), 0, 1), NAN)
    return defined, correlation, ratio


def _careful_diversity(h: Array, largest: float, correlations: bool) -> Diversity:
    """The diversity of one network (1, batch, neurons) that has no signal, overflows, or is very small or large."""
    if not math.isfinite(largest):
        return Diversity(0, 0, NAN, NAN, NAN, NAN)
    if largest == 0:
        return Diversity(1, 0, NAN, 0.0, 0.0, 0.0)
    scaled = h / h.dtype.type(largest)
    statistics = diversity_of_each(scaled, moments_of_each(scaled), correlations=correlations)[0]
    statistics[4:] *= largest
    return Diversity(*statistics)


def dead_share(z: Array) -> float:
    """Share of neurons of ``z`` (batch, neurons) that are at or below 0 for every sample of the batch."""
    return float(np.mean(z.max(axis=0) <= 0))


def saturated_share(h: Array, lower: float, upper: float) -> float:
    """Share of activations beyond 97 % of the way from the middle of the range (lower, upper) to an end."""
    middle, reach = (lower + upper) / 2, SATURATED * (upper - lower) / 2
    return (np.count_nonzero(h > middle + reach) + np.count_nonzero(h < middle - reach)) / h.size
