"""The scale of signal and gradient from layer to layer: where it changes most, and at what rate."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from initviz.core.arrays import Array
from initviz.core.propagation import QUIET
from initviz.core.simulation import Run

DEEPEST = 1000  # of a network in this app; a rate that holds longer holds "beyond" it


def signal_levels(run: Run) -> Array:
    """Root mean square of the median sample's signal, ÷ the median input's: 1 for the input, then each hidden layer's.

    Shape (hidden + 1,). The median, as a batch's root mean square is carried by its largest samples. NaN where all
    inputs are 0.
    """
    with np.errstate(**QUIET):
        return np.append(1.0, run.column("activation_median_rms")[:-1] / np.float64(run.input_median_rms))


def gradient_lengths(run: Run) -> Array:
    """Root mean square over the samples of the length of dL/dz in each hidden layer: (hidden,); 0 for round-off."""
    if run.hidden_gradient_is_round_off:
        return np.zeros(run.network.depth - 1)
    with np.errstate(**QUIET):
        return (run.column("delta_rms") * np.sqrt(run.column("fan_out")))[:-1]


def weight_gradient_norms(run: Run) -> Array:
    """Frobenius norm of dL/dW in each layer: (depth,); 0 for round-off."""
    with np.errstate(**QUIET):
        norms = run.column("weight_gradient_rms") * np.sqrt(run.column("fan_in") * run.column("fan_out"))
    if run.hidden_gradient_is_round_off:
        norms[:-1] = 0
    return norms


class Change(NamedTuple):
    """The value at place ``end`` over the one at ``start``, which comes before it; places count from 0."""

    value: float
    start: int
    end: int

    @property
    def a_step(self) -> float:
        """The factor from one place to the next, as a geometric mean."""
        return float(self.value ** (1 / (self.end - self.start)))


def extreme_changes(levels: Array) -> list[Change]:
    """The greatest fall and the greatest growth from a place to a later one: two, or none without two levels.

    Also none where a level is 0 or not finite: there is no ratio then.
    """
    if len(levels) < 2 or not np.isfinite(levels).all() or not (levels > 0).all():
        return []
    logs = np.log(levels)
    changes = []
    for sign in (-1, 1):
        height = sign * logs
        end = 1 + int((height[1:] - np.minimum.accumulate(height)[:-1]).argmax())
        start = int(height[:end].argmin())
        changes.append(Change(math.exp(logs[end] - logs[start]), start, end))
    return changes


def rate_of(levels: Array) -> float:
    """The factor from one level to the next, by a straight line through the logarithms (least squares).

    NaN for fewer than two levels, or where one is 0 or not finite.
    """
    if len(levels) < 2 or not np.isfinite(levels).all() or not (levels > 0).all():
        return math.nan
    centered_layers = np.arange(len(levels)) - (len(levels) - 1) / 2
    return math.exp(float(centered_layers @ np.log(levels)) / float(centered_layers @ centered_layers))


class Rates(NamedTuple):
    """Factors a hidden layer: of the signal forward, of the gradient backward; NaN where one is not defined."""

    signal: float
    gradient: float

    def depth_limit(self, shrunk: float, grown: float) -> float:
        """The depth, in weight layers, at which the faster of the two leaves [shrunk, grown]; inf beyond 1,000."""
        limits = [math.inf]
        for rate in self:
            step = 0.0 if math.isnan(rate) else math.log(rate)
            edge = math.log(grown) if step > 0 else math.log(max(shrunk, 1e-300))
            if step and edge / step < DEEPEST:
                limits.append(2 + edge / step)  # the first hidden layer, and the output
        return min(limits)


def rates_of(run: Run) -> Rates:
    """The rates of a run, over its hidden layers."""
    return Rates(rate_of(run.column("activation_median_rms")[:-1]), rate_of(gradient_lengths(run)[::-1]))
