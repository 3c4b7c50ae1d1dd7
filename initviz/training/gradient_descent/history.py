"""History: what training one network showed, and the measures of a step that it records."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from initviz.core.arrays import Array
from initviz.core.validation import check
from initviz.training.gradient_descent.recipe import WHOLE

RECORDED = ("steps", "loss", "accuracy", "held_out_accuracy", "gradient_norm", "update_ratio", "symmetry_gap",
            "dead_share")  # of a History: a value at each recorded step


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

    def until(self, step: int) -> History:
        """The same up to a step: what was recorded at it and before."""
        kept = sum(recorded <= step for recorded in self.steps)
        return replace(self, **{name: getattr(self, name)[:kept] for name in RECORDED}, seen_loss=self.seen_loss[:step],
                       snapshots={at: one for at, one in self.snapshots.items() if at <= step},
                       diverged_at=None if self.diverged_at is None or self.diverged_at > step else self.diverged_at)

    def steps_to(self, threshold: float) -> int | None:
        """The first step whose loss, of the samples it saw, is at most ``threshold``, or the last where that of the
        whole batch is after it; None if no step is.
        """
        last = zip(self.steps[-1:], self.loss[-1:], strict=True)
        return next((step for step, loss in [*enumerate(self.seen_loss), *last] if loss <= threshold), None)


def last_known(values: Sequence[float]) -> float | None:
    """The last value that is not NaN; None if all are."""
    return next((value for value in reversed(values) if not math.isnan(value)), None)


LEAST_SQUARES = 1e-24  # of float32 numbers: below, single squares have lost digits or vanished
SUMMED = 4096  # squares that are summed in float32 before the sum goes on in float64


def _squares(layers: Sequence[Array]) -> Array:
    """Sum of the squares of each network's array in each layer: (..., layers)."""
    return _with_lost_digits([_sum_of_squares(x) for x in layers], layers, lambda x: np.sum(_squares_of_columns(x)))


def _sum_of_squares(x: Array) -> Array:
    *stack, rows, columns = x.shape
    # many rows a call, which takes half as long as a call a row
    long = x.reshape(*stack, -1, columns * math.gcd(rows, max(1, SUMMED // columns)))
    return np.vecdot(long, long).sum(axis=-1, dtype=np.float64)


def _farthest(weight: Array) -> Array:
    """max_j ||w_j - w_1||^2 over the columns of weights (..., fan_in, fan_out)."""
    apart = weight - weight[..., :1]
    return np.einsum("...ij,...ij->...j", apart, apart).max(axis=-1)


def _with_lost_digits(sums: Sequence[Array], layers: Sequence[Array], again: Callable[[Array], Any]) -> Array:
    """Sums of squares of each layer as (..., layers) in float64, made ``again`` of a network's array in a layer whose
    squares float32 would lose or whose sum overflows.
    """
    stacked = np.stack(sums, axis=-1, dtype=np.float64)
    for *network, layer in np.argwhere(~((stacked > LEAST_SQUARES) & (stacked < math.inf))).tolist():
        if (x := layers[layer][*network]).any():  # else the sum is 0
            stacked[*network, layer] = again(x)
    return stacked


def _squares_of_columns(x: Array) -> Array:
    """Sum of the squares of each column of (rows, columns), in float64."""
    columns: Array = np.square(x, dtype=np.float64).sum(axis=0)
    return columns


def norms_of(gradients: Sequence[Array]) -> Array:
    """Frobenius norm of each network's gradient in each layer: (networks, layers)."""
    return np.sqrt(_squares(gradients))


def symmetry_gap(weight: Array) -> Array:
    """max_j ||w_j - w_1|| / ||w_1|| over the neurons (columns) of weights (..., fan_in, fan_out); 0/0 is 0."""
    return symmetry_gaps([weight])[..., 0]


def symmetry_gaps(weights: Sequence[Array]) -> Array:
    """The symmetry gap of each network's weights in each layer: (..., layers)."""
    farthest = _with_lost_digits([_farthest(w) for w in weights], weights,
                                 lambda w: np.max(_squares_of_columns(w - w[:, :1])))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(farthest == 0, 0.0, np.sqrt(farthest / _squares([w[..., :1] for w in weights])))


def log_ratios(updates: Sequence[Array], weights: Sequence[Array]) -> Array:
    """log10 of rms(update) / rms(weight) of each network in each layer, (networks, layers); NaN where either is 0."""
    moved, sizes = _squares(updates), _squares(weights)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where((moved > 0) & (sizes > 0), 0.5 * np.log10(moved / sizes), math.nan)


def recorded_steps(steps: int, most: int = 80) -> list[int]:
    """At most about ``most`` steps from 0 to ``steps``: close together at first, then evenly spread."""
    check("steps", steps, WHOLE)
    early = [step for step in (0, 1, 2, 3, 5, 8) if step <= steps]
    return sorted({*early, *np.linspace(0, steps, max(2, most - len(early))).round().astype(int).tolist()})
