"""The scale of signal and gradient from layer to layer, and where it changes most."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from initviz.core.arrays import Array
from initviz.core.propagation import QUIET
from initviz.core.simulation import Run


def signal_levels(run: Run) -> Array:
    """Root mean square of the signal at the input, which is called 1, and in each hidden layer: (hidden + 1,).

    The first layer's level is its preactivations', as a bounded activation of large inputs loses nothing; from there it
    changes as the activations' root mean square does.
    """
    rms = run.column("activation_rms")[:-1]
    if not rms.size:
        return np.ones(1)
    with np.errstate(**QUIET):
        entering = run.column("preactivation_rms")[0] / run.units["preactivation"][0]
        return np.append(1.0, entering * (rms / rms[0]) if rms[0] else np.zeros(rms.size))


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
    found = []
    for sign in (-1, 1):
        height = sign * logs
        end = 1 + int((height[1:] - np.minimum.accumulate(height)[:-1]).argmax())
        start = int(height[:end].argmin())
        found.append(Change(math.exp(logs[end] - logs[start]), start, end))
    return found
