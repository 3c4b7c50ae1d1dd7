"""Which layers get a gradient, and from which step on: what 0 in one layer means for the others.

Follows zeros and non-zeros through the chain rule: the gradient of W is not 0 where the layer's input is not and a
gradient arrives; a weight that got a gradient is not 0 after the step.
"""

from __future__ import annotations

import numpy as np

from initviz.core.simulation import Run

LATE = 3  # the latest first step that is no fault: each zero layer more costs another factor of the rate


def step_of_gradients(run: Run) -> int | None:
    """The first step of gradient descent, from 1, in which every hidden layer gets a gradient; None for never."""
    depth = run.network.depth
    if not run.hidden_gradient_is_round_off and (run.column("weight_gradient_rms")[:-1] > 0).all() and (
            run.column("activation_rms")[:-1] > 0).all():
        return 1
    passes = run.column("weight_rms") > 0
    passes[-1] &= not run.hidden_gradient_is_round_off
    inputs = np.append(run.input_rms > 0, run.column("activation_rms") > 0)[:depth]
    is_open = _open_layers(run)
    if (inputs & passes & (run.column("preactivation_rms") == 0)).any():
        return None  # products too small for the number format
    arrives = np.ones(depth, bool)
    before = np.zeros(depth, bool)
    for step in range(1, depth + 2):
        for layer in reversed(range(depth - 1)):
            arrives[layer] = arrives[layer + 1] and passes[layer + 1] and is_open[layer]
        learns = inputs & arrives
        if learns[:-1].all():
            return step
        passes = passes | learns
        now = inputs.copy()
        for layer in range(depth - 1):
            now[layer + 1] |= is_open[layer] and ((now[layer] and passes[layer]) or arrives[layer])
        if (now == inputs).all() and (learns == before).all():
            return None
        inputs, before = now, learns
    return None


def _open_layers(run: Run) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Whether each hidden layer's activation lets a gradient through."""
    phi, params = run.network.activation_entry()
    zero = np.zeros(1)
    slope_at_0 = float(phi.derivative(zero, phi.value(zero, **params), **params)[0])
    deltas = run.column("delta_rms")
    arriving = (deltas[1:] > 0) & (run.column("weight_rms")[1:] > 0)
    arriving[-1:] &= not run.hidden_gradient_is_round_off
    zeros = run.column("preactivation_rms")[:-1] == 0
    blocked = np.where(zeros, slope_at_0 == 0, (arriving & (deltas[:-1] == 0)) | (run.column("dead_share")[:-1] == 1))
    return ~blocked.astype(bool)
