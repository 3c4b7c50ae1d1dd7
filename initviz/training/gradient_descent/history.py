"""History: what training one network showed, and the measures of a step that it records."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from initviz.core.arrays import Array
from initviz.core.validation import check
from initviz.training.gradient_descent.recipe import WHOLE


@dataclass(eq=False)
class History:
    """What training one network showed, at the recorded steps; step 0 is the initialization.

    ``loss`` and ``accuracy`` (NaN for mse) are those of the whole training batch, ``held_out_accuracy`` that of the
    held-out batch where there is one, NaN at steps at which it was not asked for. Per recorded step and layer:
    ``gradient_norm`` (Frobenius, of dL/dW), ``update_ratio`` (log10 of rms(update) / rms(W); NaN where W or the update
    is 0), ``symmetry_gap`` (largest distance of a neuron's incoming weights from the first neuron's, relative to it)
    and ``dead_share``. ``snapshots`` maps a step to (weights, biases), or what the race made of them. ``diverged_at``
    is the first step whose loss is not a finite number. ``seen_loss`` is the
    loss at every step, of the samples that the step saw.
    """

    steps: list[int] = field(default_factory=list)
    loss: list[float] = field(default_factory=list)
    accuracy: list[float] = field(default_factory=list)
    held_out_accuracy: list[float] = field(default_factory=list)
    gradient_norm: list[Array] = field(default_factory=list)
    update_ratio: list[Array] = field(default_factory=list)
    symmetry_gap: list[Array] = field(default_factory=list)
    dead_share: list[Array] = field(default_factory=list)
    snapshots: dict[int, Any] = field(default_factory=dict)
    diverged_at: int | None = None
    seen_loss: list[float] = field(default_factory=list)

    def steps_to(self, threshold: float) -> int | None:
        """The first step whose loss, of the samples it saw, is at most ``threshold``, or the last where that of the
        whole batch is after it; None where there is none.
        """
        last = zip(self.steps[-1:], self.loss[-1:], strict=True)
        return next((step for step, loss in [*enumerate(self.seen_loss), *last] if loss <= threshold), None)


def last_known(values: Sequence[float]) -> float | None:
    """The last value that is not NaN; None where there is none."""
    return next((value for value in reversed(values) if not math.isnan(value)), None)


LEAST_SQUARES = 1e-24  # of float32 numbers: below, single squares have lost digits or vanished


def _squares(x: Array) -> Array:
    """Sum of the squares over the last two axes; in float64 where float32 would lose them or overflow."""
    total: Array = np.vecdot(x, x).sum(axis=-1, dtype=np.float64)
    if x.dtype != np.float64 and not ((total > LEAST_SQUARES) & (total < math.inf)).all():
        return np.square(x, dtype=np.float64).sum(axis=(-2, -1))
    return total


def norms_of(gradients: Sequence[Array]) -> Array:
    """Frobenius norm of each network's gradient in each layer: (networks, layers)."""
    return np.stack([np.sqrt(_squares(gradient)) for gradient in gradients], axis=1)


def symmetry_gap(weight: Array) -> Array:
    """max_j ||w_j - w_1|| / ||w_1|| over the neurons (columns) of weights (..., fan_in, fan_out); 0/0 is 0."""
    first = weight[..., :1]
    apart = weight - first
    squares = np.square(apart).sum(axis=-2).max(axis=-1)
    if weight.dtype != np.float64 and not ((squares > LEAST_SQUARES) & (squares < math.inf)).all() and apart.any():
        squares = np.square(apart, dtype=np.float64).sum(axis=-2).max(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(squares == 0, 0.0, np.sqrt(squares / _squares(first)))


def log_ratio(update: Array, weight: Array) -> Array:
    """log10 of rms(update) / rms(weight), a network each; NaN where either is 0."""
    moved, held = _squares(update), _squares(weight)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where((moved > 0) & (held > 0), 0.5 * np.log10(moved / held), math.nan)


def recorded_steps(steps: int, most: int = 80) -> list[int]:
    """At most about ``most`` steps from 0 to ``steps``: close together at first, then evenly spread."""
    check("steps", steps, WHOLE)
    early = [step for step in (0, 1, 2, 3, 5, 8) if step <= steps]
    return sorted({*early, *np.linspace(0, steps, max(2, most - len(early))).round().astype(int).tolist()})
