"""Why the scale shrinks, stays or grows: what a weighted sum makes of it, and what the activation then lets through."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from initviz.core.activations import ACTIVATIONS
from initviz.core.arrays import Array
from initviz.core.initializers import label_of
from initviz.core.simulation import Run
from initviz.core.wording import number

KEPT, DOUBLED = (0.9, 1.1), (1.8, 2.2)  # a factor that is called so
MOST_SHALLOW = 2  # layers, of which one is hidden
STEADY = (0.8, 1.25)  # times its first size: a scale at the last layer that counts as kept


@dataclass(frozen=True)
class ScaleReason:
    """What becomes of a scale, why, and the ``labels`` of all runs of which both hold."""

    happens: str
    labels: tuple[str, ...]
    why: str


def forward(runs: Sequence[Run], labels: Sequence[str] = ()) -> list[ScaleReason]:
    """Why each run's activations have the scale that they have in the last hidden layer; none of one hidden layer.

    ``labels`` name the runs, by default by their initializers.
    """
    return _grouped(runs, labels, _forward_reason)


def backward(runs: Sequence[Run], labels: Sequence[str] = ()) -> list[ScaleReason]:
    """Why each run's deltas have the scale that they have in the first hidden layer; as ``forward``."""
    return _grouped(runs, labels, _backward_reason)


def _grouped(runs: Sequence[Run], labels: Sequence[str],
             reason_of: Callable[[Run], tuple[str, str]]) -> list[ScaleReason]:
    if runs[0].network.depth <= MOST_SHALLOW:
        return []
    groups: dict[tuple[str, str], list[str]] = {}
    for run, label in zip(runs, labels or [label_of(run.network.initializer) for run in runs], strict=True):
        groups.setdefault(reason_of(run), []).append(label)
    return [ScaleReason(happens, tuple(names), why) for (happens, why), names in groups.items()]


def _happens(first: float, last: float) -> str:
    ratio = last / first if first > 0 else math.nan
    return "Shrinks" if ratio < STEADY[0] else "Grows" if ratio > STEADY[1] else "Keeps its size"


def _made_of(factor: float, *, plural: bool = False) -> str:
    """How a sum over the weights changes a mean square, in words."""
    s = "" if plural else "s"
    if KEPT[0] <= factor <= KEPT[1]:
        return f"keep{s} the mean square"
    if DOUBLED[0] <= factor <= DOUBLED[1]:
        return f"double{s} the mean square"
    return f"multipl{'y' if plural else 'ies'} the mean square by {number(factor, 1)}"


def _left(share: float) -> str:
    """The share of a mean square that an activation or its derivative leaves, in words."""
    if KEPT[0] <= share <= KEPT[1]:
        return "leaves it so"
    if share > 1:
        return f"multiplies it by {number(share, 1)}"
    return f"leaves about {round(20 * share) * 5} % of it" if share >= 0.05 else "leaves less than 5 % of it"


def _typical(factors: Array) -> float:
    """The geometric mean, by which every layer would give the same in the end."""
    return float(np.exp(np.log(factors).mean())) if (factors > 0).all() and np.isfinite(factors).all() else math.nan


def _forward_reason(run: Run) -> tuple[str, str]:
    hidden = run.network.depth - 1
    rms, sums = run.column("activation_rms")[:hidden], run.column("preactivation_rms")[:hidden]
    label = ACTIVATIONS[run.network.activation].label
    if not np.isfinite(rms).all() or not np.isfinite(sums).all():
        return "Overflows", f"by layer {int(np.flatnonzero(~np.isfinite(rms + sums))[0]) + 1} numbers are too large"
    if not run.column("weight_rms")[:hidden].any():
        return "Equal neurons", "with all weights 0, a sum is its bias alone, whatever the input"
    if not rms.all():
        return "0", f"no signal is left from layer {int(np.flatnonzero(rms == 0)[0]) + 1} on"
    copies = (run.column("distinct_neurons")[:hidden] == 1).all()
    into, through = np.square(sums[1:] / rms[:-1]), np.square(rms / sums)
    why = f"the weighted sum {_made_of(_typical(into))}, and {label} {_left(_typical(through))}"
    return _happens(rms[0], rms[-1]), f"{'equal terms add up: ' if copies else ''}{why}"


def _backward_reason(run: Run) -> tuple[str, str]:
    hidden = run.network.depth - 1
    rms = run.column("delta_rms")[:hidden]
    label = ACTIVATIONS[run.network.activation].label
    if run.hidden_gradient_is_round_off:
        return "0", "all outputs have equal weights, over which the errors of the classes add up to 0"
    if not run.column("weight_rms")[hidden]:
        return "0", "the output layer's weights are 0, and the error is multiplied by them on its way back"
    if not np.isfinite(rms).all():
        return "Overflows", f"by layer {int(np.flatnonzero(~np.isfinite(rms))[-1]) + 1} numbers are too large"
    if not rms.all():
        return "0", f"no gradient is left in layer {int(np.flatnonzero(rms == 0)[-1]) + 1}"
    weights = np.square(run.column("weight_rms")[1:hidden]) * run.column("fan_out")[1:hidden]
    steps = np.square(rms[:-1] / rms[1:])
    happens = _happens(rms[-1], rms[0])
    if (run.column("distinct_neurons")[:hidden] == 1).all():
        return happens, f"neurons are copies, and their equal gradients add up: a layer {_made_of(_typical(steps))}"
    return happens, (f"the weights {_made_of(_typical(weights), plural=True)}, and {label}'s slope "
                     f"{_left(_typical(steps / weights))}")
