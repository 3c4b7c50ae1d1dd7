"""Moments of an array, quantiles over the samples of a batch, and a ratio that is guarded against 0/0.

A statistic that is not defined is NaN in a table and said in words on a page.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from initviz.core.arrays import ROUND_OFF, Array
from initviz.core.propagation import QUIET

NAN = math.nan
LONGEST_SUM = 4096  # float32 values: longer sums are split and added up in float64, so that round-off stays below 1e-5
CANCELLATION = 0.1  # a variance below this share of the mean square has lost digits: measure again around the mean


def round_off(x: Array) -> float:
    return ROUND_OFF * float(np.finfo(x.dtype).eps)


def safe_scale(x: Array, largest: float, low: float, high: float) -> tuple[Array, float]:
    """x divided by its largest magnitude where powers of it would overflow or vanish; and what it was divided by."""
    return (x, 1.0) if low < largest < high else (x / x.dtype.type(largest), largest)


class Moments(NamedTuple):
    """Mean, population standard deviation, extremes, root mean square and share of exact zeros of an array."""

    mean: float
    std: float
    min: float
    max: float
    rms: float
    zero_share: float

    @property
    def finite(self) -> bool:
        """Whether every value is a finite number."""
        return math.isfinite(self.min) and math.isfinite(self.max)


def row_dots(x: Array, y: Array) -> Array:
    """Sum over the last axis of ``x * y``; not a BLAS product, which would start threads."""
    columns = x.shape[-1]
    if columns <= LONGEST_SUM:
        dots: Array = np.vecdot(x, y)
        return dots
    half = columns // 2
    return row_dots(x[..., :half], y[..., :half]).astype(float) + row_dots(x[..., half:], y[..., half:])


def mean_square(x: Array) -> float:
    return float(row_dots(x, x).sum(dtype=float)) / x.size


def moments(x: Array) -> Moments:
    """Moments of all entries. With inf or NaN among them, mean and std are NaN and rms is inf (or NaN)."""
    return Moments(*moments_of_each(x.reshape(1, -1, x.shape[-1]))[0].tolist())


def moments_of_each(x: Array) -> Array:
    """The moments of each array of a stack (networks, rows, columns): (networks, 6), in the order of Moments."""
    flat = x.reshape(len(x), -1)
    size = flat.shape[1]
    low, high = flat.min(axis=1).astype(float), flat.max(axis=1).astype(float)
    with np.errstate(**QUIET):
        mean = np.add.reduce(flat, axis=1).astype(float) / size  # pairwise: accurate
        square = row_dots(x, x).sum(axis=1, dtype=float) / size
        variance = square - mean * mean
    largest = np.maximum(np.abs(low), np.abs(high))
    plain = (largest > 1e-12) & (largest < 1e12) & (variance >= CANCELLATION * square) & (low < high)
    zeros = [np.count_nonzero(values == 0) / size if a <= 0 <= b else 0.0
             for values, a, b in zip(flat, low, high, strict=True)]
    moments = np.stack([mean, np.sqrt(np.where(plain, variance, 0)), low, high, np.sqrt(square), zeros], axis=1)
    for index in np.flatnonzero(~plain):
        moments[index] = _careful_moments(flat[index], float(low[index]), float(high[index]), float(zeros[index]))
    return moments


def _careful_moments(x: Array, low: float, high: float, zero_share: float) -> Moments:
    """Moments of numbers that are not all finite, are all alike, or whose squares lose digits."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return Moments(NAN, NAN, low, high, NAN if math.isnan(low) else math.inf, float(np.mean(x == 0)))
    if low == high:
        return Moments(low, 0.0, low, high, abs(low), float(low == 0))
    x, scale = safe_scale(x, max(abs(low), abs(high)), 1e-12, 1e12)
    mean, square = float(np.add.reduce(x)) / x.size, mean_square(x)
    variance = square - mean * mean
    if variance < CANCELLATION * square:
        center = x.dtype.type(mean)
        centered = x - center
        shift = float(np.add.reduce(centered)) / x.size
        mean, variance = float(center) + shift, mean_square(centered) - shift * shift
    return Moments(mean * scale, math.sqrt(max(variance, 0.0)) * scale, low, high, math.sqrt(square) * scale,
                   zero_share)


class SampleScales(NamedTuple):
    """Quantiles over the samples of a batch of each sample's root mean square: the median, 10 % and 90 %."""

    median: float
    p10: float
    p90: float


SAMPLE_QUANTILES = np.array([0.5, 0.1, 0.9])


def sample_scales_of_each(h: Array, largest: Array) -> Array:
    """The SampleScales of each of a stack (networks, batch, width) with these largest magnitudes: (networks, 3)."""
    scale = np.where((largest > 1e-12) & (largest < 1e12), 1.0, largest)
    scale[~((scale > 0) & np.isfinite(scale))] = 1.0
    plain = h if (scale == 1).all() else h / scale[:, None, None].astype(h.dtype)
    lengths = np.sort(np.sqrt(row_dots(plain, plain).astype(float) / h.shape[2]), axis=1)
    position = SAMPLE_QUANTILES * (h.shape[1] - 1)
    below = position.astype(int)
    low, high = lengths[:, below], lengths[:, np.minimum(below + 1, h.shape[1] - 1)]
    fraction = position - below
    scales: Array = np.where(fraction > 0, low + (high - low) * fraction, low) * scale[:, None]
    return scales


def ratio(first: float, last: float) -> float:
    """first / last; NaN where both are 0 or either is not finite, inf where only the last is 0."""
    if not (math.isfinite(first) and math.isfinite(last)) or first == last == 0:
        return NAN
    return math.inf if last == 0 else first / last
