"""Bins: values counted on a linear or a symmetric log axis."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from initviz.core.arrays import Array
from initviz.core.validation import Interval, check

BLOCK = 1 << 16  # values: several passes over so many find them in the processor's cache
PAIRED = 1 << 14  # codes: from so many on, counting pairs takes two thirds of the time
SYMLOG_FLOOR = 1e-6  # in units of the quantity: below it the symmetric log axis is linear


@dataclass(frozen=True)
class Bins:
    """``count`` equal bins between ``low`` and ``high`` of a coordinate, and one at each end for what lies beyond.

    The coordinate of a value v is v / unit on a "linear" scale, and asinh(v / (2 unit SYMLOG_FLOOR)) / ln 10 on a
    "symlog" one: there a value of 10^k units lies at k + 6.
    """

    low: float
    high: float
    count: int = 45
    scale: str = "linear"

    def __post_init__(self) -> None:
        check("bins", self.count, Interval(1, 253, integer=True))  # with both ends a bin's number fits a byte

    @property
    def edges(self) -> Array:
        """The count + 1 edges, in the coordinate."""
        return np.linspace(self.low, self.high, self.count + 1)

    @property
    def edge_values(self) -> Array:
        """The edges as values, in units."""
        if self.scale == "linear":
            return self.edges
        return 2 * SYMLOG_FLOOR * np.sinh(self.edges * math.log(10))

    def coordinate(self, values: Array, unit: float = 1.0) -> Array:
        """The coordinate of each value; a new array in the dtype of ``values``."""
        return self._stretched(values, unit, 1.0)

    def _stretched(self, values: Array, unit: float, factor: float) -> Array:
        """The coordinate times a factor."""
        if self.scale == "linear":
            return np.multiply(values, values.dtype.type(factor / unit))
        u = np.multiply(values, values.dtype.type(1 / (2 * unit * SYMLOG_FLOOR)))
        # asinh u = sign(u) log(|u| + sqrt(u^2 + 1)), several times faster than NumPy's; squares must not overflow
        size = np.clip(np.abs(u), 0, 1e18)
        root = size * size
        root += 1
        np.sqrt(root, out=root)
        root += size
        np.log(root, out=root)
        root *= factor / math.log(10)
        return np.copysign(root, u, out=u)

    def count_values(self, values: Array, unit: float = 1.0, extremes: tuple[float, float] | None = None) -> Array:
        """How many values lie below the first bin, in each bin and above the last: integers (count + 2,).

        Infinities are counted beyond the ends; NaN is not counted. ``extremes`` saves finding min and max again.
        """
        values = values.reshape(-1)
        low, high = extremes or (float(values.min()), float(values.max()))
        if math.isnan(low):
            values = values[~np.isnan(values)]
        inside = self.scale == "linear" and self.low * unit < low and high < self.high * unit
        bins_a_unit = self.count / (self.high - self.low)
        counts = np.zeros(self.count + 2, np.int64)
        for start in range(0, values.size, BLOCK):
            u = self._stretched(values[start:start + BLOCK], unit, bins_a_unit)
            u += 1 - self.low * bins_a_unit
            if not inside:
                np.clip(u, 0, self.count + 1, out=u)
            counts += _count_codes(u.astype(np.uint8), self.count + 2)
        return counts


def _count_codes(codes: Array, kinds: int) -> Array:
    """How often each of the bytes 0..kinds-1 occurs; many are counted as pairs, half as many numbers."""
    if codes.size < PAIRED:
        return np.bincount(codes, minlength=kinds)
    pairs = np.bincount(codes[:codes.size // 2 * 2].view(np.uint16), minlength=kinds * 256)
    table = pairs.reshape(kinds, 256)[:, :kinds]
    counts: Array = table.sum(axis=0) + table.sum(axis=1)
    counts[codes[codes.size // 2 * 2:]] += 1
    return counts
